"""The command ``veritape demo``: options, and what ends a run early."""

import asyncio
from typing import Literal

import pytest

from veritape.apps.demo import _tape_seconds, unless
from veritape.apps.demo_report import Facts
from veritape.kernel.errors import CheckFailedError

FACTS = Facts({}, {}, 0, 0, 0)


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


async def test_what_comes_first_ends_the_run() -> None:
    """OB-971: the work's own end, a part that fell, Ctrl-C; work that is under way is cancelled and waited for."""
    loop, ended = asyncio.get_running_loop(), list[str]()
    stopped: asyncio.Future[Literal[True]] = loop.create_future()
    failed: asyncio.Future[CheckFailedError] = loop.create_future()

    async def work(turns: int) -> Facts:
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return FACTS

    assert await unless(work(3), stopped, failed) is FACTS
    assert ended == []
    loop.call_soon(stopped.set_result, True)
    with pytest.raises(KeyboardInterrupt):
        await unless(work(1_000_000_000), stopped, failed)
    loop.call_soon(failed.set_result, CheckFailedError("observer ended with status 1"))
    with pytest.raises(CheckFailedError, match="observer ended"):
        await unless(work(1_000_000_000), loop.create_future(), failed)
    assert ended == ["cancelled"] * 2
