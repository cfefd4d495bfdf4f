"""Marks of routes are found as the router would choose."""

from typing import Any

import pytest
from fastapi import Depends, FastAPI
from tests import limited

from veritape.gateway.adapters import marks
from veritape.gateway.adapters.fastapi import limit
from veritape.gateway.adapters.marks import Found, MarkedRoutes


def test_the_first_route_that_the_router_would_take_counts() -> None:
    """GW-602: a literal before a parameter, by order; a nested dependency is seen; applications without routes have none."""
    made, dear, cheap = FastAPI(), limit(cost=9), limit(cost=1)

    def nested(_: None = Depends(dear)) -> None: ...

    @made.get("/a/first", dependencies=[Depends(nested)])
    def first() -> None: ...

    @made.get("/a/{n}", dependencies=[Depends(cheap)])
    def second(n: int) -> None: ...

    found = MarkedRoutes(made)
    assert found.any
    assert found.find("GET", "/a/first") == Found((dear,))
    assert found.find("GET", "/a/other") == found.find("GET", "/a/other") == Found((cheap,))
    assert found.find("POST", "/a/first") is None
    assert found.find("GET", "/docs") is None
    assert found.of_template("GET", "/a/{n}") == Found((cheap,))
    assert found.of_template("GET", "/openapi.json") is None
    assert found.of_template("GET", "/nowhere") is None
    assert not MarkedRoutes(limited.plain).any


def test_many_paths_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: random paths do not fill memory."""
    monkeypatch.setattr(marks, "REMEMBERED", 3)
    found: Any = MarkedRoutes(FastAPI())
    for path in range(10):
        found.find("GET", f"/{path}")
    assert len(found._found) <= 3
    found.find("GET", "/" + "a" * marks.PATH_CHARACTERS)
    assert max(len(path) for _, path in found._found) <= marks.PATH_CHARACTERS
