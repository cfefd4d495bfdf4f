"""The permits' file between processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.permit_file import MemoryPermits, PermitFile, is_alive, machine_boot_id
from veritape.observer.pacing import Pace, Permit, SlotState
from veritape.observer.pacing_page import PAGE_BYTES

BOOT = bytes(range(16))
SECOND = 1_000_000_000


class Opened(PermitFile):
    def __init__(
        self, path: Path, now: int = SECOND, limit: int = 18, boot: bytes = BOOT, *, owner: bool = False
    ) -> None:
        self.notices: list[str] = []
        super().__init__(path, Pace(limit, spacing=False), boot, now, owner=owner, notice=self.notices.append)

    def take(self, now: int) -> Permit | int:
        with self.pace() as pace:
            return pace.grant(now, self.holder, is_alive)


def test_two_openers_share_every_permit(tmp_path: Path) -> None:
    """OB-256: what one takes the other cannot; an answer seen by one returns it for both a second later."""
    path = tmp_path / "pacing-abc.permits"
    first, second = Opened(path, limit=2), Opened(path, limit=2)
    permit = first.take(SECOND)
    assert isinstance(permit, Permit)
    assert isinstance(second.take(SECOND), Permit)
    assert isinstance(first.take(SECOND + 1), int)
    with first.pace() as pace:
        pace.answered(permit, SECOND + 5)
    assert second.take(SECOND + 6) == 2 * SECOND + 5
    assert isinstance(second.take(2 * SECOND + 5), Permit)
    assert (path.stat().st_size, path.stat().st_mode & 0o777) == (PAGE_BYTES, 0o600)
    first.close()
    second.close()


def test_the_recorders_start_keeps_the_permits_and_forgets_what_was_learned(tmp_path: Path) -> None:
    """OB-256, OB-259: requests of the last run are still under way; its ceiling lasts until restart."""
    path = tmp_path / "p"
    first = Opened(path)
    assert isinstance(first.take(SECOND), Permit)
    with first.pace() as pace:
        pace.ceiling = pace.permits = 5
    joined = Opened(path)
    assert joined.notices == []
    with joined.pace() as pace:
        assert (pace.permits, pace.figures.in_use) == (5, 1)
    restarted = Opened(path, limit=17, owner=True)
    with restarted.pace() as pace:
        assert (pace.limit, pace.permits, pace.ceiling, pace.figures.in_use) == (17, 17, 17, 1)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b"VTPACE1\0" + bytes(4_088)), "damaged"),
        (lambda path: path.write_bytes(b"short"), "not a page"),
        (lambda path: path.chmod(0o644), "mode 644"),
        (lambda path: Opened(path, boot=bytes(16)).close(), "another boot"),
        (lambda path: Opened(path).take(100 * SECOND), "ahead"),
    ],
)
def test_a_file_that_says_nothing_is_begun_anew_after_a_second(
    tmp_path: Path, damage: object, words: str
) -> None:
    """OB-256, OB-991: wrong mode, corrupt, another boot, another clock: event, reset, 1 s wait."""
    path = tmp_path / "p"
    first = Opened(path)
    first.take(SECOND)
    assert callable(damage)
    damage(path)
    again = Opened(path, 2 * SECOND)
    assert [words in notice for notice in again.notices] == [True]
    assert again.take(2 * SECOND) == 3 * SECOND
    assert isinstance(again.take(3 * SECOND), Permit)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_page_that_is_damaged_while_it_is_used_is_begun_anew(tmp_path: Path) -> None:
    """OB-991: nobody asks for a second after what was last seen."""
    path = tmp_path / "p"
    permits = Opened(path)
    assert isinstance(permits.take(5 * SECOND), Permit)
    path.write_bytes(bytes(PAGE_BYTES))
    assert permits.take(5 * SECOND) == 6 * SECOND
    assert permits.notices == ["not a page of permits"]
    assert isinstance(permits.take(6 * SECOND), Permit)


def test_the_lock_is_held_far_below_a_millisecond(tmp_path: Path) -> None:
    """OB-256: under 1 ms; the median of many looks."""
    permits = Opened(tmp_path / "p")
    took = []
    for _ in range(200):
        began = time.perf_counter_ns()
        with permits.pace() as pace:
            pace.grant(SECOND, permits.holder, is_alive)
        took.append(time.perf_counter_ns() - began)
    assert sorted(took)[100] < 1_000_000


def test_a_holder_is_alive_while_its_own_process_runs() -> None:
    """OB-256: the dead are dead, and so is a later process with the number of the holder."""
    now = SystemClock().monotonic_ns()
    assert is_alive(os.getpid(), now)
    assert not is_alive(os.getpid(), 0)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert not is_alive(process.pid, now)


def test_a_boot_has_an_id() -> None:
    """OB-256: 16 bytes, the same all the time."""
    assert len(machine_boot_id()) == 16
    assert machine_boot_id() == machine_boot_id()


def test_permits_of_one_process_alone_lie_in_memory() -> None:
    """OB-251: the same object each time."""
    permits = MemoryPermits(Pace(3))
    with permits.pace() as pace:
        pace.grant(0, permits.holder, is_alive)
    with permits.pace() as pace:
        assert pace.slots[0].state is SlotState.IN_FLIGHT


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """OB-971: one line that names it."""
    (tmp_path / "p").mkdir()
    with pytest.raises(UnavailableError, match="Is a directory"):
        Opened(tmp_path / "p")
