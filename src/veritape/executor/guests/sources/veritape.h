/* The guest SDK: calls into the machine, hashing, and the four memory functions that a compiler may ask for (EX-236).
 *
 * One header, no library: include it in exactly one .c file. All buffers handed to a call are multiples of 4, in address and
 * in length. */
#ifndef VERITAPE_H
#define VERITAPE_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef __SIZE_TYPE__ usize;

#define VT_READ_LIMIT 1048576u  /* longest read call, bytes */
#define VT_COMMIT_LIMIT 65536u  /* longest commit call, bytes */
#define VT_BLOCK_LIMIT 4096u    /* most SHA-256 blocks of one call */

static inline u32 vt_call(u32 number, u32 first, u32 second, u32 third)
{
    register u32 a0 __asm__("a0") = first;
    register u32 a1 __asm__("a1") = second;
    register u32 a2 __asm__("a2") = third;
    register u32 a7 __asm__("a7") = number;
    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

/* End the execution with an exit code. */
static inline void __attribute__((noreturn)) vt_halt(u32 code)
{
    vt_call(0, code, 0, 0);
    __builtin_unreachable();
}

/* End with a code unless the condition holds. */
static inline void vt_assert(int condition, u32 code)
{
    if (!condition)
        vt_halt(code);
}

/* Read until `bytes` are there or the input ends; return the bytes read. */
static inline u32 vt_read(void *target, u32 bytes)
{
    u32 done = 0;
    while (done < bytes) {
        u32 wanted = bytes - done < VT_READ_LIMIT ? bytes - done : VT_READ_LIMIT;
        u32 got = vt_call(1, (u32)target + done, wanted, 0);
        done += got;
        if (got < wanted)
            break;
    }
    return done;
}

/* Read one word; halt with `code` when the input is too short. */
static inline u32 vt_read_u32(u32 code)
{
    u32 word;
    vt_assert(vt_read(&word, 4) == 4, code);
    return word;
}

/* Read two words, low first; halt with `code` when the input is too short. */
static inline u64 vt_read_u64(u32 code)
{
    u32 words[2];
    vt_assert(vt_read(words, 8) == 8, code);
    return (u64)words[1] << 32 | words[0];
}

/* Append bytes to the journal. */
static inline void vt_commit(const void *source, u32 bytes)
{
    for (u32 done = 0; done < bytes; done += VT_COMMIT_LIMIT)
        vt_call(2, (u32)source + done, bytes - done < VT_COMMIT_LIMIT ? bytes - done : VT_COMMIT_LIMIT, 0);
}

static inline void vt_commit_u32(u32 word)
{
    vt_commit(&word, 4);
}

static inline void vt_commit_u64(u64 value)
{
    u32 words[2] = {(u32)value, (u32)(value >> 32)};
    vt_commit(words, 8);
}

/* Say something to whoever runs with --debug; no part of any claim. */
static inline void vt_debug(const char *text)
{
    u32 bytes = 0;
    while (text[bytes])
        bytes++;
    vt_call(5, (u32)text, bytes, 0);
}

/* Permute 16 words, each below 2130706433. */
static inline void vt_poseidon2(u32 *state)
{
    vt_call(3, (u32)state, 0, 0);
}

/* H(tag, elements): the digest is 8 words. `length` stands in the capacity: the number of elements, or of bytes for B. */
static inline void vt_hash(u32 digest[8], u32 tag, u32 length, const u32 *elements, u32 count)
{
    u32 state[16] = {0};
    u32 start = 0;
    state[8] = tag;
    state[9] = length;
    do {
        for (u32 lane = 0; lane < 8; lane++)
            state[lane] = start + lane < count ? elements[start + lane] : 0;
        vt_poseidon2(state);
        start += 8;
    } while (start < count);
    for (u32 lane = 0; lane < 8; lane++)
        digest[lane] = state[lane];
}

/* B(tag, bytes) over the 16-bit little-endian limbs of `bytes`; `source` is a multiple of 4 in address. */
static inline void vt_hash_bytes(u32 digest[8], u32 tag, const u32 *source, u32 bytes)
{
    u32 state[16] = {0};
    u32 limbs = (bytes + 1) / 2, start = 0;
    state[8] = tag;
    state[9] = bytes;
    do {
        for (u32 lane = 0; lane < 8; lane++) {
            u32 limb = start + lane;
            u32 mask = limb * 2 + 1 == bytes ? 0xff : 0xffff; /* an odd last byte stands alone */
            state[lane] = limb < limbs ? (source[limb / 2] >> (limb % 2 * 16)) & mask : 0;
        }
        vt_poseidon2(state);
        start += 8;
    } while (start < limbs);
    for (u32 lane = 0; lane < 8; lane++)
        digest[lane] = state[lane];
}

/* SHA-256 by the accelerator. `update` takes whole blocks only; `end` takes the rest. */
typedef struct {
    u32 state[8];
    u64 bytes;
} vt_sha256_t;

static inline void vt_sha256_begin(vt_sha256_t *hash)
{
    static const u32 start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    for (u32 i = 0; i < 8; i++)
        hash->state[i] = start[i];
    hash->bytes = 0;
}

static inline void vt_sha256_update(vt_sha256_t *hash, const u32 *blocks, u32 count)
{
    hash->bytes += (u64)count * 64;
    while (count) {
        u32 now = count < VT_BLOCK_LIMIT ? count : VT_BLOCK_LIMIT;
        vt_call(4, (u32)hash->state, (u32)blocks, now);
        blocks += now * 16;
        count -= now;
    }
}

static inline u32 vt_swap(u32 word)
{
    return word >> 24 | (word >> 8 & 0xff00) | (word << 8 & 0xff0000) | word << 24;
}

/* Hash the last `bytes` (any number) and write the digest in standard byte order. */
static inline void vt_sha256_end(vt_sha256_t *hash, u32 digest[8], const u32 *rest, u32 bytes)
{
    u32 last[32] = {0};
    u32 whole = bytes / 64;
    vt_sha256_update(hash, rest, whole);
    rest += whole * 16;
    bytes -= whole * 64;
    u64 bits = (hash->bytes + bytes) * 8;
    for (u32 i = 0; i < bytes; i++)
        last[i / 4] |= (u32)(rest[i / 4] >> (i % 4 * 8) & 0xff) << (i % 4 * 8);
    last[bytes / 4] |= 0x80u << (bytes % 4 * 8);
    u32 blocks = bytes < 56 ? 1 : 2;
    last[blocks * 16 - 2] = vt_swap((u32)(bits >> 32));
    last[blocks * 16 - 1] = vt_swap((u32)bits);
    vt_sha256_update(hash, last, blocks);
    for (u32 i = 0; i < 8; i++)
        digest[i] = vt_swap(hash->state[i]);
}

static inline void vt_sha256(u32 digest[8], const u32 *source, u32 bytes)
{
    vt_sha256_t hash;
    vt_sha256_begin(&hash);
    vt_sha256_end(&hash, digest, source, bytes);
}

__attribute__((weak)) void *memcpy(void *target, const void *source, usize bytes)
{
    u8 *to = target;
    const u8 *from = source;
    while (bytes--)
        *to++ = *from++;
    return target;
}

__attribute__((weak)) void *memmove(void *target, const void *source, usize bytes)
{
    u8 *to = target;
    const u8 *from = source;
    if (to < from)
        while (bytes--)
            *to++ = *from++;
    else
        while (bytes--)
            to[bytes] = from[bytes];
    return target;
}

__attribute__((weak)) void *memset(void *target, int value, usize bytes)
{
    u8 *to = target;
    while (bytes--)
        *to++ = (u8)value;
    return target;
}

__attribute__((weak)) int memcmp(const void *left, const void *right, usize bytes)
{
    const u8 *a = left, *b = right;
    for (usize i = 0; i < bytes; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

#endif
