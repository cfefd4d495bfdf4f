"""The second ledger in SQL, beside the first."""

from itertools import pairwise
from pathlib import Path

import pytest
from tests.tape import CODES, DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note

from veritape.observer.adapters.batch_audit import batch_audit, minute_bars
from veritape.observer.adapters.recording import Recording
from veritape.observer.agreement import BatchLine, differences
from veritape.observer.audit import Status, state
from veritape.observer.axis import Totals
from veritape.observer.backfill import Fetched, Source
from veritape.observer.notes import NoteKind
from veritape.observer.rows import TradeRows

MINUTES = 30
UNTIL = 32_400_000 + MINUTES * 60_000


def sealed(
    data: Path, drop: float = 0.02, until_ms: int | None = UNTIL, codes: tuple[str, ...] = tuple(CODES)
) -> Recording:
    """Return a closed recording of a span of the day, sealed in one file an hour."""
    recording = Recording(data)
    journal = [
        *day_notes(codes), *frames(codes, drop=drop, until_ms=until_ms), *anchors(codes, until_ms=until_ms),
        own_note(NoteKind.CLOSED, 56_100, day=DAY),
    ]  # fmt: skip
    for frame in journal:
        recording.recorder.apply(frame)
    recording.seal_due(DAY, 86_399, 0, all_hours=True)
    return recording


def batch_of(recording: Recording) -> dict[str, BatchLine]:
    files = [seal.path for seal in recording.segments.seals(DAY)]
    return batch_audit(files, recording.backfill.paths("trades", DAY), recording.recorder.days[DAY].anchors)


def fetched(recording: Recording, share: int) -> list[Fetched]:
    """Return every n-th missing trade as a by-time row."""
    rows = []
    for code in recording.recorder.days[DAY].lines:
        statement = state(recording.recorder.days[DAY], code)
        holes = [gap.filling.hole for gap in statement.gaps]
        missing = [
            t
            for t in bundled(code).until(UNTIL).trades
            for hole in holes
            if hole.left.chain_shares < t.chain_shares <= hole.right.chain_shares
        ]
        rows += [
            Fetched(code, t.ms // 1000, t.price, t.shares, t.chain_shares, Source.BY_TIME, 1, "g")
            for t in missing[::share]
        ]
    return rows


def test_both_ledgers_agree_on_a_day_with_losses(tmp_path: Path) -> None:
    """OB-681: every figure of every line, with holes, a tail and fetched rows."""
    recording = sealed(tmp_path)
    day = recording.recorder.days[DAY]
    for share in (0, 2, 1):
        if share:
            recording.backfill.add_trades(DAY, fetched(recording, share), MIDNIGHT_NS)
            recording.read_backfill(DAY)
        batch = batch_of(recording)
        for code in CODES:
            statement = state(day, code)
            assert differences(statement, batch[code]) == []
            assert len(statement.gaps) > 10
            assert (statement.backfilled.shares > 0) == bool(share)
    assert {line["status"] for line in recording.audit(DAY, 1)["lines"]} <= {
        "complete_backfilled",
        "unproven",
    }


PLANTED = {
    "a share more in the ledger": lambda line: line._replace(recorded=line.recorded.plus(Totals(0, 1, 0))),
    "a hole less": lambda line: line._replace(holes=line.holes[1:]),
    "a trade more in a hole": lambda line: line._replace(
        holes=(line.holes[0]._replace(trades=line.holes[0].trades + 1), *line.holes[1:])
    ),
    "a won more missing": lambda line: line._replace(value_holes=line.value_holes + 1),
    "a fetched row less": lambda line: line._replace(backfilled=Totals(0, 0, 0)),
    "an overlap": lambda line: line._replace(overlaps=1),
}


@pytest.fixture(scope="module")
def lossy(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recording, BatchLine]:
    recording = sealed(tmp_path_factory.mktemp("lossy"), codes=("990001",))
    recording.backfill.add_trades(DAY, fetched(recording, 3), MIDNIGHT_NS)
    recording.read_backfill(DAY)
    return recording, batch_of(recording)["990001"]


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_difference_is_found(lossy: tuple[Recording, BatchLine], fault: str) -> None:
    """OB-681: a difference between them is named."""
    recording, line = lossy
    assert differences(state(recording.recorder.days[DAY], "990001"), line) == []
    assert differences(state(recording.recorder.days[DAY], "990001"), PLANTED[fault](line)) != []


def test_a_file_that_holds_another_trade_contradicts_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-681, OB-614: a fault planted on the way to the file: the line is contradicted and the audit says why."""
    take = Recording(tmp_path).recorder.__class__.take_rows

    def with_a_fault(recorder: object, day: str, hour: int) -> TradeRows:
        rows = list(take(recorder, day, hour))  # type: ignore[arg-type]
        at = next(n for n, row in enumerate(rows) if row.trade.code == "990002")
        rows[at] = rows[at]._replace(trade=rows[at].trade._replace(price=rows[at].trade.price + 100))
        return TradeRows(rows)

    monkeypatch.setattr("veritape.observer.recorder.Recorder.take_rows", with_a_fault)
    recording = sealed(tmp_path, drop=0)
    audit = recording.audit(DAY, 1)
    by_code = {line["code"]: line for line in audit["lines"]}
    assert by_code["990001"]["status"] == by_code["990003"]["status"] == Status.COMPLETE
    assert by_code["990002"]["status"] == Status.CONTRADICTED
    assert by_code["990002"]["differences"][0].startswith("recorded value_krw: the ledger has")
    assert audit["anomalies"] == ["high_gap", "contradiction"]


def test_late_trades_lie_in_a_file_of_their_own_and_both_ledgers_still_agree(tmp_path: Path) -> None:
    """OB-681, OB-551: a frame that comes after its hour was sealed; the seals' own sums of missing won are old then."""
    recording, taped = Recording(tmp_path), list(frames(("990001",), until_ms=UNTIL))
    for frame in [*day_notes(("990001",)), *taped[:50], *taped[53:]]:
        recording.recorder.apply(frame)
    recording.seal_due(DAY, 86_399, 0, all_hours=True)
    for frame in [*taped[51:53], *anchors(("990001",), UNTIL), own_note(NoteKind.CLOSED, 56_100, day=DAY)]:
        recording.recorder.apply(frame)
    recording.seal_due(DAY, 86_399, 0, all_hours=True)
    assert [seal.path.name for seal in recording.segments.seals(DAY)] == ["09.parquet", "09.late-1.parquet"]
    line = batch_of(recording)["990001"]
    assert (line.value_holes, len(line.holes)) == (None, 1)
    assert differences(state(recording.recorder.days[DAY], "990001"), line) == []


def test_a_time_rule_fires_where_nothing_is_missing(tmp_path: Path) -> None:
    """OB-643: on the complete tape a 10 s rule fires hundreds of times on 990002, accounting never."""
    recording = sealed(tmp_path, drop=0, until_ms=None, codes=("990002",))
    audit = recording.audit(DAY, 1)
    quiet = {one["code"]: one["quiet_10_60_300_s"] for one in audit["observations"]}
    seconds = [trade.ms // 1000 for trade in bundled("990002").trades]
    pauses = [later - before for before, later in pairwise(seconds)]
    assert quiet["990002"] == [sum(pause > limit for pause in pauses) for limit in (10, 60, 300)]
    assert quiet["990002"][0] > 500
    assert [(line["gaps"], line["status"]) for line in audit["lines"]] == [([], "complete")]


def test_recorded_bars_by_the_minute(tmp_path: Path) -> None:
    """OB-563, OB-706: open, high, low, close, shares and won of each minute of every code: what bars are compared with."""
    recording = sealed(tmp_path, drop=0)
    minutes = minute_bars([seal.path for seal in recording.segments.seals(DAY)])
    for code in CODES:
        trades = bundled(code).until(UNTIL).trades
        assert sum(bar.shares for bar in minutes[code].values()) == trades[-1].chain_shares
        assert sum(bar.value_krw for bar in minutes[code].values()) == trades[-1].chain_value
        own = [t for t in trades if t.ms // 60_000 == trades[0].ms // 60_000]
        prices = [t.price for t in own]
        assert minutes[code][own[0].ms // 60_000 * 60] == (
            prices[0], max(prices), min(prices), prices[-1], sum(t.shares for t in own),
            sum(t.price * t.shares for t in own),
        )  # fmt: skip
    assert minute_bars([]) == {}


def test_a_day_of_which_nothing_was_recorded_is_missing_up_to_its_anchors(tmp_path: Path) -> None:
    """OB-681: watched, and no frame came: both ledgers say that everything is missing, and neither contradicts."""
    recording = sealed(tmp_path, drop=1)
    batch = batch_of(recording)
    for code in CODES:
        statement = state(recording.recorder.days[DAY], code)
        assert differences(statement, batch[code]) == []
        assert batch[code].holes[0].right == bundled(code).until(UNTIL).trades[-1].chain_shares


def test_a_day_without_segments_has_no_batch() -> None:
    """OB-681: nothing sealed, nothing said."""
    assert batch_audit([], [], {}) == {}
