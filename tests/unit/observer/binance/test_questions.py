"""What is asked, and how answers stand in the journal."""

from hypothesis import given
from hypothesis import strategies as st
from tests.binance import CODE

from veritape.observer.binance.questions import (
    Answered,
    Purpose,
    answer_bytes,
    ask_aggregates,
    ask_bars,
    ask_day_start,
    ask_snapshot,
    ask_tip,
    ask_trades,
    read_answer,
)
from veritape.observer.binance.trade_ids import Hole, Point

HOLE = Hole(Point(10, 1723161255342000, 1), Point(2_000, 1723161315000000, 2))


def test_each_question_names_what_the_venue_needs() -> None:
    """OB-904, OB-905: ids where they are known, times where only an edge is."""
    parameters = {
        "tip": ask_tip(CODE), "start": ask_day_start(CODE, "20240809"), "book": ask_snapshot(CODE),
        "single": ask_trades(CODE, HOLE), "by time": ask_aggregates(CODE, HOLE, None),
        "by id": ask_aggregates(CODE, HOLE, 7), "bars": ask_bars(CODE, HOLE),
    }  # fmt: skip
    assert {name: dict(one.parameters) for name, one in parameters.items()} == {
        "tip": {"limit": "1", "symbol": CODE},
        "start": {"limit": "1", "startTime": "1723161600000", "symbol": CODE},
        "book": {"limit": "1000", "symbol": CODE},
        "single": {"fromId": "11", "limit": "1000", "symbol": CODE},
        "by time": {"limit": "1000", "startTime": "1723161255342", "symbol": CODE},
        "by id": {"fromId": "7", "limit": "1000", "symbol": CODE},
        "bars": {
            "endTime": "1723161315000", "interval": "1m", "limit": "1000", "startTime": "1723161240000",
            "symbol": CODE,
        },
    }  # fmt: skip


def test_an_answer_in_the_journal() -> None:
    """OB-504: what was asked, a line feed, the body as it came."""
    data = answer_bytes(ask_tip(CODE), 200, b"[\n]")
    assert data == (
        b'{"code":"BTCUSDT","parameters":{"limit":"1","symbol":"BTCUSDT"},"path":"/api/v3/aggTrades",'
        b'"purpose":"tip","status":200}\n[\n]'
    )
    assert read_answer(data) == Answered(
        Purpose.TIP, CODE, "/api/v3/aggTrades", {"limit": "1", "symbol": CODE}, 200, b"[\n]"
    )


@given(st.binary(max_size=60) | st.sampled_from([
    b'{"purpose":"tip"}', b'{"purpose":"no"}', b"[]", b"5", b"[" * 100_000,
    b'{"purpose":"tip","code":5,"path":"","parameters":{},"status":200}',
    b'{"purpose":"tip","code":"A","path":"","parameters":{"a":1},"status":200}',
    b'{"purpose":"tip","code":"A","path":"","parameters":[],"status":200}',
    b'{"purpose":["tip"],"code":"A","path":"","parameters":{},"status":200}',
]))  # fmt: skip
def test_bytes_that_are_no_answer(data: bytes) -> None:
    """OB-992: total."""
    assert read_answer(data) is None
