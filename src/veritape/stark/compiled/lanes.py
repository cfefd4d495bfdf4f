"""Poseidon2 of several states side by side, compiled. ``veritape.stark.hashing`` defines what is right.

A permutation is a chain: each multiplication waits for the one before. States that have nothing to do with each other fill
those waits, and the same step of eight is one instruction where the processor has vectors. Elements are in Montgomery's form
(x 2^32 mod P: a product is reduced by two products and a shift) and, between two multiplications, anything congruent below
80 P: sums are not reduced where nothing needs it.

*Source*: P. L. Montgomery, Modular multiplication without trial division (1985), section 2.
"""

from typing import Any

import numpy as np
from numba import njit

from veritape.stark import hashing
from veritape.stark.field import P as PRIME

LANES = 32
"""States side by side: four of the widest vectors of 64-bit numbers; with fewer the compiler makes no vectors."""

_BITS = np.uint64(32)
_RADIX = 1 << 32
_LOW = np.uint64(_RADIX - 1)
_P = np.uint64(PRIME)
_MINUS_INVERSE = np.uint64(-pow(PRIME, -1, _RADIX) % _RADIX)
_SQUARE = np.uint64(_RADIX * _RADIX % PRIME)
_PRIME_BITS, _GAP_BITS = np.uint64(31), np.uint64(24)
_BELOW = np.uint64((1 << 31) - 1)
_CONSTANTS = np.array([constant * _RADIX % PRIME for constant in hashing.ROUND_CONSTANTS], dtype=np.uint64)
_DIAGONAL = np.array([weight * _RADIX % PRIME for weight in hashing.DIAGONAL], dtype=np.uint64)
_HALF, _PARTIAL, _WIDTH = hashing.HALF_FULL_ROUNDS, hashing.PARTIAL_ROUNDS, hashing.WIDTH


@njit(cache=True)
def _multiplied(a: Any, b: Any) -> Any:
    """Return a b / 2^32 below 2 P, for a b below 2^32 P."""
    product = a * b
    return (product + (((product & _LOW) * _MINUS_INVERSE) & _LOW) * _P) >> _BITS


@njit(cache=True)
def folded(x: Any) -> Any:
    """Return what is congruent to x, below 2 P, for x below 80 P: 2^31 is 2^24 - 1."""
    above = x >> _PRIME_BITS
    return (x & _BELOW) + (above << _GAP_BITS) - above


@njit(cache=True)
def _less(x: Any) -> Any:
    """Return what is congruent to x, below P, for x below 2 P."""
    return x - _P if x >= _P else x


@njit(cache=True)
def _cubed(x: Any) -> Any:
    """Return the cube below 2 P, for x below 80 P."""
    base = _less(folded(x))
    return _multiplied(_less(_multiplied(base, base)), base)


@njit(cache=True)
def _mix_external(s: Any) -> None:
    for block in range(0, 16, 4):
        for k in range(LANES):
            a, b, c, d = s[block, k], s[block + 1, k], s[block + 2, k], s[block + 3, k]
            total = a + b + c + d
            s[block, k] = total + a + b + b
            s[block + 1, k] = total + b + c + c
            s[block + 2, k] = total + c + d + d
            s[block + 3, k] = total + d + a + a
    for column in range(4):
        for k in range(LANES):
            total = s[column, k] + s[column + 4, k] + s[column + 8, k] + s[column + 12, k]
            s[column, k] += total
            s[column + 4, k] += total
            s[column + 8, k] += total
            s[column + 12, k] += total


@njit(cache=True)
def _full_round(s: Any, offset: int) -> None:
    for lane in range(16):
        constant = _CONSTANTS[offset + lane]
        for k in range(LANES):
            s[lane, k] = _cubed(s[lane, k] + constant)
    _mix_external(s)


@njit(cache=True)
def _partial_round(s: Any, totals: Any, constant: Any) -> None:
    for k in range(LANES):
        s[0, k] = _cubed(s[0, k] + constant)
        totals[k] = s[0, k]
    for lane in range(1, 16):
        for k in range(LANES):
            s[lane, k] = folded(s[lane, k])
            totals[k] += s[lane, k]
    for lane in range(16):
        weight = _DIAGONAL[lane]
        for k in range(LANES):
            s[lane, k] = totals[k] + _multiplied(weight, s[lane, k])


@njit(cache=True)
def permute(s: Any) -> None:
    """Permute the columns of an array (16, LANES) of elements in Montgomery's form below 2 P; they come out below 80 P."""
    _mix_external(s)
    totals = np.empty(LANES, dtype=np.uint64)
    place = 0
    for turn in range(2 * _HALF + _PARTIAL):
        if _HALF <= turn < _HALF + _PARTIAL:
            _partial_round(s, totals, _CONSTANTS[place])
            place += 1
        else:
            _full_round(s, place)
            place += _WIDTH


@njit(cache=True)
def entered(x: Any) -> Any:
    """Return an integer below 2^32 in Montgomery's form, below 2 P."""
    return _multiplied(x, _SQUARE)


@njit(cache=True)
def left(x: Any) -> Any:
    """Return the canonical integer of an element in Montgomery's form."""
    return _less(_multiplied(folded(x), np.uint64(1)))
