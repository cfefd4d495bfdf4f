"""The usual authorization, straight: it leaves what the ordinary way leaves, and nobody is taken for another one."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.check_stand import KEYS, CheckStand, check_message

from veritape.gateway import check_shapes
from veritape.gateway.adapters.envoy.admitted_answer import AdmittedAnswer
from veritape.gateway.adapters.envoy.messages_pb2 import CheckResponse

BIG, SMALL = KEYS["big"], KEYS["small"]

Step = tuple[Any, ...]
"""What happens, and how."""

KINDS: list[dict[str, Any]] = [
    {"key": BIG}, {"key": SMALL}, {"key": BIG, "path": "/dear"}, {"key": SMALL, "path": "/dear"}, {"key": BIG, "method": "PUT"},
    {"key": BIG, "address": "192.0.2.2"}, {"key": BIG, "is_raw": False}, {"key": BIG, "path": "/echo?a=1"},
    {"key": BIG, "fields": (("x-forwarded-for", "192.0.2.3"),), "address": "192.0.2.9"},
    {"key": BIG, "fields": (("x-forwarded-for", "192.0.2.4"),), "address": "192.0.2.9"},
    {}, {"key": BIG, "path": "/free"}, {"key": BIG, "path": "/watched"}, {"key": BIG, "path": "/none"}, {"key": "vt_live_nonsense"},
    {"key": BIG, "fields": (("apikey", SMALL),)}, {"key": BIG, "path": f"/echo?key={SMALL}"}, {"key": BIG, "asked": ""},
    {"key": BIG, "asked": "mine"}, {"key": BIG, "asked": "a b"}, {"key": BIG, "asked": "mÿne"},
    {"key": BIG, "fields": (("x-request-id", "another"),)}, {"fields": (("authorization", f"Bearer {BIG}"),)},
    {"key": BIG, "path": "/echo", "address": "/run/envoy.sock"},
    {"key": SMALL, "is_raw": False}, {"key": BIG, "is_early": True},
]  # fmt: skip
"""Calls that differ in what matters."""

STEPS: list[Step] = [
    *[("ask", kind) for kind in range(4)] * 25, *[("ask", kind) for kind in range(len(KINDS))] * 3, *[("commit",)] * 60,
    *(("overload", level) for level in (0, 0, 0, 1, 2, 4)), *(("wait", milliseconds) for milliseconds in (1, 400, 2_000, 61_000)),
    ("revoke",), ("reload",), ("reload", b"limit = 60,", b"limit = 6,"), ("reload", b'cost = "3"', b'cost = "4"'), ("fail",), ("fail",),
]  # fmt: skip
"""What may happen; what is usual, often."""

BEGINNING: list[Step] = [
    step for kind in (*range(len(KINDS)), *range(len(KINDS))) for step in (("ask", kind), ("commit",), ("wait", 300))
]  # fmt: skip
"""Until the straight way is known of every kind that has one."""


async def histories(steps: list[Step], beginning: Sequence[Step] = BEGINNING) -> CheckStand:
    """Tell a history to a service with and to one without the straight way, and compare after each step what there is to see."""
    stands = [CheckStand(straight=True), CheckStand(straight=False)]
    for number, step in enumerate((*beginning, *steps)):
        told = step
        if step[0] == "ask":
            told = ("ask", check_message(number=number * 1_000_003, **KINDS[step[1]]))
        elif step == ("fail",):
            told = ("commit", True)
        for stand in stands:
            await stand.told(*told)
        compared(stands, (step, number))
    for stand in stands:
        await stand.close()
    compared(stands, "end")
    return stands[0]


def compared(stands: list[CheckStand], step: object) -> None:
    """Compare what is left."""
    straight, ordinary = (stand.seen() for stand in stands)
    for name, value in ordinary.items():
        assert straight[name] == value, (step, name)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from(STEPS), min_size=10, max_size=50))
def test_it_leaves_what_the_ordinary_way_leaves(steps: list[Step]) -> None:
    """GW-612, GW-501, GW-661, GW-503: the same answers byte for byte, the same events, figures, counts, quota."""
    asyncio.run(histories(steps))


HISTORIES: dict[str, tuple[list[Step], int, int]] = {
    "admitted": ([("ask", 0), ("commit",)], 1, 0),
    "several at a time": ([("ask", 0), ("ask", 2), ("ask", 4), ("ask", 5), ("commit",)], 4, 0),
    "a map of fields": ([("ask", 6), ("commit",)], 1, 0),
    "an id that is not taken": ([("ask", 19), ("commit",)], 1, 0),
    "no id": ([("ask", 17), ("commit",)], 1, 0),
    "two clients behind a proxy": ([("ask", 8), ("ask", 9), ("commit",)], 2, 0),
    "the other field of a key": ([("ask", 22), ("commit",)], 1, 0),
    "charges fail": ([("ask", 0), ("fail",), ("ask", 0), ("commit",)], 1, 1),
    "another policy": ([("ask", 0), ("reload",), ("commit",), ("ask", 0), ("commit",), ("ask", 0), ("commit",)], 2, 1),
    "a revoked key": ([("revoke",), ("ask", 0), ("commit",)], 0, 0),
    "an overloaded worker": ([("overload", 1), ("ask", 0), ("commit",)], 0, 0),
    "a quota that denies": ([("wait", 4_000)] + [("ask", 1)] * 5 + [("commit",)], 4, 0),
    "a look-up too old": ([("wait", 61_000), ("ask", 0), ("commit",)], 0, 0),
    "a guarded address": ([("ask", 14)] * 30 + [("ask", 0), ("commit",)], 0, 0),
    "what is not plain": ([("ask", kind) for kind in (10, 11, 12, 13, 14, 15, 16, 20, 21)], 0, 0),
}  # fmt: skip
"""What happens -> steps, calls that begin straight, and calls that go over."""


@pytest.mark.parametrize("name", HISTORIES)
async def test_what_is_not_plain_goes_the_ordinary_way(name: str) -> None:
    """GW-612, GW-104, GW-105, GW-381, GW-418, GW-444, GW-665: each case leaves what the ordinary way leaves, and which way it took is counted."""
    steps, begun, over = HISTORIES[name]
    before = await histories([])
    after = await histories(steps)
    assert (after.begun - before.begun, after.later - before.later) == (begun, over)


@pytest.mark.parametrize(
    ("number", "place"), [(4, "path"), (2, "method"), (3, "fields"), (13, "raw fields"), (0, "address")]
)
async def test_a_mask_that_hid_what_matters_would_be_found(
    number: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-612: the comparison sees a caller, an address, a path or a method taken for another one, so it would find such a fault."""
    hidden: check_shapes.Table = {
        1: {1: {1: {1: {3: "varies"}}}, 4: {1: {1: "varies", 2: "varies"}, 2: {1: "varies", 3: "entry of a map", 13: {1: "header field"}}}}
    }  # fmt: skip
    assert hidden == check_shapes.CHECK_REQUEST
    attributes: Any = hidden[1]
    if place == "address":
        attributes[1][1][1][2] = "varies"
    else:
        attributes[4][2][number] = "varies"
    monkeypatch.setattr(check_shapes, "CHECK_REQUEST", hidden)
    kinds = {
        "path": [0, 0, 13],
        "method": [0, 0, 4],
        "raw fields": [0, 0, 1],
        "address": [5, 5, *[14] * 30, 0],
        "fields": [6, 6, 24],
    }
    with pytest.raises(AssertionError):
        await histories([step for kind in kinds[place] for step in (("ask", kind), ("commit",))], ())


async def test_a_fault_of_ours_is_the_call_s_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-612: others that wait for the same group are answered."""
    stand = CheckStand(straight=True)
    for number in range(3):
        await stand.told("ask", check_message(BIG, number=number))
        await stand.told("commit")
    written = AdmittedAnswer.of

    def faulty(answer: AdmittedAnswer, identifier: str, verdict: Any) -> bytes:
        if identifier == "bad":
            raise LookupError(identifier)
        return written(answer, identifier, verdict)

    for asked in ("bad", "and", "bad", "and"):
        await stand.told("ask", check_message(BIG, number=5_000_015, asked=asked))
        await stand.told("commit")
    before = dict(stand.answers)
    monkeypatch.setattr(AdmittedAnswer, "of", faulty)
    for asked in ("bad", "and"):
        await stand.told("ask", check_message(BIG, number=5_000_015, asked=asked))
    await stand.told("commit")
    (answer,) = [octets for stream, octets in stand.answers.items() if stream not in before]
    assert (len(stand.faults), CheckResponse.FromString(answer).status.code) == (1, 0)
