"""Pages of the gateway itself."""

import json

import pytest

from veritape.gateway.builtin_pages import builtin_page, readiness
from veritape.gateway.degradation import StoreState


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("/health", "application/json"),
        ("/openapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/problems/rate_limited", "text/html; charset=utf-8"),
    ],
)
def test_what_is_served(path: str, media: str) -> None:
    """GW-145, GW-559: whatever the store does."""
    for state in StoreState:
        page = builtin_page(path, b"{}", b"<p>", state)
        assert page is not None
        assert (page.status, page.media) == (200, media)


@pytest.mark.parametrize(
    "path", ["/", "/healthy", "/problems/", "/problems/other", "/x/problems/rate_limited"]
)
def test_what_is_not(path: str) -> None:
    """GW-145: any other path is a route's matter."""
    assert builtin_page(path, b"", b"", StoreState.HEALTHY) is None


def test_readiness_says_where_decisions_come_from() -> None:
    """GW-348: 503 only before the store was asked."""
    said = {
        state: (readiness(state).status, json.loads(readiness(state).body)["quota"]) for state in StoreState
    }
    assert said == {
        StoreState.STARTING: (503, "starting"),
        StoreState.HEALTHY: (200, "exact"),
        StoreState.LOCAL: (200, "local"),
        StoreState.PROBING: (200, "local"),
        StoreState.RECONCILING: (200, "reconciling"),
        StoreState.REBUILDING: (200, "local"),
        StoreState.EXHAUSTED: (200, "local"),
    }


def test_a_gateway_that_cannot_charge_is_not_ready() -> None:
    """GW-348, GW-665: 503 while the usage outbox cannot be written; health stays 200."""
    pages = {
        path: builtin_page(path, b"", b"", StoreState.HEALTHY, can_charge=False)
        for path in ("/ready", "/health")
    }
    ready, health = pages["/ready"], pages["/health"]
    assert ready is not None
    assert health is not None
    assert (ready.status, json.loads(ready.body)) == (503, {"quota": "exact", "status": "usage_unavailable"})
    assert health.status == 200
