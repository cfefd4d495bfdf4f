"""Pages that the gateway itself serves: they cost nothing, need no key and ask no store (GW-145, GW-348, GW-559)."""

from typing import Final, NamedTuple

from veritape.gateway.degradation import StoreState
from veritape.gateway.problems import problem_page
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.kernel.canonical import canonical_json

JSON: Final = "application/json"
"""Media type of documents."""

HTML: Final = "text/html; charset=utf-8"
"""Media type of pages."""

QUOTA_WORDS: Final = {
    StoreState.STARTING: "starting",
    StoreState.HEALTHY: "exact",
    StoreState.RECONCILING: "reconciling",
}
"""What readiness says of the quota; every other state is ``local``."""


FIXED: Final = frozenset({"/health", "/ready", "/openapi.json", "/docs"})
"""Paths of single pages."""

PROBLEM_PAGES: Final = "/problems/"
"""Before a reason: the page that explains it."""


class BuiltinPage(NamedTuple):
    """An answer."""

    status: int
    media: str
    body: bytes


def is_builtin(path: str) -> bool:
    """Tell, quickly, whether a path could be one of ours."""
    return path in FIXED or path.startswith(PROBLEM_PAGES)


def builtin_page(
    path: str,
    openapi: bytes,
    docs: bytes,
    store: StoreState,
    *,
    is_draining: bool = False,
    can_charge: bool = True,
) -> BuiltinPage | None:
    """Return the page of a path, None when it is none of ours.

    Args:
        path: normal path.
        openapi: the OpenAPI document.
        docs: its page.
        store: where decisions come from.
        is_draining: the process ends soon.
        can_charge: charges can be made durable, or need not be.
    """
    if path == "/health":
        return BuiltinPage(200, JSON, b'{"status":"ok"}')
    if path == "/ready":
        return readiness(store, is_draining=is_draining, can_charge=can_charge)
    if path == "/openapi.json":
        return BuiltinPage(200, JSON, openapi)
    if path == "/docs":
        return BuiltinPage(200, HTML, docs)
    head, _, reason = path.rpartition("/")
    if f"{head}/" == PROBLEM_PAGES and reason in PROBLEMS:
        return BuiltinPage(200, HTML, problem_page(Reason(reason)))
    return None


def readiness(store: StoreState, *, is_draining: bool = False, can_charge: bool = True) -> BuiltinPage:
    """Return whether the gateway serves: on local shares too; not before the store was asked, unable to charge, or ending."""
    if is_draining:
        word = "draining"
    elif store is StoreState.STARTING:
        word = "starting"
    else:
        word = "ready" if can_charge else "usage_unavailable"
    body = {"quota": QUOTA_WORDS.get(store, "local"), "status": word}
    return BuiltinPage(200 if word == "ready" else 503, JSON, canonical_json(body))
