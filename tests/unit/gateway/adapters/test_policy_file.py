"""The policy file: read, watched, swapped."""

import asyncio
from pathlib import Path

import pytest
from tests.waiting import until

from veritape.gateway.adapters.policy_file import PolicyFile, shipped_policy
from veritape.gateway.policy import Policy
from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.kernel.errors import MisuseError

SHIPPED = shipped_policy()


async def waits(clock: ManualClock) -> None:
    """Wait until what looks at the file waits for its next look."""
    await until(lambda: clock._sleepers)


def test_the_shipped_policy_needs_no_file() -> None:
    """GW-101: the wheel brings the default."""
    assert PolicyFile(None).read().version == 7


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"policy: cannot read .*none\.toml: .*: name a policy file"):
        PolicyFile(tmp_path / "none.toml").read()


async def test_a_valid_change_is_swapped_and_an_invalid_one_leaves_the_old(tmp_path: Path) -> None:
    """GW-104, GW-102: on a change of the file and on request; invalid, unraised and vanished files change nothing."""
    path, clock = tmp_path / "policy.toml", ManualClock()
    path.write_bytes(SHIPPED)
    file = PolicyFile(path)
    swapped, lines = list[Policy](), list[str]()
    task = asyncio.ensure_future(file.watch(file.read(), clock, swapped.append, lines.append))
    await waits(clock)
    for octets in (
        SHIPPED.replace(b"version = 7", b"version = 8"),
        SHIPPED.replace(b"version = 7", b"version = 8 "),
        b"version = ",
        None,
    ):
        if octets is None:
            path.unlink()
        else:
            path.with_suffix(".new").write_bytes(octets)
            path.with_suffix(".new").rename(path)
        clock.advance_ns(NANOSECONDS)
        await waits(clock)
    assert [policy.version for policy in swapped] == [8]
    assert (file.results["applied"], file.results["refused"]) == (1, 2)
    assert [line.partition(",")[0] for line in lines] == [
        "policy version 8 applied",
        "policy refused",
        "policy refused",
    ]
    file.asked.set()
    await until(lambda: file.results["refused"] == 3)
    path.write_bytes(SHIPPED.replace(b"version = 7", b"version = 9"))
    file.asked.set()
    await until(lambda: [policy.version for policy in swapped] == [8, 9])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_shipped_policy_is_never_reloaded() -> None:
    clock, file = ManualClock(), PolicyFile(None)
    task = asyncio.ensure_future(file.watch(file.read(), clock, lambda _: None, print))
    file.asked.set()
    await waits(clock)
    clock.advance_ns(NANOSECONDS)
    await waits(clock)
    assert file.results["applied"] == 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
