"""Parts of the OpenAPI document that all operations share: problems, parameters, credentials, rate fields."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from veritape.gateway.parameters import Parameter, schema
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import CONTENT_TYPE
from veritape.gateway.reasons import PROBLEMS, Reason

PROBLEM_MEMBERS: Final[Mapping[str, str]] = {
    "type": "string", "title": "string", "status": "integer", "detail": "string", "reason": "string", "request_id": "string",
}  # fmt: skip
"""Members of every problem body."""

RATE_HEADERS: Final = {
    name: {"schema": {"type": "string"}} for name in ("RateLimit-Policy", "RateLimit", "X-Request-Cost", "X-Request-Id")
}  # fmt: skip
"""Header fields of an answer from the quota decision on."""

COUNTED_REASONS: Final = frozenset({
    Reason.BAD_JSON, Reason.INVALID_BODY, Reason.BATCH_EMPTY, Reason.BATCH_TOO_LARGE, Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.COST_EXCEEDS_BURST,
})  # fmt: skip
"""Reasons of routes whose cost depends on the body."""

ADMIN_REASONS: Final = frozenset({Reason.REVISION_CHANGED, Reason.REVISION_REQUIRED})
"""Reasons of the admin API alone."""


def object_schema(members: Mapping[str, str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the schema of an object whose members have these types."""
    return {
        "type": "object",
        "required": [name for name in members if name not in optional],
        "properties": {name: {"type": kind} for name, kind in members.items()},
    }


def problems(reasons: Sequence[Reason], *, passed_on: bool = False) -> dict[str, Any]:
    """Return the responses of problem answers by status.

    Args:
        reasons: that may be answered.
        passed_on: an upstream may answer with the same status and anything in the body.
    """
    by_status: dict[int, list[Reason]] = {}
    for reason in reasons:
        by_status.setdefault(PROBLEMS[reason].status, []).append(reason)
    content: dict[str, Any] = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if passed_on:
        content["*/*"] = {}
    return {
        str(status): {"description": f"Reasons: {', '.join(found)}.", "content": content}
        for status, found in sorted(by_status.items())
    }


def parameter_object(parameter: Parameter, place: str) -> dict[str, Any]:
    """Return a parameter of the query or the path."""
    return {
        "name": parameter.name,
        "in": place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": schema(parameter),
    }


def security_schemes(policy: Policy) -> dict[str, Any]:
    """Return how callers say who they are: by a key, and by a token where the policy believes an issuer."""
    schemes: dict[str, Any] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        "bearer": {"type": "http", "scheme": "bearer", "description": "The same key."},
    }
    if policy.issuers:
        issuers = ", ".join(issuer.issuer for issuer in policy.issuers)
        schemes["bearer"] |= {"bearerFormat": "JWT", "description": f"A token of {issuers}, or a key."}
    return schemes


def security(route: Route) -> list[dict[str, list[str]]]:
    """Return who may call a route: with which credential and, as its role, which scope."""
    scopes = [route.scope] if route.scope else []
    return [*([{}] if route.anonymous else []), {"key": scopes}, {"bearer": scopes}]
