"""One worker or all."""

from dataclasses import replace

import pytest

from veritape.executor.runtime.presets import Parallel
from veritape.executor.runtime.tuning import Place, Tuning, parse_tuning

PLACE = Place("a machine", "0.1.0", 4)
MADE = Tuning(PLACE, 0.5, 0.75)


def test_the_faster_way_is_taken() -> None:
    """EX-349: one worker with all threads only when it was faster."""
    usual = Parallel(3, 1)
    assert MADE.better(usual) == Parallel(1, 4)
    assert replace(MADE, one_worker_s=0.75).better(usual) == usual


def test_what_is_written_holds_for_its_place_alone() -> None:
    """EX-349: another machine, version or number of cores is measured anew."""
    assert parse_tuning(MADE.to_bytes(), PLACE) == MADE
    for other in (replace(PLACE, machine="b"), replace(PLACE, version="0.2.0"), replace(PLACE, cores=2)):
        assert parse_tuning(MADE.to_bytes(), other) is None


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"[]", b"null", b"{}", b"\xff", MADE.to_bytes().replace(b"0.5", b"-1"),
        MADE.to_bytes().replace(b"0.5", b'"x"'), MADE.to_bytes().replace(b"tuning/1", b"tuning/2"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_no_measurement(data: bytes) -> None:
    """EX-349: it is measured again."""
    assert parse_tuning(data, PLACE) is None
