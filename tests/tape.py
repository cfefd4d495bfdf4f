"""The bundled day as frames, for tests of the recording side: made by the replay, read by the observer."""

from functools import cache
from pathlib import Path

import veritape.replay.tape
from veritape.observer.axis import Totals
from veritape.observer.books import Book
from veritape.observer.frames import Trade
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note
from veritape.observer.recorded_days import Day
from veritape.observer.recorder import Recorder
from veritape.replay.faults import parse
from veritape.replay.packing import pack
from veritape.replay.rendering import frame_text, listing_of
from veritape.replay.schedule import midnight_ns
from veritape.replay.series import Series, build, read_rows
from veritape.replay.symbols import symbol_of
from veritape.wire.kis.frames import BOOK_KRX

DAY = "20131007"
CODES = {"990001": "ibm", "990002": "aig", "990003": "bac"}
MIDNIGHT_NS = midnight_ns(DAY)


@cache
def bundled(code: str) -> Series:
    """Return a bundled symbol's day."""
    path = Path(veritape.replay.tape.__path__[0]) / f"{CODES[code]}_{DAY}_trade.zip"
    return build(code, read_rows(path.read_bytes(), path.name))


@cache
def frames(
    codes: tuple[str, ...] = tuple(CODES), drop: float = 0, width: int = 47, until_ms: int | None = None
) -> tuple[Frame, ...]:
    """Return the journal frames of the day, those that are dropped left out."""
    series = {code: bundled(code).until(until_ms) for code in codes}
    listings = {code: listing_of(symbol_of(code), DAY, one) for code, one in series.items()}
    faults = parse([f"drop={drop}"])
    return tuple(
        Frame(
            Kind.TEXT, 1, number, MIDNIGHT_NS + packed.emit_ms * 1_000_000, packed.emit_ms * 1_000_000,
            frame_text(packed, series[packed.code].trades, listings[packed.code], width).encode(),
        )
        for number, packed in enumerate(pack(series.values()), 1)
        if not faults.strikes("drop", packed.number, packed.emit_ms)
    )  # fmt: skip


def own_note(kind: NoteKind, at_s: int = 32_000, **facts: object) -> Frame:
    """Return one of the recorder's notes as a journal frame."""
    at_ns = MIDNIGHT_NS + at_s * 10**9
    return Frame(Kind.NOTE, 0, 1, at_ns, at_s * 10**9, note(kind, **facts))


def day_notes(codes: tuple[str, ...] = tuple(CODES)) -> list[Frame]:
    """Return the notes that begin a watched day."""
    facts = {
        code: {
            "reference_price": bundled(code).trades[0].price,
            "previous_shares": symbol_of(code).previous_shares,
        }
        for code in codes
    }
    begin = own_note(NoteKind.DAY, day=DAY, venue="KRX", open_s=32_400, close_s=55_800, codes=facts)
    return [begin, *(own_note(NoteKind.WATCH_OPENED, day=DAY, code=code, event_s=32_390) for code in codes)]


def anchors(codes: tuple[str, ...] = tuple(CODES), until_ms: int | None = None) -> list[Frame]:
    """Return the end anchors as the broker's sweeps would tell them."""
    ends = {code: bundled(code).until(until_ms).trades[-1] for code in codes}
    return [
        own_note(
            NoteKind.ANCHOR, 56_000, day=DAY, code=code, chain_shares=end.chain_shares, chain_value=end.chain_value,
            taken_ns=1, agreed=1,
        )
        for code, end in ends.items()
    ]  # fmt: skip


def trade(row: int, code: str = "990001") -> Trade:
    """Return a bundled trade (row from 1) as the observer's parser gives it."""
    one = bundled(code).trades[row - 1]
    return Trade(
        code, one.ms // 1000, one.price, one.shares, one.chain_shares, one.chain_value, one.sells, one.buys, one.side,
        counted=True, day=DAY, session="20/0/2",
    )  # fmt: skip


def recorded(*journal: Frame) -> Recorder:
    """Return a recorder that took these frames."""
    recorder = Recorder()
    for frame in journal:
        recorder.apply(frame)
    return recorder


def recorded_of(day: Day) -> Totals:
    """Return the recorded trades of a day's lines together."""
    total = Totals(0, 0, 0)
    for line in day.lines.values():
        total = total.plus(line.recorded)
    return total


def book_text(book: Book, tr_id: str = BOOK_KRX, width: int = 63) -> str:
    """Return an order book as the broker sends it; fields of no interest are 0."""
    clock = f"{book.event_s // 3600:02}{book.event_s // 60 % 60:02}{book.event_s % 60:02}"
    fields = [book.code, clock, "0", *map(str, book.levels), *["0"] * 10, str(book.chain_shares), *["0"] * 20]
    return f"0|{tr_id}|001|{'^'.join(fields[:width])}"


def book_frame(book: Book, sequence: int, at_ns: int, connection: int = 1) -> Frame:
    """Return a journal frame of one order book."""
    return Frame(Kind.TEXT, connection, sequence, at_ns, at_ns, book_text(book).encode())
