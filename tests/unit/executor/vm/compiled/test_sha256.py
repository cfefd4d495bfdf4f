"""The compression."""

import hashlib
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.vm import sha256
from veritape.executor.vm.compiled.sha256 import compress, swapped

INITIAL = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)


@given(st.binary(max_size=55))
def test_one_block_is_sha256(data: bytes) -> None:
    """EX-172: the compression of FIPS 180-4: a padded block gives what everybody computes."""
    block = (data + b"\x80").ljust(56, b"\0") + struct.pack(">Q", 8 * len(data))
    state, schedule = np.array(INITIAL, dtype=np.int64), np.zeros(64, dtype=np.int64)
    schedule[:16] = struct.unpack(">16I", block)
    compress(state, schedule)
    assert struct.pack(">8I", *state.tolist()) == hashlib.sha256(data).digest()


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=24, max_size=24))
def test_it_agrees_with_the_readable_one(words: list[int]) -> None:
    """EX-201: any state, any block."""
    state, schedule = np.array(words[:8], dtype=np.int64), np.zeros(64, dtype=np.int64)
    schedule[:16] = words[8:]
    compress(state, schedule)
    assert state.tolist() == list(sha256.compress(words[:8], words[8:]))


@given(st.integers(0, 0xFFFFFFFF))
def test_bytes_are_swapped(word: int) -> None:
    """EX-172: message words are big endian."""
    assert int(swapped(np.int64(word))) == int.from_bytes(word.to_bytes(4, "little"), "big")
