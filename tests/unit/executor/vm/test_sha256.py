"""The SHA-256 compression."""

import hashlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from veritape.executor.vm.sha256 import compress

START = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)


@given(st.binary(max_size=55))
def test_the_compression_is_the_standards(message: bytes) -> None:
    """EX-172: one padded block equals the standard library's digest."""
    block = message + b"\x80" + b"\0" * (55 - len(message)) + struct.pack(">Q", len(message) * 8)
    assert (
        struct.pack(">8I", *compress(START, struct.unpack(">16I", block))) == hashlib.sha256(message).digest()
    )
