"""Paths of every claim, and of none that is not there."""

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiled import SIMULATOR

from veritape.executor.claims import Claim, list_digest
from veritape.executor.digests import Tag, bytes_digest
from veritape.executor.inclusion import InclusionReason, Path, check_path, path_of
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import PeerError

SPONGE = SIMULATOR.sponge
ResultT = TypeVar("ResultT")
ID = bytes_digest(Tag.PROGRAM, b"program", SPONGE)
CLAIMS = [Claim(ID, ID, ID, 0, 4, cycles) for cycles in range(1, 1001)]


def reason(claim: Claim, path: Path, digest: bytes) -> object:
    with pytest.raises(PeerError) as caught:
        check_path(claim, path, digest, SPONGE)
    return caught.value.reason


@pytest.mark.parametrize("count", range(1, 34))
def test_every_claim_of_a_list_has_a_path(count: int) -> None:
    """EX-818: each index for counts 1 to 33; the path has ceil(log2 count) siblings."""
    digest = list_digest(CLAIMS[:count], SPONGE)
    for index in range(count):
        path = path_of(CLAIMS[:count], index, SPONGE)
        assert len(path.siblings) == (count - 1).bit_length()
        check_path(CLAIMS[index], path, digest, SPONGE)


def test_a_thousand_claims_take_ten_levels() -> None:
    """EX-484, EX-818: 320 bytes of path for each of 1,000 claims; to make and to check one stays within ten times its 20 and 2 ms.

    Ten times: the machine is shared. Another order of growth is far above it.
    """
    digest = list_digest(CLAIMS, SPONGE)
    chosen = random.Random(1).sample(range(1000), 20)
    clock = SystemClock()
    made = [_timed(clock, partial(path_of, CLAIMS, index, SPONGE)) for index in chosen]
    assert {sum(map(len, path.siblings)) for path, _ in made} == {320}
    checked = [
        _timed(clock, partial(check_path, CLAIMS[index], path, digest, SPONGE))[1]
        for index, (path, _) in zip(chosen, made, strict=True)
    ]
    assert min(milliseconds for _, milliseconds in made) < 200
    assert min(checked) < 20


def _timed(clock: SystemClock, work: Callable[[], ResultT]) -> tuple[ResultT, float]:
    began_ns = clock.monotonic_ns()
    result = work()
    return result, (clock.monotonic_ns() - began_ns) / 1e6


DIGEST = list_digest(CLAIMS[:5], SPONGE)
PATH = path_of(CLAIMS[:5], 4, SPONGE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (replace(PATH, index=5), InclusionReason.INDEX_OUT_OF_RANGE),
        (replace(PATH, index=-1), InclusionReason.INDEX_OUT_OF_RANGE),
        (replace(PATH, count=0), InclusionReason.INDEX_OUT_OF_RANGE),
        (replace(PATH, siblings=PATH.siblings[:-1]), InclusionReason.PATH_LENGTH),
        (replace(PATH, siblings=(*PATH.siblings, ID)), InclusionReason.PATH_LENGTH),
        (replace(PATH, siblings=(b"\xff" * 32, *PATH.siblings[1:])), InclusionReason.NONCANONICAL_DIGEST),
        (replace(PATH, siblings=PATH.siblings[::-1]), InclusionReason.PATH_MISMATCH),
        (replace(PATH, index=3), InclusionReason.PATH_MISMATCH),
        (replace(PATH, count=6), InclusionReason.PATH_MISMATCH),
    ],
)
def test_each_bad_path_has_its_reason(path: Path, expected: InclusionReason) -> None:
    """EX-483: index = count, -1, a path one short or long, siblings swapped; no path leads to padding."""
    assert reason(CLAIMS[4], path, DIGEST) is expected


def test_another_claim_or_list_is_refused() -> None:
    """EX-483: a path shows one claim of one list; a digest that is none is named."""
    check_path(CLAIMS[4], PATH, DIGEST, SPONGE)
    assert reason(replace(CLAIMS[4], exit_code=1), PATH, DIGEST) is InclusionReason.PATH_MISMATCH
    assert reason(CLAIMS[4], PATH, list_digest(CLAIMS[:6], SPONGE)) is InclusionReason.PATH_MISMATCH
    assert reason(CLAIMS[4], PATH, b"\xff" * 32) is InclusionReason.NONCANONICAL_DIGEST
    with pytest.raises(PeerError, match="index_out_of_range"):
        path_of(CLAIMS[:5], 5, SPONGE)


def test_an_inner_node_is_no_claim() -> None:
    """EX-285: a node has another tag than a leaf, so a list of two roots is not the list of four claims."""
    lists = (CLAIMS[:2], CLAIMS[:4], [*CLAIMS[:3], CLAIMS[2]])
    assert len({list_digest(claims, SPONGE) for claims in lists}) == 3


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4), st.integers(0, 95), st.integers(1, 255))
def test_no_changed_byte_of_a_path_passes(index: int, place: int, flip: int) -> None:
    """EX-719: any byte of any sibling flipped is refused."""
    path = path_of(CLAIMS[:5], index, SPONGE)
    data = bytearray(b"".join(path.siblings))
    data[place] ^= flip
    siblings = tuple(bytes(data[start : start + 32]) for start in range(0, 96, 32))
    assert reason(CLAIMS[index], replace(path, siblings=siblings), DIGEST) in {
        InclusionReason.PATH_MISMATCH,
        InclusionReason.NONCANONICAL_DIGEST,
    }
