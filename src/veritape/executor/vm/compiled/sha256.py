"""The SHA-256 compression, compiled. ``vm.sha256`` defines what is right."""

from typing import Any

import numpy as np
from numba import njit

from veritape.executor.vm.sha256 import ROUND_CONSTANTS

_K = np.array(ROUND_CONSTANTS, dtype=np.int64)
_MASK = 0xFFFFFFFF


@njit(cache=True)
def _rotate(word: Any, bits: int) -> Any:
    return (word >> bits | word << (32 - bits)) & _MASK


@njit(cache=True)
def swapped(word: Any) -> Any:
    """Return a word with its bytes in the other order."""
    return word >> 24 | (word >> 8 & 0xFF00) | (word << 8 & 0xFF0000) | (word << 24 & 0xFF000000)


@njit(cache=True)
def compress(h: Any, w: Any) -> None:
    """Compress one block: ``h``, the 8 words of state, in place; ``w``, 64 words, of which the first 16 are the message."""
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _rotate(x, 7) ^ _rotate(x, 18) ^ (x >> 3)
        s1 = _rotate(y, 17) ^ _rotate(y, 19) ^ (y >> 10)
        w[t] = (w[t - 16] + s0 + w[t - 7] + s1) & _MASK
    a, b, c, d, e, f, g, k = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    for t in range(64):
        first = k + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25))
        first += ((e & f) ^ ((e ^ _MASK) & g)) + _K[t] + w[t]
        second = (_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
        k, g, f, e = g, f, e, (d + first) & _MASK
        d, c, b, a = c, b, a, (first + second) & _MASK
    h[0], h[1], h[2], h[3] = (h[0] + a) & _MASK, (h[1] + b) & _MASK, (h[2] + c) & _MASK, (h[3] + d) & _MASK
    h[4], h[5], h[6], h[7] = (h[4] + e) & _MASK, (h[5] + f) & _MASK, (h[6] + g) & _MASK, (h[7] + k) & _MASK
