"""The three claims of the specification's worked example (EX-287)."""

from tests import rv32

from veritape.executor.claims import Claim, program_id
from veritape.executor.digests import Tag, bytes_digest
from veritape.stark.hashing import sponge

EMPTY = bytes_digest(Tag.JOURNAL, b"", sponge)
PROGRAM = program_id(rv32.image([0x00700513, 0x00000893, rv32.ECALL]), sponge)
FIRST = Claim(PROGRAM, bytes_digest(Tag.INPUT, b"", sponge), EMPTY, 7, 0, 3)
SECOND = Claim(
    PROGRAM,
    bytes_digest(Tag.INPUT, bytes.fromhex("0a0000000000000001000000"), sponge),
    bytes_digest(Tag.JOURNAL, bytes.fromhex("0a00000000000000010000003700000000000000"), sponge),
    0,
    20,
    79,
)
THIRD = Claim(PROGRAM, bytes_digest(Tag.INPUT, b"abc", sponge), EMPTY, 0, 0, 79)
