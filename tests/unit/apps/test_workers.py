"""Worker processes: ready, restarted with growing pauses, signalled, ended."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import pytest
from tests.waiting import until

from veritape.apps.workers import FIRST_DELAY_NS, LONGEST_DELAY_NS, Workers, next_delay_ns, tell_ready
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError

SERVES = """
import os, signal, sys
signal.signal(signal.SIGHUP, lambda *_: os.write(int(sys.argv[1]), b"h"))
from veritape.apps.workers import tell_ready
tell_ready(int(sys.argv[-1]))
while True:
    signal.pause()
"""


def test_pauses_grow_while_a_worker_does_not_live() -> None:
    """GW-551: 0.1 to 10 s; a worker that lived for a while is started again at the shortest."""
    delays = [0]
    while delays[-1] < LONGEST_DELAY_NS:
        delays.append(next_delay_ns(delays[-1], 0))
    assert [delay / NANOSECONDS for delay in delays[1:]] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    assert next_delay_ns(LONGEST_DELAY_NS, 0) == LONGEST_DELAY_NS
    assert next_delay_ns(LONGEST_DELAY_NS, LONGEST_DELAY_NS) == FIRST_DELAY_NS


def workers(
    program: str,
    died: Callable[[int, int], None],
    *arguments: str,
    count: int = 2,
    pipes: tuple[int, ...] = (),
) -> Workers:
    command = [sys.executable, "-c", program, *arguments]
    return Workers(command, [dict(os.environ)] * count, pipes, SystemClock(), died)  # noqa: TID251 - a child's


async def test_a_dead_worker_is_started_again() -> None:
    """GW-551: killed, it is told with its status and replaced; SIGHUP reaches those that serve; all end."""
    told: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
    reading, writing = os.pipe()
    some = workers(SERVES, lambda *what: told.put_nowait(what), str(writing), pipes=(writing,))
    await some.start()
    before = some.process_ids
    os.kill(before[1], signal.SIGKILL)
    assert await told.get() == (1, -signal.SIGKILL)
    some.reload()
    assert await asyncio.to_thread(os.read, reading, 1) == b"h"
    await until(lambda: len(some.process_ids) >= 2)
    assert before[0] in some.process_ids
    assert before[1] not in some.process_ids
    await some.stop(10)
    assert some.process_ids == []
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(("status", "error"), [(2, MisuseError), (1, UnavailableError)])
async def test_a_worker_that_does_not_come_up_ends_the_start(status: int, error: type[Exception]) -> None:
    """GW-551: what no restart can mend is an error of the whole, with the same exit status."""
    some = workers(f"raise SystemExit({status})", lambda *_: None, count=1)
    with pytest.raises(error, match=f"worker 0 ended with status {status} before it served"):
        await some.start()
    await some.stop(10)


async def test_a_worker_that_does_not_end_is_killed() -> None:
    """GW-558: after its time a worker is killed."""
    stubborn = SERVES.replace("import os", "import os", 1).replace(
        "from veritape", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nfrom veritape"
    )
    some = workers(stubborn, lambda *_: None, "1", count=1)
    await some.start()
    await some.stop(0.01)
    assert some.process_ids == []


def test_readiness_is_told_once() -> None:
    reading, writing = os.pipe()
    tell_ready(writing)
    assert os.read(reading, 10) == b"1"
    with pytest.raises(OSError, match="Bad file descriptor"):
        tell_ready(writing)
    os.close(reading)
