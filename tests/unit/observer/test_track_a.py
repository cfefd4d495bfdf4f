"""Sweeps: the grid, chunks, cycles that always add up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.quotes import Quote
from veritape.observer.sessions import USUAL, Hours
from veritape.observer.track_a import (
    ChainWatch,
    Cycle,
    CycleKind,
    MissingReason,
    calls_that_fit,
    chunks,
    deadline_s,
    grid,
    halves,
    parameters,
    wait_ms,
)


def test_the_grid_of_an_ordinary_day() -> None:
    """OB-201: 09:00-15:30 at 10 min is 40 cycles, computed from the open."""
    times = grid(USUAL, 10)
    assert (len(times), times[0], times[-1]) == (40, 32_400, 55_800)
    assert list(grid(Hours(32_400, 33_000), 10)) == [32_400, 33_000]


@pytest.mark.parametrize(("symbols", "calls"), [(0, 0), (30, 1), (31, 2), (2_000, 67), (2_894, 97)])
def test_chunks_of_thirty_in_file_order(symbols: int, calls: int) -> None:
    """OB-202: ceil(n/30) calls."""
    codes = [f"{number:06}" for number in range(symbols)]
    parts = list(chunks(codes))
    assert len(parts) == calls
    assert [code for part in parts for code in part] == codes


@pytest.mark.parametrize("size", [1, 2, 3, 7, 30])
def test_halves_are_the_whole(size: int) -> None:
    """OB-206: nothing is lost or doubled, and both shrink."""
    codes = [f"{number:06}" for number in range(size)]
    first, second = halves(codes)
    assert [*first, *second] == codes
    assert len(first) <= len(second) < size or size == 1


@pytest.mark.parametrize(("draw", "waits"), [(0.0, [120, 400]), (0.5, [150, 500]), (1.0, [180, 600])])
def test_waits_have_their_jitter(draw: float, waits: list[int]) -> None:
    """OB-206: 0.15 and 0.5 s, 20 % more or less."""
    assert [wait_ms(attempt, draw) for attempt in (1, 2)] == waits


@pytest.mark.parametrize(
    ("permits", "seconds", "calls"), [(18, 60, 900), (18, 595, 8_925), (1, 595, 495), (1, 60, 50)]
)
def test_a_cycles_time_has_room_for_so_many_calls(permits: int, seconds: int, calls: int) -> None:
    """OB-204: N a second and a round trip of 200 ms; a paper account sweeps 495 symbols in ten minutes."""
    assert calls_that_fit(permits, seconds) == calls
    assert calls_that_fit(18, deadline_s(10, single=True)) > 2_000


def test_a_chain_that_goes_back_is_noticed() -> None:
    """OB-212: lower than in an earlier sweep of the line; equal is no step back."""
    watch = ChainWatch()
    seen = [watch.see(quote("A")._replace(chain_shares=shares)) for shares in (5, 5, 9, 8, 8, 10)]
    assert seen == [False, False, False, True, False, False]
    assert watch.see(quote("B")) is False
    assert watch.went_back == {"A"}


@pytest.mark.parametrize(("minutes", "seconds"), [(1, 55), (10, 60), (60, 60)])
def test_a_cycle_has_a_deadline(minutes: int, seconds: int) -> None:
    """OB-205: min(interval - 5 s, 60 s)."""
    assert deadline_s(minutes) == seconds
    assert deadline_s(minutes, single=True) == 60 * minutes - 5


def test_the_query_numbers_its_codes() -> None:
    """KIS-053: numbered from 1 without a hole, each with its market."""
    assert parameters(["A", "B"]) == {
        "FID_COND_MRKT_DIV_CODE_1": "J", "FID_INPUT_ISCD_1": "A", "FID_COND_MRKT_DIV_CODE_2": "J", "FID_INPUT_ISCD_2": "B",
    }  # fmt: skip


def quote(code: str) -> Quote:
    return Quote(code, *range(11))


@given(
    st.lists(
        st.tuples(st.sampled_from(["answer", "lost", "again"]), st.sets(st.sampled_from("ABCDEFGH"))),
        max_size=6,
    )
)
def test_expected_is_always_received_plus_missing(events: list[tuple[str, set[str]]]) -> None:
    """OB-208: whatever is answered, lost or answered again."""
    cycle = Cycle(0, CycleKind.GRID, 0, tuple("ABCDEFGH"))
    for kind, codes in events:
        if kind == "lost":
            cycle.lost(sorted(codes - set(cycle.quotes)), MissingReason.NO_ANSWER)
        else:
            cycle.received(
                "ABCDEFGH" if kind == "again" else sorted(codes),
                {code: quote(code) for code in codes},
                {"H"},
                (1, 2),
            )
    manifest = cycle.manifest("u", "p")
    assert (
        manifest["expected"] == 8 == manifest["received"] + len(set(manifest["missing"]) - set(cycle.quotes))
    )


def test_reasons_of_a_manifest() -> None:
    """OB-209: malformed, not in the answer, refused, past the deadline."""
    cycle = Cycle(3, CycleKind.ANCHOR, 5, ("A", "B", "C", "D", "E"))
    cycle.received(["A", "B", "C"], {"A": quote("A")}, {"B"}, (1, 2))
    cycle.lost(["D"], MissingReason.REFUSED)
    manifest = cycle.manifest("u", "p")
    assert manifest["missing"] == {"B": "malformed", "C": "not_in_answer", "D": "refused", "E": "deadline"}
    assert (manifest["cycle"], manifest["kind"], manifest["received"]) == (3, "anchor", 1)
