"""The command ``veritape demo``: options."""

import pytest

from veritape.apps.demo import _tape_seconds


@pytest.mark.parametrize(
    ("seconds", "speed", "expected"),
    [
        (None, "60", 3_600),
        (10, "60", 600),
        (10, "0.5", 5),
        (None, "max", None),
        (90, "max", 90),
    ],
)
def test_wall_seconds_become_tape_seconds(seconds: int | None, speed: str, expected: int | None) -> None:
    """OB-813: N wall seconds at the speed, N x 60 tape seconds by default; max plays the whole day."""
    assert _tape_seconds(seconds, speed) == expected
