/* Bars of one tape, bound to it by its SHA-256 (EX-237, 241, 243).
 * Input: interval_s u32, one tape. Journal: rows_sha256 (32), code (12), interval_s, price_scale, bars u32 each, then the bars.
 * A bar, 64 bytes: start_s u32, trades u32, open, high, low, close, volume u64 each, value u128; empty intervals are left out.
 * Exit 1: malformed tape; 2: interval 0; 3: an interval before the preceding row's; 4: over 1,000 bars; 5: a sum does not fit. */
#include "tape.h"

enum { NO_INTERVAL = 2, UNSORTED = 3, TOO_MANY_BARS = 4, OVERFLOWED = 5 };
enum { BARS = 1000 };

struct bar {
    u32 start_s, trades;
    u32 open[2], high[2], low[2], close[2], volume[2];
    u32 value[4];
};

static struct bar bars[BARS];
static u32 interval_s, count;

static inline void copy(u32 target[2], const u32 source[2])
{
    target[0] = source[0];
    target[1] = source[1];
}

/* Return the bar of a moment: the last one, or a new one. */
static struct bar *bar_of(u32 event_s, const u32 price[2])
{
    struct bar *last = bars + count - 1;
    if (count && event_s >= last->start_s && event_s - last->start_s < interval_s)
        return last;
    vt_assert(!count || event_s >= last->start_s, UNSORTED);
    vt_assert(count < BARS, TOO_MANY_BARS);
    last = bars + count++;
    last->start_s = event_s - event_s % interval_s;
    copy(last->open, price);
    copy(last->high, price);
    copy(last->low, price);
    return last;
}

static void add_row(struct row row)
{
    struct bar *bar = bar_of(row.event_s, row.price);
    if (both(row.price) > both(bar->high))
        copy(bar->high, row.price);
    if (both(row.price) < both(bar->low))
        copy(bar->low, row.price);
    copy(bar->close, row.price);
    u64 volume = both(bar->volume) + both(row.shares);
    vt_assert(volume >= both(row.shares), OVERFLOWED);
    bar->volume[0] = (u32)volume;
    bar->volume[1] = (u32)(volume >> 32);
    add_product(bar->value, row.price, row.shares, OVERFLOWED);
    bar->trades++;
}

int main(void)
{
    static struct tape tape;
    interval_s = vt_read_u32(MALFORMED);
    vt_assert(interval_s != 0, NO_INTERVAL);
    read_tape(&tape, add_row);
    vt_commit(tape.rows_sha256, sizeof tape.rows_sha256);
    vt_commit(tape.code, CODE);
    vt_commit_u32(interval_s);
    vt_commit_u32(tape.price_scale);
    vt_commit_u32(count);
    vt_commit(bars, count * sizeof *bars);
    return 0;
}
