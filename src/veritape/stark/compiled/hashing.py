"""Poseidon2 and the sponge, compiled. ``veritape.stark.hashing`` defines what is right."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit

from veritape.stark import hashing
from veritape.stark.compiled import lanes
from veritape.stark.field import P as PRIME

_P = np.uint64(PRIME)
_CONSTANTS = np.array(hashing.ROUND_CONSTANTS, dtype=np.uint64)
_DIAGONAL = np.array(hashing.DIAGONAL, dtype=np.uint64)
_FULL = hashing.HALF_FULL_ROUNDS
_PARTIAL = hashing.PARTIAL_ROUNDS
_RATE = hashing.RATE
_TAG_LANE, _LENGTH_LANE = hashing.TAG_LANE, hashing.LENGTH_LANE

_WORTH = 7
"""A step of all lanes takes the time of so many blocks one by one."""


@njit(cache=True)
def _mix_external(s: Any) -> None:
    for block in range(0, 16, 4):
        a, b, c, d = s[block], s[block + 1], s[block + 2], s[block + 3]
        total = a + b + c + d
        s[block] = total + a + np.uint64(2) * b
        s[block + 1] = total + b + np.uint64(2) * c
        s[block + 2] = total + c + np.uint64(2) * d
        s[block + 3] = total + d + np.uint64(2) * a
    for column in range(4):
        total = s[column] + s[column + 4] + s[column + 8] + s[column + 12]
        for lane in range(column, 16, 4):
            s[lane] = (s[lane] + total) % _P


@njit(cache=True)
def _full_round(s: Any, offset: int) -> None:
    for lane in range(16):
        x = (s[lane] + _CONSTANTS[offset + lane]) % _P
        s[lane] = x * x % _P * x % _P
    _mix_external(s)


@njit(cache=True)
def permute(s: Any) -> None:
    """Permute an array of 16 unsigned 64-bit canonical elements in place."""
    _mix_external(s)
    for turn in range(_FULL):
        _full_round(s, turn * 16)
    for turn in range(_PARTIAL):
        x = (s[0] + _CONSTANTS[_FULL * 16 + turn]) % _P
        s[0] = x * x % _P * x % _P
        total = np.uint64(0)
        for lane in range(16):
            total += s[lane]
        for lane in range(16):
            s[lane] = (total + _DIAGONAL[lane] * s[lane]) % _P
    for turn in range(_FULL):
        _full_round(s, (_FULL + turn) * 16 + _PARTIAL)


@njit(cache=True)
def _absorb(tag: int, length: int, elements: Any) -> Any:
    s = np.zeros(16, dtype=np.uint64)
    s[_TAG_LANE] = tag
    s[_LENGTH_LANE] = length
    start = 0
    while start == 0 or start < elements.size:
        for lane in range(_RATE):
            s[lane] = elements[start + lane] if start + lane < elements.size else 0
        permute(s)
        start += _RATE
    return s


def sponge(tag: int, length: int, elements: Sequence[int]) -> hashing.Digest:
    """Return H(tag, elements) with ``length`` in the capacity, as ``veritape.stark.hashing.sponge`` does."""
    state = _absorb(
        int(tag), length, np.asarray(elements, dtype=np.uint32)
    )  # of an enumeration's member the type is looked up at each call
    return tuple(int(element) for element in state[:_RATE])


@njit(cache=True)
def _digest_one(tag: int, data: Any, digest: Any) -> None:
    s = np.zeros(16, dtype=np.uint64)
    s[_TAG_LANE], s[_LENGTH_LANE] = tag, data.size
    for block in range(_blocks(data.size)):
        for lane in range(_RATE):
            s[lane] = _limb(data, block * _RATE + lane)
        permute(s)
    for lane in range(_RATE):
        digest[lane] = s[lane]


@njit(cache=True)
def _digest_lanes(tag: int, data: Any, offsets: Any, chosen: Any, digests: Any) -> None:
    """Hash up to LANES items side by side; each leaves its digest when its own last block is absorbed."""
    s = np.zeros((16, lanes.LANES), dtype=np.uint64)
    longest = 0
    for k in range(chosen.size):
        length = offsets[chosen[k] + 1] - offsets[chosen[k]]
        s[_TAG_LANE, k] = lanes.entered(np.uint64(tag))
        s[_LENGTH_LANE, k] = lanes.entered(np.uint64(length))
        longest = max(longest, _blocks(length))
    for block in range(longest):
        for k in range(chosen.size):
            item = data[offsets[chosen[k]] : offsets[chosen[k] + 1]]
            for lane in range(_RATE):
                s[lane, k] = lanes.entered(_limb(item, block * _RATE + lane))
        lanes.permute(s)
        for k in range(chosen.size):
            if block + 1 == _blocks(offsets[chosen[k] + 1] - offsets[chosen[k]]):
                for lane in range(_RATE):
                    digests[chosen[k], lane] = lanes.left(s[lane, k])
        for lane in range(16):
            for k in range(lanes.LANES):
                s[lane, k] = lanes.folded(s[lane, k])


@njit(cache=True)
def _limb(data: Any, place: int) -> Any:
    """Return 16 bits of bytes, little endian; zeros behind the end."""
    at = 2 * place
    low = np.uint64(data[at]) if at < data.size else np.uint64(0)
    high = np.uint64(data[at + 1]) if at + 1 < data.size else np.uint64(0)
    return low | high << np.uint64(8)


@njit(cache=True)
def _blocks(length: int) -> int:
    return max(1, (length + 2 * _RATE - 1) // (2 * _RATE))


@njit(cache=True, nogil=True)
def _digest_each(tag: int, data: Any, offsets: Any, order: Any, digests: Any) -> None:
    """Hash items in groups; ``order`` has them by length, so that a group's are about equally long."""
    for first in range(0, order.size, lanes.LANES):
        chosen = order[first : first + lanes.LANES]
        blocks = 0
        for item in chosen:
            blocks += _blocks(offsets[item + 1] - offsets[item])
        last = chosen[chosen.size - 1]
        if blocks >= _WORTH * _blocks(offsets[last + 1] - offsets[last]):
            _digest_lanes(tag, data, offsets, chosen, digests)
        else:
            for item in chosen:
                _digest_one(tag, data[offsets[item] : offsets[item + 1]], digests[item])


def digest_each(tag: int, items: Sequence[bytes]) -> list[bytes]:
    """Return B(tag, item) of every item (EX-273) in one call."""
    lengths = np.array([len(item) for item in items], dtype=np.int64)
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    digests = np.empty((len(items), _RATE), dtype="<u4")
    order = np.argsort(lengths, kind="stable")
    _digest_each(tag, np.frombuffer(b"".join(items), dtype=np.uint8), offsets, order, digests)
    data = digests.tobytes()
    return [data[place : place + 4 * _RATE] for place in range(0, len(data), 4 * _RATE)]
