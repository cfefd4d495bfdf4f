"""What each session is sent of a tape frame, faults included (OB-851, OB-853).

A frame is records first and text last: split, merge and mix regroup records, the others damage the text or change when
it leaves. What is held back (a merged frame waits for its partner, a reordered one for its successor) is kept here and
released by ``flush`` at the tape's end. Nothing here touches the truth: the trades happened (OB-852).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.replay.fault_kinds import FRAME_KINDS
from veritape.replay.faults import Faults
from veritape.replay.packing import FRAME_TRADES
from veritape.replay.rendering import joined
from veritape.replay.series import OPEN_MS
from veritape.replay.sockets import Socket

ALTERING: Final = frozenset({"truncate", "garble", "width", "insert", "drop_record", "count_bad"})
"""Faults after which a frame is not what happened; the other ones only regroup, repeat or delay."""


class Fate(StrEnum):
    """What became of a frame (OB-809)."""

    SENT = "sent"
    """It left with every record as it happened; regrouped, repeated, delayed or reordered ones too."""
    UNWATCHED = "unwatched"
    """Nobody had registered its code."""
    DROPPED = "dropped"
    """It was not sent."""
    ALTERED = "altered"
    """It left damaged."""


class Sending(NamedTuple):
    """One message to one session."""

    socket: Socket
    """Whom it goes to."""
    text: str
    """What is sent."""
    delay_ms: int = 0
    """How much tape time later it leaves."""
    fragment: bool = False
    """It travels as two WebSocket fragments."""


@dataclass(frozen=True)
class Outcome:
    """What became of a frame."""

    fate: Fate
    """One word."""
    faults: tuple[str, ...]
    """What struck it, in the order of the table."""


UNWATCHED: Final = Outcome(Fate.UNWATCHED, ())
"""Nobody had registered the code."""

UNTOUCHED: Final = Outcome(Fate.SENT, ())
"""No fault struck the frame."""


class Packet(NamedTuple):
    """Records of one stream that are due for some sessions."""

    tr_id: str
    """Transaction id."""
    code: str
    """Symbol."""
    number: int
    """Ordinal of the frame on the tape."""
    records: tuple[str, ...]
    """Rendered records."""
    sockets: tuple[Socket, ...]
    """Sessions that registered it."""


@dataclass
class Delivery:
    """The way of the frames of one day."""

    faults: Faults
    """What was asked for."""
    _merging: dict[tuple[str, str], Packet] = field(default_factory=dict)
    """(tr_id, code) -> a packet that waits for the code's next one."""
    _mixing: dict[str, Packet] = field(default_factory=dict)
    """tr_id -> a packet that waits for another code's next one."""
    _swapped: dict[Socket, list[Sending]] = field(default_factory=dict)
    """Messages that wait for their successor on the session."""

    def strikes(self, number: int, records: int, tape_ms: int) -> tuple[str, ...]:
        """Return the faults that strike the frame with this ordinal and so many records."""
        asked = self.faults.names & FRAME_KINDS.keys()
        if records == 1:
            asked -= {"drop_record", "split"}
        return tuple(name for name in FRAME_KINDS if name in asked and self._struck(name, number, tape_ms))

    def shape(self, struck: Sequence[str], usual_width: int, tape_ms: int) -> tuple[int, int | None]:
        """Return the width of a struck frame's records and the place of a field that is inserted."""
        wide = self.faults.active("width", tape_ms) if "width" in struck else None
        more = self.faults.active("insert", tape_ms) if "insert" in struck else None
        return int(wide.number) if wide else usual_width, int(more.number) if more else None

    def outcome(self, struck: Sequence[str], *, watched: bool) -> Outcome:
        """Return the fate of a frame that these faults struck."""
        if not watched:
            return UNWATCHED
        if not struck:
            return UNTOUCHED
        lost = tuple(name for name in struck if name in {"drop", "silence"})
        if lost:
            return Outcome(Fate.DROPPED, lost)
        return Outcome(Fate.ALTERED if ALTERING & set(struck) else Fate.SENT, tuple(struck))

    def silent(self, tape_ms: int) -> bool:
        """Tell whether nothing at all is sent at a tape time."""
        return any(
            fault.holds(tape_ms) and 0 <= tape_ms - (fault.from_ms or OPEN_MS) < fault.number * 1000
            for fault in self.faults.of("silence")
        )

    def send(self, packet: Packet, struck: Sequence[str], tape_ms: int) -> list[Sending]:
        """Return what leaves now on account of a packet: perhaps nothing, perhaps older ones too.

        Args:
            packet: the records and who is to have them.
            struck: the faults that strike its frame.
            tape_ms: tape clock.
        """
        if not struck:
            if not (self._merging or self._mixing or self._swapped):
                text = joined(packet.tr_id, packet.records)
                return [Sending(socket, text) for socket in packet.sockets]
            parts = self._regrouped(packet)
        elif {"drop", "silence"} & set(struck):
            return []
        elif "merge" in struck and (packet.tr_id, packet.code) not in self._merging:
            self._merging[packet.tr_id, packet.code] = packet
            return []
        elif "mix" in struck and packet.tr_id not in self._mixing:
            self._mixing[packet.tr_id] = packet
            return []
        else:
            parts = self._regrouped(packet)
            if "split" in struck:
                parts = [half for part in parts for half in self._halves(part)]
        sendings = [one for part in parts for one in self._messages(part, struck, tape_ms)]
        return self._in_turn(sendings, struck)

    def flush(self) -> list[Sending]:
        """Return everything that still waits: the tape has ended."""
        waiting = [*self._merging.values(), *self._mixing.values()]
        self._merging.clear()
        self._mixing.clear()
        sendings = [
            Sending(socket, joined(one.tr_id, one.records)) for one in waiting for socket in one.sockets
        ]
        for swapped in self._swapped.values():
            sendings.extend(swapped)
        self._swapped.clear()
        return sendings

    def forget(self, socket: Socket) -> None:
        """Drop what waits for a session that has ended."""
        self._swapped.pop(socket, None)

    def _struck(self, name: str, number: int, tape_ms: int) -> bool:
        if name == "silence":
            return self.silent(tape_ms)
        if name in {"width", "insert", "delay"}:
            return self.faults.active(name, tape_ms) is not None
        return self.faults.strikes(name, number, tape_ms)

    def _regrouped(self, packet: Packet) -> list[Packet]:
        """Join a packet with what waited for it."""
        earlier = self._merging.pop((packet.tr_id, packet.code), None)
        if earlier is not None:
            return _joined(earlier, packet)
        other = self._mixing.get(packet.tr_id)
        if other is None or other.code == packet.code:
            waiting = [] if other is None else [self._mixing.pop(packet.tr_id)]
            return [*waiting, packet]
        return _joined(self._mixing.pop(packet.tr_id), packet)

    def _halves(self, packet: Packet) -> list[Packet]:
        count = len(packet.records)
        if count == 1:
            return [packet]
        place = 1 + self.faults.choice("split", packet.number, count - 1)
        return [
            packet._replace(records=packet.records[:place]),
            packet._replace(records=packet.records[place:]),
        ]

    def _messages(self, packet: Packet, struck: Sequence[str], tape_ms: int) -> list[Sending]:
        text = self._damaged(packet, struck)
        delayed = self.faults.active("delay", tape_ms) if "delay" in struck else None
        one = Sending(packet.sockets[0], text, int(delayed.number) if delayed else 0, "fragment" in struck)
        times = 2 if "duplicate" in struck else 1
        return [one._replace(socket=socket) for socket in packet.sockets for _ in range(times)]

    def _damaged(self, packet: Packet, struck: Sequence[str]) -> str:
        records, number = list(packet.records), packet.number
        if "drop_record" in struck:
            del records[self.faults.choice("drop_record", number, len(records))]
        text = joined(packet.tr_id, records)
        if "count_bad" in struck:
            text = text.replace(f"|{len(records):03}|", f"|{len(records) + 1:03}|", 1)
        if "truncate" in struck:
            text = text[: 1 + self.faults.choice("truncate", number, len(text) - 1)]
        if "garble" in struck:
            place = self.faults.choice("garble", number, len(text))
            text = f"{text[:place]}{_another(text[place])}{text[place + 1 :]}"
        return text

    def _in_turn(self, sendings: list[Sending], struck: Sequence[str]) -> list[Sending]:
        """Hold back what is swapped with its successor, and let go what waited for this one."""
        if not self._swapped and "reorder" not in struck:
            return sendings
        leaving: list[Sending] = []
        by_socket: Mapping[Socket, list[Sending]] = {
            socket: [one for one in sendings if one.socket is socket]
            for socket in dict.fromkeys(one.socket for one in sendings)
        }
        for socket, own in by_socket.items():
            held = self._swapped.pop(socket, None)
            if held is None and "reorder" in struck:
                self._swapped[socket] = own
            else:
                leaving.extend([*own, *(held or [])])
        return leaving


def _joined(first: Packet, second: Packet) -> list[Packet]:
    """Return two packets as one where their sessions and the limit of a frame allow it."""
    if len(first.records) + len(second.records) > FRAME_TRADES or first.sockets != second.sockets:
        return [first, second]
    return [second._replace(records=first.records + second.records)]


def _another(letter: str) -> str:
    """Return a byte that is not this one and stays printable."""
    return chr(33 + (ord(letter) - 32) % 94)
