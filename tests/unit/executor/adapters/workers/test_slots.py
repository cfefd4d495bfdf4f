"""The slots of a batch."""

import threading

from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.adapters.workers.slots import Slots
from veritape.executor.metrics import METRICS
from veritape.executor.runtime.admission import Admission
from veritape.executor.runtime.outcomes import Cost
from veritape.telemetry.registry import Registry


def test_a_slot_is_a_job_s_memory() -> None:
    """EX-351, EX-813: slots are taken as far as the budget goes, given back when fewer jobs are left, and counted."""
    admission, figures = Admission(250), Figures(Registry(METRICS, strict=True))
    changed = threading.Condition()
    one, other = (Slots(admission, changed, figures, Cost(100)) for _ in range(2))
    assert [one.take(), other.take(), one.take()] == [True, True, False]
    assert (one.held, other.held, admission.running_bytes, figures.busy_workers()) == (1, 1, 200, 2)
    one.keep(1)
    assert one.held == 1
    one.keep(0)
    assert (one.held, admission.running_bytes, figures.busy_workers()) == (0, 100, 1)
    assert other.take()
    other.keep(0)
    assert (admission.running_bytes, figures.busy_workers()) == (0, 0)
