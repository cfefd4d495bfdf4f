"""``veritape bench executor --scenario integration|stress`` (EX-681 to 684).

Every figure is measured in the run, and every row is labelled ``executed``: there are no proofs yet, so their columns are left
out. Each scenario ends with a fresh process that executes its inputs again with ``veritape run`` and compares what it gets.
"""

import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from veritape.apps.bench.executor import fib10
from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.executor_runtime import make_runtime
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.adapters.workers.machine import cores
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.aggregation.decider import AggregationDecider
from veritape.executor.aggregation.plans import Context
from veritape.executor.claims import list_digest
from veritape.executor.receipts import CALLED, SimulatedReceipt
from veritape.executor.runtime.outcomes import Executed, Outcome
from veritape.executor.settings import CacheSettings, ExecutorSettings
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import CheckFailedError

SCHEMA = "veritape.scenario/1"
"""Name and version of the document."""

SIZES: Final = {"small": 10, "medium": 50, "large": 200}
"""Claims of the first three integration scenarios."""

REPEATED, PARALLEL_JOBS, PARALLEL_ITEMS = 100, 4, 25
"""Requests for one claim; jobs, and items of each, of the parallel scenario."""

THROUGHPUT, BATCHES, BATCH, BURST, REQUESTS, DISTINCT, AGGREGATED = 1000, 40, 100, 5000, 10_000, 2000, 1000
"""Sizes of the stress scenarios."""

EARLY, FLAT = 5, 1.10
"""Batch at which memory is first read, and by how much it may have grown at the last one."""

SEED = 20131007
"""Of the order of the cache scenario's requests."""

HIT_RATES: Final = {"integration": 99.0, "stress": 80.0}
"""Percent that the cache scenarios must show."""

Row = dict[str, Any]

Seen = tuple[int, int, str]
"""Exit code, cycles and journal of one execution."""

Again = Callable[[Path, str, Sequence[bytes]], list[Seen]]
"""Executes inputs once more, somewhere else."""


class Scenarios:
    """Runs scenarios in a folder; a unit below 1 makes them smaller, for tests."""

    def __init__(self, folder: Path, again: "Again", unit: float, pool: str) -> None:
        self._folder, self._again, self._unit, self._pool = folder, again, unit, pool
        self._image = guest_image("fibonacci")
        self._clock = SystemClock()

    def integration(self) -> list[Row]:
        """Return the rows of the integration run."""
        rows = []
        for place, (name, count) in enumerate(SIZES.items()):
            rows.append(self._batch(name, self._size(count), first=1000 * place))
        rows.append(self._repeated())
        rows.append(self._parallel())
        return rows

    def stress(self) -> list[Row]:
        """Return the rows of the stress run."""
        return [
            self._batch("throughput", self._size(THROUGHPUT), first=0),
            self._sustained(),
            self._burst(),
            self._requests(),
            self._batch("large_aggregation", self._size(AGGREGATED), first=500_000),
        ]

    def _size(self, count: int) -> int:
        return max(2, int(count * self._unit))

    def _runtime(self, name: str, workers: int = 0, queue_limit: int = 4000) -> L2Runtime:
        cache = CacheSettings(disk_path=str(self._folder / name))
        return make_runtime(
            ExecutorSettings(
                workers=workers,
                threads_per_worker=1,
                pool=self._pool,
                queue_limit=queue_limit,
                cache=cache,
            )
        )

    def _batch(self, name: str, count: int, first: int) -> Row:
        """Execute a batch, list its claims, decide how they would be aggregated."""
        inputs = fib10(count, first)
        with self._runtime(name) as runtime:
            seconds, receipts = self._timed(lambda: _receipts(runtime.run_batch(self._image, inputs)))
            peak_bytes = runtime.pool.peak_bytes()
        digest = list_digest([receipt.claim for receipt in receipts], compiled_simulator().sponge)
        decider = AggregationDecider(ExecutorSettings().decider())
        decision = decider.decide(count, Context())
        return {
            **_head(name, count, seconds),
            "claims": len(receipts),
            "list_digest": digest.hex(),
            "decision": str(decision.label),
            "cycles": sum(receipt.claim.cycles for receipt in receipts),
            "bytes": sum(len(receipt.to_bytes()) for receipt in receipts),
            "peak_memory_bytes": peak_bytes,
            "verified": self._verified(name, inputs, receipts),
        }

    def _repeated(self) -> Row:
        """Ask for one claim many times: executed once."""
        (data,), count = fib10(1, 7), self._size(REPEATED)
        with self._runtime("cache") as runtime:
            seconds, outcomes = self._timed(lambda: [runtime.run(self._image, data) for _ in range(count)])
            rate = runtime.cache.counters.hit_rate
        executed = sum(isinstance(one, Executed) and not one.cached for one in outcomes)
        verified = self._verified("cache", [data], _receipts(outcomes[:1]))
        return {
            **_head("cache", count, seconds),
            "hit_rate_percent": round(rate, 2),
            "executions": executed,
            "verified": verified,
        }

    def _parallel(self) -> Row:
        """Execute the same jobs with several workers and with one."""
        jobs, items = PARALLEL_JOBS, self._size(PARALLEL_ITEMS)
        workers = min(jobs, cores())
        inputs = fib10(jobs * items, 5000)
        times: dict[int, float] = {}
        receipts: list[SimulatedReceipt] = []
        for count in dict.fromkeys((workers, 1)):
            with self._runtime(f"parallel{count}", count) as runtime:
                runtime.run_batch(self._image, fib10(2 * workers, 900_000))
                times[count], receipts = self._timed(partial(self._all, runtime, inputs))
        return {
            **_head("parallel", len(inputs), times[workers]),
            "effective_workers": workers,
            "seconds_one_worker": round(times[1], 4),
            "speed_up": round(times[1] / times[workers], 3),
            "verified": self._verified("parallel", inputs, receipts),
        }

    def _sustained(self) -> Row:
        """Execute batch after batch; memory stays flat."""
        batches, items = BATCHES, self._size(BATCH)
        times, memory, receipts = list[float](), dict[int, int](), list[SimulatedReceipt]()
        with self._runtime("sustained") as runtime:
            for number in range(1, batches + 1):
                inputs = fib10(items, 10_000 + number * items)
                seconds, made = self._timed(partial(self._all, runtime, inputs))
                times.append(seconds)
                receipts += made
                memory[number] = _resident_bytes()
        flat = memory[batches] <= memory[EARLY] * FLAT
        points = statistics.quantiles(times, n=100)
        inputs = [data for number in range(1, batches + 1) for data in fib10(items, 10_000 + number * items)]
        return {
            **_head("sustained", batches * items, sum(times)),
            "mean_s": round(statistics.mean(times), 4),
            **{f"p{percent}_s": round(points[percent - 1], 4) for percent in (50, 95, 99)},
            "memory_bytes_early": memory[EARLY],
            "memory_bytes_last": memory[batches],
            "memory_flat": flat,
            "verified": self._verified("sustained", inputs, receipts),
        }

    def _burst(self) -> Row:
        """Queue many items at once: the queue is bounded, nobody is refused."""
        inputs = fib10(self._size(BURST), 100_000)
        with self._runtime("burst", queue_limit=1000) as runtime:

            def all_at_once() -> list[SimulatedReceipt]:
                futures = [runtime.submit(self._image, data) for data in inputs]
                return _receipts([future.result() for future in futures])

            seconds, receipts = self._timed(all_at_once)
            longest = runtime.longest_queue
        return {
            **_head("burst", len(inputs), seconds),
            "longest_queue": longest,
            "refusals": 0,
            "verified": self._verified("burst", inputs, receipts),
        }

    def _requests(self) -> Row:
        """Ask in a seeded order for a fifth as many distinct claims."""
        distinct = fib10(self._size(DISTINCT), 200_000)
        order = [distinct[place % len(distinct)] for place in range(len(distinct) * (REQUESTS // DISTINCT))]
        random.Random(SEED).shuffle(order)  # noqa: S311 - a seeded order, no secret
        with self._runtime("requests") as runtime:
            seconds, _ = self._timed(lambda: _receipts([runtime.run(self._image, data) for data in order]))
            counters = runtime.cache.counters
            receipts = _receipts([runtime.run(self._image, data) for data in distinct[:100]])
            hits, misses = sum(counters.hits.values()) - len(receipts), counters.misses
        return {
            **_head("cache", len(order), seconds),
            "hit_rate_percent": round(100 * hits / (hits + misses), 2),
            "evictions": sum(counters.evictions.values()),
            "rejected": counters.rejected,
            "verified": self._verified("requests", distinct[:100], receipts),
        }

    def _all(self, runtime: L2Runtime, inputs: Sequence[bytes]) -> list[SimulatedReceipt]:
        return _receipts(runtime.run_batch(self._image, inputs))

    def _timed(self, work: Callable[[], Any]) -> tuple[float, Any]:
        began_ns = self._clock.monotonic_ns()
        result = work()
        return (self._clock.monotonic_ns() - began_ns) / NANOSECONDS, result

    def _verified(self, name: str, inputs: Sequence[bytes], receipts: Sequence[SimulatedReceipt]) -> int:
        """Have the inputs executed again, and compare; return how many claims match.

        Raises:
            CheckFailedError: it gives something else.
        """
        ours = [(one.claim.exit_code, one.claim.cycles, one.journal.hex()) for one in receipts]
        if self._again(self._folder, name, inputs) != ours:
            raise CheckFailedError(f"{name}: executing again gives other claims")
        return len(ours)


def fresh_process(folder: Path, name: str, inputs: Sequence[bytes]) -> list[Seen]:
    """Execute inputs again with ``veritape run`` in a process of its own, over a cache of its own.

    Raises:
        CheckFailedError: it ended with an error.
    """
    lines, config, again = folder / f"{name}.jsonl", folder / f"{name}.toml", folder / f"{name}-again"
    lines.write_text("".join(f'"{data.hex()}"\n' for data in inputs))
    config.write_text(f'[executor]\npool = "thread"\n[executor.cache]\ndisk_path = "{again}"\n')
    options = ("--inputs", str(lines), "--config", str(config), "--json")
    command = (sys.executable, "-m", "veritape", "run", "fibonacci", *options)
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own command
    if done.returncode:
        raise CheckFailedError(f"{name}: executing again failed: {done.stderr.decode()[-200:]}")
    return [(one["exit_code"], one["cycles"], one["journal_hex"]) for one in json.loads(done.stdout)["items"]]


def run_scenario(
    scenario: str, unit: float = 1.0, pool: str = "process", again: Again = fresh_process
) -> Row:
    """Run the five scenarios of a run and return its document.

    Raises:
        CheckFailedError: a fresh process computes something else.
    """
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    with tempfile.TemporaryDirectory(prefix="veritape-scenario-") as folder:
        made = Scenarios(Path(folder), again, unit, pool)
        rows = made.integration() if scenario == "integration" else made.stress()
    problems = [problem for row in rows for problem in _problems(scenario, row)]
    return {
        "schema": SCHEMA,
        "scenario": scenario,
        "kind": "simulated",
        "label": CALLED,
        "ok": not problems,
        "reason": problems[0] if problems else None,
        "rows": rows,
        "requests": sum(row["requests"] for row in rows),
        "claims_listed": sum(row.get("claims", 0) for row in rows),
        "seconds": round((clock.monotonic_ns() - began_ns) / NANOSECONDS, 2),
    }


_UNITS = {"seconds": "s", "s": "s", "bytes": "bytes", "percent": "%"}
"""Words of a figure's name that are its unit, unless it is a rate or a name by itself."""

_MEGABYTE = 1_000_000
"""From here on bytes are told in these."""


def shown(name: str, value: object) -> str:
    """Return a figure for a person: its name in words, its value with the unit that the name holds."""
    words = name.split("_")
    unit = "" if "per" in words else next((_UNITS[word] for word in words[1:] if word in _UNITS), "")
    words = [word for word in words if not unit or word not in _UNITS]
    if isinstance(value, bool):
        text = "yes" if value else "no"
    elif unit == "bytes" and isinstance(value, int) and value >= _MEGABYTE:
        text = f"{value / _MEGABYTE:,.1f} MB"
    elif isinstance(value, int | float):
        text = f"{value:,} {unit}".strip()
    else:
        text = str(value)
    return f"{' '.join(words)} {text}"


def scenario_text(document: Row) -> str:
    """Return the document for a person."""
    lines = [f"{document['scenario']}: {document['label']}; every figure measured in this run"]
    for row in document["rows"]:
        figures = ", ".join(
            shown(name, value) for name, value in row.items() if name not in {"name", "label", "list_digest"}
        )
        lines.append(f"  {row['name']} ({row['label']}): {figures}")
    verdict = "pass" if document["ok"] else f"FAIL: {document['reason']}"
    lines.append(
        f"{document['requests']:,} requests, {document['claims_listed']:,} claims in lists, {document['seconds']} s: {verdict}"
    )
    return "\n".join(lines)


def _problems(scenario: str, row: Row) -> list[str]:
    found = []
    if row.get("hit_rate_percent", HIT_RATES[scenario]) != HIT_RATES[scenario]:
        found.append(f"{row['name']}: hit rate {row['hit_rate_percent']} %, not {HIT_RATES[scenario]} %")
    if not row.get("memory_flat", True):
        found.append(f"{row['name']}: memory grew over 10 %")
    return found


def _head(name: str, count: int, seconds: float) -> Row:
    return {
        "name": name,
        "label": "executed",
        "requests": count,
        "seconds": round(seconds, 4),
        "requests_per_second": round(count / seconds, 1),
    }


def _receipts(outcomes: Sequence[Outcome]) -> list[SimulatedReceipt]:
    receipts = [one.receipt for one in outcomes if isinstance(one, Executed)]
    if len(receipts) != len(outcomes):
        raise CheckFailedError("an execution of a scenario failed")
    return receipts


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
