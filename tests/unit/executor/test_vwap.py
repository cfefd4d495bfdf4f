"""The guest vwap against an independent computation."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import rv32
from tests.compiled import READABLE, SIMULATOR

from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.vm.execution import Execution
from veritape.executor.vwap import VwapJournal, average, parse_journal
from veritape.kernel.errors import PeerError

IMAGE = guest_image("vwap")
ROWS = [(32400 + n, 1 + 4 * (n % 2), 1, 1_825_000 + n * 37 % 900, 1 + n * 31 % 500) for n in range(2_100)]

rows = st.tuples(
    st.integers(0, 86_399),
    st.integers(0, 255),
    st.integers(0, 1),
    st.integers(0, 2**40),
    st.integers(1, 2**20),
)


def run(tape: bytes) -> Execution:
    return SIMULATOR.machine(IMAGE, tape)


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=60), st.integers(0, 9))
def test_the_journal_equals_an_independent_computation(
    trades: list[tuple[int, int, int, int, int]], scale: int
) -> None:
    """EX-806: digest of the tape, code, counts and sums are those of Python, price scale included."""
    tape = rv32.tape(trades, b"A12", scale)
    volume, value = sum(row[4] for row in trades), sum(row[3] * row[4] for row in trades)
    expected = VwapJournal(hashlib.sha256(tape).hexdigest(), "A12", len(trades), scale, volume, value)
    assert parse_journal(run(tape).journal) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 2046, 2047, 2048, 2049, 2100])
def test_rows_that_lie_across_chunks_are_counted_once(count: int) -> None:
    """EX-241: tapes around the size of the guest's window; both machines agree."""
    tape = rv32.tape(ROWS[:count])
    journal = parse_journal(run(tape).journal)
    assert (journal.trades, journal.value) == (count, sum(row[3] * row[4] for row in ROWS[:count]))
    assert journal.rows_sha256 == hashlib.sha256(tape).hexdigest()
    if count < 4:
        assert run(tape) == READABLE.machine(IMAGE, tape)


@pytest.mark.parametrize(
    "tape",
    [
        b"", rv32.tape(ROWS[:3])[:34], rv32.tape(ROWS[:3])[:-1], rv32.tape(ROWS[:3]) + b"\0",
        b"X" + rv32.tape(ROWS[:3])[1:], rv32.tape(ROWS[:3], b"A\0B"), rv32.tape([(1, 1, 2, 5, 5)]),
        rv32.tape(ROWS[:3])[:41] + b"\1" + rv32.tape(ROWS[:3])[42:],
    ],
)  # fmt: skip
def test_a_malformed_tape_ends_with_code_1(tape: bytes) -> None:
    """EX-237: wrong domain, cut rows, padding or reserved bytes that are not zero."""
    assert (run(tape).exit_code, run(tape).journal) == (1, b"")


def test_no_volume_and_overflow_have_codes_of_their_own() -> None:
    """EX-237: 2 for zero volume, 3 for a sum that does not fit (EX-239)."""
    largest = 2**64 - 1
    assert run(rv32.tape([])).exit_code == 2
    assert run(rv32.tape([(0, 1, 1, 5, 0)])).exit_code == 2
    assert run(rv32.tape([(0, 1, 1, 5, largest), (0, 1, 1, 5, 1)])).exit_code == 3
    assert parse_journal(run(rv32.tape([(0, 1, 1, largest, largest)])).journal).value == largest**2


def test_a_changed_row_changes_the_journal() -> None:
    """EX-242: the guest hashes what it reads: change, add, remove, swap a trade."""
    tapes = [ROWS[:5], ROWS[:6], ROWS[1:5], [ROWS[1], ROWS[0], *ROWS[2:5]]]
    assert len({run(rv32.tape(rows)).journal[:32] for rows in tapes}) == 4


def test_readers_divide_half_up() -> None:
    """EX-239: sums over parts, price scale + 4 decimals, rounded half up."""
    journals = [VwapJournal("", "A", 1, 0, 3, 10), VwapJournal("", "A", 1, 0, 5, 20)]
    assert average(journals) == "3.7500"
    assert average([VwapJournal("", "A", 1, 0, 20_000, 1)]) == "0.0001"
    assert average([VwapJournal("", "A", 1, 2, 3, 1000)]) == "3.333333"
    with pytest.raises(ValueError, match="one code"):
        average([journals[0], journals[1]._replace(code="B")])


@pytest.mark.parametrize(
    "journal", [b"", bytes(80), bytes(32) + b"A".ljust(12, b"\0") + bytes(8) + b"\1" + bytes(27)]
)
def test_what_is_no_journal_is_refused(journal: bytes) -> None:
    """EX-237: another length, no code, a reserved word that is not zero."""
    with pytest.raises(PeerError, match="bad_journal"):
        parse_journal(journal)
