"""What the OpenAPI document says of routes that an upstream serves: what goes in, what it costs, what the gateway answers itself."""

import re
from typing import Any, Final

from veritape.gateway.openapi_parts import (
    ADMIN_REASONS,
    COUNTED_REASONS,
    RATE_HEADERS,
    problems,
    security,
)
from veritape.gateway.policy import Route
from veritape.gateway.rate_fields import units_text
from veritape.gateway.reasons import CHARGED, Reason
from veritape.gateway.upstreams import CountRule

OPEN_REASONS: Final = tuple(
    reason for reason in Reason if reason not in CHARGED | ADMIN_REASONS | COUNTED_REASONS
)
"""Reasons that any route of an upstream may answer with."""

ITEMS_REASONS: Final = tuple(reason for reason in Reason if reason not in CHARGED | ADMIN_REASONS)
"""Reasons that one whose items are counted may answer with."""

WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods that may have a body."""

_NAME: Final = re.compile(r"\{([a-z_]+)(\.\.\.)?\}")


def operations(route: Route, path: str) -> dict[str, Any]:
    """Return the operations of one path of a route, by method in lower case."""
    return {method.lower(): _operation(route, path, method) for method in route.methods}


def shown_path(path: str) -> str:
    """Return a path of the policy as OpenAPI writes it: it has no name for several segments."""
    return path.replace("...}", "}")


def _operation(route: Route, path: str, method: str) -> dict[str, Any]:
    scope = f"Scope {route.scope}. " if route.scope else ""
    each = " an item" if route.counted is not None and not route.counted.per_call else ""
    found: dict[str, Any] = {
        "operationId": _identifier(route, path, method),
        "summary": f"Served by the upstream {route.upstream}.",
        "description": f"{scope}Costs {units_text(route.cost_mu)} units{each}.",
        "parameters": _parameters(path),
        "security": security(route),
        "responses": {
            "default": {
                "description": "What the upstream answers, with its own type.",
                "headers": RATE_HEADERS,
            },
            **problems(ITEMS_REASONS if route.counted else OPEN_REASONS, passed_on=True),
        },
    }
    if route.counted is not None:
        schema = _items_schema(route.counted)
        found["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif method in WITH_BODY and route.body_max_bytes:
        limit = f"Of any type, at most {route.body_max_bytes // 1_024} KiB."
        found["requestBody"] = {"description": limit, "content": {"*/*": {}}}
    return found


def _identifier(route: Route, path: str, method: str) -> str:
    """Return a name that no other operation has: the route's, with its method and place where it has several."""
    parts = [route.name, *([method.lower()] if len(route.methods) > 1 else [])]
    place = route.paths.index(path)
    return "_".join([*parts, *([str(place + 1)] if place else [])])


def _parameters(path: str) -> list[dict[str, Any]]:
    """Return the parameters of a path: any text, because what the upstream takes is its own matter."""
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "One or more segments." if rest else "One segment.",
            "schema": {"type": "string", "minLength": 1},
        }
        for name, rest in _NAME.findall(path)
    ]


def _items_schema(rule: CountRule) -> dict[str, Any]:
    """Return the schema of a counted body: the list at its place, anything beside it; a place within a list is not described."""
    schema: dict[str, Any] = {"type": "array", "minItems": 1, "maxItems": rule.max_items}
    for name in reversed(rule.pointer):
        schema = (
            {} if name.isdigit() else {"type": "object", "required": [name], "properties": {name: schema}}
        )
    return schema
