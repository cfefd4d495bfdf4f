/* Walking one tape (EX-241): its head is checked, every row is handed on, and all of it goes through SHA-256.
 *
 * The digest is computed here and never copied from the input (EX-242). Include it in exactly one .c file. */
#ifndef TAPE_H
#define TAPE_H

#include "veritape.h"

enum { MALFORMED = 1 }; /* exit code of every guest that reads a tape */
enum { DOMAIN = 19, CODE = 12, HEAD = 35, ROW = 24 };
enum { CARRY_WORDS = ROW / 4, CHUNK = 192 * 256 }; /* a chunk holds whole blocks and a whole number of rows' lengths */

/* A chunk of the tape, behind the last ROW bytes of the chunk before: a row may lie across both. */
static u32 window[CARRY_WORDS + CHUNK / 4 + 1];
static u32 *const chunk = window + CARRY_WORDS;

struct tape {
    u32 rows_sha256[8];
    u8 code[CODE];
    u32 trades, price_scale;
};

struct row {
    u32 event_s;
    u32 price[2], shares[2]; /* low word first */
};

/* Words of a row lie one byte before the next word's edge: HEAD and ROW are 3 and 0 modulo 4. */
static inline u32 word_at(const u32 *place)
{
    return place[0] >> 24 | place[1] << 8;
}

static inline u64 both(const u32 words[2])
{
    return (u64)words[1] << 32 | words[0];
}

/* Add price x shares to a sum of 128 bits; halt with `code` when it does not fit. */
static inline void add_product(u32 value[4], const u32 price[2], const u32 shares[2], u32 code)
{
    u64 low = (u64)price[0] * shares[0], left = (u64)price[1] * shares[0];
    u64 right = (u64)price[0] * shares[1], high = (u64)price[1] * shares[1];
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
    vt_assert(sum >> 32 == 0, code);
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

static inline struct row row_at(const u32 *place)
{
    u32 flags = word_at(place + 1);
    vt_assert(flags >> 16 == 0 && (flags >> 8 & 0xff) <= 1, MALFORMED);
    return (struct row){word_at(place), {word_at(place + 2), word_at(place + 3)}, {word_at(place + 4), word_at(place + 5)}};
}

/* Read the rest of the input as one tape; `add` sees the rows in order. */
static inline void read_tape(struct tape *tape, void (*add)(struct row row))
{
    vt_sha256_t hash;
    int row = HEAD / 4; /* word of the chunk whose last byte begins the next row; negative: in the carry */
    u32 bytes = vt_read(chunk, CHUNK);
    vt_assert(bytes >= HEAD, MALFORMED);
    check_head((const u8 *)chunk);
    for (u32 i = 0; i < CODE; i++)
        tape->code[i] = ((const u8 *)chunk)[DOMAIN + i];
    tape->price_scale = word_at(chunk + HEAD / 4 - 1);
    tape->trades = 0;
    vt_sha256_begin(&hash);
    for (;;) {
        for (; row * 4 + 3 + ROW <= (int)bytes; row += CARRY_WORDS) {
            add(row_at(chunk + row));
            tape->trades++;
        }
        if (bytes < CHUNK)
            break;
        vt_sha256_update(&hash, chunk, CHUNK / 64);
        for (u32 i = 0; i < CARRY_WORDS; i++)
            window[i] = chunk[CHUNK / 4 - CARRY_WORDS + i];
        row -= CHUNK / 4;
        bytes = vt_read(chunk, CHUNK);
    }
    vt_assert(row * 4 + 3 == (int)bytes, MALFORMED);
    vt_sha256_end(&hash, tape->rows_sha256, chunk, bytes);
}

#endif
