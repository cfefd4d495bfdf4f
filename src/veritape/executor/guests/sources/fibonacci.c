/* State n of the sequence that starts with a0, a1; sums modulo 2^64 (EX-238).
 * Input: n u32, a0 u32, a1 u32. Journal: n, a0, a1 u32 each, result u64. Exit 1: input too short. */
#include "veritape.h"

int main(void)
{
    u32 words[5];
    if (vt_call(1, (u32)words, 12, 0) != 12)
        return 1;
    u64 current = words[1], next = words[2];
    u32 n = words[0];
    for (u32 pairs = n >> 1; pairs; pairs--) {
        current += next;
        next += current;
    }
    if (n & 1)
        current = next;
    words[3] = (u32)current;
    words[4] = (u32)(current >> 32);
    vt_call(2, (u32)words, 20, 0);
    return 0;
}
