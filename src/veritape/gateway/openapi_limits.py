"""What an application's OpenAPI document says of limits: 429 and 401 with their fields and the problem's schema (GW-602)."""

from collections.abc import Callable
from typing import Any, Final

from veritape.gateway.openapi_parts import PROBLEM_MEMBERS
from veritape.gateway.prices import Price
from veritape.gateway.problems import CONTENT_TYPE

SCHEMA: Final = "VeritapeProblem"
"""Name of the problem's schema among the application's own."""

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
"""Keys of a path that are operations."""

PriceOf = Callable[[str, str], Price | None]
"""(method, path template) -> what it costs; None: it is not limited."""


def describe_limits(document: dict[str, Any], price_of: PriceOf, *, credentials: bool) -> None:
    """Add to a document what limits answer; doing it again changes nothing.

    Args:
        document: OpenAPI 3.
        price_of: what each operation costs.
        credentials: callers may hold a credential, which may be wrong.
    """
    limited = False
    for template, operations in document.get("paths", {}).items():
        for method in METHODS & operations.keys():
            price = price_of(method.upper(), template)
            if price is not None:
                responses = operations[method].setdefault("responses", {})
                limited |= bool(_add(responses, price, credentials=credentials))
    if limited:
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        members = {name: {"type": kind} for name, kind in PROBLEM_MEMBERS.items()}
        schemas.setdefault(SCHEMA, {"type": "object", "required": list(members), "properties": members})


def _add(responses: dict[str, Any], price: Price, *, credentials: bool) -> int:
    before = len(responses)
    if price.cost_mu:
        fields = {name: {"schema": {"type": "string"}} for name in ("RateLimit", "RateLimit-Policy")}
        fields["Retry-After"] = {"schema": {"type": "string"}}
        responses.setdefault("429", _response("A limit is reached: wait as long as Retry-After says", fields))
    if credentials or not price.anonymous:
        challenge = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        responses.setdefault("401", _response("The credential is missing or does not serve", challenge))
    return len(responses) - before


def _response(description: str, fields: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{SCHEMA}"}
    return {"description": description, "headers": fields, "content": {CONTENT_TYPE: {"schema": schema}}}
