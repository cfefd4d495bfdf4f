"""What is remembered of authorizations stays within its bounds."""

from typing import Any, cast

import pytest
from tests.check_stand import check_message

from veritape.gateway.adapters.envoy import known_checks as module
from veritape.gateway.adapters.envoy.known_checks import CREDIT_LIMIT, PRICE, Found, KnownChecks
from veritape.gateway.adapters.envoy.straight_check import StraightCheck


def check(name: str) -> StraightCheck:
    """Stand for what is remembered."""
    return cast("StraightCheck", name)


def test_a_call_is_found_by_what_matters_and_its_id_is_told() -> None:
    """GW-612: of each shape and path its own; what was not remembered is not found."""
    known = KnownChecks()
    for path in ("/echo", "/dear"):
        for is_early in (False, True):
            known.keep(check_message(path=path, is_early=is_early), check(path))
    for path in ("/echo", "/dear"):
        for is_early in (False, True):
            message = check_message(path=path, is_early=is_early, number=9)
            found = known.find(message)
            assert found == Found(check(path), b"2f13c842-e919-42d0-8520-000000000009")
    assert known.find(check_message(path="/ohce")) is None
    assert known.find(b"") is None
    known.keep(check_message(path="/echo", asked=""), check("none"))
    assert known.find(check_message(path="/echo", asked="", number=3)) == Found(check("none"), None)


def test_a_path_is_wanted_from_its_second_call_on() -> None:
    """GW-908: and a long one never."""
    known = KnownChecks()
    assert [known.wants("/a"), known.wants("/a"), known.wants("/b")] == [False, True, False]
    assert [known.wants("/" + "a" * 5_000), known.wants("/" + "a" * 5_000)] == [False, False]


def test_what_never_comes_again_is_soon_remembered_seldom() -> None:
    """GW-908: one call in sixteen, until others are found again."""
    known, kept = KnownChecks(), 0
    known.wants("/")
    for number in range(2 * CREDIT_LIMIT // PRICE):
        if known.wants("/"):
            known.keep(check_message(fields=(("traceparent", f"{number:08}"),)), check("/"))
            kept += 1
    assert CREDIT_LIMIT // PRICE <= kept < 1.2 * CREDIT_LIMIT // PRICE
    known.keep(check_message(), check("/"))
    assert not known.wants("/")
    for number in range(3):
        assert known.find(check_message(number=number)) is not None
    assert known.wants("/")


def test_neither_calls_nor_shapes_nor_long_messages_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: at the bound everything is forgotten; of shapes of one length some are kept."""

    def size(known: KnownChecks) -> int:
        return sum(len(one) for kept in known._shapes.values() for _, one in kept)

    monkeypatch.setattr(module, "CHECKS", 10)
    known = KnownChecks()
    for number in range(25):
        known.keep(check_message(fields=(("a", f"{number:08}"),)), check("a"))
        assert size(known) <= 10
    known.keep(check_message(fields=(("a", "a" * 5_000),)), check("a"))
    known.keep(b"\x0b", check("a"))
    assert size(known) == 5
    monkeypatch.setattr(module, "SHAPES", 2)
    many = KnownChecks()
    for at in range(10):
        fields: Any = (("a", "b" * at), ("b", "b" * (9 - at)))
        many.keep(check_message(path="/" + "a" * at, address="1" * (30 - at), fields=fields), check("a"))
    assert all(len(kept) <= 2 for kept in many._shapes.values())
