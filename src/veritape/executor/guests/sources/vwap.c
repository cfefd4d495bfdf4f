/* Volume and value of one tape, bound to it by its SHA-256 (EX-237, 239, 241).
 * Input: one tape. Journal, 80 bytes: rows_sha256 (32), code (12), trades u32, price_scale u32, zero u32, volume u64, value u128.
 * Exit 1: malformed tape; 2: zero volume; 3: a sum does not fit. */
#include "tape.h"

enum { NO_VOLUME = 2, OVERFLOWED = 3 };

static u64 volume;

static struct {
    struct tape tape;
    u32 zero;
    u32 volume[2], value[4];
} journal;

static void add_row(struct row row)
{
    volume += both(row.shares);
    vt_assert(volume >= both(row.shares), OVERFLOWED);
    add_product(journal.value, row.price, row.shares, OVERFLOWED);
}

int main(void)
{
    read_tape(&journal.tape, add_row);
    vt_assert(volume != 0, NO_VOLUME);
    journal.volume[0] = (u32)volume;
    journal.volume[1] = (u32)(volume >> 32);
    vt_commit(&journal, sizeof journal);
    return 0;
}
