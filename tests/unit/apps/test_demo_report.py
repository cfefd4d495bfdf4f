"""The demo's report: totals compared with the truth, quantity by quantity."""

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.apps.demo_report import (
    Computed,
    Facts,
    Receipts,
    Totals,
    compose,
    read_truth,
    text,
    volume_weighted_average,
)
from veritape.kernel.errors import CheckFailedError

T = {"trades": 2, "shares": 30, "value_krw": 3_100}
NOTHING = {"trades": 0, "shares": 0, "value_krw": 0}
LINE = {"code": "990001", "recorded": T, "backfilled": NOTHING, "residual": NOTHING}
SWEEPS = {"cycles": 6, "expected": 18, "received": 18, "missing": 0}
GATEWAY = {"requests": 12, "allowed": 10, "limited": 2, "errors": 0}
FACTS = Facts(
    truth={"990001": Totals(2, 30, 3_100)},
    audit={"lines": [LINE], "sweeps": SWEEPS},
    segments_sealed=1,
    segment_bytes=25,
    receipts=Receipts("simulated", (Computed("990001", 0, 30, 3_100),), 1),
    gateway=GATEWAY,
    families=40,
    seconds=61.23,
)


def with_line(**changes: Any) -> Facts:
    return replace(FACTS, audit={"lines": [{**LINE, **changes}], "sweeps": SWEEPS})


def test_a_closed_day_is_reported_in_full() -> None:
    assert compose(FACTS) == {
        "ticks": {
            "sent": 2,
            "recorded": 2,
            "backfilled": 0,
            "residual": 0,
            "symbols": {
                "990001": {
                    "sent": 2,
                    "recorded": 2,
                    "backfilled": 0,
                    "residual": 0,
                    "volume_closed": True,
                    "truth": T,
                    "recorded_totals": T,
                    "backfilled_totals": NOTHING,
                    "residual_totals": NOTHING,
                    "closed": True,
                }
            },
        },
        "sweeps": SWEEPS,
        "segments": {"sealed": 1, "bytes_per_tick": 12.5},
        "receipts": {
            "kind": "simulated",
            "count": 1,
            "verified": 1,
            "missing": 0,
            "refused": 0,
            "vwap": {"990001": "103.3333"},
        },
        "gateway": GATEWAY,
        "metrics": {"families": 40},
        "seconds": {"total": 61.2},
        "ok": True,
    }


def test_a_residual_closes_the_line() -> None:
    one = {"trades": 1, "shares": 10, "value_krw": 1_100}
    rest = {"trades": 1, "shares": 20, "value_krw": 2_000}
    report = compose(with_line(recorded=one, residual=rest))
    assert report["ok"]
    assert report["ticks"]["residual"] == 1


@pytest.mark.parametrize("quantity", Totals._fields)
def test_one_too_many_in_any_quantity_does_not_close(quantity: str) -> None:
    report = compose(with_line(recorded={**T, quantity: T[quantity] + 1}))
    symbol = report["ticks"]["symbols"]["990001"]
    assert not symbol["closed"]
    assert not report["ok"]
    assert symbol["volume_closed"] == (quantity != "shares")


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, audit={"lines": [], "sweeps": SWEEPS}),
        replace(FACTS, audit={"lines": [LINE, {**LINE, "code": "990009"}], "sweeps": SWEEPS}),
        with_line(residual={"trades": None, "shares": 0, "value_krw": 1}),
        replace(FACTS, receipts=FACTS.receipts._replace(verified=0) if FACTS.receipts else None),
        replace(FACTS, receipts=FACTS.receipts._replace(missing=("990001",)) if FACTS.receipts else None),
        replace(FACTS, receipts=Receipts("simulated", (), 0)),
        replace(FACTS, families=0),
        replace(FACTS, gateway={**GATEWAY, "errors": 1}),
        replace(FACTS, gateway={**GATEWAY, "allowed": 0}),
        replace(FACTS, truth={}, audit={"lines": [], "sweeps": SWEEPS}),
    ],
)
def test_anything_that_is_missing_fails_the_run(facts: Facts) -> None:
    report = compose(facts)
    assert not report["ok"]
    assert "FAILED" in text(report)


def test_a_part_that_is_not_there_is_absent_from_the_report() -> None:
    report = compose(replace(FACTS, receipts=None, gateway=None, families=None))
    assert report["ok"]
    assert not {"receipts", "gateway", "metrics"} & set(report)
    assert "receipts" not in text(report)


def test_a_simulated_receipt_is_never_called_proven() -> None:
    """EX-311: a receipt of the simulated type is called executed, not proven, wherever a person sees it."""
    assert "executed, not proven" in text(compose(FACTS))
    assert "1 of 1 checked by a fresh process (proven)" in text(
        compose(replace(FACTS, receipts=Receipts("stark", (Computed("990001", 0, 30, 3_100),), 1)))
    )


def test_a_receipt_that_the_executor_owes_is_counted_for_people() -> None:
    """EX-343: a program over a sealed tape without a receipt fails the run in so many words."""
    lacking = FACTS.receipts._replace(missing=("990001", "990001")) if FACTS.receipts else None
    assert "(executed, not proven), 2 MISSING" in text(compose(replace(FACTS, receipts=lacking)))
    assert "MISSING" not in text(compose(FACTS))


def test_a_guest_may_refuse_a_tape_that_contradicts_itself() -> None:
    """EX-343, OB-641: the audit says so of its line: counted apart, and no failure of the chain."""
    contradicted = with_line(status="contradicted")
    report = compose(
        replace(
            contradicted, receipts=FACTS.receipts._replace(missing=("990001",)) if FACTS.receipts else None
        )
    )
    assert (report["ok"], report["receipts"]["missing"], report["receipts"]["refused"]) == (True, 0, 1)
    assert "1 refused: contradicted tapes" in text(report)


def test_the_whole_days_average_is_that_of_the_specification() -> None:
    """EX-239: several segments of 990001 give 1825085.0029, half up."""
    half = Computed("990001", 0, 1_000_000, 1_800_000_000_000)
    rest = Computed("990001", 0, 3_908_167 - 1_000_000, 7_132_736_980_500 - 1_800_000_000_000)
    assert volume_weighted_average((half, rest)) == "1825085.0029"


@given(
    st.integers(0, 8),
    st.lists(st.tuples(st.integers(1, 2**64 - 1), st.integers(0, 2**128 - 1)), min_size=1, max_size=5),
)
def test_the_average_is_within_half_a_unit_of_the_exact_one(scale: int, tapes: list[tuple[int, int]]) -> None:
    """EX-239: price scale + 4 decimals, half up."""
    answer = volume_weighted_average(Computed("A", scale, volume, value) for volume, value in tapes)
    exact = Fraction(sum(value for _, value in tapes), sum(volume for volume, _ in tapes)) / 10**scale
    error = Fraction(answer) - exact
    half = Fraction(1, 2 * 10 ** (scale + 4))
    assert -half < error <= half
    assert len(answer.partition(".")[2]) == scale + 4


def test_the_truth_is_read_from_the_closing_summary() -> None:
    """OB-809: the summary closes the file."""
    end = {"kind": "end", "codes": {"990001": {"trades": 2, "shares": 30, "value_krw": 3_100, "sells": 1}}}
    lines = [b'{"kind": "start"}\n', b'{"kind": "event", "detail": "\\"end\\""}\n', json.dumps(end).encode()]
    assert read_truth(lines) == {"990001": Totals(2, 30, 3_100)}
    with pytest.raises(CheckFailedError, match="cut off"):
        read_truth(lines[:2])
