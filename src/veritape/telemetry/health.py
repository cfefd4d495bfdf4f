"""Liveness and readiness of a page's parts, from results alone (TL-700, TL-710, TL-740)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from veritape.kernel.clock import NANOSECONDS
from veritape.telemetry.metrics import OPTIONAL_CHECKS
from veritape.telemetry.page import Part

FAILING_NS = 30 * NANOSECONDS
"""Silence of a part after which the chain is failing."""

RETRY_SECONDS = 5
"""``Retry-After`` of a chain that is not ready."""


def age_seconds(part: Part, now_ns: int, started_ns: int) -> float:
    """Return the age of the part's newest vector; before its first, the time since the page's start."""
    newest = max((pipe.received_ns for pipe in part.pipes if pipe.latest), default=started_ns)
    return max(0, now_ns - newest) / NANOSECONDS


def health(parts: Mapping[str, Part], now_ns: int, started_ns: int, version: str) -> tuple[int, bytes]:
    """Return status and body of ``/health``: 503 once a part was silent for 30 seconds."""
    ages = {name: age_seconds(part, now_ns, started_ns) for name, part in parts.items()}
    failing = any(age * NANOSECONDS >= FAILING_NS for age in ages.values())
    degraded = not all(part.is_up(now_ns) for part in parts.values())
    body = {
        "status": "failing" if failing else "degraded" if degraded else "healthy",
        "service": "veritape",
        "version": version,
        "uptime_seconds": round((now_ns - started_ns) / NANOSECONDS, 3),
        "heartbeat_age_seconds": round(max(ages.values(), default=0.0), 3),
        "checks": {name: part.is_up(now_ns) for name, part in parts.items()},
    }
    return 503 if failing else 200, json.dumps(body).encode()


def ready(parts: Mapping[str, Part], now_ns: int, started_ns: int) -> tuple[int, bytes]:
    """Return status and body of ``/ready``: 200 when every part reports and the checks that it shows pass."""
    checks = [
        check
        for name, part in parts.items()
        for check in (_reports(name, part, now_ns, started_ns), *_shown(part, now_ns, started_ns))
    ]
    passed = all(check["passed"] or not check["required"] for check in checks)
    body = {"status": "ready" if passed else "not_ready", "service": "veritape", "checks": checks}
    return 200 if passed else 503, json.dumps(body).encode()


def _reports(name: str, part: Part, now_ns: int, started_ns: int) -> dict[str, Any]:
    is_up = part.is_up(now_ns)
    silent = "stale" if any(pipe.latest for pipe in part.pipes) else "not_started"
    return {
        "name": name,
        "passed": is_up,
        "required": True,
        "age_seconds": round(age_seconds(part, now_ns, started_ns), 3),
        "reason": "" if is_up else silent,
    }


def _shown(part: Part, now_ns: int, started_ns: int) -> Iterator[dict[str, Any]]:
    """Yield the part's own checks."""
    for check, passed in part.checks().items():
        yield {
            "name": check,
            "passed": passed,
            "required": check not in OPTIONAL_CHECKS,
            "age_seconds": round(age_seconds(part, now_ns, started_ns), 3),
            "reason": "" if passed else "failed",
        }
