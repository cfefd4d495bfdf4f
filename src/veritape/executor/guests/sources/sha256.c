/* SHA-256 of the whole input (EX-237). Input: any bytes. Journal, 36 bytes: length u32, digest in standard order. */
#include "veritape.h"

enum { CHUNK = 65536 };

static u32 chunk[CHUNK / 4 + 1];
static u32 journal[9];

int main(void)
{
    vt_sha256_t hash;
    u32 bytes, total = 0;
    vt_sha256_begin(&hash);
    while ((bytes = vt_read(chunk, CHUNK)) == CHUNK) {
        vt_sha256_update(&hash, chunk, CHUNK / 64);
        total += CHUNK;
    }
    vt_sha256_end(&hash, journal + 1, chunk, bytes);
    journal[0] = total + bytes;
    vt_commit(journal, sizeof journal);
    return 0;
}
