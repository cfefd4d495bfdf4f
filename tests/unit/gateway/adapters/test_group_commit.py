"""Group commit: durable on return, together under load, refused together, later when asked."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from tests.usage import charges
from tests.waiting import waited

from veritape.gateway.adapters.group_commit import GROUP_LIMIT, Commit, GroupCommit
from veritape.gateway.usage import UsageEvent
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError


class Disk:
    """Takes groups once it is let go, and fails when told."""

    def __init__(self) -> None:
        self.groups: list[list[UsageEvent]] = []
        self.free, self.begun, self.fails = threading.Event(), threading.Event(), False
        self.free.set()

    def write(self, events: Sequence[UsageEvent]) -> None:
        self.begun.set()
        self.free.wait()
        if self.fails:
            raise UnavailableError("the disk is full")
        self.groups.append(list(events))


class Commits:
    """Makes group commits that are closed at the end, however a test ends: their thread would keep the process."""

    def __init__(self) -> None:
        self._made: list[tuple[Disk, GroupCommit]] = []

    def __call__(
        self, disk: Disk, told: Callable[[Commit], None] = lambda _: None, pause_s: float = 0
    ) -> GroupCommit:
        commit = GroupCommit(disk.write, SystemClock(), told, pause_s)
        self._made.append((disk, commit))
        return commit

    def close(self) -> None:
        for disk, commit in self._made:
            disk.free.set()
            commit.close()


@pytest.fixture
def commits() -> Iterator[Commits]:
    made = Commits()
    yield made
    made.close()


async def test_what_came_during_a_commit_goes_into_the_next(commits: Commits) -> None:
    """GW-661, GW-662: no timer; a lone event is a group, 5,000 that wait are two, in order."""
    disk, told = Disk(), list[Commit]()
    commit = commits(disk, told.append)
    disk.free.clear()
    events = charges(GROUP_LIMIT + 1_001)
    first = asyncio.ensure_future(commit.append(events[0]))
    await asyncio.to_thread(disk.begun.wait)
    others = [asyncio.ensure_future(commit.append(event)) for event in events[1:]]
    await asyncio.sleep(0)
    assert not first.done()
    disk.free.set()
    await asyncio.gather(first, *others)
    assert [len(group) for group in disk.groups] == [1, GROUP_LIMIT, 1_000]
    assert [event for group in disk.groups for event in group] == events
    assert [(one.events, one.failure) for one in told] == [(1, None), (GROUP_LIMIT, None), (1_000, None)]
    assert all(one.seconds >= 0 for one in told)
    commit.close()


async def test_a_failed_group_is_refused_to_each_of_its_callers(commits: Commits) -> None:
    """GW-665: and the next group is tried anew; a probe tells whether commits work."""
    disk, told = Disk(), list[Commit]()
    commit = commits(disk, told.append)
    disk.fails = True
    answers = await asyncio.gather(*map(commit.append, charges(3)), return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)
    assert commit.failed
    with pytest.raises(UnavailableError, match="full"):
        await commit.probe()
    assert str(told[-1].failure) == "the disk is full"
    assert told[-1].events == 0
    disk.fails = False
    await commit.probe()
    assert not commit.failed
    await commit.append(charges(1)[0])
    commit.close()


async def test_a_caller_that_left_does_not_disturb(commits: Commits) -> None:
    disk = Disk()
    commit = commits(disk)
    disk.free.clear()
    leaving = asyncio.ensure_future(commit.append(charges(1)[0]))
    await asyncio.to_thread(disk.begun.wait)
    leaving.cancel()
    disk.free.set()
    await asyncio.gather(leaving, return_exceptions=True)
    await commit.append(charges(2)[1])
    assert disk.groups == [charges(1), charges(1, first=2)] or [e.seq for g in disk.groups for e in g] == [
        1,
        2,
    ]
    commit.close()


async def test_asynchronous_commits_wait_for_nobody_and_are_written_at_the_end(commits: Commits) -> None:
    """GW-662: ``async`` returns before the commit; closing writes what waits, without the pause."""
    disk = Disk()
    commit = commits(disk, pause_s=100.0)
    for event in charges(5):
        await commit.append(event)
    assert disk.groups == []
    commit.close()
    assert disk.groups == [charges(5)]


async def test_a_group_begins_when_the_loop_knows_of_the_last_ones_end(commits: Commits) -> None:
    """GW-661: whatever comes up to then, and within that turn of the loop, is one group and not one for each hand-over."""
    disk = Disk()
    commit = commits(disk)
    disk.free.clear()
    first, *others = charges(12)
    receipts = [commit.begin(first)]
    await asyncio.to_thread(disk.begun.wait)
    for event in others:
        receipts.append(commit.begin(event))
        await asyncio.sleep(0)
    assert not any(receipt.is_set for receipt in receipts)
    disk.free.set()
    for receipt in receipts:
        await receipt.durable()
    assert disk.groups == [[first], others]
    commit.close()


async def test_what_closing_finds_is_written_behind_the_commit_that_runs(commits: Commits) -> None:
    """GW-661: and its callers are told all the same."""
    disk, told = Disk(), list[Commit]()
    commit = commits(disk, told.append)
    disk.free.clear()
    first, *others = charges(GROUP_LIMIT + 2)
    receipts = [commit.begin(first)]
    await asyncio.to_thread(disk.begun.wait)
    receipts += map(commit.begin, others)
    disk.free.set()
    commit.close()
    assert [len(group) for group in disk.groups] == [1, GROUP_LIMIT, 1]
    for receipt in receipts:
        await receipt.durable()
    assert [one.events for one in told] == [1, GROUP_LIMIT, 1]


def test_a_loop_that_is_gone_is_not_told(commits: Commits) -> None:
    """The thread outlives the loop of its callers, and serves the next one."""
    disk = Disk()
    commit = commits(disk)
    disk.free.clear()

    waiting: list[asyncio.Future[None]] = []

    async def ask() -> None:
        waiting.append(asyncio.ensure_future(commit.append(charges(1)[0])))
        await asyncio.to_thread(disk.begun.wait)

    asyncio.run(ask())
    disk.free.set()
    waited(lambda: disk.groups == [charges(1)])
    asyncio.run(commit.append(charges(2)[1]))
    commit.close()
    assert disk.groups == [charges(1), charges(1, first=2)]
