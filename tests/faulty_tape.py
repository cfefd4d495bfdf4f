"""Recordings of a span of the bundled day with random faults, and what each of them lost: the oracle's side (OB-1011).

The harness decides trade by trade what reaches the recorder in a form that can be read. It knows nothing of the ledger:
what was lost is a set of trades, and the loss runs are its maximal runs on the tape.
"""

import random
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from tests.tape import DAY, MIDNIGHT_NS, bundled, frames, own_note

from veritape.observer.axis import Totals
from veritape.observer.gaps import Cause
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note
from veritape.replay.series import Trade

WIDTH: Final = 47
OPEN_MS: Final = 32_400_000
MINUTE_MS: Final = 60_000
DROPS: Final = (0.0, 0.002, 0.01, 0.05, 0.2)
MOST_RECORDS: Final = 20


@dataclass
class Message:
    """One message on its way: trades of the tape by their index, or a note of the recorder."""

    at_ms: int
    trades: list[int] = field(default_factory=list)
    note: Frame | None = None
    wide: bool = False
    """Its records have a 48th field."""
    garbled: bool = False
    """One byte of it is changed."""


@dataclass
class Run:
    """One recording with its truth."""

    code: str
    seed: int
    journal: list[Frame]
    """What the recorder takes, in order."""
    truth: list[Trade]
    """Every trade of the day up to the span's end."""
    delivered: set[int]
    """Indices of the trades that arrived and could be read."""
    unread: set[int]
    """Indices of those that arrived and could not."""
    end_ms: int

    @property
    def totals(self) -> Totals:
        """Return what the market did."""
        return total(self.truth)

    @property
    def loss_runs(self) -> list[tuple[int, int, int]]:
        """Return (left V, right V, trades) of each maximal run of trades that did not arrive readable."""
        runs: list[tuple[int, int, int]] = []
        for index, trade in enumerate(self.truth):
            if index in self.delivered:
                continue
            begins = trade.chain_shares - trade.shares
            if runs and runs[-1][1] == begins:
                runs[-1] = (runs[-1][0], trade.chain_shares, runs[-1][2] + 1)
            else:
                runs.append((begins, trade.chain_shares, 1))
        return runs


def total(trades: list[Trade]) -> Totals:
    """Add trades up."""
    return Totals(len(trades), sum(t.shares for t in trades), sum(t.price * t.shares for t in trades))


@cache
def messages(code: str, end_ms: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """Return each frame of the tape as (time, records)."""
    found = []
    for frame in frames((code,), until_ms=end_ms):
        fields = frame.data.decode().rpartition("|")[2].split("^")
        texts = tuple("^".join(fields[at : at + WIDTH]) for at in range(0, len(fields), WIDTH))
        found.append((frame.monotonic_ns // 1_000_000, texts))
    return tuple(found)


def run_of(seed: int, minutes: int | None = 30) -> Run:
    """Return the recording of a seed; ``minutes`` None plays a whole day."""
    draw = random.Random(seed)
    code = draw.choices(("990001", "990002", "990003"), (6, 6, 0.3))[0]
    start_ms = OPEN_MS + (0 if minutes is None else draw.choice((0, 0, 0, 0, 15)) * MINUTE_MS)
    end_ms = bundled(code).trades[-1].ms + 1000 if minutes is None else start_ms + minutes * MINUTE_MS
    texts = [text for _, records in messages(code, end_ms) for text in records]
    queue, index = [], 0
    for at_ms, records in messages(code, end_ms):
        if at_ms > start_ms:
            queue.append(Message(at_ms, list(range(index, index + len(records)))))
        index += len(records)
    queue = _faulty(draw, queue, code)
    journal = [
        own_note(
            NoteKind.DAY,
            start_ms // 1000 - 60,
            day=DAY,
            venue="KRX",
            open_s=32_400,
            close_s=end_ms // 1000,
            codes={},
        ),
        own_note(
            NoteKind.WATCH_OPENED, start_ms // 1000 - 10, day=DAY, code=code, event_s=start_ms // 1000 - 10
        ),
        *(_frame(draw, number, message, texts) for number, message in enumerate(queue, 1)),
    ]
    readable = {i for message in queue if not message.wide and not message.garbled for i in message.trades}
    arrived = {i for message in queue for i in message.trades}
    truth = list(bundled(code).until(end_ms).trades)
    return Run(code, seed, journal, truth, readable, arrived - readable, end_ms)


def closing(run: Run) -> list[Frame]:
    """Return the notes that end the day: its anchor, its close."""
    last = run.truth[-1]
    at_s = run.end_ms // 1000
    return [
        own_note(
            NoteKind.ANCHOR, at_s + 240, day=DAY, code=run.code, chain_shares=last.chain_shares,
            chain_value=last.chain_value, taken_ns=1, agreed=1,
        ),
        own_note(NoteKind.CLOSED, at_s + 600, day=DAY),
    ]  # fmt: skip


def _faulty(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    """Apply the faults of a seed, in the order in which they happen on the way."""
    if draw.random() < 0.1:
        return queue
    faults = (_merge, _split, _drop, _silence, _disconnect, _restart, _widen, _garble, _duplicate, _delay)
    for fault in faults:
        if draw.random() < 0.5:
            queue = fault(draw, queue, code)
    return queue


def _drop(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    share = draw.choice(DROPS)
    return [message for message in queue if message.note or draw.random() >= share]


def _span(draw: random.Random, queue: list[Message], most: int) -> tuple[int, int]:
    first = draw.randrange(len(queue))
    return first, min(len(queue), first + draw.randrange(1, most))


def _silence(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    first, end = _span(draw, queue, 60)
    return queue[:first] + queue[end:]


def _disconnect(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    first, end = _span(draw, queue, 90)
    back_ms = queue[min(end, len(queue) - 1)].at_ms
    lost = _note(queue[first].at_ms, NoteKind.WATCH_CLOSED, code, cause=Cause.WS_DISCONNECT.value)
    return [*queue[:first], lost, _note(back_ms, NoteKind.WATCH_OPENED, code), *queue[end:]]


def _restart(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    first, end = _span(draw, queue, 90)
    back_ms = queue[min(end, len(queue) - 1)].at_ms
    started = Message(
        back_ms, note=Frame(Kind.NOTE, 0, 1, _wall_ns(back_ms), back_ms, note(NoteKind.STARTED))
    )
    return [*queue[:first], started, _note(back_ms, NoteKind.WATCH_OPENED, code), *queue[end:]]


def _note(at_ms: int, kind: NoteKind, code: str, **facts: str) -> Message:
    data = note(kind, day=DAY, code=code, event_s=at_ms // 1000, **facts)
    return Message(at_ms, note=Frame(Kind.NOTE, 0, 1, _wall_ns(at_ms), at_ms, data))


def _widen(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    first, end = _span(draw, queue, 120)
    for message in queue[first:end]:
        message.wide = not message.note
    return queue


def _garble(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    for message in queue:
        message.garbled = not message.note and draw.random() < 0.003
    return queue


def _duplicate(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    again = []
    for message in queue:
        again += [message, message] if draw.random() < 0.05 and not message.note else [message]
    return again


def _delay(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    """Let some frames overtake others; notes stay where they are, or what they say would be wrong."""
    keys = [
        (place + (draw.randrange(1, 30) if not message.note and draw.random() < 0.02 else 0), place)
        for place, message in enumerate(queue)
    ]
    return [queue[place] for _, place in sorted(keys)]


def _merge(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    merged: list[Message] = []
    for message in queue:
        fits = merged and len(merged[-1].trades) + len(message.trades) <= MOST_RECORDS
        if fits and draw.random() < 0.2:
            merged[-1] = Message(message.at_ms, merged[-1].trades + message.trades)
        else:
            merged.append(message)
    return merged


def _split(draw: random.Random, queue: list[Message], code: str) -> list[Message]:
    parts = []
    for message in queue:
        at = draw.randrange(1, len(message.trades)) if len(message.trades) > 1 and draw.random() < 0.3 else 0
        parts += (
            [Message(message.at_ms, message.trades[:at]), Message(message.at_ms, message.trades[at:])]
            if at
            else [message]
        )
    return parts


def _wall_ns(at_ms: int) -> int:
    return MIDNIGHT_NS + at_ms * 1_000_000


def _frame(draw: random.Random, number: int, message: Message, texts: list[str]) -> Frame:
    if message.note is not None:
        return message.note
    records = [texts[index] + ("^Z" if message.wide else "") for index in message.trades]
    data = f"0|H0STCNT0|{len(records):03}|{'^'.join(records)}".encode()
    if message.garbled:
        data = data[:-1] + b"\xff"
    return Frame(Kind.TEXT, 1, number, _wall_ns(message.at_ms), message.at_ms * 1_000_000, data)
