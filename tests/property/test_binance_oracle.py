"""The second venue's ledger against the truth over seeded runs: losses, duplicates, late messages, outages, fetched pages."""

import os
import random
from typing import NamedTuple

import pytest
from tests.binance import CODE, FIRST, MIDNIGHT_ID, SECOND, Venue, frames, trades

from veritape.observer.binance.lines import Totals
from veritape.observer.binance.questions import (
    Question,
    answer_bytes,
    ask_aggregates,
    ask_day_start,
    ask_end,
    ask_trades,
)
from veritape.observer.binance.recorder import BinanceRecorder
from veritape.observer.binance.statements import CONTRADICTIONS, state
from veritape.observer.binance.trade_ids import utc_day
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note

SEEDS = range(1_000 if os.environ.get("VERITAPE_SOAK") == "1" else 40)  # noqa: TID251 - the size is asked for from outside
WINDOW = range(MIDNIGHT_ID - 250, MIDNIGHT_ID + 350)
LAST_NS = 1_723_161_700_000_000_000


class Tape(NamedTuple):
    """One run's messages, and what was lost of them."""

    messages: list[Frame]
    lost: set[int]


def tape(chance: random.Random) -> Tape:
    """Return the window's trades with runs of losses, duplicates and messages that come late."""
    whole = [
        (t, f)
        for t, f in zip(trades(FIRST, SECOND), frames(FIRST, SECOND), strict=True)
        if t.trade_id in WINDOW
    ]
    lost: set[int] = set()
    for _ in range(chance.randrange(12)):
        start = chance.choice(WINDOW[1:])
        lost |= set(range(start, min(start + chance.randint(1, 30), WINDOW[-1])))
    messages = [frame for trade, frame in whole if trade.trade_id not in lost]
    for _ in range(chance.randrange(20)):
        place = chance.randrange(len(messages))
        messages.insert(min(len(messages), place + chance.randrange(40)), messages[place])
    for _ in range(chance.randrange(20)):
        place = chance.randrange(1, len(messages))
        messages.insert(min(len(messages) - 1, place + chance.randrange(9)), messages.pop(place))
    return Tape(messages, lost)


def own(kind: Kind, data: bytes, received_ns: int) -> Frame:
    return Frame(kind, 0, 1, received_ns, received_ns, data)


def ask(recorder: BinanceRecorder, question: Question, venue: Venue) -> None:
    status, body = venue.answer(question.endpoint.path, dict(question.parameters))
    recorder.apply(own(Kind.REST, answer_bytes(question, status, body), LAST_NS))


def fetch_some(chance: random.Random, recorder: BinanceRecorder) -> None:
    """Fetch pages for some of the holes, single trades or aggregates, as the venue would give them."""
    venue = Venue()
    for _ in range(chance.randrange(6)):
        holes = recorder.symbols[CODE].axis.holes()
        if holes:
            hole = chance.choice(holes)
            single = chance.random() < 0.5
            question = ask_trades(CODE, hole) if single else ask_aggregates(CODE, hole, None)
            limit = str(chance.randint(1, 40))
            shorter = tuple(
                (name, limit if name == "limit" else value) for name, value in question.parameters
            )
            ask(recorder, question._replace(parameters=shorter), venue)


def truth(ids: set[int], day: str) -> Totals:
    total = Totals(0, 0, 0)
    for one in trades(FIRST, SECOND):
        if one.trade_id in ids and utc_day(one.event_us) == day:
            total = total.plus(Totals(1, one.quantity, one.price * one.quantity))
    return total


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_is_the_truth(seed: int) -> None:
    """OB-1026, OB-902, OB-904, OB-905: recorded, fetched and missing are what they are, in trades, quantity and value."""
    chance = random.Random(f"binance {seed}")
    messages, lost = tape(chance)
    recorder = BinanceRecorder()
    recorder.apply(own(Kind.NOTE, note(NoteKind.WATCH_OPENED, code=CODE), 1))
    for frame in messages:
        recorder.apply(frame)
    ask(recorder, ask_day_start(CODE, SECOND), Venue())
    fetch_some(chance, recorder)
    ask(recorder, ask_end(CODE), Venue(until_id=WINDOW[-1] + 200))
    symbol = recorder.symbols[CODE]
    missing = {one for hole in symbol.axis.holes() for one in range(hole.first_id, hole.last_id + 1)}
    assert missing <= lost
    recorded = set(WINDOW) - lost
    for day in (FIRST, SECOND):
        statement = state(recorder, CODE, day)
        assert statement.line.recorded == truth(recorded, day)
        assert statement.line.backfilled == truth(lost - missing, day)
        stated = {one for gap in statement.gaps for one in range(gap.first_id, gap.last_id + 1)}
        assert stated & set(WINDOW) == {one for one in missing if (one >= MIDNIGHT_ID) == (day == SECOND)}
        assert statement.closes
        assert not CONTRADICTIONS & set(statement.line.problems)
