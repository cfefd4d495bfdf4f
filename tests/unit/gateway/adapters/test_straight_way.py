"""The usual request, straight: it leaves what the ordinary way leaves, and goes over where something turns out unusual."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.straight_stand import CLIENTS, KEYS, Stand

from veritape.gateway.adapters import target_pool
from veritape.gateway.adapters.client_line import Line
from veritape.gateway.adapters.straight_way import Passage, StraightWay


def request(target: str, tier: str = "", *fields: str, method: str = "GET") -> bytes:
    """Return a request as it comes."""
    key = [f"X-API-Key: {KEYS[tier]}"] if tier else []
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: a", *key, *fields, "", ""]).encode()


def response(status: int, *fields: str, body: bytes = b"{}") -> bytes:
    """Return an upstream's answer."""
    return (
        "\r\n".join([f"HTTP/1.1 {status} X", *fields, f"Content-Length: {len(body)}", "", ""]).encode() + body
    )


USUAL = request("/echo", "big")
OK = response(200, "Content-Type: application/json")
REQUESTS = [
    USUAL, request("/echo", "free"), request("/echo"), request("/kept", "big"), request("/nothing", "big"),
    request("/echo", "big", method="HEAD"), request("/echo", "big", "X-Request-Id: mine"),
    request("/echo", "big", "Origin: https://a.example"), request("/echo", "big", "Connection: close"), USUAL + USUAL,
    USUAL[:30], USUAL[30:], request("/echo", "big", "Content-Length: 0", method="POST"),
    request("/echo", "big", "Content-Length: 2", method="POST") + b"ab", b"\0\r\n\r\n",
]  # fmt: skip
ANSWERS = [
    (OK, False), (OK, False), (OK, False), (response(200, "X-Of: b"), False), (response(404), False), (response(500), False),
    (response(503), False), (b"HTTP/1.1 204 X\r\n\r\n", False), (OK[:20], False), (b"nonsense", False), (OK[:40], True), (OK, True),
    (b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", False),
    (response(200, "Connection: close"), False),
]  # fmt: skip

Step = tuple[Any, ...]
"""What happens, and how."""

CLIENT = range(CLIENTS)
STEPS: list[Step] = [
    *[("ask", number, USUAL) for number in CLIENT] * 15, *[("answer", OK)] * 40, *[("commit",)] * 25,
    *(("ask", number, octets) for octets in REQUESTS for number in CLIENT), *(("answer", *one) for one in ANSWERS),
    *((step, number) for step in ("leave", "end") for number in CLIENT), *(("overload", level) for level in (0, 0, 0, 1, 2, 4)),
    *(("wait", milliseconds) for milliseconds in (1, 20, 400, 2_000, 61_000)), ("revoke",), ("reload",), ("drain",), ("silence",),
    ("fail",), ("fail",), ("give_up",),
]  # fmt: skip
"""What may happen; what is usual, often."""

BEGINNING: list[Step] = [
    step for number in CLIENT for octets in (USUAL, USUAL, request("/echo", "free"), request("/echo", "free"))
    for step in (("ask", number, octets), ("answer", OK), ("commit",))
]  # fmt: skip
"""Until the straight way is known of both accounts, from both addresses, and a connection to the upstream idles."""


FEW: list[Step] = [
    *[("ask", number, USUAL) for number in CLIENT] * 3, *[("answer", OK)] * 4, *[("commit",)] * 3, ("give_up",), ("answer", OK, True),
    *(("leave", number) for number in CLIENT), *(("ask", number, request("/echo", "free")) for number in CLIENT), ("end", 0), ("reload",),
    ("silence",), ("fail",), ("overload", 2), ("answer", OK[:20]), ("revoke",),
]  # fmt: skip
"""What may happen where requests wait for a connection."""


async def histories(steps: list[Step], connections: int = 128, waiting: int = 1_024) -> list[Stand]:
    """Tell a history to a gateway with and to one without the straight way, and compare after each step what there is to see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(target_pool, "CONNECTIONS", connections)
        patch.setattr(target_pool, "WAITING", waiting)
        return await _histories(steps)


async def _histories(steps: list[Step]) -> list[Stand]:
    """Tell it: nothing differs, and no connection is lost."""
    stands = [Stand(straight=True), Stand(straight=False)]
    try:
        for step in (*BEGINNING, *steps):
            for stand in stands:
                await stand.told(*(("commit", True) if step == ("fail",) else step))
            straight, ordinary = (stand.seen() for stand in stands)
            for name, value in ordinary.items():
                assert straight[name] == value, (step, name)
            for target in (target for stand in stands for target in stand.targets if not target.in_flight):
                assert len(target._idle) == target._open, (step, "a connection is lost")
    finally:
        for stand in stands:
            await stand.close()
    straight, ordinary = (stand.seen() for stand in stands)
    assert straight == ordinary
    assert not any(stand.state.tasks for stand in stands)
    return stands


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(STEPS), min_size=10, max_size=40))
def test_it_leaves_what_the_ordinary_way_leaves(steps: list[Step]) -> None:
    """GW-501, GW-502, GW-504, GW-661, GW-583: the same bytes to client and upstream, the same events, records, figures, counts."""
    asyncio.run(histories(steps))


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(FEW), min_size=5, max_size=30), st.sampled_from([(1, 9), (2, 9), (1, 1)]))
def test_it_waits_for_a_connection_as_the_ordinary_way_does(
    steps: list[Step], bounds: tuple[int, int]
) -> None:
    """GW-501, GW-581: with fewer connections than requests each waits in turn, whichever way it goes, and leaves what it left before."""
    asyncio.run(histories(steps, *bounds))


ONE: list[Step] = [("ask", 0, USUAL), ("ask", 1, USUAL)]
"""One connection: the second request waits for it."""
THEN: list[Step] = [("answer", OK), ("commit",)]
"""It has an answer, and who waits longest gets it."""

WAITS: dict[str, tuple[list[Step], int, int]] = {
    "in turn": ([*ONE, *THEN, *THEN], 2, 0),
    "behind who came before": ([*ONE, ("ask", 2, USUAL), *THEN, *THEN, *THEN], 3, 0),
    "no longer than its time": ([*ONE, ("give_up",), *THEN, *THEN], 2, 1),
    "its client leaves": ([*ONE, ("leave", 1), *THEN, ("ask", 0, USUAL), *THEN], 3, 1),
    "its place stays its own": ([*ONE, ("ask", 2, USUAL), ("end", 1), *THEN, *THEN, *THEN], 3, 1),
    "the connection ends": ([*ONE, ("answer", OK, True), ("commit",), *THEN], 2, 1),
}  # fmt: skip
"""What happens to a request that waits -> steps, requests that begin straight, and requests that go over."""


async def test_who_could_not_even_wait_is_refused_before_it_is_charged() -> None:
    """GW-381, GW-581: one request has the connection, one waits; a third is told when to come back, and nothing is charged or given back."""
    stand, _ = await histories([*ONE, ("ask", 2, USUAL)], 1, 1)
    before, _ = await histories(ONE, 1, 1)
    answer = stand.clients[2].written[-1]
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"reason":"overloaded"' in answer
    assert b"\r\nretry-after: " in answer
    assert len(stand.ledger.events) == len(before.ledger.events)
    assert stand.memory.months == before.memory.months


HISTORIES: dict[str, tuple[list[Step], int, int]] = {
    "admitted": ([("ask", 0, USUAL), ("answer", OK), ("commit",)], 1, 0),
    "durable first": ([("ask", 0, USUAL), ("commit",), ("answer", OK)], 1, 0),
    "several at a time": ([("ask", number, USUAL) for number in CLIENT] + [("answer", OK)] * 3 + [("commit",)], 1, 0),
    "asks twice": ([("ask", 0, USUAL), ("ask", 0, USUAL), ("answer", OK), ("commit",), ("answer", OK), ("commit",)], 1, 0),
    "no known answer": ([("ask", 0, USUAL), ("answer", response(404, "X-A: b")), ("commit",)], 1, 0),
    "an answer in pieces": ([("ask", 0, USUAL), ("answer", OK[:30]), ("answer", OK[30:]), ("commit",)], 1, 1),
    "no answer in time": ([("ask", 0, USUAL), ("silence",), ("commit",)], 1, 1),
    "an answer cut": ([("ask", 0, USUAL), ("answer", OK[:50], True), ("commit",)], 1, 1),
    "no HTTP": ([("ask", 0, USUAL), ("answer", b"nonsense"), ("commit",)], 1, 1),
    "a failing upstream": ([("ask", 0, USUAL), ("answer", response(503)), ("commit",)], 1, 1),
    "an answer without a body": ([("ask", 0, USUAL), ("answer", b"HTTP/1.1 204 X\r\n\r\n"), ("commit",)], 1, 1),
    "charges fail": ([("ask", 0, USUAL), ("answer", OK), ("fail",), ("ask", 0, USUAL), ("commit",), ("answer", OK)], 1, 1),
    "charges fail first": ([("ask", 0, USUAL), ("fail",), ("answer", OK)], 1, 1),
    "the client leaves": ([("ask", 0, USUAL), ("leave", 0), ("commit",)], 1, 1),
    "the client leaves late": ([("ask", 0, USUAL), ("answer", OK), ("leave", 0), ("commit",)], 1, 1),
    "the server ends": ([("ask", 0, USUAL), ("end", 0), ("answer", OK), ("commit",)], 1, 1),
    "another policy": ([("ask", 0, USUAL), ("reload",), ("answer", OK), ("commit",), ("ask", 0, USUAL)], 1, 1),
    "a revoked key": ([("revoke",), ("ask", 0, USUAL)], 0, 0),
    "an overloaded worker": ([("overload", 2), ("ask", 0, USUAL), ("answer", OK), ("commit",)], 1, 0),
    "a halved caller": ([("overload", 2), ("ask", 0, request("/echo", "free"))], 0, 0),
    "essential routes alone": ([("overload", 3), ("ask", 0, USUAL)], 0, 0),
    "an ending worker": ([("drain",), ("ask", 0, USUAL)], 0, 0),
    "a quota that denies": ([("ask", 0, request("/echo", "free"))], 0, 0),
    "a look-up too old": ([("wait", 61_000), ("ask", 0, USUAL), ("answer", OK), ("commit",)], 0, 0),
}  # fmt: skip
"""What happens -> steps, requests that begin straight, and requests that go over."""


@pytest.mark.parametrize("name", HISTORIES)
async def test_what_turns_out_unusual_goes_over(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-501, GW-502, GW-554, GW-584, GW-661, GW-665, GW-418, GW-105, GW-381: each case leaves what the ordinary way leaves, and which way it took is counted."""
    steps, *expected = HISTORIES[name]
    assert await counted(monkeypatch, steps) == expected


@pytest.mark.parametrize("name", WAITS)
async def test_who_waits_for_a_connection_goes_straight(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-501, GW-581, GW-582: a request waits for one of the connections without leaving the straight way, and keeps its place when it does."""
    steps, *expected = WAITS[name]
    assert await counted(monkeypatch, steps, 1) == expected


async def counted(monkeypatch: pytest.MonkeyPatch, steps: list[Step], connections: int = 128) -> list[int]:
    """Return how many requests of a history begin straight, and how many of them go over."""
    counts = {"begun": 0, "over": 0}
    begin, go_over = StraightWay.begin, Passage.go_over

    def counted_begin(way: StraightWay, line: Line) -> Passage | None:
        passage = begin(way, line)
        counts["begun"] += passage is not None
        return passage

    def counted_over(passage: Passage) -> None:
        counts["over"] += 1
        go_over(passage)

    monkeypatch.setattr(StraightWay, "begin", counted_begin)
    monkeypatch.setattr(Passage, "go_over", counted_over)
    await histories([], connections)
    of_beginning = counts["begun"]
    await histories(steps, connections)
    return [counts["begun"] - 2 * of_beginning, counts["over"]]
