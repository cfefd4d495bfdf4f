"""Problem bodies (RFC 9457) and the pages that explain them (GW-507)."""

import html
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from veritape.gateway.quota import MU, Decision, LimitState
from veritape.gateway.rate_fields import units_text
from veritape.gateway.reasons import PROBLEMS, QUOTA_REASONS, Reason, problem_type
from veritape.kernel.canonical import Json, canonical_json

CONTENT_TYPE: Final = "application/problem+json"
"""Media type of every error."""

DOCUMENTS: Final = 512
"""Documents that are remembered: one for each reason and sentence of ours."""

PLACE: Final = "?request-id?"
"""Stands where the id will; no sentence of ours holds it."""

AUTHENTICATE: Final = 'Bearer realm="veritape"'
"""Challenge of every 401."""


class RefusedError(Exception):
    """A request ends with a problem answer. Expected: it is caught where answers are made."""

    def __init__(self, reason: Reason, detail: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        """Why."""
        self.detail = detail
        """One sentence of ours; nothing that the caller sent is echoed."""
        self.fields = fields or {}
        """Header fields of the answer."""


def problem_body(reason: Reason, detail: str, request_id: str, decision: Decision | None) -> bytes:
    """Return the body of a problem answer.

    Args:
        reason: why.
        detail: a sentence for this occurrence; empty for the advice of the reason.
        request_id: the request's, which needs no escapes in JSON (``request_ids``).
        decision: the quota decision, once there is one.
    """
    if reason in QUOTA_REASONS and decision is not None:
        longest = max(decision.limits, key=lambda part: part.wait_us)
        return canonical_json(_members(reason, detail, request_id) | _quota_members(decision, longest))
    before, after = _pieces(reason, detail)
    return before + request_id.encode() + after


def problem_page(reason: Reason) -> bytes:
    """Return the page of a reason: what happened, what to do."""
    problem = PROBLEMS[reason]
    title = html.escape(f"{problem.status} {problem.title}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head><body><h1>{title}</h1><p>Reason: <code>{reason.value}</code>.</p>"
        f"<p>{html.escape(problem.advice)}</p></body></html>\n"
    ).encode()


def _members(reason: Reason, detail: str, request_id: str) -> dict[str, Json]:
    problem = PROBLEMS[reason]
    return {
        "type": problem_type(reason),
        "title": problem.title,
        "status": problem.status,
        "detail": detail or problem.advice,
        "reason": reason.value,
        "request_id": request_id,
    }


@lru_cache(maxsize=DOCUMENTS)
def _pieces(reason: Reason, detail: str) -> tuple[bytes, bytes]:
    """Return a document before and after its request's id: refusals are many when there is least time for them."""
    before, _, after = canonical_json(_members(reason, detail, PLACE)).partition(PLACE.encode())
    return before, after


def _quota_members(decision: Decision, longest: LimitState) -> dict[str, Json]:
    return {
        "violated-policies": [name.value for name in decision.violated],
        "retry_after": decision.retry_after_s,
        "limit": longest.quota,
        "remaining": longest.remaining_mu // MU,
        "cost": units_text(decision.cost_mu),
    }
