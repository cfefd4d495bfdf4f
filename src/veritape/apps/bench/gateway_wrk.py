"""The closed loop of the rows that are told for a whole machine: wrk, the leanest generator that Debian has (GW-852).

It takes a quarter of the processor time of ours, which takes its place where it is not installed. Every answer is counted by its status; one that did not
come counts as status 0.
"""

import asyncio
import json
import resource
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple

import click

from veritape.apps.bench.gateway_client import Target, request_bytes
from veritape.apps.bench.gateway_flood import flood
from veritape.apps.bench.gateway_peers import INSTALL
from veritape.apps.bench.machine_load import Worked
from veritape.kernel.clock import Clock
from veritape.kernel.errors import UnavailableError

SCRIPT: Final = """\
wrk.headers["X-API-Key"] = KEY
statuses = {}
function response(status)
  statuses[status] = (statuses[status] or 0) + 1
end
local threads = {}
function setup(thread)
  threads[#threads + 1] = thread
end
function done(summary)
  local counted, errors = {}, summary.errors
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("statuses")) do
      counted[#counted + 1] = string.format('"%d": %d', status, count)
    end
  end
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format('{"statuses": {%s}, "lost": %d, "seconds": %.6f}',
    table.concat(counted, ", "), lost, summary.duration / 1e6))
end
"""
"""One thread: a status is counted in one table."""


class Wanted(NamedTuple):
    """The request of a closed loop."""

    path: str
    key: str = ""
    """Empty: without one."""


class Driven(NamedTuple):
    """What came of a closed loop."""

    statuses: Counter[int]
    """Status -> answers; 0: none came."""
    seconds: float
    worked: Worked
    """Processor time of the generator."""

    @property
    def per_second(self) -> float:
        """Return answers of 200 a second."""
        return self.statuses[200] / self.seconds

    @property
    def errors_percent(self) -> float:
        """Return the share of what was not answered with 200."""
        return 100 - 100 * self.statuses[200] / max(1, self.statuses.total())


async def drive(target: Target, wanted: Wanted, seconds: float, clock: Clock, connections: int) -> Driven:
    """Keep so many requests under way for so many seconds: with wrk, whole seconds at least; without it, with ours.

    Raises:
        UnavailableError: wrk does not say what came.
        OSError: nobody listens there.
    """
    program = shutil.which("wrk")
    began = _worked()
    if program is None:
        tally = await flood(target, request_bytes("GET", *wanted), seconds, clock, connections)
        return Driven(tally.statuses, tally.seconds, _worked() - began)
    statuses, took_s = await _wrk(program, target, wanted, max(1, round(seconds)), connections)
    return Driven(statuses, took_s, _worked() - began)


def say_generator() -> None:
    """Say when wrk is missing."""
    if shutil.which("wrk") is None:
        click.echo(f"the generator is our own, dearer than wrk would be: {INSTALL} installs wrk", err=True)


async def _wrk(
    program: str, target: Target, wanted: Wanted, seconds: int, connections: int
) -> tuple[Counter[int], float]:
    with tempfile.TemporaryDirectory(prefix="veritape-wrk-") as folder:
        script = Path(folder) / "count.lua"
        text = SCRIPT if wanted.key else SCRIPT.partition("\n")[2]
        script.write_text(text.replace("KEY", json.dumps(wanted.key), 1))
        process = await asyncio.create_subprocess_exec(
            program, "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
            "--script", str(script), f"http://{target.host}:{target.port}{wanted.path}",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        told = (await process.communicate())[0].decode(errors="replace")
    return read_wrk(told)


def read_wrk(told: str) -> tuple[Counter[int], float]:
    """Return statuses and seconds of what wrk printed.

    Raises:
        UnavailableError: they are not there.
    """
    try:
        found = json.loads(told.rstrip().rpartition("\n")[2])
        statuses = Counter({int(status): int(count) for status, count in found["statuses"].items()})
        statuses += Counter({0: int(found["lost"])})
        return statuses, float(found["seconds"])
    except (ValueError, KeyError, TypeError, AttributeError):
        said = " ".join(told.split())[:200] or "nothing"
        raise UnavailableError(f"wrk did not say what came, but: {said}") from None


def _worked() -> Worked:
    """Return the processor time of this process and of the children that have ended: generators run in one or the other."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Worked(sum(one.ru_utime for one in both), sum(one.ru_stime for one in both))
