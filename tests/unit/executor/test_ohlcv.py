"""The guest ohlcv against an independent computation, and the parser of its journal."""

import hashlib
import random
import struct
from collections.abc import Sequence
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import rv32
from tests.compiled import SIMULATOR

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.ohlcv import Bar, OhlcvJournal, OhlcvReason, input_of, parse_journal
from veritape.executor.vm.compiled.machine import execute_batch
from veritape.executor.vm.execution import Execution
from veritape.kernel.errors import PeerError

IMAGE = guest_image("ohlcv")
Row = tuple[int, int, int, int, int]


def run(rows: Sequence[Row], interval_s: int = 60) -> Execution:
    return SIMULATOR.machine(IMAGE, input_of(rv32.tape(rows), interval_s))


def expected_bars(rows: Sequence[Row], interval_s: int) -> tuple[Bar, ...]:
    """Return the bars of rows, computed another way than the guest does."""
    bars = []
    for start, group in groupby(rows, key=lambda row: row[0] // interval_s * interval_s):
        trades = [(price, shares) for _, _, _, price, shares in group]
        prices = [price for price, _ in trades]
        volume, value = sum(s for _, s in trades), sum(p * s for p, s in trades)
        bars.append(Bar(start, len(trades), prices[0], max(prices), min(prices), prices[-1], volume, value))
    return tuple(bars)


def random_rows(rng: random.Random) -> list[Row]:
    time_s, rows = rng.randrange(1, 100_000), []
    for _ in range(rng.randrange(40)):
        time_s += rng.choice((0, 0, 1, 7, 100))
        price = rng.choice((1, 100, (1 << 64) - 1, rng.randrange(1 << 40)))
        rows.append((time_s, rng.randrange(256), rng.randrange(2), price, rng.randrange(1 << 34)))
    return rows


def test_a_thousand_random_tapes_give_the_bars_of_an_independent_computation() -> None:
    """EX-806: every bar of 1,000 random tapes, all in one batch."""
    rng = random.Random(20131007)
    tapes = [(random_rows(rng), rng.choice((1, 5, 60, 3600))) for _ in range(1000)]
    done = execute_batch(IMAGE, [input_of(rv32.tape(rows), interval) for rows, interval in tapes])
    for (rows, interval), execution in zip(tapes, done, strict=True):
        assert execution.exit_code == 0
        assert parse_journal(execution.journal) == OhlcvJournal(
            hashlib.sha256(rv32.tape(rows)).hexdigest(), "990001", interval, 0, expected_bars(rows, interval)
        )


def test_a_long_tape_crosses_the_guests_buffer() -> None:
    """EX-243: rows across the edges of the guest's chunks count once; every row counts, whatever its session."""
    rows = [(i, 1, i % 2, 100 + i % 7, 3 + i % 5) for i in range(5000)]
    journal = parse_journal(run(rows).journal)
    assert journal.bars == expected_bars(rows, 60)
    assert sum(bar.trades for bar in journal.bars) == 5000


def test_the_bytes_are_those_of_the_format() -> None:
    """EX-243: a head of 56 bytes and 64 a bar; a stamp that steps back within an interval changes nothing."""
    rows = [(65, 1, 1, 100, 3), (61, 5, 1, 110, 1), (180, 1, 0, 90, 2)]
    journal = run(rows).journal
    assert journal[:32] == hashlib.sha256(rv32.tape(rows)).digest()
    assert journal[32:56] == b"990001".ljust(12, b"\0") + struct.pack("<III", 60, 0, 2)
    first = struct.pack("<IIQQQQQQQ", 60, 2, 100, 110, 100, 110, 4, 410, 0)
    assert journal[56:] == first + struct.pack("<IIQQQQQQQ", 180, 1, 90, 90, 90, 90, 2, 180, 0)


@pytest.mark.parametrize(
    ("rows", "interval_s", "code"),
    [
        ([], 60, 0),
        ([(1, 1, 1, 1, 1)], 0, 2),
        ([(60, 1, 1, 1, 1), (59, 1, 1, 1, 1)], 60, 3),
        ([(i, 1, 1, 1, 1) for i in range(1000)], 1, 0),
        ([(i, 1, 1, 1, 1) for i in range(1001)], 1, 4),
        ([(1, 1, 1, 1, (1 << 64) - 1)] * 2, 60, 5),
        ([(1, 1, 2, 1, 1)], 60, 1),
    ],
)
def test_each_exit_code_has_its_cause(rows: list[Row], interval_s: int, code: int) -> None:
    """EX-237: 0 with no rows and with 1,000 bars; malformed, interval 0, unsorted, one bar more, a sum that does not fit."""
    assert run(rows, interval_s).exit_code == code


def test_a_tape_that_is_cut_is_malformed() -> None:
    """EX-237: part of a row, another domain, no tape at all."""
    tape = rv32.tape([(1, 1, 1, 1, 1)])
    for broken in (tape[:-1], tape + b"\0", tape[:30], b"", b"X" + tape[1:]):
        assert SIMULATOR.machine(IMAGE, input_of(broken)).exit_code == 1
    assert SIMULATOR.machine(IMAGE, b"").exit_code == 1


def test_a_changed_row_changes_the_journal() -> None:
    """EX-242: the digest is computed, never copied: any changed, added, removed or swapped row shows."""
    rows = [(1, 1, 1, 100, 3), (2, 1, 1, 100, 3), (3, 5, 1, 101, 4)]
    others = (
        rows[:2],
        [*rows, rows[2]],
        [rows[0], (2, 1, 0, 100, 3), rows[2]],
        [(2, 1, 1, 100, 3), (1, 1, 1, 100, 3), rows[2]],
    )
    journals = {run(other).journal for other in (rows, *others)}
    assert len(journals) == 5


def test_every_public_parameter_is_in_the_journal() -> None:
    """EX-240: two intervals with the same bars give different journals."""
    rows = [(0, 1, 1, 100, 3)]
    assert run(rows, 60).journal != run(rows, 30).journal


GOOD = run([(60, 1, 1, 100, 3), (180, 1, 1, 100, 3)]).journal


@pytest.mark.parametrize(
    "journal",
    [
        b"",
        GOOD[:-1],
        GOOD + bytes(64),
        GOOD[:32] + b"\0" * 12 + GOOD[44:],
        GOOD[:44] + bytes(4) + GOOD[48:],
        GOOD[:44] + struct.pack("<I", 7) + GOOD[48:],
        GOOD[:56] + GOOD[120:] + GOOD[56:120],
        GOOD[:52] + struct.pack("<I", 1001) + bytes(64 * 1001),
    ],
)
def test_a_bad_journal_is_refused(journal: bytes) -> None:
    """EX-243: length, code, interval and order of the bars are checked."""
    with pytest.raises(PeerError) as caught:
        parse_journal(journal)
    assert caught.value.reason is OhlcvReason.BAD_JOURNAL


@given(st.binary(max_size=300))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    """EX-243: any bytes give a journal or the reason."""
    for candidate in (data, GOOD[:56] + data):
        assert read_or_refused(candidate)


def read_or_refused(data: bytes) -> bool:
    """Tell whether bytes are a journal with an interval, or refused with the reason."""
    try:
        return parse_journal(data).interval_s > 0
    except PeerError as error:
        return error.reason is OhlcvReason.BAD_JOURNAL
