"""The workers that a batch may keep busy: each slot is a job's memory, admitted (EX-351).

A job that waits for a worker takes no memory yet: it runs in the slot of the one that ends before it. So a batch that holds a slot for
every worker may hand out more jobs than it has slots, and a worker that ends one finds the next without asking.
"""

import threading

from veritape.executor.adapters.workers.figures import Figures
from veritape.executor.runtime.admission import Admission
from veritape.executor.runtime.outcomes import Cost


class Slots:
    """Of one batch."""

    def __init__(
        self, admission: Admission, changed: threading.Condition, figures: Figures, cost: Cost
    ) -> None:
        """Begin with none.

        Args:
            admission: of the runtime; guarded by ``changed``.
            changed: notified when a slot is given back.
            figures: count busy workers.
            cost: of one job of the batch.
        """
        self._admission, self._changed, self._figures, self._cost = admission, changed, figures, cost
        self.held = 0
        """Slots of this batch."""

    def take(self) -> bool:
        """Take a slot, if memory allows."""
        with self._changed:
            admitted = self._admission.start(self._cost)
        if admitted:
            self.held += 1
            self._figures.busy(1)
        return admitted

    def keep(self, jobs: int) -> None:
        """Give back the slots that so many jobs do not need."""
        while self.held > jobs:
            self.held -= 1
            with self._changed:
                self._admission.end(self._cost)
                self._changed.notify_all()
            self._figures.busy(-1)
