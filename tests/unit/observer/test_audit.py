"""The audit: the worked day, statuses, and that the equation can fail."""

import pytest
from tests.tape import CODES, DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note, recorded, trade

from veritape.observer import audit
from veritape.observer.audit import Status, state
from veritape.observer.audit_text import text
from veritape.observer.axis import Totals
from veritape.observer.notes import NoteKind
from veritape.observer.recorded_days import Anchor
from veritape.observer.recorder import Recorder

SWEEPS = {"cycles": 40, "expected": 120, "received": 119, "missing": 1}
UNTIL = 32_400_000 + 120_000


@pytest.fixture(scope="module")
def lossy() -> Recorder:
    tail = own_note(NoteKind.TAIL, day=DAY, code="990001", trades=1)
    return recorded(*day_notes(), *frames(drop=0.01), *anchors(), tail, own_note(NoteKind.CLOSED, day=DAY))


@pytest.mark.parametrize(
    ("code", "end", "got", "holes", "residual"),
    [
        (
            "990001",
            (24_111, 3_908_167, 7_132_736_980_500),
            (23_913, 3_872_370),
            113,
            (198, 35_797, 65_320_248_700),
        ),
        (
            "990002",
            (25_265, 5_243_399, 2_565_381_036_300),
            (25_062, 5_204_222),
            84,
            (203, 39_177, 19_176_495_900),
        ),
        (
            "990003",
            (86_467, 62_342_503, 8_641_378_158_500),
            (85_650, 61_801_530),
            315,
            (817, 540_973, 74_992_924_500),
        ),
    ],
)
def test_the_worked_day(
    lossy: Recorder,
    code: str,
    end: tuple[int, int, int],
    got: tuple[int, int],
    holes: int,
    residual: tuple[int, int, int],
) -> None:
    """OB-608, OB-606: drop = 0.01 at seed 7: end anchor, recorded, holes and residual of each line, exactly."""
    statement = state(lossy.days[DAY], code)
    assert statement.end == Totals(*end)
    assert statement.line.recorded[:2] == got
    assert len(statement.gaps) == holes
    assert statement.residual == Totals(*residual)
    assert (statement.status, statement.closes, statement.trades_exact) == (Status.RESIDUAL, True, True)


def test_the_worked_day_as_documents(lossy: Recorder) -> None:
    """OB-677, OB-678: the text row of 990001, the JSON totals, residuals by cause."""
    document = audit.document(lossy.days[DAY], "KRX", 1, SWEEPS)
    assert (document["format"], document["closed"], document["sweeps"]) == ("veritape.audit.v1", True, SWEEPS)
    line = document["lines"][0]
    assert line["residual"]["by_cause"] == {
        "frame_lost": {"trades": 198, "shares": 35_797, "value_krw": 65_320_248_700}
    }
    assert line["anchor"] == {
        "shares": 3_908_167,
        "value_krw": 7_132_736_980_500,
        "trades": 24_111,
        "taken_ns": 1,
    }
    assert len(line["gaps"]) == 113
    rows = text(document, "0123456789").splitlines()
    assert (
        rows[0] == "day 20131007  venue KRX  anchored 3/3  contradictions 0  duplicates 0  last seal 01234567"
    )
    assert rows[2].split() == [
        "990001", "residual", "24,111", "23,913", "0", "198", "35,797", "0.916%", "65,320,248,700", "0/113/0",
        "08:59:50-15:30:00",
    ]  # fmt: skip
    assert audit.document(lossy.days[DAY], "KRX", 1, SWEEPS, ["990002"])["lines"][0]["code"] == "990002"


def test_a_tail_without_rows_is_a_range() -> None:
    """OB-612: shares and value are exact, trades are not, so the line is unproven until the by-time rows tile it."""
    journal = [
        *day_notes(("990001",)),
        *frames(("990001",), until_ms=UNTIL)[:-1],
        *anchors(("990001",), UNTIL),
    ]
    statement = state(recorded(*journal).days[DAY], "990001")
    assert (statement.status, statement.trades_exact) == (Status.UNPROVEN, False)
    assert (
        statement.line.recorded[1:]
        == tuple(a - b for a, b in zip(statement.end or (), statement.residual, strict=True))[1:]
    )
    document = audit.document(recorded(*journal).days[DAY], "KRX", 1, SWEEPS)
    assert document["lines"][0]["anchor"]["trades"] is None
    assert "?" in text(document, "")


def test_a_recorder_that_came_back_after_the_close_was_down_and_says_so() -> None:
    """OB-673, OB-671, OB-675, OB-612: killed at 09:02, back at 15:33: what it lacks is the process's gap, with its shares."""
    back_s, code, last = 55_980, "990001", bundled("990001").trades[-1]
    anchor = {"chain_shares": last.chain_shares, "chain_value": last.chain_value, "agreed": 1}
    journal = [
        *day_notes((code,)),
        *frames((code,), until_ms=UNTIL),
        own_note(NoteKind.STARTED, back_s - 1),
        own_note(NoteKind.WATCH_OPENED, back_s, day=DAY, code=code, event_s=back_s),
        own_note(NoteKind.ANCHOR, day=DAY, code=code, taken_ns=MIDNIGHT_NS + back_s * 10**9, **anchor),
    ]
    still_watched = audit.document(recorded(*journal).days[DAY], "KRX", 1, SWEEPS)
    assert still_watched["lines"][0]["watched"][-1] == [back_s, back_s], "no span ends before it begins"
    end = {"event_s": back_s + 60, "cause": "not_watched"}
    journal += [
        own_note(NoteKind.WATCH_CLOSED, back_s + 60, day=DAY, code=code, **end),
        own_note(NoteKind.CLOSED, back_s + 400, day=DAY),
    ]
    document = audit.document(recorded(*journal).days[DAY], "KRX", 1, SWEEPS)
    [line], [process] = document["lines"], document["gaps"]
    missing = last.chain_shares - line["recorded"]["shares"]
    assert (line["status"], line["trades_exact"]) == ("unproven", False)
    assert {cause: lost["shares"] for cause, lost in line["residual"]["by_cause"].items()} == {
        "process_down": missing
    }
    [gap] = line["gaps"]
    assert (gap["parent"], gap["right"]["event_s"]) == (process["id"], back_s)
    assert (process["cause"], process["shares"], process["state"]) == ("process_down", missing, "residual")


def day_with(anchor: Anchor | None, *extra: int) -> Recorder:
    rows = list(frames(("990001",), until_ms=UNTIL))
    recorder = recorded(*day_notes(("990001",)), *rows)
    if anchor is not None:
        recorder.days[DAY].anchors["990001"] = anchor
    del extra
    return recorder


END = bundled("990001").until(UNTIL).trades[-1]
GOOD = Anchor(END.chain_shares, END.chain_value, 1, agreed=True)


@pytest.mark.parametrize(
    ("anchor", "status", "closes"),
    [
        (GOOD, Status.COMPLETE, True),
        (None, Status.UNPROVEN, False),
        (GOOD._replace(agreed=False), Status.UNPROVEN, True),
        (GOOD._replace(chain_shares=END.chain_shares - 1), Status.CONTRADICTED, False),
        (GOOD._replace(chain_value=END.chain_value + 1), Status.CONTRADICTED, False),
    ],
)
def test_statuses_follow_the_anchor(anchor: Anchor | None, status: Status, closes: bool) -> None:
    """OB-614, OB-611: no anchor or no agreement is unproven; an anchor that does not fit contradicts the line."""
    statement = state(day_with(anchor).days[DAY], "990001")
    assert (statement.status, statement.closes) == (status, closes)


def test_a_planted_fault_in_the_recorded_sum_breaks_the_equation() -> None:
    """OB-606: the equation can fail: one share too many is contradicted."""
    recorder = day_with(GOOD)
    line = recorder.days[DAY].lines["990001"]
    line.recorded_shares += 1
    statement = state(recorder.days[DAY], "990001")
    assert (statement.status, statement.closes) == (Status.CONTRADICTED, False)
    assert "NOT every line closes" in text(audit.document(recorder.days[DAY], "KRX", 1, SWEEPS), "")


def test_a_line_that_was_never_watched_is_swept_only() -> None:
    """OB-614: only sweeps saw it."""
    recorder = recorded(*anchors(("990001",)))
    assert state(recorder.days[DAY], "990001").status is Status.SWEPT_ONLY


def test_a_refused_registration_is_a_row_with_its_cause() -> None:
    """OB-343, OB-673, OB-614: refused by the broker and never watched: a line, all of it missing, subscription_refused."""
    refusal = own_note(NoteKind.REFUSED, day=DAY, code="990001", event_s=32_401)
    recorder = recorded(*day_notes(()), refusal, *anchors(("990001",)), own_note(NoteKind.CLOSED, day=DAY))
    document = audit.document(recorder.days[DAY], "KRX", 1, SWEEPS)
    [line] = document["lines"]
    assert (line["code"], line["status"], line["watched"]) == ("990001", "swept_only", [])
    end = bundled("990001").trades[-1]
    residual = line["residual"]["by_cause"]["subscription_refused"]
    assert (residual["shares"], residual["value_krw"]) == (end.chain_shares, end.chain_value)
    assert [gap["cause"] for gap in line["gaps"]] == ["subscription_refused"]
    assert document["closed"]
    assert "990001  swept_only" in text(document, "")


def test_contradictions_and_epochs_never_make_a_complete_line() -> None:
    """OB-609, OB-614: a contradiction is never complete; a restarted counter leaves the first epoch's end unproven."""
    recorder = day_with(GOOD)
    line = recorder.days[DAY].lines["990001"]
    line.receive(trade(3)._replace(shares=trade(3).shares + 7), 0)
    line.settle(0, at_end=True)
    assert state(recorder.days[DAY], "990001").status is Status.CONTRADICTED
    other = day_with(None)
    for n in (1, 2, 3):
        one = trade(1)._replace(
            price=100, shares=1, chain_shares=n, chain_value=100 * n, sells=0, buys=n, side=1
        )
        other.days[DAY].lines["990001"].receive(one, 0)
    other.days[DAY].anchors["990001"] = Anchor(3, 300, 1, agreed=True)
    statement = state(other.days[DAY], "990001")
    assert (statement.status, statement.closes, len(statement.line.axes)) == (Status.UNPROVEN, True, 2)


def test_observations_tell_the_share_of_joined_pairs(lossy: Recorder) -> None:
    """OB-609, OB-007: each day's evidence for the theory."""
    observation = audit.document(lossy.days[DAY], "KRX", 1, SWEEPS)["observations"][0]
    assert observation == {
        "code": "990001", "joined_pairs": 23_913 - 112, "holes": 113, "uncounted": 0, "problems": {}, "quiet_10_60_300_s": None,
    }  # fmt: skip
    assert set(CODES) == {line["code"] for line in audit.document(lossy.days[DAY], "KRX", 1, SWEEPS)["lines"]}
