"""Gaps as documents."""

from tests.tape import DAY, trade

from veritape.observer.axis import Edge, Hole
from veritape.observer.backfill import Fetched, Source, fill
from veritape.observer.gap_documents import Gap, Place, of_line, of_outage, of_sweep, outage_id
from veritape.observer.gaps import Cause, gap_id
from veritape.observer.outages import Outage, Scope

HOLE = Hole(Edge(928, 1_688_053_600, 2, 3, 32_411), Edge(1353, 2_461_072_600, 5, 4, 32_416), 7)
LASTS, OVER = (Place("KRX", DAY, 32_400, 55_800, over_ns) for over_ns in (None, 99))
BARE = Gap(fill(HOLE, []), Cause.FRAME_LOST, None, None, 0)
PREVIOUS = 3_512_044
ROWS = [
    Fetched("990001", t.event_s, t.price, t.shares, t.chain_shares, Source.BY_TIME, 50, "g")
    for t in map(trade, range(6, 10))
]


def test_the_worked_hole() -> None:
    """OB-672, OB-674, OB-607: OB-607's gap is low while open and medium as a residual; its name is the left edge's digest."""
    opened = of_line(LASTS, "990001", BARE, PREVIOUS)
    assert opened["id"] == gap_id("KRX", "990001", DAY, 928)
    assert (opened["severity"], opened["state"], opened["average_price"]) == ("low", "open", "1818868.2353")
    assert (opened["trades"], opened["sells"], opened["buys"]) == ({"min": 4, "max": 4}, 3, 1)
    assert (opened["levels"], opened["closed_ns"], opened["duration_s"]) == (["a", "b", "c"], None, 5)
    over = of_line(OVER, "990001", BARE, PREVIOUS)
    assert (over["severity"], over["state"], over["closed_ns"]) == ("medium", "residual", 99)
    assert over["residual"] == {"trades": 4, "shares": 425, "value_krw": 773_019_000}


def test_a_filled_gap_is_low_and_ends_with_its_last_row() -> None:
    """OB-671, OB-674, OB-707: tiled, with won and trades zero."""
    filled = of_line(OVER, "990001", BARE._replace(filling=fill(HOLE, ROWS)), PREVIOUS)
    assert (filled["state"], filled["severity"], filled["closed_ns"]) == ("filled", "low", 50_000)
    assert filled["backfilled"] == {"trades": 4, "shares": 425, "value_krw": 773_019_000}
    assert filled["residual"] == {"trades": 0, "shares": 0, "value_krw": 0}


def test_a_gap_that_its_rows_contradict_is_high() -> None:
    """OB-671, OB-674: contradicted, always high."""
    wrong = [ROWS[0]._replace(price=ROWS[0].price + 1), *ROWS[1:]]
    gap = of_line(OVER, "990001", BARE._replace(filling=fill(HOLE, wrong)), PREVIOUS)
    assert (gap["state"], gap["severity"]) == ("contradicted", "high")


def test_an_outage_adds_up_its_children() -> None:
    """OB-671, OB-672, OB-674: one parent for the holes of one disconnect, severity by its time in session."""
    outage = Outage(Scope.CONNECTION, Cause.WS_DISCONNECT, 32_411, 32_416, 7, 8)
    child = of_line(OVER, "990001", BARE._replace(cause=Cause.WS_DISCONNECT, parent=outage), PREVIOUS)
    assert (child["parent"], child["levels"]) == (outage_id(OVER, outage), ["a", "b", "c", "f"])
    parent = of_outage(OVER, outage, [child, child])
    assert (parent["id"], parent["code"], parent["scope"]) == (outage_id(OVER, outage), None, "connection")
    assert (parent["shares"], parent["trades"], parent["residual"]["shares"]) == (
        850,
        {"min": 8, "max": 8},
        850,
    )
    assert (parent["duration_s"], parent["severity"], parent["state"]) == (5, "low", "residual")
    lasting = of_outage(LASTS, outage._replace(end_s=None, closed_ns=None), [])
    assert (lasting["right"], lasting["state"], lasting["severity"]) == (None, "open", "high")
    states = [{**child, "state": state} for state in ("filled", "open", "contradicted")]
    assert [of_outage(OVER, outage, states[: n + 1])["state"] for n in range(3)] == [
        "filled",
        "open",
        "contradicted",
    ]
    assert of_outage(OVER, outage, [])["state"] == "filled"


def test_a_cycle_that_missed_codes_is_a_gap_of_the_sweep() -> None:
    """OB-671, OB-674: scope sweep, cause sweep_missed; a cycle that brought everything is none."""
    manifest = {"cycle": 3, "expected": 200, "missing": {"990001": "deadline"}, "grid_ns": 5, "ended_ns": 9}
    assert of_sweep(OVER, {**manifest, "missing": {}}, 34_200, 0) is None
    gap = of_sweep(OVER, manifest, 34_200, 0)
    assert gap is not None
    assert (gap["scope"], gap["cause"], gap["severity"], gap["left"]["event_s"]) == (
        "sweep",
        "sweep_missed",
        "low",
        34_200,
    )
