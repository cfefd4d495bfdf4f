"""A stated day against its files."""

from typing import Any

import pytest

from veritape.observer.agreement import NOTHING, BatchHole, BatchLine
from veritape.observer.axis import Totals
from veritape.observer.kept import closes, proven_again, unlike


def line(code: str = "990001", **changes: Any) -> dict[str, Any]:
    return {
        "code": code, "status": "residual", "differences": [],
        "anchor": {"trades": 10, "shares": 100, "value_krw": 1_000},
        "recorded": {"trades": 7, "shares": 80, "value_krw": 800},
        "backfilled": {"trades": 1, "shares": 5, "value_krw": 50},
        "residual": {"trades": 2, "shares": 15, "value_krw": 150},
        "gaps": [{"left": {"chain_shares": 20}, "right": {"chain_shares": 40}}],
        **changes,
    }  # fmt: skip


BATCH = BatchLine(Totals(7, 80, 800), (BatchHole(0, 20, 40, 3),), 0, None, Totals(1, 5, 50), (0, 0, 0))


def stated(*lines: dict[str, Any]) -> dict[str, Any]:
    return {
        "day": "20131007",
        "lines": list(lines),
        "closed": True,
        "totals": {},
        "observations": [{"code": "990001"}],
    }


def test_a_day_that_is_as_it_was_stated() -> None:
    """OB-732, OB-681: the same lines, closed, totals of those that were asked for."""
    document = proven_again(stated(line(), line("990002")), {"990001": BATCH, "990002": BATCH})
    assert document["lines"] == [line(), line("990002")]
    assert (document["closed"], document["totals"]["recorded"]["shares"]) == (True, 160)
    one = proven_again(stated(line(), line("990002")), {"990001": BATCH, "990002": BATCH}, ["990002"])
    assert ([found["code"] for found in one["lines"]], one["observations"]) == (["990002"], [])


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (
            BATCH._replace(recorded=Totals(7, 80, 801)),
            "recorded value_krw: stated are 800, the files have 801",
        ),
        (BATCH._replace(backfilled=Totals(0, 0, 0)), "backfilled shares: stated are 5, the files have 0"),
        (BATCH._replace(holes=()), "only the statement has a hole from 20 to 40 shares"),
        (
            BATCH._replace(holes=(*BATCH.holes, BatchHole(0, 50, 60, 1))),
            "only the files have a hole from 50 to 60 shares",
        ),
        (NOTHING, "recorded trades: stated are 7, the files have 0"),
    ],
)
def test_every_difference_contradicts_the_line(batch: BatchLine, words: str) -> None:
    """OB-681: a trade changed, a file gone, a hole more or less: named, and the line is contradicted."""
    (judged,) = proven_again(stated(line()), {"990001": batch})["lines"]
    assert judged["status"] == "contradicted"
    assert words in judged["differences"]


def test_a_line_must_add_up_and_no_line_may_come_from_nowhere() -> None:
    """OB-606: the equation can fail; what only the files have is no closed day; a range of trades closes in the rest."""
    assert not closes(line(anchor=None))
    assert not closes(line(anchor={"trades": 10, "shares": 101, "value_krw": 1_000}))
    assert closes(line(anchor={"trades": None, "shares": 100, "value_krw": 1_000}))
    assert not proven_again(stated(line()), {"990001": BATCH, "990009": BATCH})["closed"]
    assert not proven_again(stated(), {})["closed"]
    assert unlike(line(), BATCH) == []
