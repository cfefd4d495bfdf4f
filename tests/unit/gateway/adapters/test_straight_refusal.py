"""The refusal of a request for which there is no room, straight: byte for byte what the ordinary way says."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.straight_stand import CLIENTS, KEYS, Stand

from veritape.gateway.adapters.client_line import Line
from veritape.gateway.adapters.straight_refusal import StraightRefusal
from veritape.gateway.overload import Overload

OK = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\n{}"
FIELDS = ("", "Origin: https://a.example\r\n")
"""Of requests without and with fields of CORS in their answers."""


def request(tier: str, fields: str = "") -> bytes:
    """Return a request as it comes."""
    return f"GET /echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {KEYS[tier]}\r\n{fields}\r\n".encode()


BEGINNING = [
    step for number in range(CLIENTS) for fields in FIELDS for _ in range(2)
    for step in (("ask", number, request("big", fields)), ("answer", OK), ("commit",))
]  # fmt: skip
"""Until the straight way is known from both addresses, with either head."""

STEPS = [
    *(("ask", number, request("big", fields)) for number in range(CLIENTS) for fields in FIELDS) , ("answer", OK), ("commit",),
    ("overload", 3), ("overload", 0), ("wait", 300), ("reload",), ("drain",), ("revoke",), ("ask", 0, b"\0\r\n\r\n"), ("leave", 0), ("end", 1),
]  # fmt: skip
"""What may happen; ``\\0`` is a failure of an address, which is barred after some."""


async def histories(steps: Sequence[tuple[object, ...]], allowed: int) -> list[Stand]:
    """Tell a history to a gateway with and to one without the straight way, where so many requests are taken at a time; nothing differs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overload, "always", lambda *_: 0)
        stands = [Stand(straight=True), Stand(straight=False)]
        for stand in stands:
            await told(stand, BEGINNING)
            stand.gate.overload.room.found = allowed
        for step in steps:
            for stand in stands:
                await told(stand, [step])
            straight, ordinary = (stand.seen() for stand in stands)
            assert straight == ordinary, step
        for stand in stands:
            await stand.close()
    return stands


async def told(stand: Stand, steps: Sequence[tuple[object, ...]]) -> None:
    """Tell steps."""
    for name, *how in steps:
        await stand.told(str(name), *how)


@settings(deadline=None, max_examples=150)
@given(st.lists(st.sampled_from(STEPS), min_size=5, max_size=40), st.sampled_from([1, 2]))
def test_it_says_and_leaves_what_the_ordinary_way_does(steps: list[tuple[object, ...]], allowed: int) -> None:
    """GW-381, GW-503, GW-507: the same bytes, records, figures and pauses, whatever happens meanwhile, but for the way."""
    asyncio.run(histories(steps, allowed))


async def test_who_is_refused_goes_no_further_than_the_first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-381: one request is taken, others are refused straight; who was refused twice in a second is not read for one."""
    given = list[bool]()
    give = StraightRefusal.give

    def counted(refusal: StraightRefusal, line: Line) -> bool:
        given.append(give(refusal, line))
        return given[-1]

    monkeypatch.setattr(StraightRefusal, "give", counted)
    ask = ("ask", 1, request("big"))
    stand, _ = await histories([("ask", 0, request("big")), ask, ask], 1)
    assert given == [True, True]
    assert stand.clients[1].protocol.flow.is_reading_paused
    assert stand.clients[1].written[-1].startswith(b"HTTP/1.1 503 ")
