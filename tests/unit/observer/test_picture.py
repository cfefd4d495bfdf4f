"""The picture of a day."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from tests.tape import DAY, anchors, day_notes, frames, own_note, recorded

from veritape.observer import audit
from veritape.observer.notes import NoteKind
from veritape.observer.picture import COLOURS, Cell, Span, cells, svg

OPEN_S, CLOSE_S = 32_400, 32_400 + 600
SPAN = Span(OPEN_S, CLOSE_S, CLOSE_S + 180)
SVG = "{http://www.w3.org/2000/svg}"


def line(*gaps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "code": "990001", "status": "residual", "watched": [[OPEN_S - 10, CLOSE_S]], "gaps": list(gaps), **changes,
    }  # fmt: skip


def gap(left_s: int, right_s: int, state: str = "residual") -> dict[str, Any]:
    return {"left": {"event_s": left_s}, "right": {"event_s": right_s}, "state": state}


TRADED = {OPEN_S + minute * 60: 5 for minute in range(10)}


def test_a_hole_colours_each_minute_from_edge_to_edge() -> None:
    """OB-679: complete, residual, quiet; after the close only late prints have a session."""
    shares = {minute: n for minute, n in TRADED.items() if minute != OPEN_S + 300}
    found = cells(line(gap(OPEN_S + 100, OPEN_S + 185)), {**shares, CLOSE_S: 7}, SPAN)
    assert found == [
        Cell.COMPLETE, Cell.RESIDUAL, Cell.RESIDUAL, Cell.RESIDUAL, Cell.COMPLETE, Cell.QUIET,
        *[Cell.COMPLETE] * 4, Cell.COMPLETE, Cell.NO_SESSION, Cell.NO_SESSION,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("one", "cell"),
    [
        (line(gap(OPEN_S, OPEN_S + 59, "filled")), Cell.BACKFILLED),
        (line(gap(OPEN_S, OPEN_S + 59, "open")), Cell.RESIDUAL),
        (line(gap(OPEN_S, OPEN_S + 59, "contradicted")), Cell.CONTRADICTED),
        (line(gap(OPEN_S, OPEN_S + 59, "filled"), gap(OPEN_S + 59, OPEN_S + 59)), Cell.RESIDUAL),
        (line(status="contradicted"), Cell.CONTRADICTED),
        (line(watched=[[OPEN_S + 60, CLOSE_S]]), Cell.NOT_WATCHED),
        (line(gap(0, OPEN_S + 59), watched=[[OPEN_S + 60, CLOSE_S]]), Cell.NOT_WATCHED),
        (line(gap(0, OPEN_S + 59, "filled"), watched=[[OPEN_S + 60, CLOSE_S]]), Cell.BACKFILLED),
    ],
)
def test_what_a_minute_says(one: dict[str, Any], cell: Cell) -> None:
    """OB-679: one colour a state; the worst of a minute's holes."""
    assert cells(one, {}, SPAN)[0] is cell


def test_a_day_that_goes_on_has_no_future() -> None:
    """OB-679: minutes that have not come are no session."""
    found = cells(line(), TRADED, SPAN._replace(until_s=OPEN_S + 121))
    assert found[:4] == [Cell.COMPLETE, Cell.COMPLETE, Cell.COMPLETE, Cell.NO_SESSION]


def test_the_picture_of_a_real_day_is_well_formed_and_the_same_every_time() -> None:
    """OB-679: a row a line, a column a minute, 3 x 14 px, titles with figures, legend, axis; no script, no outside reference."""
    until = OPEN_S * 1000 + 600_000
    closed = own_note(NoteKind.CLOSED, 56_000, day=DAY)
    day = recorded(*day_notes(), *frames(drop=0.02, until_ms=until), *anchors(until_ms=until), closed).days[
        DAY
    ]
    document = audit.document(day, "KRX", 1, {"cycles": 0, "expected": 0, "received": 0, "missing": 0})
    shares = dict.fromkeys(day.lines, TRADED)
    picture = svg(document, shares, SPAN)
    assert picture == svg(document, shares, SPAN)
    root = ET.fromstring(picture)  # noqa: S314 - our own bytes
    drawn = [one for one in root.iter(f"{SVG}rect") if one.find(f"{SVG}title") is not None]
    assert len(drawn) == 3 * len(SPAN.minutes)
    assert {(one.get("width"), one.get("height")) for one in drawn} == {("3", "13")}
    assert {one.get("fill") for one in drawn} <= set(COLOURS.values())
    assert drawn[0][0].text == "990001 09:00: residual, 5 shares recorded"
    words = {one.text for one in root.iter(f"{SVG}text")}
    assert {"990001", "990002", "990003", "09:00", *(cell.value for cell in Cell)} <= words
    assert root.find(f"{SVG}title") is not None
    for outside in (b"script", b"href", b"url(", b"@import", b"<!"):
        assert outside not in picture
