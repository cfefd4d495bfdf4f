"""Segments: row order, digests, seals."""

import hashlib
import random

from hypothesis import given
from hypothesis import strategies as st
from tests.tape import DAY, bundled, frames, recorded, trade

from veritape.kernel.canonical import canonical_json
from veritape.observer import segments
from veritape.observer.rows import Row
from veritape.observer.segments import Before, TapeRow


def rows(*numbers: int) -> list[Row]:
    return [Row(trade(number), number, 0, number * 1000, counted=True, epoch=0) for number in numbers]


def tape(*numbers: int) -> list[TapeRow]:
    return [segments.tape_row(row) for row in rows(*numbers)]


def test_the_worked_digest() -> None:
    """OB-556: the first three IBM rows, 107 bytes."""
    data = segments.tape_bytes("990001", 0, tape(1, 2, 3))
    assert len(data) == 107
    assert (
        hashlib.sha256(data).hexdigest() == "1c7b5b29ddd6292e010238e3c9b3d46a64622fa95f11b54a1fd08362dac57476"
    )
    assert segments.rows_sha256("990001", tape(1, 2, 3)) == hashlib.sha256(data).hexdigest()


def test_every_change_of_a_row_changes_the_digest() -> None:
    """OB-556: changed, added, removed, swapped."""
    good = tape(1, 2, 3)
    others = [
        good[:2], [*good, good[0]], [good[1], good[0], good[2]],
        *([good[0]._replace(**{name: getattr(good[0], name) + 1}), *good[1:]] for name in ("event_s", "price", "shares", "side")),
        [good[0]._replace(counted=False), *good[1:]],
    ]  # fmt: skip
    digests = {segments.rows_sha256("990001", other) for other in [good, *others]} | {
        segments.rows_sha256("990002", good), segments.rows_sha256("990001", good, 1)
    }  # fmt: skip
    assert len(digests) == len(others) + 3


def test_a_side_outside_a_byte_is_255() -> None:
    """OB-556."""
    assert segments.tape_bytes("A", 0, [TapeRow(0, 999, True, 1, 1)]) == segments.tape_bytes(
        "A", 0, [TapeRow(0, 255, True, 1, 1)]
    )


def test_rows_are_ordered_by_code_epoch_and_chain() -> None:
    """OB-552, OB-557: the order depends on the rows alone."""
    mixed = rows(*range(1, 50)) + [
        Row(trade(n, "990002"), n, 0, n, counted=True, epoch=0) for n in range(1, 50)
    ]
    expected = segments.ordered(mixed, {})
    random.Random(3).shuffle(mixed)
    assert segments.ordered(mixed, {}) == expected
    assert [row.trade.code for row in expected.rows] == ["990001"] * 49 + ["990002"] * 49


def test_the_value_hole_replaces_the_running_value() -> None:
    """OB-553: chain_value = start + running sum of price x shares + value_hole."""
    kept = rows(1, 2, 3, 10, 11, 30)
    columns = segments.ordered(kept, {})
    value = 0
    for row, hole in zip(columns.rows, columns.value_holes, strict=True):
        value += hole + row.trade.price * row.trade.shares
        assert value == row.trade.chain_value
    assert [hole > 0 for hole in columns.value_holes] == [False, False, False, True, False, True]


def test_a_segment_continues_where_the_last_one_ended() -> None:
    """OB-555: the first row's hole is measured from the last sealed row; a late row measures nothing."""
    ends = segments.chain_ends(rows(1, 2, 3))
    assert segments.ordered(rows(4, 5), ends).value_holes == [0, 0]
    assert segments.ordered(rows(2), ends).value_holes == [0]
    line = segments.line_documents(rows(6, 7), ends)["990001"]
    assert (line["holes"], line["hole_trades"], line["hole_shares"]) == (
        1,
        2,
        trade(4).shares + trade(5).shares,
    )
    assert line["hole_value"] == sum(trade(n).price * trade(n).shares for n in (4, 5))


def test_a_restarted_counter_measures_from_its_own_start() -> None:
    """OB-605: rows of another epoch follow no row of the one before."""
    restarted = Row(trade(2), 1, 0, 1, counted=True, epoch=1)
    columns = segments.ordered(
        [*rows(5), restarted], {"990001": Before(0, trade(4).chain_value, trade(4).chain_shares, 4)}
    )
    assert columns.value_holes == [0, trade(1).chain_value]


def test_the_seal_of_a_lossy_hour_states_its_holes() -> None:
    """OB-555, OB-608: rows + hole trades of the seals equal the day's trades up to the last record."""
    recorder = recorded(*frames(("990001",), drop=0.01))
    before: dict[str, Before] = {}
    total_rows = hole_trades = 0
    for hour in sorted(recorder.days[DAY].rows):
        own = recorder.take_rows(DAY, hour)
        line = segments.line_documents(own, before)["990001"]
        assert line["rows"] == len(own)
        total_rows, hole_trades = total_rows + line["rows"], hole_trades + line["hole_trades"]
        before |= segments.chain_ends(own)
    assert total_rows + hole_trades == recorder.days[DAY].lines["990001"].end.trades
    assert total_rows + hole_trades <= len(bundled("990001").trades)


def test_the_seal_document() -> None:
    """OB-555: every field."""
    document = segments.seal_document(
        venue="KRX",
        day=DAY,
        hour=9,
        part=0,
        rows=1,
        file_bytes=b"x",
        journal=[],
        lines={},
        previous="",
        widths=[47, 46],
    )
    assert document == {
        "format": "veritape.segment.v1", "venue": "KRX", "day": DAY, "hour": 9, "part": 0, "rows": 1, "bytes": 1,
        "blake3": document["blake3"], "price_scale": 0, "parser": {"version": "1", "widths": [46, 47]}, "journal": [],
        "lines": {}, "previous": "",
    }  # fmt: skip


@given(
    st.binary(max_size=200)
    | st.from_regex(r'\{"format":"veritape.segment.v1"(,"[a-z]+":[0-9\[{"]{1,3})*\}').map(str.encode)
)
def test_any_bytes_are_a_seal_or_none(data: bytes) -> None:
    """OB-992: the seal's reader is total."""
    assert segments.read_seal(data) is None


def test_a_seal_reads_back_and_each_member_is_needed() -> None:
    """OB-555, OB-992: a member that is missing or of another type makes it none."""
    document = segments.seal_document(
        venue="KRX", day=DAY, hour=9, part=0, rows=0, file_bytes=b"", journal=[], lines={"990001": {}}, previous="",
        widths=[47],
    )  # fmt: skip
    assert segments.read_seal(canonical_json(document)) == document
    for name in document:
        assert segments.read_seal(canonical_json({**document, name: None})) is None
    assert segments.read_seal(canonical_json({**document, "lines": {"990001": 1}})) is None
    assert segments.read_seal(b"[" * 100_000) is None
