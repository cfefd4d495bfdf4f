"""Suite ``gateway``: its rows are measured, each beside its peer."""

import pytest

from veritape.apps.bench import gateway as suite
from veritape.apps.bench.results import Row, Size


def test_every_row_of_the_parts_is_in_the_suite(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine's own row first, then decisions, the middleware, usage, the whole way through the gateway, and decisions for Envoy."""
    monkeypatch.setattr(suite, "decisions", lambda _: [Row("d", [1.0])])
    monkeypatch.setattr(suite, "middleware", lambda _: [Row("m", [1.0])])
    monkeypatch.setattr(suite, "usage", lambda _: [Row("u", [1.0])])
    monkeypatch.setattr(suite, "proxies", lambda _: [Row("p", [1.0])])

    async def pair(_size: Size) -> list[Row]:
        return [Row("t", [1.0])]

    monkeypatch.setattr(suite, "two_cores", pair)
    monkeypatch.setattr(suite, "envoy_decisions", lambda _: [Row("e", [1.0])])
    first, *others = suite.gateway(Size(1))
    assert first.name == "quota_decisions_per_second"
    assert min(first.values + first.peer_values) > 0
    assert [row.name for row in others] == ["d", "m", "u", "p", "t", "e"]
