"""Jobs as they are remembered."""

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from tests.receipt_caches import ECHO, ENDLESS, TRAPPER, disk_cache, runtime

from veritape.executor.adapters.http import jobs as module
from veritape.executor.adapters.http.jobs import Job, Jobs, document
from veritape.executor.runtime.outcomes import DeadlineExceeded, JobReason, Outcome, RuntimeReason
from veritape.executor.vm.execution import Limits
from veritape.kernel.errors import MisuseError, UnavailableError

PROGRAMS = {"echo": ECHO, "endless": ENDLESS, "trapper": TRAPPER}


def finished(job: Job) -> dict[str, object]:
    job.future.result()
    return document(job)


def test_a_job_ends_with_its_receipt_or_its_reason(tmp_path: Path) -> None:
    """EX-591: done with claim and receipt, called executed, not proven; failed with a reason."""
    with runtime(disk_cache(tmp_path)) as made:
        jobs = Jobs(made, PROGRAMS, Limits())
        done = finished(jobs.submit("echo", b"abcd", "trace", None))
        assert (done["state"], done["kind"], done["label"]) == ("done", "simulated", "executed, not proven")
        assert bytes.fromhex(str(done["receipt_hex"])).startswith(b"VTSIM001")
        failed = finished(jobs.submit("trapper", bytes(4), "trace", None))
        assert (failed["state"], failed["reason"]) == ("failed", "breakpoint")
        late = finished(jobs.submit("endless", b"", "trace", 0.05))
        assert late["state"] == "deadline_exceeded"


def test_a_job_can_be_cancelled(tmp_path: Path) -> None:
    """EX-591: one that runs ends at its next look; one that waits never starts."""
    with runtime(disk_cache(tmp_path), workers=1) as made:
        jobs = Jobs(made, PROGRAMS, Limits())
        running = jobs.submit("endless", b"", "trace", None)
        while not running.future.running():
            threading.Event().wait(0.001)
        waiting = jobs.submit("endless", b"1", "trace", None)
        assert [document(one)["state"] for one in (running, waiting)] == ["running", "queued"]
        assert document(jobs.cancel(waiting.id))["state"] == "cancelled"
        jobs.cancel(running.id)
        assert finished(running)["state"] == "cancelled"


def test_what_is_not_registered_is_refused(tmp_path: Path) -> None:
    """EX-341, EX-591: unknown programs and backends are named with the list; an unknown id is not found."""
    with runtime(disk_cache(tmp_path)) as made:
        jobs = Jobs(made, PROGRAMS, Limits())
        for arguments, reason in (
            (("other", b"", "trace"), JobReason.UNKNOWN_PROGRAM),
            (("echo", b"", "risc0"), RuntimeReason.UNKNOWN_BACKEND),
            (("echo", b"", "auto"), RuntimeReason.UNKNOWN_BACKEND),
        ):
            with pytest.raises(MisuseError) as caught:
                jobs.submit(*arguments, None)
            assert caught.value.reason is reason
        with pytest.raises(MisuseError, match="not_found"):
            jobs.get("none")


def test_old_jobs_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-591: memory is bounded; what is not finished stays."""
    monkeypatch.setattr(module, "JOBS_KEPT", 3)
    with runtime(disk_cache(tmp_path)) as made:
        jobs = Jobs(made, PROGRAMS, Limits())
        first = jobs.submit("echo", b"abcd", "trace", None)
        first.future.result()
        for number in range(4):
            jobs.submit("echo", bytes([number]), "trace", None).future.result()
        with pytest.raises(MisuseError, match="not_found"):
            jobs.get(first.id)


def test_an_error_of_a_job_is_said() -> None:
    """EX-592: a job that ended with an error of the runtime carries its reason."""
    future: Future[Outcome] = Future()
    job = Job("id", "echo", future, threading.Event())
    future.set_exception(UnavailableError("needs_memory: 1 byte", RuntimeReason.NEEDS_MEMORY))
    assert document(job)["reason"] == "needs_memory"
    other: Future[Outcome] = Future()
    other.set_result(DeadlineExceeded())
    assert document(Job("id", "echo", other, threading.Event()))["state"] == "deadline_exceeded"
