"""The bundled guests and what fibonacci computes."""

import hashlib
import random
import struct

import pytest
from tests.compiled import SIMULATOR

from veritape.executor.adapters import guest_files
from veritape.executor.vm.compiled.machine import execute_batch
from veritape.kernel.errors import CheckFailedError, MisuseError


@pytest.mark.parametrize(
    ("n", "result"),
    [
        (0, 0),
        (1, 1),
        (10, 55),
        (20, 6765),
        (50, 12586269025),
        (93, 12200160415121876738),
        (100, 3736710778780434371),
    ],
)
def test_fibonacci_gives_the_sequence(n: int, result: int) -> None:
    """EX-238: F(n) from (0, 1) modulo 2^64, its parameters in the journal; fib(10) takes at most 100 cycles."""
    done = SIMULATOR.machine(guest_files.guest_image("fibonacci"), struct.pack("<III", n, 0, 1))
    assert done.journal == struct.pack("<IIIQ", n, 0, 1, result)
    assert n != 10 or done.cycles <= 100


def test_every_public_parameter_is_in_the_journal() -> None:
    """EX-240: equal results of different parameters give different journals; a short input is exit 1."""
    image = guest_files.guest_image("fibonacci")
    same = [
        SIMULATOR.machine(image, struct.pack("<III", *p)).journal for p in ((0, 1, 2), (0, 1, 3), (1, 9, 1))
    ]
    assert len({journal[12:] for journal in same}) == 1
    assert len(set(same)) == 3
    assert SIMULATOR.machine(image, b"short").exit_code == 1


def test_a_guest_that_is_not_the_manifests_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-231: the manifest's SHA-256 is checked; an unknown name lists the guests."""
    with pytest.raises(MisuseError, match="fibonacci, mixed, ohlcv, sha256, vwap"):
        guest_files.guest_elf("nothing")
    document = {"guests": {"vwap": {"sha256": "00"}}}
    monkeypatch.setattr(guest_files, "manifest", lambda: document)
    with pytest.raises(CheckFailedError, match="not the manifest's"):
        guest_files.guest_elf("vwap")


def test_fibonacci_and_sha256_agree_with_python_on_random_inputs() -> None:
    """EX-806: 1,000 random inputs each, in one batch, against an independent computation."""
    rng = random.Random(5)
    numbers = [(rng.randrange(300), rng.getrandbits(32), rng.getrandbits(32)) for _ in range(1000)]
    inputs = [struct.pack("<III", *number) for number in numbers]
    for number, done in zip(
        numbers, execute_batch(guest_files.guest_image("fibonacci"), inputs), strict=True
    ):
        assert done.journal == struct.pack("<IIIQ", *number, sequence(*number))
    texts = [rng.randbytes(rng.choice((0, 1, 3, 55, 56, 64, 119, rng.randrange(3000)))) for _ in range(1000)]
    texts += [rng.randbytes(size) for size in (65_535, 65_536, 65_537, 200_000)]
    for text, done in zip(texts, execute_batch(guest_files.guest_image("sha256"), texts), strict=True):
        assert (done.exit_code, done.journal) == (
            0,
            struct.pack("<I", len(text)) + hashlib.sha256(text).digest(),
        )


def sequence(n: int, current: int, following: int) -> int:
    for _ in range(n):
        current, following = following, current + following
    return current % (1 << 64)
