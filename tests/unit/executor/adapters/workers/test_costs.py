"""The file of measured costs, and what the runtime writes into it."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.compiled import SIMULATOR
from tests.costs import COSTS
from tests.receipt_caches import ECHO, disk_cache

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.adapters.workers.costs import CostFile
from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.pool import WorkerPool, thread_executor
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.aggregation.cost_samples import Measured, Origin
from veritape.executor.aggregation.costs import Figure, Line
from veritape.executor.aggregation.decider import AggregationDecider
from veritape.executor.aggregation.plans import AggregationConfig, Mode
from veritape.executor.backend import TraceBackend
from veritape.executor.log_events import LogEvent
from veritape.executor.metrics import METRICS
from veritape.executor.runtime.outcomes import Executed
from veritape.kernel.clock import SystemClock
from veritape.telemetry.registry import Registry

ORIGIN = Origin("a machine", "00" * 32)
RUNS = [
    Measured(figure, number, line.at(number)) for figure, line in COSTS.items() for number in (1, 10, 100)
]


class MeasuringBackend(TraceBackend):
    """Stands for a backend that proves: it says what each job cost."""

    def measured(self) -> Sequence[Measured]:
        return [Measured(Figure.LEAF_S, 1, 0.25)]


def measuring_backend() -> TraceBackend:
    return MeasuringBackend(compiled_simulator())


def runtime(
    folder: Path, costs: CostFile, decider: AggregationDecider, said: list[tuple[LogEvent, str]]
) -> L2Runtime:
    def note(event: LogEvent, /, **fields: object) -> None:
        said.append((event, str(fields.get("why"))))

    pool = WorkerPool(thread_executor, 1, measuring_backend)
    figures = Figures(Registry(METRICS, strict=True))
    return L2Runtime(
        TraceBackend(SIMULATOR), measuring_backend, pool, disk_cache(folder), figures, SystemClock(), 1 << 32,
        note=note, decider=decider, costs=costs,
    )  # fmt: skip


def test_what_a_backend_measures_is_kept(tmp_path: Path) -> None:
    """EX-446: each job's costs go into the file; three of them are a figure, and the simulator of today measures none."""
    costs = CostFile(tmp_path / "below" / "costs.json", ORIGIN)
    decider = AggregationDecider(AggregationConfig())
    with runtime(tmp_path / "cache", costs, decider, []) as made:
        for number in range(3):
            assert costs.known() == {}
            made.run_batch(ECHO, [bytes([number, 0, 0, 0])])
    assert costs.known() == {Figure.LEAF_S: Line(0.25)}
    assert TraceBackend(SIMULATOR).measured() == ()


def test_a_live_batch_is_decided_by_what_was_measured(tmp_path: Path) -> None:
    """EX-446, EX-448, EX-450: the figures of the file and the choice before go into each decision; none that fits costs no receipt."""
    costs, said = CostFile(tmp_path / "costs.json", ORIGIN), list[tuple[LogEvent, str]]()
    costs.add(
        [*RUNS, *[Measured(figure, 1, 1000.0) for figure in Figure if figure.endswith("peak_bytes")] * 3]
    )
    decider = AggregationDecider(AggregationConfig(mode=Mode.MEASURED))
    with runtime(tmp_path / "one", costs, decider, said) as made:
        made.run_batch(ECHO, [bytes([number, 0, 0, 0]) for number in range(50)])
        assert made._decider is not None
        assert made._decider.history is not None
        made._context = replace(made._context, deadline_s=0.001)
        (outcome,) = made.run_batch(ECHO, [b"late"])
    assert isinstance(outcome, Executed)
    (first, why), (second, bound) = said
    assert (first, why[:23]) == (LogEvent.AGGREGATION_DECIDED, "50 claims: batch 16.1 s")
    assert second is LogEvent.AGGREGATION_INFEASIBLE
    assert "by deadline" in bound


def test_processes_and_threads_add_to_one_file(tmp_path: Path) -> None:
    """EX-446: no sample is lost when many write; a folder that cannot be written costs the samples and no more."""
    costs = CostFile(tmp_path / "costs.json", ORIGIN)
    writers = [
        threading.Thread(target=costs.add, args=([Measured(Figure.LAST_S, 1, float(number))],))
        for number in range(12)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert costs.known() == {Figure.LAST_S: Line(5.5)}
    (tmp_path / "file").touch()
    lost = CostFile(tmp_path / "file" / "costs.json", ORIGIN)
    lost.add([Measured(Figure.LAST_S, 1, 1.0)])
    assert lost.known() == {}
