"""Track B's slots: which codes hold a registration, and what each acknowledgement means (OB-341 to 350).

At most ``limit`` registrations may exist, those whose release or acknowledgement is still awaited included, so a code is
only ever registered when its place is certain. A code needs one registration for its trades and another one for its order
book when books are wanted (KIS-162). The machine is the table ``TRANSITIONS``; what it does not hold is illegal, ignored
and counted.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from veritape.kernel.clock import NANOSECONDS
from veritape.wire.kis.frames import TRADES_KRX

ACK_NS: Final = 5 * NANOSECONDS
"""A command that is not acknowledged for this long is sent again, once."""

RETRY_NS: Final = NANOSECONDS
"""Pause before a command is repeated after an internal error of the broker."""

RETRIES: Final = 3
"""Repetitions after internal errors."""

SPACING_NS: Final = 100_000_000
"""Least time between two commands (OB-347)."""

STRAYS: Final = 3
"""Frames of a registration that nobody holds after which it is released: registrations may linger (OB-350)."""


class SlotState(StrEnum):
    """State of one registration."""

    FREE = "free"
    """Not registered."""
    REQUESTED = "requested"
    """Registration sent."""
    ACTIVE = "active"
    """Registered: frames come."""
    RELEASING = "releasing"
    """Release sent."""
    UNKNOWN = "unknown"
    """Two commands stayed unanswered."""


class SlotEvent(StrEnum):
    """What may happen to a slot."""

    ALLOCATE = "allocate"
    """The code is wanted."""
    REGISTERED = "registered"
    """OPSP0000 or OPSP0002."""
    LIMIT = "limit"
    """OPSP0008: the account's registrations are used up."""
    INTERNAL_ERROR = "internal_error"
    """OPSP0007 or OPSP0009."""
    REFUSED = "refused"
    """The broker refuses this code."""
    UNANSWERED = "unanswered"
    """No acknowledgement for ``ACK_NS``."""
    RELEASE = "release"
    """The code is no longer wanted."""
    RELEASED = "released"
    """OPSP0001 or OPSP0003."""
    DATA = "data"
    """A frame of the code arrived."""
    CLOSED = "closed"
    """The connection ended."""


class SlotAction(StrEnum):
    """What the caller does."""

    NONE = "none"
    """Nothing."""
    REGISTER = "register"
    """Send a registration."""
    UNREGISTER = "unregister"
    """Send a release."""
    OPEN_WATCH = "open_watch"
    """Frames of the code are now expected."""
    CLOSE_WATCH = "close_watch"
    """They are not any more."""
    LEARN_LIMIT = "learn_limit"
    """The broker allows fewer registrations than configured."""
    REFUSE_CODE = "refuse_code"
    """Not again today."""


S, E, A = SlotState, SlotEvent, SlotAction

TRANSITIONS: Final[dict[tuple[SlotState, SlotEvent], tuple[SlotState, SlotAction]]] = {
    (S.FREE, E.ALLOCATE): (S.REQUESTED, A.REGISTER),
    (S.REQUESTED, E.REGISTERED): (S.ACTIVE, A.OPEN_WATCH),
    (S.REQUESTED, E.LIMIT): (S.FREE, A.LEARN_LIMIT),
    (S.REQUESTED, E.INTERNAL_ERROR): (S.REQUESTED, A.REGISTER),
    (S.REQUESTED, E.REFUSED): (S.FREE, A.REFUSE_CODE),
    (S.REQUESTED, E.UNANSWERED): (S.REQUESTED, A.REGISTER),
    (S.REQUESTED, E.DATA): (S.REQUESTED, A.NONE),
    (S.REQUESTED, E.CLOSED): (S.FREE, A.NONE),
    (S.ACTIVE, E.RELEASE): (S.RELEASING, A.UNREGISTER),
    (S.ACTIVE, E.DATA): (S.ACTIVE, A.NONE),
    (S.ACTIVE, E.CLOSED): (S.FREE, A.CLOSE_WATCH),
    (S.RELEASING, E.RELEASED): (S.FREE, A.CLOSE_WATCH),
    (S.RELEASING, E.UNANSWERED): (S.RELEASING, A.UNREGISTER),
    (S.RELEASING, E.DATA): (S.RELEASING, A.NONE),
    (S.RELEASING, E.CLOSED): (S.FREE, A.CLOSE_WATCH),
    (S.UNKNOWN, E.DATA): (S.ACTIVE, A.OPEN_WATCH),
    (S.UNKNOWN, E.REGISTERED): (S.ACTIVE, A.OPEN_WATCH),
    (S.UNKNOWN, E.RELEASED): (S.FREE, A.CLOSE_WATCH),
    (S.UNKNOWN, E.CLOSED): (S.FREE, A.CLOSE_WATCH),
}
"""(state, event) -> (next state, action): the table of OB-343."""


Key: TypeAlias = tuple[str, str]
"""Code and transaction id: what names a registration (KIS-104)."""


@dataclass
class Slot:
    """One registration."""

    key: Key
    state: SlotState = SlotState.FREE
    sent_ns: int = 0
    """When the last command went out."""
    unanswered: int = 0
    """Commands without an acknowledgement."""
    errors: int = 0
    """Internal errors of the broker in a row."""


class Command(NamedTuple):
    """A command to send."""

    code: str
    register: bool
    """False releases."""
    tr_id: str = TRADES_KRX
    """What of the code."""


class Outcome(NamedTuple):
    """What an event asks for."""

    code: str
    action: SlotAction
    tr_id: str = TRADES_KRX


class Slots:
    """All registrations of one connection's account."""

    def __init__(self, limit: int, tr_ids: tuple[str, ...] = (TRADES_KRX,)) -> None:
        self.limit = limit
        """Registrations that may exist: configured, or learned from the broker."""
        self.tr_ids = tr_ids
        """What every wanted code is registered for."""
        self.slots: dict[Key, Slot] = {}
        """By key; free ones are kept."""
        self.wanted: list[str] = []
        """Codes by falling priority."""
        self.refused: set[Key] = set()
        """Registrations that the broker refused today."""
        self.illegal = 0
        """Events that no cell of the table expects."""
        self.not_subscribed = 0
        """Frames of registrations that nobody holds (KIS-127)."""
        self._last_command_ns = -SPACING_NS
        self._strays: Counter[Key] = Counter()
        self._sent_strays: set[Key] = set()

    @property
    def codes(self) -> int:
        """Return how many codes the limit bears (OB-341)."""
        return self.limit // len(self.tr_ids)

    @property
    def taken(self) -> int:
        """Return the registrations that exist or may exist (OB-344)."""
        return sum(slot.state is not SlotState.FREE for slot in self.slots.values())

    @property
    def active(self) -> list[str]:
        """Return the codes whose trades are registered."""
        return [
            code
            for (code, tr_id), slot in self.slots.items()
            if slot.state is SlotState.ACTIVE and tr_id == self.tr_ids[0]
        ]

    @property
    def settled(self) -> bool:
        """Tell whether every wanted code is registered or refused."""
        return all(
            (code, tr_id) in self.refused or self._state((code, tr_id)) is SlotState.ACTIVE
            for code in self.wanted
            for tr_id in self.tr_ids
        )

    def want(self, codes: Iterable[str]) -> None:
        """Set which codes are wanted, by falling priority; at most as many as the limit bears are."""
        self.wanted = list(dict.fromkeys(codes))[: self.codes]

    def next_command(self, now_ns: int) -> Command | int | None:
        """Return the next command, or when to ask again, or None when there is nothing to do."""
        if now_ns < self._last_command_ns + SPACING_NS:
            return self._last_command_ns + SPACING_NS
        command = self._due_command(now_ns)
        if command is None:
            waiting = [
                slot.sent_ns + _pause_ns(slot) for slot in self.slots.values() if slot.state in _AWAITED
            ]
            return min(waiting, default=None)
        self._last_command_ns = now_ns
        if (slot := self.slots.get((command.code, command.tr_id))) is not None:
            slot.sent_ns = now_ns
        return command

    def happened(self, code: str, event: SlotEvent, tr_id: str = TRADES_KRX) -> Outcome:
        """Take an event; return what it asks for."""
        key = code, tr_id
        if event is SlotEvent.RELEASED and key in self._sent_strays:
            self._sent_strays.discard(key)
            if self._state(key) not in {SlotState.RELEASING, SlotState.UNKNOWN}:
                return Outcome(code, SlotAction.NONE, tr_id)
        slot = self.slots.setdefault(key, Slot(key))
        event = self._worn_out(slot, event)
        cell = TRANSITIONS.get((slot.state, event))
        if cell is None:
            self.illegal += 1
            return Outcome(code, SlotAction.NONE, tr_id)
        slot.state, action = cell
        if event in {SlotEvent.REGISTERED, SlotEvent.RELEASED, SlotEvent.DATA, SlotEvent.CLOSED}:
            slot.unanswered = slot.errors = 0
        if action is SlotAction.LEARN_LIMIT:
            self.limit = max(1, self.taken)
            self.want(self.wanted)
        elif action is SlotAction.REFUSE_CODE:
            self.refused.add(key)
            slot.unanswered = slot.errors = 0
        return Outcome(code, action, tr_id)

    def is_active(self, code: str, tr_id: str) -> bool:
        """Tell whether a frame of a code is what its registration makes expected: ``data`` then changes nothing."""
        slot = self.slots.get((code, tr_id))
        return slot is not None and slot.state is SlotState.ACTIVE

    def data(self, code: str, tr_id: str) -> Outcome:
        """Take note of a frame of a code; one that nobody subscribed is counted (OB-350)."""
        key = code, tr_id
        state = self._state(key)
        if state is SlotState.FREE:
            self.not_subscribed += 1
            self._strays[key] += key not in self._sent_strays
            return Outcome(code, SlotAction.NONE, tr_id)
        if state is SlotState.UNKNOWN:
            return self.happened(code, SlotEvent.DATA, tr_id)
        return Outcome(code, SlotAction.NONE, tr_id)

    def refused_unnamed(self) -> Key | None:
        """Return the registration that a refusal without a usable key belongs to: the oldest unanswered (KIS-104)."""
        awaited = [slot for slot in self.slots.values() if slot.state in _AWAITED]
        return min(awaited, key=lambda slot: slot.sent_ns).key if awaited else None

    def connection_closed(self) -> list[Outcome]:
        """Free every slot; the wanted list keeps its codes."""
        self._strays.clear()
        self._sent_strays.clear()
        keys = [slot.key for slot in self.slots.values() if slot.state is not SlotState.FREE]
        return [self.happened(code, SlotEvent.CLOSED, tr_id) for code, tr_id in keys]

    def _due_command(self, now_ns: int) -> Command | None:
        return self._release() or self._repetition(now_ns) or self._stray() or self._registration()

    def _release(self) -> Command | None:
        """Release what nobody wants any more."""
        for (code, tr_id), slot in self.slots.items():
            if slot.state is SlotState.ACTIVE and code not in self.wanted:
                self.happened(code, SlotEvent.RELEASE, tr_id)
                return Command(code, register=False, tr_id=tr_id)
        return None

    def _repetition(self, now_ns: int) -> Command | None:
        """Send again what was not answered, once, or what met an internal error; then nobody knows."""
        for (code, tr_id), slot in self.slots.items():
            if slot.state not in _AWAITED or now_ns - slot.sent_ns < _pause_ns(slot):
                continue
            if not slot.errors and slot.unanswered:
                slot.state = SlotState.UNKNOWN
                continue
            slot.unanswered += not slot.errors
            return Command(code, slot.state is SlotState.REQUESTED, tr_id)
        return None

    def _stray(self) -> Command | None:
        """Release a registration that lingers at the broker."""
        for key, frames in self._strays.items():
            if frames >= STRAYS and self._state(key) is SlotState.FREE:
                del self._strays[key]
                self._sent_strays.add(key)
                return Command(key[0], register=False, tr_id=key[1])
        return None

    def _registration(self) -> Command | None:
        """Register the first wanted code that is not, when its place is certain."""
        if self.taken >= self.limit:
            return None
        for code in self.wanted:
            for tr_id in self.tr_ids:
                key = code, tr_id
                if key not in self.refused and self._state(key) is SlotState.FREE:
                    self.happened(code, SlotEvent.ALLOCATE, tr_id)
                    return Command(code, register=True, tr_id=tr_id)
        return None

    @staticmethod
    def _worn_out(slot: Slot, event: SlotEvent) -> SlotEvent:
        """Turn an internal error that came too often into a refusal of the code."""
        if event is not SlotEvent.INTERNAL_ERROR:
            return event
        slot.errors += 1
        return SlotEvent.REFUSED if slot.errors > RETRIES else event

    def _state(self, key: Key) -> SlotState:
        return self.slots[key].state if key in self.slots else SlotState.FREE


def _pause_ns(slot: Slot) -> int:
    """Return how long a command waits for its answer, or for its repetition after an internal error."""
    return RETRY_NS if slot.errors else ACK_NS


_AWAITED: Final = frozenset({SlotState.REQUESTED, SlotState.RELEASING})
