/* Volume and value of one tape, bound to it by its SHA-256 (EX-237, 239, 241).
 * Input: one tape. Journal, 80 bytes: rows_sha256 (32), code (12), trades u32, price_scale u32, zero u32, volume u64, value u128.
 * Exit 1: malformed tape; 2: zero volume; 3: a sum does not fit. */
#include "veritape.h"

enum { MALFORMED = 1, NO_VOLUME = 2, OVERFLOWED = 3 };
enum { DOMAIN = 19, CODE = 12, HEAD = 35, ROW = 24 };
enum { CARRY_WORDS = ROW / 4, CHUNK = 192 * 256 }; /* a chunk holds whole blocks and a whole number of rows' lengths */

/* A chunk of the tape, behind the last ROW bytes of the chunk before: a row may lie across both. */
static u32 window[CARRY_WORDS + CHUNK / 4 + 1];
static u32 *const chunk = window + CARRY_WORDS;

struct sums {
    u32 trades;
    u64 volume;
    u32 value[4];
};

/* Words of a row lie one byte before the next word's edge: HEAD and ROW are 3 and 0 modulo 4. */
static inline u32 word_at(const u32 *place)
{
    return place[0] >> 24 | place[1] << 8;
}

static void add_product(u32 value[4], u32 p0, u32 p1, u32 s0, u32 s1)
{
    u64 low = (u64)p0 * s0, left = (u64)p1 * s0, right = (u64)p0 * s1, high = (u64)p1 * s1;
    u64 middle = (low >> 32) + (u32)left + (u32)right;
    u64 upper = high + (left >> 32) + (right >> 32) + (middle >> 32);
    u64 sum = (u64)value[0] + (u32)low;
    value[0] = (u32)sum;
    sum = (sum >> 32) + value[1] + (u32)middle;
    value[1] = (u32)sum;
    sum = (sum >> 32) + value[2] + (u32)upper;
    value[2] = (u32)sum;
    sum = (sum >> 32) + value[3] + (upper >> 32);
    value[3] = (u32)sum;
    vt_assert(sum >> 32 == 0, OVERFLOWED);
}

static void add_row(struct sums *sums, const u32 *row)
{
    u32 flags = word_at(row + 1);
    vt_assert(flags >> 16 == 0 && (flags >> 8 & 0xff) <= 1, MALFORMED);
    u32 p0 = word_at(row + 2), p1 = word_at(row + 3), s0 = word_at(row + 4), s1 = word_at(row + 5);
    u64 shares = (u64)s1 << 32 | s0;
    sums->volume += shares;
    vt_assert(sums->volume >= shares, OVERFLOWED);
    add_product(sums->value, p0, p1, s0, s1);
    sums->trades++;
}

static void check_head(const u8 *head)
{
    static const u8 domain[DOMAIN] = "veritape.trades.v1";
    for (u32 i = 0; i < DOMAIN; i++)
        vt_assert(head[i] == domain[i], MALFORMED);
    u32 ended = 0;
    for (u32 i = DOMAIN; i < DOMAIN + CODE; i++) {
        vt_assert(!(ended && head[i]), MALFORMED);
        ended |= head[i] == 0;
    }
}

static struct {
    u32 rows_sha256[8];
    u8 code[CODE];
    u32 trades, price_scale, zero;
    u32 volume[2], value[4];
} journal;

/* Check the head of the first chunk and keep what the journal repeats of it. */
static void read_head(u32 bytes)
{
    const u8 *head = (const u8 *)chunk;
    vt_assert(bytes >= HEAD, MALFORMED);
    check_head(head);
    for (u32 i = 0; i < CODE; i++)
        journal.code[i] = head[DOMAIN + i];
    journal.price_scale = word_at(chunk + HEAD / 4 - 1);
}

int main(void)
{
    struct sums sums = {0};
    vt_sha256_t hash;
    int row = HEAD / 4; /* word of the chunk whose last byte begins the next row; negative: in the carry */
    u32 bytes = vt_read(chunk, CHUNK);
    read_head(bytes);
    vt_sha256_begin(&hash);
    for (;;) {
        for (; row * 4 + 3 + ROW <= (int)bytes; row += CARRY_WORDS)
            add_row(&sums, chunk + row);
        if (bytes < CHUNK)
            break;
        vt_sha256_update(&hash, chunk, CHUNK / 64);
        for (u32 i = 0; i < CARRY_WORDS; i++)
            window[i] = chunk[CHUNK / 4 - CARRY_WORDS + i];
        row -= CHUNK / 4;
        bytes = vt_read(chunk, CHUNK);
    }
    vt_assert(row * 4 + 3 == (int)bytes, MALFORMED);
    vt_assert(sums.volume != 0, NO_VOLUME);
    vt_sha256_end(&hash, journal.rows_sha256, chunk, bytes);
    journal.trades = sums.trades;
    journal.volume[0] = (u32)sums.volume;
    journal.volume[1] = (u32)(sums.volume >> 32);
    for (u32 i = 0; i < 4; i++)
        journal.value[i] = sums.value[i];
    vt_commit(&journal, sizeof journal);
    return 0;
}
