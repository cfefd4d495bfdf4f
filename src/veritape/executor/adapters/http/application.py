"""The routes of ``veritape jobs serve`` (EX-591, 592): jobs, health, a page of links. Errors are problem+json with a reason."""

import html
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from veritape.executor import health
from veritape.executor.adapters.http.jobs import Jobs, document
from veritape.executor.adapters.workers.watch import Watch
from veritape.executor.receipts import CALLED
from veritape.executor.runtime.outcomes import JobReason, RuntimeReason
from veritape.kernel.errors import MisuseError, UnavailableError, VeritapeError

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Longest body of a request."""

RETRY_S = 1
"""``Retry-After`` of a full queue."""

LONGEST_S = 1e9
"""Deadlines are below thirty years."""

MEMBERS = frozenset({"program", "input", "backend", "deadline_s"})
"""Members of a job."""

_STATUS: Mapping[str, int] = {
    JobReason.NOT_FOUND: 404,
    JobReason.BODY_TOO_LARGE: 413,
    RuntimeReason.QUEUE_FULL: 503,
    RuntimeReason.CLOSED: 503,
}

Handler = Callable[[Request], Awaitable[Response]]


def application(jobs: Jobs, watch: Watch, version: str) -> Starlette:
    """Return the service over jobs and signs of life."""
    routes = [
        Route("/", partial(_index, version)),
        Route("/health", partial(_health, watch, version)),
        Route("/ready", partial(_ready, watch)),
        Route("/v1/jobs", _answering(watch, partial(_submit, jobs)), methods=["POST"]),
        Route("/v1/jobs/{id}", _answering(watch, partial(_job, jobs)), methods=["GET"]),
        Route("/v1/jobs/{id}", _answering(watch, partial(_cancel, jobs)), methods=["DELETE"]),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _no_route})


def _answering(watch: Watch, handler: Handler) -> Handler:
    """Turn refusals into problems, and count what fails on our side."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except VeritapeError as error:
            if isinstance(error, UnavailableError):
                watch.runtime.figures.failed(error.reason)
            return _problem(error)

    return answer


async def _no_route(request: Request, error: Exception) -> Response:
    """Answer a path that is not there, or a method that it does not have, as any other refusal."""
    if isinstance(error, HTTPException) and error.status_code == _METHOD_NOT_ALLOWED:
        refusal = _bad(f"{request.method} is not what {request.url.path} takes")
        return _problem(refusal, _METHOD_NOT_ALLOWED, error.headers)
    text = "not_found: POST /v1/jobs takes a job, GET /v1/jobs/ID tells its state, DELETE cancels it"
    return _problem(MisuseError(text, JobReason.NOT_FOUND))


_METHOD_NOT_ALLOWED = 405
"""HTTP's own number."""


def _problem(
    error: VeritapeError, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    reason = None if error.reason is None else str(error.reason)
    status = status or _STATUS.get(reason or "", 400)
    body = {
        "type": "about:blank",
        "title": reason,
        "status": status,
        "detail": error.message,
        "reason": reason,
    }
    fields = {"Retry-After": str(RETRY_S)} if status == 503 else dict(headers or {})  # noqa: PLR2004 - HTTP's own number
    return JSONResponse(body, status, fields, media_type="application/problem+json")


async def _submit(jobs: Jobs, request: Request) -> Response:
    program, data, backend, seconds = parse_job(await _body(request))
    job = await run_in_threadpool(jobs.submit, program, data, backend, seconds)
    return JSONResponse(document(job), 202, {"Location": f"/v1/jobs/{job.id}"})


async def _job(jobs: Jobs, request: Request) -> Response:
    return JSONResponse(document(jobs.get(request.path_params["id"])))


async def _cancel(jobs: Jobs, request: Request) -> Response:
    return JSONResponse(document(jobs.cancel(request.path_params["id"])), 202)


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise MisuseError(f"body_too_large: over {MAX_BODY_BYTES} bytes", JobReason.BODY_TOO_LARGE)
        parts.append(part)
    return b"".join(parts)


def parse_job(body: bytes) -> tuple[str, bytes, str, float | None]:
    """Return program, input, backend and deadline of a request's body.

    A body: ``{"program": "fibonacci", "input": "0a0000000000000001000000", "backend": "trace", "deadline_s": 5}``; the input is
    hexadecimal; backend and deadline may be missing.

    Raises:
        MisuseError: ``bad_request``, naming the member.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _bad("the body is not JSON") from error
    if not isinstance(value, dict) or value.keys() - MEMBERS:
        raise _bad(f"a job is an object of {', '.join(sorted(MEMBERS))}")
    program, text = value.get("program"), value.get("input")
    if not isinstance(program, str) or not isinstance(text, str):
        raise _bad("program and input are texts")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise _bad("input is not hexadecimal") from error
    return program, data, _backend(value), _deadline(value)


def _backend(value: dict[str, Any]) -> str:
    backend = value.get("backend", "trace")
    if not isinstance(backend, str):
        raise _bad("backend is a text")
    return backend


def _deadline(value: dict[str, Any]) -> float | None:
    seconds = value.get("deadline_s")
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < LONGEST_S
    ):
        raise _bad("deadline_s is a number of seconds from 0")
    return seconds


def _bad(detail: str) -> MisuseError:
    return MisuseError(f"bad_request: {detail}", JobReason.BAD_REQUEST)


async def _index(version: str, request: Request) -> Response:
    del request
    links = "".join(f'<li><a href="{path}">{path}</a></li>' for path in ("/health", "/ready"))
    text = (
        f'<!doctype html><html lang="en"><title>veritape executor</title><h1>veritape executor {html.escape(version)}</h1>'
        f"<p>Takes jobs for registered programs: POST /v1/jobs. Everything is {CALLED}.</p><ul>{links}</ul></html>"
    )
    return HTMLResponse(text)


async def _health(watch: Watch, version: str, request: Request) -> Response:
    del request
    found, checks = health.status(watch.signs(), watch.now_ns())
    body = {"status": str(found), "service": "executor", "version": version, "checks": checks}
    return JSONResponse(body, 503 if found is health.Status.FAILING else 200)


async def _ready(watch: Watch, request: Request) -> Response:
    del request
    signs, now_ns = watch.signs(), watch.now_ns()
    answer = health.ready(signs, now_ns)
    shown = [
        {
            "name": check.name,
            "passed": check.reason is None,
            "required": check.required,
            "age_seconds": check.age_seconds,
            "reason": str(check.reason or ""),
            "detail": check.detail,
        }
        for check in health.checks(signs, now_ns)
    ]
    body = {"status": "ready" if answer else "not_ready", "service": "executor", "checks": shown}
    return JSONResponse(body, 200 if answer else 503, {} if answer else {"Retry-After": "5"})
