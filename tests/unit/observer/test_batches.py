"""Many frames at once against one after another."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tape import DAY, MIDNIGHT_NS, anchors, book_frame, day_notes, frames, own_note, recorded

from veritape.observer import batches
from veritape.observer.batches import FEW, MANY, apply_all
from veritape.observer.books import LEVELS, Book
from veritape.observer.completeness import Problem
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind
from veritape.observer.recorder import Applied, Recorder, frame_key

UNTIL = 32_400_000 + 60_000


def state(recorder: Recorder) -> dict[str, Any]:
    """Return everything that a recorder holds, its rows sorted."""
    days = {
        name: vars(day)
        | {
            "lines": {code: vars(line) for code, line in day.lines.items()},
            "rows": {hour: sorted(rows) for hour, rows in day.rows.items()},
            "books": {
                hour: (rows.codes, [list(one) for one in rows.columns])
                for hour, rows in day.books.hours.items()
            },
        }
        for name, day in recorder.days.items()
    }
    return vars(recorder) | {"days": days}


def sums(applied: list[Applied]) -> tuple[int, ...]:
    names = ("recorded", "duplicates", "late", "holes", "late_dates", "books")
    return tuple(sum(getattr(one, name) for one in applied) for name in names)


def assert_same(journal: list[Frame], size: int, condemned: set[tuple[int, int, int]] | None = None) -> None:
    one_by_one, together = Recorder(), Recorder()
    one_by_one.condemned = together.condemned = condemned or set()
    singles = [one_by_one.apply(frame) for frame in journal]
    pairs = [
        pair
        for start in range(0, len(journal), size)
        for pair in apply_all(together, journal[start : start + size])
    ]
    assert state(together) == state(one_by_one)
    assert sums([applied for _, applied in pairs]) == sums(singles)
    refused = [(frame, one.refusal) for frame, one in zip(journal, singles, strict=True) if one.refusal]
    assert [(frame, one.refusal) for frame, one in pairs if one.refusal] == refused


def test_a_whole_minute_of_the_tape() -> None:
    """OB-512, OB-601: the same lines and rows whatever the size of a group; nearly all of it in stretches."""
    journal = [*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL)]
    for size in (1, FEW - 1, FEW, 100, MANY + 1):
        assert_same(journal, size)
    recorder = Recorder()
    assert len(list(apply_all(recorder, journal))) < 20
    assert recorder.days[DAY].rows.keys() == {9}


def test_a_line_that_holds_a_record_goes_on_alone() -> None:
    """OB-605, OB-610: a suspect, an overlap, a second epoch end the short way for their line and for no other."""
    usual = list(frames(until_ms=UNTIL))
    at = next(number for number, one in enumerate(usual) if number > 60 and b"|001|990002^" in one.data)
    fields = usual[at].data.split(b"^")
    fields[2] = fields[2] + b"0"
    wrong = usual[at]._replace(data=b"^".join(fields))
    other_counters = [one._replace(data=one.data.replace(b"990003^", b"990001^")) for one in usual]
    journal = [*usual[:at], wrong, *usual[at + 1 :], *other_counters]
    assert_same(journal, 200)
    lines = recorded(*journal).days[DAY].lines
    assert (len(lines["990001"].axes), lines["990002"].problems) == (2, {Problem.RECORD_CONTRADICTION: 1})


def test_a_condemned_frame_stays_condemned() -> None:
    """OB-457: a frame that could not be read when it came is not recorded in a stretch either."""
    usual = list(frames(until_ms=UNTIL))
    assert_same(usual, 200, {frame_key(usual[50]), frame_key(usual[51])})


def lose(journal: list[Frame], at: int, chance: random.Random) -> None:
    if len(journal) > 30:
        del journal[at : at + chance.randrange(1, 4)]


def repeat(journal: list[Frame], at: int, chance: random.Random) -> None:
    journal.insert(chance.randrange(at, len(journal)), journal[at])


def repeat_many(journal: list[Frame], at: int, _: random.Random) -> None:
    journal += [one._replace(sequence=one.sequence + 10_000) for one in journal[at : at + 20]]


def swap(journal: list[Frame], at: int, chance: random.Random) -> None:
    other = chance.randrange(len(journal))
    journal[at], journal[other] = journal[other], journal[at]


def change_field(journal: list[Frame], at: int, chance: random.Random) -> None:
    fields = journal[at].data.split(b"^")
    place = chance.choice((1, 2, 12, 13, 14, 15, 16, 21, 33, 34, 43))
    if place < len(fields):
        others = (b"", b"1", b"20131008", b"20131006", b"100000", fields[place] + b"0", b"30")
        fields[place] = chance.choice(others)
        journal[at] = journal[at]._replace(data=b"^".join(fields))


def reconnect(journal: list[Frame], at: int, _: random.Random) -> None:
    journal[at:] = [one._replace(connection=one.connection + 1) for one in journal[at:]]


def begin_next_day(journal: list[Frame], at: int, _: random.Random) -> None:
    journal[at:] = [one._replace(data=one.data.replace(DAY.encode(), b"20131008")) for one in journal[at:]]


def begin_next_hour(journal: list[Frame], at: int, _: random.Random) -> None:
    journal[at] = journal[at]._replace(data=journal[at].data.replace(b"^0900", b"^1000"))


def restart(journal: list[Frame], at: int, _: random.Random) -> None:
    journal.insert(at, own_note(NoteKind.STARTED))


def be_binary(journal: list[Frame], at: int, _: random.Random) -> None:
    journal.insert(at, journal[at]._replace(kind=Kind.BINARY))


def bring_a_book(journal: list[Frame], at: int, chance: random.Random) -> None:
    book = Book("990001", 32_410, (1,) * len(LEVELS), chance.choice((1, 10**9)))
    journal.insert(at, book_frame(book, 9_000 + at, MIDNIGHT_NS))


DISTURBANCES = (
    lose, repeat, repeat_many, swap, change_field, reconnect, begin_next_day, begin_next_hour, restart, be_binary,
    bring_a_book,
)  # fmt: skip
"""What happens to frames."""


@settings(max_examples=60)
@given(st.randoms(use_true_random=False), st.integers(FEW, 200))
def test_both_ways_leave_the_same_behind(chance: random.Random, size: int) -> None:
    """OB-512, OB-601, OB-606, KIS-181: losses, repetitions, disorder, damage, other dates, hours, connections, notes, books."""
    usual = frames(width=chance.choice((46, 47)), until_ms=UNTIL)
    start = chance.randrange(len(usual) - 200)
    journal = list(usual[start : start + chance.randrange(50, 200)])
    for _ in range(chance.randrange(12)):
        chance.choice(DISTURBANCES)(journal, chance.randrange(len(journal) - 1), chance)
    assert_same([*day_notes(), *journal], size)


def test_nothing_is_done_with_no_frames() -> None:
    """OB-512: no frames, no days."""
    assert list(apply_all(Recorder(), [])) == []
    assert state(recorded()) == state(Recorder())


def test_a_stretch_has_no_more_trades_than_a_line_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-645: else one after another, because an old record is compared with rows that a stretch adds at its end."""
    usual = list(frames(until_ms=UNTIL))
    assert len(list(apply_all(Recorder(), usual))) == 2, "the first frame begins the day"
    monkeypatch.setattr(batches, "KEPT", 20)
    assert_same(usual, len(usual))
    assert len(list(apply_all(Recorder(), usual))) == len(usual)
