"""What to ask the venue next."""

import pytest
from tests.binance import CODE, FIRST, FIRST_ID, MIDNIGHT_ID, SECOND, Venue, frames, trades
from tests.unit.observer.binance.answering import answered

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.binance.inquiry import LOOK_NS, PAUSES_NS, Due, Inquiry, Plan
from veritape.observer.binance.messages import DepthUpdate
from veritape.observer.binance.questions import Purpose
from veritape.observer.binance.recorder import BinanceRecorder

TIP_EVERY = 60 * NANOSECONDS
FILL_AFTER = 10 * NANOSECONDS


def plan(*, books: bool = False, fill: bool = True, codes: tuple[str, ...] = (CODE,)) -> Plan:
    return Plan(codes, FILL_AFTER, TIP_EVERY, books=books, fill=fill)


def recorded(*days: str, lost: range) -> BinanceRecorder:
    recorder = BinanceRecorder()
    for frame, trade in zip(frames(*days), trades(*days), strict=True):
        if trade.trade_id not in lost:
            recorder.apply(frame)
    return recorder


def due(inquiry: Inquiry, now_ns: int) -> Due:
    found = inquiry.next(now_ns, SECOND)
    assert isinstance(found, Due), found - now_ns
    return found


def purposes(inquiry: Inquiry, recorder: BinanceRecorder, venue: Venue, until_ns: int) -> list[Purpose]:
    """Ask and answer whatever is due until a time; return what was asked."""
    asked, now_ns = [], 0
    while now_ns < until_ns:
        found = inquiry.next(now_ns, SECOND)
        if not isinstance(found, Due):
            assert found > now_ns
            now_ns = found
            continue
        status, _ = venue.answer(found.question.endpoint.path, dict(found.question.parameters))
        recorder.apply(answered(found.question, venue))
        inquiry.asked(found, status, now_ns)
        asked.append(found.key.purpose)
    return asked


def test_the_newest_trade_is_asked_at_once_and_then_at_intervals() -> None:
    """OB-905: the anchors, and the check that the stream is where the venue is."""
    recorder = BinanceRecorder()
    asked = purposes(Inquiry(plan(), recorder), recorder, Venue(), 3 * TIP_EVERY - 1)
    assert asked == [Purpose.TIP] * 3


def test_a_failed_question_is_repeated_ever_more_seldom() -> None:
    """OB-904: 2, 10, 30 seconds and so on."""
    inquiry, now_ns, waits = Inquiry(plan(), BinanceRecorder()), 0, []
    for _ in range(8):
        found = due(inquiry, now_ns)
        inquiry.asked(found, 503, now_ns)
        began_ns = now_ns
        while not isinstance(again := inquiry.next(now_ns, SECOND), Due):
            now_ns = again
        waits.append(now_ns - began_ns)
    assert waits == [*PAUSES_NS, PAUSES_NS[-1], PAUSES_NS[-1]]


def test_nothing_due_is_looked_at_again_soon() -> None:
    """OB-904: without symbols there is nothing to ask."""
    assert Inquiry(plan(codes=()), BinanceRecorder()).next(5, SECOND) == 5 + LOOK_NS


@pytest.mark.parametrize("single", [True, False])
def test_a_hole_of_thousands_is_fetched_page_by_page(single: bool) -> None:
    """OB-904: by single trades where allowed, else by aggregates; it waits for late messages only once."""
    recorder = recorded(FIRST, SECOND, lost=range(FIRST_ID + 1_000, FIRST_ID + 9_600))
    inquiry, venue = Inquiry(plan(), recorder), Venue(single_trades=single)
    assert purposes(inquiry, recorder, venue, FILL_AFTER - 1) == [Purpose.TIP]
    asked = purposes(inquiry, recorder, venue, FILL_AFTER + NANOSECONDS)
    assert recorder.symbols[CODE].axis.holes() == []
    assert recorder.symbols[CODE].lines[FIRST].backfilled.trades == 8_600
    assert asked.count(Purpose.FILL) == (9 if single else len(asked))
    assert inquiry.single_trades == single


def test_the_first_refusal_of_single_trades_is_remembered() -> None:
    """OB-904: where they are not allowed, aggregates are asked at once, and from then on."""
    recorder = recorded(FIRST, lost=range(FIRST_ID + 5, FIRST_ID + 7))
    inquiry = Inquiry(plan(), recorder)
    inquiry.asked(due(inquiry, 0), 200, 0)
    inquiry.next(0, SECOND)
    single = due(inquiry, FILL_AFTER)
    assert single.question.endpoint.path == "/api/v3/historicalTrades"
    inquiry.asked(single, 403, FILL_AFTER)
    again = due(inquiry, FILL_AFTER)
    assert (again.key, again.question.endpoint.path) == (single.key, "/api/v3/aggTrades")


def test_a_hole_that_fills_by_itself_is_never_asked_for() -> None:
    """OB-902: late messages come first."""
    recorder = recorded(FIRST, lost=range(FIRST_ID + 5, FIRST_ID + 7))
    inquiry = Inquiry(plan(), recorder)
    inquiry.asked(due(inquiry, 0), 200, 0)
    inquiry.next(0, SECOND)
    for frame in list(frames(FIRST))[5:7]:
        recorder.apply(frame)
    assert inquiry.next(FILL_AFTER, SECOND) == FILL_AFTER + LOOK_NS


def test_nothing_is_fetched_where_that_is_switched_off() -> None:
    """OB-981: ``backfill.enabled = false``."""
    recorder = recorded(FIRST, lost=range(FIRST_ID + 5, FIRST_ID + 7))
    asked = purposes(Inquiry(plan(fill=False), recorder), recorder, Venue(), TIP_EVERY)
    assert asked == [Purpose.TIP]


def test_a_missed_midnight_is_asked_for() -> None:
    """OB-905: once, when both neighbours of the hole are known."""
    recorder = recorded(FIRST, SECOND, lost=range(MIDNIGHT_ID - 3, MIDNIGHT_ID + 3))
    inquiry = Inquiry(plan(fill=False), recorder)
    assert purposes(inquiry, recorder, Venue(), TIP_EVERY) == [Purpose.TIP, Purpose.DAY_START]
    assert recorder.symbols[CODE].axis.day_starts == {SECOND: MIDNIGHT_ID}


def test_a_broken_book_is_asked_for_until_a_snapshot_fits() -> None:
    """OB-903: with growing pauses; a new break begins anew."""
    recorder = BinanceRecorder()
    inquiry, book = Inquiry(plan(books=True), recorder), recorder.symbol(CODE).book
    inquiry.asked(due(inquiry, 0), 200, 0)
    book.changed(DepthUpdate(CODE, 10, 12, 0, (), ()))
    first = due(inquiry, 0)
    assert first.key.purpose is Purpose.SNAPSHOT
    inquiry.asked(first, 200, 0)
    assert inquiry.next(0, SECOND) == LOOK_NS
    book.changed(DepthUpdate(CODE, 20, 22, 0, (), ()))
    assert due(inquiry, 1).key != first.key
    book.snapshot(20)
    assert inquiry.next(1, SECOND) == 1 + LOOK_NS


def test_what_stays_missing_of_a_day_is_described_by_bars() -> None:
    """OB-904: one question a hole of the day."""
    recorder = recorded(FIRST, SECOND, lost=range(FIRST_ID + 5, FIRST_ID + 7))
    inquiry = Inquiry(plan(), recorder)
    assert [question.purpose for question in inquiry.bars(FIRST)] == [Purpose.BARS]
    assert inquiry.bars(SECOND) == []
