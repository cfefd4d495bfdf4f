"""Jobs that came over HTTP: accepted, running, done; the last ten thousand are remembered (EX-591)."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.backend import backend_type
from veritape.executor.image import Image
from veritape.executor.receipts import CALLED
from veritape.executor.runtime.outcomes import (
    Cancelled,
    DeadlineExceeded,
    Executed,
    Failed,
    JobReason,
    Outcome,
)
from veritape.executor.vm.execution import Limits
from veritape.kernel.errors import MisuseError

JOBS_KEPT = 10_000
"""Jobs that are remembered; the oldest finished ones go first."""

ID_BYTES = 12
"""Random bytes of a job's id."""


@dataclass
class Job:
    """One job."""

    id: str
    """Random."""
    program: str
    """Registered name."""
    future: "Future[Outcome]"
    """Its outcome."""
    stop: threading.Event
    """Set to cancel it."""


class Jobs:
    """Takes jobs for registered programs; every receipt is simulated."""

    def __init__(self, runtime: L2Runtime, programs: Mapping[str, Image], limits: Limits) -> None:
        self._runtime, self._programs, self._limits = runtime, programs, limits
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()

    def submit(self, program: str, input_bytes: bytes, backend: str, seconds: float | None) -> Job:
        """Queue a job.

        Raises:
            MisuseError: ``unknown_program`` or ``unknown_backend``.
            UnavailableError: ``queue_full`` or ``closed``.
        """
        backend_type(backend)
        image = self._programs.get(program)
        if image is None:
            known = ", ".join(sorted(self._programs))
            raise MisuseError(
                f"unknown_program: {program!r}: registered are {known}", JobReason.UNKNOWN_PROGRAM
            )
        stop = threading.Event()
        future = self._runtime.submit(image, input_bytes, self._limits, seconds, stop.is_set, block=False)
        job = Job(secrets.token_hex(ID_BYTES), program, future, stop)
        with self._lock:
            self._jobs[job.id] = job
            self._forget()
        return job

    def get(self, name: str) -> Job:
        """Return a job.

        Raises:
            MisuseError: ``not_found``.
        """
        with self._lock:
            job = self._jobs.get(name)
        if job is None:
            raise MisuseError("not_found: no such job, or it was forgotten", JobReason.NOT_FOUND)
        return job

    def cancel(self, name: str) -> Job:
        """Ask a job to stop: one that waits never starts, one that runs ends at its next look.

        Raises:
            MisuseError: ``not_found``.
        """
        job = self.get(name)
        job.stop.set()
        job.future.cancel()
        return job

    def _forget(self) -> None:
        finished = [name for name, job in self._jobs.items() if job.future.done()]
        for name in finished[: max(0, len(self._jobs) - JOBS_KEPT)]:
            del self._jobs[name]


def document(job: Job) -> dict[str, Any]:
    """Return what is said of a job; a result is called what it is."""
    head = {"id": job.id, "program": job.program, "kind": "simulated", "label": CALLED}
    if job.future.cancelled():
        return {**head, "state": "cancelled"}
    if not job.future.done():
        return {**head, "state": "running" if job.future.running() else "queued"}
    error = job.future.exception()
    if error is not None:
        return {
            **head,
            "state": "failed",
            "reason": str(getattr(error, "reason", None) or "internal_error"),
            "detail": str(error),
        }
    return {**head, **_SAYS[type(job.future.result())](job.future.result())}


def _executed(outcome: Any) -> dict[str, Any]:
    claim = outcome.receipt.claim
    return {
        "state": "done",
        "cached": outcome.cached,
        "claim": {
            "program_id": claim.program_id.hex(),
            "input_digest": claim.input_digest.hex(),
            "journal_hex": outcome.receipt.journal.hex(),
            "exit_code": claim.exit_code,
            "cycles": claim.cycles,
        },
        "receipt_hex": outcome.receipt.to_bytes().hex(),
    }


_SAYS: Mapping[type[Any], Callable[[Any], dict[str, Any]]] = {
    Executed: _executed,
    Failed: lambda outcome: {"state": "failed", "reason": str(outcome.reason), "detail": outcome.detail},
    Cancelled: lambda _: {"state": "cancelled"},
    DeadlineExceeded: lambda _: {"state": "deadline_exceeded"},
}
