"""``veritape bench``: measured figures, each beside a peer or a limit of the same run.

Every row is measured now, in this process, several times; the median is the figure and the extremes are its spread. The
machine may be shared, so a ratio says more than a figure.
"""

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.replay import load_series
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.vm.execution import DEFAULT_LIMITS
from veritape.executor.vm.machine import execute
from veritape.gateway.quota import Limits, State, evaluate, make_rule
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.observer.completeness import Line
from veritape.observer.frames import Trade, parse_message
from veritape.replay.packing import pack
from veritape.replay.rendering import frame_text, listing_of
from veritape.replay.symbols import symbol_of
from veritape.telemetry import Metric, Registry
from veritape.telemetry.metric import MetricType
from veritape.wire.kis.frames import PRESENT_WIDTH

Work = Callable[[], int]
"""Does some work; returns how many units it did."""

RUNS, QUICK_RUNS = 5, 3
"""Repetitions of a row."""

FIBONACCI_STEPS = 100_000
"""Loop turns of the guest that the machines execute."""


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    """What is counted, per second."""
    work: Work
    """The code that is measured."""
    target: float | None
    """What the specification requires, per second."""
    peer: str
    """What stands beside it."""
    peer_work: Work | None
    """Its code, measured in the same run."""


@click.command(context_settings={"show_default": True})
@click.argument("suite", type=click.Choice(["observer", "executor", "gateway", "telemetry"]), required=False)
@click.option("--quick", is_flag=True, help="Fewer repetitions.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a suite.")
def bench(suite: str | None, quick: bool, as_json: bool) -> None:
    """Measure the parts on this machine, now, beside a peer or a plain loop."""
    for name in [suite] if suite else SUITES:
        document = measure(name, QUICK_RUNS if quick else RUNS)
        click.echo(json.dumps(document) if as_json else _text(document))


def measure(suite: str, runs: int) -> dict[str, Any]:
    """Return the document of a suite."""
    rows = [_row(row, runs) for row in SUITES[suite]()]
    machine = {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {"suite": suite, "machine": machine, "commit": _commit(), "rows": rows}


def _row(row: Row, runs: int) -> dict[str, Any]:
    row.work()
    values, peers = [], []
    for _ in range(runs):
        values.append(_rate(row.work))
        if row.peer_work is not None:
            peers.append(_rate(row.peer_work))
    value = statistics.median(values)
    peer_value = statistics.median(peers) if peers else None
    return {
        "name": row.name,
        "value": round(value, 1),
        "unit": "1/s",
        "better": "higher",
        "runs": runs,
        "spread": [round(min(values), 1), round(max(values), 1)],
        "target": row.target,
        "goal": None,
        "meets": None if row.target is None else value >= row.target,
        "peer": row.peer,
        "peer_value": None if peer_value is None else round(peer_value, 1),
        "ratio": None if peer_value is None else round(value / peer_value, 3),
        "published": False,
    }


def _rate(work: Work) -> float:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    units = work()
    return units * NANOSECONDS / max(1, clock.monotonic_ns() - began_ns)


def _observer() -> Iterator[Row]:
    (series, *_) = load_series((), every_hour=False, auctions=False)
    listing = listing_of(symbol_of(series.code), "20131007", series)
    texts = [frame_text(frame, series.trades, listing, PRESENT_WIDTH) for frame in pack([series])[:5000]]
    frames = [text.encode() for text in texts]
    trades = [one for frame in frames for one in parse_message(frame) if isinstance(one, Trade)]

    def parse() -> int:
        return sum(len(parse_message(frame)) for frame in frames)

    def split() -> int:
        count = 0
        for frame in frames:
            _, _, records, payload = frame.decode().split("|", 3)
            fields = payload.split("^")
            for start in range(0, len(fields), PRESENT_WIDTH):
                _ = [int(fields[start + place]) for place in (2, 12, 13, 14, 15, 16)]
            count += int(records)
        return count

    def ledger() -> int:
        line = Line(series.code, "20131007")
        for trade in trades:
            line.receive(trade, 0)
        return len(trades)

    yield Row("kis_records_parsed_per_second", parse, 250_000.0, "plain split and int loop", split)
    yield Row("ledger_trades_per_second", ledger, 200_000.0, "the parser in front of it", parse)


def _executor() -> Iterator[Row]:
    compiled, image = compiled_simulator(), guest_image("fibonacci")
    tape = FIBONACCI_STEPS.to_bytes(4, "little") + bytes(4) + (1).to_bytes(4, "little")
    short = (FIBONACCI_STEPS // 100).to_bytes(4, "little") + tape[4:]

    def fast() -> int:
        return sum(compiled.machine(image, tape, DEFAULT_LIMITS, None).detail.cycles_by_class)

    def readable() -> int:
        return sum(execute(image, short, DEFAULT_LIMITS, None).detail.cycles_by_class)

    yield Row("instructions_per_second", fast, None, "the readable machine", readable)


def _gateway() -> Iterator[Row]:
    limits = Limits(make_rule(1_000, 60, 1_500), make_rule(30_000, 3_600, 30_000), 1_000_000_000, 100)

    def decide() -> int:
        state = State()
        for now_us in range(0, 20_000_000, 1_000):
            state, _ = evaluate(limits, state, 1_000, now_us, 1_795_219_200_000_000, 1)
        return 20_000

    def counter() -> int:
        tokens, last = 1_500.0, 0.0
        for step in range(20_000):
            now = step / 1_000
            tokens = min(1_500.0, tokens + (now - last) * 1_000 / 60)
            last = now
            tokens -= tokens >= 1
        return 20_000

    yield Row("quota_decisions_per_second", decide, None, "one bucket in floating point", counter)


def _telemetry() -> Iterator[Row]:
    metric = Metric(
        "bench_events_total", MetricType.COUNTER, "Events of the benchmark.", "the benchmark runs"
    )
    registry = Registry((metric,))
    index = registry.index(metric)

    def bound() -> int:
        values = registry.values
        for _ in range(200_000):
            values[index] += 1
        return 200_000

    def by_name() -> int:
        for _ in range(20_000):
            registry.add(metric)
        return 20_000

    yield Row("bound_increments_per_second", bound, None, "increments by name", by_name)


SUITES: dict[str, Callable[[], Iterator[Row]]] = {
    "observer": _observer,
    "executor": _executor,
    "gateway": _gateway,
    "telemetry": _telemetry,
}
"""Suite -> its rows."""


def _text(document: dict[str, Any]) -> str:
    machine = document["machine"]
    lines = [f"{document['suite']}: {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}"]
    for row in document["rows"]:
        target = (
            ""
            if row["target"] is None
            else f", target {row['target']:,.0f} {'met' if row['meets'] else 'MISSED'}"
        )
        peer = "" if row["ratio"] is None else f", {row['ratio']} x {row['peer']} ({row['peer_value']:,.0f})"
        lines.append(f"  {row['name']:34}{row['value']:>16,.0f} /s{target}{peer}")
    return "\n".join(lines)


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _commit() -> str:
    command = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short=12", "HEAD")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    except OSError:
        return ""
    return answer.stdout.strip()
