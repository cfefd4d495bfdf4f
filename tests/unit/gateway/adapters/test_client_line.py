"""Heads of requests as a connection remembers them."""

from typing import cast

import pytest
from tests.straight_stand import KEYS, Stand

from veritape.gateway.adapters import client_line
from veritape.gateway.adapters.client_line import KNOWN_BYTES, KNOWN_HEADS, Head, KnownHeads, Straight
from veritape.gateway.answers import Call


def head(length: int | None = 0) -> Head:
    return Head(Call("GET", "", b"", []), "1.1", length, True, False)


def test_heads_without_a_body_are_remembered_up_to_a_bound() -> None:
    """GW-908: no long head, none with a body; at the bound all are forgotten."""
    known, kept = KnownHeads(), head()
    for octets, said in (
        (b"a", head(3)),
        (b"b", head(None)),
        (b"c" * (KNOWN_BYTES + 1), head()),
        (b"d", kept),
    ):
        known.learn(octets, said)
    assert dict(known) == {b"d": kept}
    assert (kept.came_again, known.again(b"a"), known.again(b"d"), kept.came_again) == (
        False,
        None,
        kept,
        True,
    )
    for number in range(KNOWN_HEADS):
        known.learn(b"%d" % number, head())
    assert len(known) <= KNOWN_HEADS
    assert known.again(b"d") is None


def test_the_straight_way_found_first_is_forgotten_at_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: as many straight ways as are kept, of all heads together; one that is found anew takes no more room."""
    monkeypatch.setattr(client_line, "WAYS", 3)
    known, first, second = KnownHeads(), head(), head()
    way, other = (cast("Straight", object()) for _ in range(2))
    for octets, one in ((b"a", first), (b"b", second)):
        known.learn(octets, one)
    known.learn_way(first, ("a", "http"), way)
    known.learn_way(second, ("a", "http"), way)
    known.learn_way(first, ("a", "http"), other)
    known.learn_way(second, ("b", "http"), way)
    assert (first.straight, second.straight) == (
        {("a", "http"): other},
        {("a", "http"): way, ("b", "http"): way},
    )
    known.learn_way(second, ("c", "http"), way)
    assert (first.straight, len(second.straight)) == ({}, 3)
    for number in range(KNOWN_HEADS):
        known.learn(b"%d" % number, head())
    assert len(known._straight) == 0


async def test_one_head_goes_straight_from_several_addresses() -> None:
    """GW-501, GW-908: clients behind more addresses than are kept are served all the same, and what is kept stays within its bound."""
    stand = Stand(straight=True)
    octets = f"GET /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEYS['big']}\r\n\r\n".encode()
    for _ in range(3):
        for number in range(len(stand.clients)):
            await stand.told("ask", number, octets)
            await stand.told("answer", b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n")
            await stand.told("commit")
    (known,) = stand.known.values()
    assert set(known.straight) == {("192.0.2.0", "http"), ("192.0.2.1", "http")}
    assert [one.status for one in stand.log] == [200] * 9
    await stand.close()
