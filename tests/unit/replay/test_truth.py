"""Lines of the truth file."""

import json

from veritape.replay.delivery import Fate, Outcome
from veritape.replay.packing import pack
from veritape.replay.series import Row, build
from veritape.replay.truth import Truth

ROWS = [Row(34_200_000 + ms, 100 + ms, 5, auction=ms == 60) for ms in (0, 1, 60)]


def test_the_file_tells_every_trade_and_every_frames_fate() -> None:
    """OB-809, OB-852: dropped trades happened; the summary closes the file."""
    series = build("990001", ROWS, auctions=True)
    truth = Truth(["990001"])
    first, second = pack([series])
    lines = [
        truth.start("20131007", 7, {"drop": 0.5}),
        truth.frame(first, series, Outcome(Fate.SENT, ()), [1]),
        truth.event(32_400_000, "refused", {"code": "OPSP0008"}),
        truth.frame(second, series, Outcome(Fate.DROPPED, ("drop",)), []),
        truth.end(),
    ]
    records = [json.loads(line) for line in "".join(lines).splitlines()]
    assert [record["kind"] for record in records] == [
        "start",
        "trade",
        "trade",
        "frame",
        "event",
        "trade",
        "frame",
        "end",
    ]
    assert records[0]["format"] == "veritape.truth.v1"
    assert records[2] == {
        "kind": "trade", "code": "990001", "n": 2, "ms": 32_400_001, "price": 101, "shares": 5, "side": 1, "counted": 1,
        "chain_shares": 10, "chain_value": 1005, "sells": 0, "buys": 2, "frame": 1,
    }  # fmt: skip
    assert (records[3]["fate"], records[3]["sessions"], records[3]["records"]) == ("sent", [1], 2)
    assert (records[6]["fate"], records[6]["faults"]) == ("dropped", ["drop"])
    assert records[-1]["codes"]["990001"] == {
        "trades": 2, "uncounted": 1, "shares": 15, "value_krw": 1805, "sells": 0, "buys": 2, "trades_sent": 2,
    }  # fmt: skip


def test_a_day_without_trades_sums_to_nothing() -> None:
    assert set(json.loads(Truth(["A"]).end())["codes"]["A"].values()) == {0}
