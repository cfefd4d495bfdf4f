"""The service's routes."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from tests.receipt_caches import ECHO, ENDLESS, disk_cache, runtime

from veritape.executor.adapters.http import application as module
from veritape.executor.adapters.http.application import application, parse_job
from veritape.executor.adapters.http.jobs import Jobs
from veritape.executor.adapters.workers.runtime import L2Runtime
from veritape.executor.adapters.workers.watch import Watch
from veritape.executor.metrics import ERRORS_BY_REASON, METRICS
from veritape.executor.vm.execution import Limits
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry.registry import Registry

REGISTRY = Registry(METRICS, strict=True)


class Client:
    """Asks an application in this process."""

    def __init__(self, asked: Starlette) -> None:
        self._asked = asked

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._asked)
            async with httpx.AsyncClient(transport=transport, base_url="http://executor") as client:
                return await client.request(method, path, **options)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    def delete(self, path: str) -> httpx.Response:
        return self.request("DELETE", path)


class Service:
    """The application over a runtime with one worker and a queue of one."""

    def __init__(self, made: L2Runtime) -> None:
        self.clock = ManualClock(monotonic_ns=10**12)
        self.watch = Watch(made, made.pool, self.clock)
        jobs = Jobs(made, {"echo": ECHO, "endless": ENDLESS}, Limits())
        self.client = Client(application(jobs, self.watch, "1.2.3"))

    def post(self, **body: Any) -> httpx.Response:
        return self.client.post("/v1/jobs", json=body)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with runtime(disk_cache(tmp_path), workers=1, queue_limit=1, registry=REGISTRY) as made:
        yield Service(made)


def test_a_job_is_accepted_and_its_state_told(service: Service) -> None:
    """EX-591: 202 with the id; GET tells the state until it is done; nothing is called proven."""
    answer = service.post(program="echo", input="61626364", backend="trace", deadline_s=600)
    assert answer.status_code == 202
    place = answer.headers["location"]
    while (found := service.client.get(place).json())["state"] in {"queued", "running"}:
        pass
    assert (found["state"], found["kind"], found["claim"]["journal_hex"]) == ("done", "simulated", "61626364")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/jobs", 405, "bad_request"),
        ("PUT", "/v1/jobs/1", 405, "bad_request"),
    ],
)
def test_what_has_no_route_is_a_problem_too(
    service: Service, method: str, path: str, status: int, reason: str
) -> None:
    """EX-592: a path that is not there, or a method that it does not take, is answered like any refusal, with what there is."""
    answer = service.client.request(method, path)
    assert (answer.status_code, answer.json()["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert ("allow" in answer.headers) == (status == 405)


def test_a_full_queue_is_503_with_retry_after(service: Service) -> None:
    """EX-352, TL-720: queue_full, counted, and the service is not ready; DELETE cancels."""
    running = service.post(program="endless", input="").json()["id"]
    while service.client.get(f"/v1/jobs/{running}").json()["state"] != "running":
        pass
    service.watch.ask(lambda: True)
    assert service.client.get("/ready").status_code == 200
    waiting = service.post(program="endless", input="01").json()["id"]
    full = service.post(program="endless", input="02")
    assert (full.status_code, full.json()["reason"], full.headers["retry-after"]) == (503, "queue_full", "1")
    assert full.headers["content-type"] == "application/problem+json"
    assert REGISTRY.value(ERRORS_BY_REASON, reason="queue") == 1
    ready = service.client.get("/ready")
    assert (ready.status_code, ready.json()["checks"][1]["detail"]) == (503, "1 of 1 jobs wait")
    while service.watch.signs().idle_workers:  # a job that runs may not have reached its worker
        pass
    service.clock.advance_ns(10 * 10**9)
    assert service.client.get("/ready").json()["checks"][0]["reason"] == "busy"
    for name in (waiting, running):
        assert service.client.delete(f"/v1/jobs/{name}").status_code == 202
    while service.client.get(f"/v1/jobs/{running}").json()["state"] != "cancelled":
        pass


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "bad_request"),
        (b"[]", "bad_request"),
        (b'{"program": "echo"}', "bad_request"),
        (b'{"program": "echo", "input": "0g"}', "bad_request"),
        (b'{"program": "echo", "input": "", "other": 1}', "bad_request"),
        (b'{"program": "echo", "input": "", "deadline_s": -1}', "bad_request"),
        (b'{"program": "echo", "input": "", "deadline_s": true}', "bad_request"),
        (b'{"program": "echo", "input": "", "backend": 1}', "bad_request"),
        (b'{"program": "other", "input": ""}', "unknown_program"),
        (b'{"program": "echo", "input": "", "backend": "stark"}', "unknown_backend"),
    ],
)
def test_a_bad_job_is_a_problem_with_a_reason(service: Service, body: bytes, reason: str) -> None:
    """EX-592: 400, problem+json, the member named."""
    answer = service.client.post("/v1/jobs", content=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


def test_unknown_jobs_and_large_bodies(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """EX-591: 404 and 413."""
    assert service.client.get("/v1/jobs/none").json()["reason"] == "not_found"
    assert service.client.delete("/v1/jobs/none").status_code == 404
    monkeypatch.setattr(module, "MAX_BODY_BYTES", 10)
    assert service.client.post("/v1/jobs", content=b"x" * 11).status_code == 413


def test_health_and_readiness_follow_the_signs(service: Service) -> None:
    """EX-591, EX-593, TL-710: 503 with the reason before a worker answers, 200 after, 503 when none answers for ten seconds."""
    assert service.client.get("/ready").status_code == 503
    assert service.client.get("/ready").json()["checks"][0]["reason"] == "not_started"
    service.watch.ask(lambda: True)
    names = ("name", "passed", "required", "age_seconds", "reason", "detail")
    assert service.client.get("/ready").json() == {
        "status": "ready",
        "service": "executor",
        "checks": [
            dict(zip(names, ("workers", True, True, 0.0, "", ""), strict=True)),
            dict(zip(names, ("queue", True, True, 0.0, "", ""), strict=True)),
            dict(zip(names, ("cache", True, False, 0.0, "", ""), strict=True)),
        ],
    }
    health = service.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["version"]) == (
        200,
        "healthy",
        "1.2.3",
    )
    service.clock.advance_ns(10 * 10**9)
    health = service.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "failing")
    late = service.client.get("/ready")
    assert late.headers["retry-after"] == "5"
    assert (late.json()["status"], late.json()["checks"][0]["reason"]) == ("not_ready", "stale")


def test_the_page_of_links_says_what_it_is(service: Service) -> None:
    """EX-591: name, version, links, no script; executed, not proven."""
    text = service.client.get("/").text
    assert "executed, not proven" in text
    assert "1.2.3" in text
    assert "script" not in text


@given(st.binary(max_size=200))
def test_no_body_breaks_the_parser(body: bytes) -> None:
    """EX-592: any bytes are a job or a bad request."""
    try:
        assert parse_job(body)[2]
    except MisuseError as error:
        text = error.message
        assert text.startswith("bad_request")
