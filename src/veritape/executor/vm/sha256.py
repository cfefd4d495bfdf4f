"""The SHA-256 compression of one block, readable. Source: FIPS 180-4, sections 4.1.2, 4.2.2, 6.2.2."""

from collections.abc import Sequence

_MASK = 0xFFFFFFFF
_ROUNDS = 64


def _primes(count: int) -> list[int]:
    found: list[int] = []
    candidate = 2
    while len(found) < count:
        if all(candidate % prime for prime in found):
            found.append(candidate)
        candidate += 1
    return found


def _cube_root_fraction(number: int) -> int:
    """Return the first 32 bits of the fractional part of the cube root."""
    scaled, root = number << 96, 1 << 36
    while root**3 > scaled:
        root = (2 * root + scaled // root**2) // 3
    return root & _MASK


ROUND_CONSTANTS = tuple(_cube_root_fraction(prime) for prime in _primes(_ROUNDS))
"""K: the first 32 bits of the fractional parts of the cube roots of the first 64 primes."""


def compress(state: Sequence[int], message: Sequence[int]) -> list[int]:
    """Return the state of 8 words after one block of 16 message words."""
    schedule = list(message)
    for t in range(16, _ROUNDS):
        early, late = schedule[t - 15], schedule[t - 2]
        small_0 = _rotate(early, 7) ^ _rotate(early, 18) ^ early >> 3
        small_1 = _rotate(late, 17) ^ _rotate(late, 19) ^ late >> 10
        schedule.append(schedule[t - 16] + small_0 + schedule[t - 7] + small_1 & _MASK)
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(ROUND_CONSTANTS, schedule, strict=True):
        choice = e & f ^ ~e & _MASK & g
        first = h + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)) + choice + constant + word
        second = (_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = first + second & _MASK, a, b, c, d + first & _MASK, e, f, g
    return [x + y & _MASK for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def _rotate(word: int, bits: int) -> int:
    return (word >> bits | word << (32 - bits)) & _MASK
