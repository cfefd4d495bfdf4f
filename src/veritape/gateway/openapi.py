"""The OpenAPI document and its page, made from policy and route table (GW-743)."""

import html
from collections.abc import Mapping, Sequence
from typing import Any, Final

from veritape.gateway import openapi_upstreams
from veritape.gateway.openapi_parts import (
    ADMIN_REASONS,
    COUNTED_REASONS,
    PROBLEM_MEMBERS,
    RATE_HEADERS,
    object_schema,
    parameter_object,
    problems,
    security,
    security_schemes,
)
from veritape.gateway.parameters import Parameter
from veritape.gateway.policy import Policy, Route
from veritape.gateway.product.routes import ProductRoute
from veritape.gateway.rate_fields import units_text
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_failures import FAILURES as UPSTREAM_FAILURES

ELSEWHERE: Final = UPSTREAM_FAILURES | COUNTED_REASONS | ADMIN_REASONS | {Reason.NO_ROUTE}
"""Reasons that no product route answers with: of counted bodies, of upstreams, of the admin API."""

ROUTE_REASONS: Final = tuple(reason for reason in Reason if reason not in ELSEWHERE)
"""Reasons that any product route may answer with."""


def document(
    policy: Policy, routes: Sequence[tuple[Route, str, ProductRoute | None]], version: str
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Args:
        policy: the running policy.
        routes: policy route, its path and the product's route that serves it, None where an upstream does.
        version: the product's.
    """
    paths: dict[str, Any] = {
        "/health": {"get": {"operationId": "health", "summary": "Whether the process answers.", "security": [], "responses": {
            "200": {"description": "It does.", "content": {"application/json": {"schema": object_schema({"status": "string"})}}},
            **problems((Reason.BAD_REQUEST,)),
        }}},
        "/ready": {"get": {"operationId": "ready", "summary": "Whether requests are decided, and how exactly.", "security": [], "responses": {
            status: {"description": text, "content": {"application/json": {"schema": object_schema({"status": "string", "quota": "string"})}}}
            for status, text in (("200", "They are."), ("503", "Not yet: the quota store has not answered."))
        } | problems((Reason.BAD_REQUEST,))}},
    }  # fmt: skip
    for route, path, product in routes:
        if product is None:
            found = openapi_upstreams.operations(route, path)
        else:
            found = {"get": _operation(route, path, product)}
        paths.setdefault(openapi_upstreams.shown_path(path), {}).update(found)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "veritape",
            "version": version,
            "description": f"Recorded trades, their completeness and receipts. Policy version {policy.version}.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(policy),
            "schemas": {"Problem": object_schema(PROBLEM_MEMBERS)},
        },
    }


def page(api: Mapping[str, Any]) -> bytes:
    """Return the document as one page for people; it asks for nothing from elsewhere."""
    rows: list[str] = []
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            rows += _page_rows(f"{method.upper()} {path}", operation)
    title = f"{api['info']['title']} {api['info']['version']}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(title)}</title><style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}"
        "td,th{text-align:left;padding:.25rem 1rem .25rem 0;vertical-align:top}</style></head>"
        f"<body><h1>{html.escape(title)}</h1><p>{html.escape(api['info']['description'])} Machine-readable:"
        f' <a href="/openapi.json">/openapi.json</a>.</p>{"".join(rows)}</body></html>\n'
    ).encode()


def _operation(route: Route, path: str, product: ProductRoute) -> dict[str, Any]:
    scope = f"Scope {route.scope}. " if route.scope else ""
    parameters = [parameter_object(parameter, "query") for parameter in product.parameters]
    if path.endswith("{rest...}"):
        rest = Parameter("rest", "[A-Za-z0-9._-]{1,128}", "The receipt's id.", required=True)
        parameters.append(parameter_object(rest, "path"))
    return {
        "operationId": route.name,
        "summary": product.summary,
        "description": f"{scope}Costs {units_text(route.cost_mu)} units a page.",
        "parameters": parameters,
        "security": security(route),
        "responses": {
            "200": {
                "description": "The page.",
                "headers": RATE_HEADERS,
                "content": {"application/json": {"schema": _page_schema(product)}},
            },
            "304": {"description": "Not changed since the ETag that was sent."},
            **problems(ROUTE_REASONS),
        },
    }


def _page_schema(product: ProductRoute) -> dict[str, Any]:
    if not product.items:
        return {"type": "object"}
    item = object_schema(product.items, product.optional)
    cursor = {"type": ["string", "null"]}
    return {
        "type": "object",
        "required": ["items", "next_cursor"],
        "properties": {"items": {"type": "array", "items": item}, "next_cursor": cursor},
    }


def _page_rows(name: str, operation: Mapping[str, Any]) -> list[str]:
    rows = [f"<h2><code>{html.escape(name)}</code></h2><p>{html.escape(operation['summary'])}</p>"]
    if "description" in operation:
        rows.append(f"<p>{html.escape(operation['description'])}</p>")
    parameters = operation.get("parameters", [])
    if parameters:
        items = "".join(_page_row(parameter) for parameter in parameters)
        rows.append(f"<table><tr><th>parameter</th><th>meaning</th><th>required</th></tr>{items}</table>")
    rows.append(f"<p>Statuses: {', '.join(sorted(operation['responses']))}.</p>")
    return rows


def _page_row(parameter: Mapping[str, Any]) -> str:
    cells = (parameter["name"], parameter["description"], "yes" if parameter["required"] else "no")
    return f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>"
