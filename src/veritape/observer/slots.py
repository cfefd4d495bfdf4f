"""Track B's slots: which codes hold a registration, and what each acknowledgement means (OB-341 to 349).

At most ``limit`` registrations may exist, those whose release or acknowledgement is still awaited included, so a code is
only ever registered when its place is certain. The machine is the table ``TRANSITIONS``; what it does not hold is illegal,
ignored and counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS

ACK_NS: Final = 5 * NANOSECONDS
"""A command that is not acknowledged for this long is sent again, once."""

RETRY_NS: Final = NANOSECONDS
"""Pause before a command is repeated after an internal error of the broker."""

RETRIES: Final = 3
"""Repetitions after internal errors."""

SPACING_NS: Final = 100_000_000
"""Least time between two commands (OB-347)."""


class SlotState(StrEnum):
    """State of one code."""

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
    (S.UNKNOWN, E.RELEASED): (S.FREE, A.NONE),
    (S.UNKNOWN, E.CLOSED): (S.FREE, A.NONE),
}
"""(state, event) -> (next state, action): the table of OB-343."""


@dataclass
class Slot:
    """One code."""

    code: str
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


class Outcome(NamedTuple):
    """What an event asks for."""

    code: str
    action: SlotAction


class Slots:
    """All slots of one connection's account."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Registrations that may exist: configured, or learned from the broker."""
        self.slots: dict[str, Slot] = {}
        """By code; free ones are kept while the code is wanted."""
        self.wanted: list[str] = []
        """Codes by falling priority."""
        self.refused: set[str] = set()
        """Codes that the broker refused today."""
        self.illegal = 0
        """Events that no cell of the table expects."""
        self._last_command_ns = -SPACING_NS

    @property
    def taken(self) -> int:
        """Return the registrations that exist or may exist (OB-344)."""
        return sum(slot.state is not SlotState.FREE for slot in self.slots.values())

    @property
    def active(self) -> list[str]:
        """Return the codes that are registered."""
        return [slot.code for slot in self.slots.values() if slot.state is SlotState.ACTIVE]

    @property
    def settled(self) -> bool:
        """Tell whether every wanted code is registered or refused."""
        return all(code in self.refused or self._state(code) is SlotState.ACTIVE for code in self.wanted)

    def want(self, codes: Iterable[str]) -> None:
        """Set which codes are wanted, by falling priority; at most ``limit`` of them are."""
        self.wanted = list(dict.fromkeys(codes))[: self.limit]

    def next_command(self, now_ns: int) -> Command | int | None:
        """Return the next command, or when to ask again, or None when there is nothing to do."""
        if now_ns < self._last_command_ns + SPACING_NS:
            return self._last_command_ns + SPACING_NS
        command = self._due_command(now_ns)
        if command is None:
            waiting = [slot.sent_ns + ACK_NS for slot in self.slots.values() if slot.state in _AWAITED]
            return min(waiting, default=None)
        self._last_command_ns = now_ns
        self.slots[command.code].sent_ns = now_ns
        return command

    def happened(self, code: str, event: SlotEvent) -> Outcome:
        """Take an event; return what it asks for."""
        slot = self.slots.setdefault(code, Slot(code))
        event = self._worn_out(slot, event)
        cell = TRANSITIONS.get((slot.state, event))
        if cell is None:
            self.illegal += 1
            return Outcome(code, SlotAction.NONE)
        slot.state, action = cell
        if event in {SlotEvent.REGISTERED, SlotEvent.RELEASED, SlotEvent.DATA, SlotEvent.CLOSED}:
            slot.unanswered = slot.errors = 0
        if action is SlotAction.LEARN_LIMIT:
            self.limit = max(1, len(self.active))
            self.want(self.wanted)
        elif action is SlotAction.REFUSE_CODE:
            self.refused.add(code)
        return Outcome(code, action)

    def connection_closed(self) -> list[Outcome]:
        """Free every slot; the wanted list keeps its codes."""
        codes = [slot.code for slot in self.slots.values() if slot.state is not SlotState.FREE]
        return [self.happened(code, SlotEvent.CLOSED) for code in codes]

    def _due_command(self, now_ns: int) -> Command | None:
        for slot in self.slots.values():
            if slot.state is SlotState.ACTIVE and slot.code not in self.wanted:
                self.happened(slot.code, SlotEvent.RELEASE)
                return Command(slot.code, register=False)
            pause_ns = RETRY_NS if slot.errors else ACK_NS
            if slot.state in _AWAITED and now_ns - slot.sent_ns >= pause_ns:
                if not slot.errors and slot.unanswered:
                    slot.state = SlotState.UNKNOWN
                    continue
                slot.unanswered += not slot.errors
                return Command(slot.code, register=slot.state is SlotState.REQUESTED)
        free = (
            code for code in self.wanted if code not in self.refused and self._state(code) is SlotState.FREE
        )
        if self.taken < self.limit and (code := next(free, None)) is not None:
            self.happened(code, SlotEvent.ALLOCATE)
            return Command(code, register=True)
        return None

    @staticmethod
    def _worn_out(slot: Slot, event: SlotEvent) -> SlotEvent:
        """Turn an internal error that came too often into a refusal by limit."""
        if event is not SlotEvent.INTERNAL_ERROR:
            return event
        slot.errors += 1
        return SlotEvent.LIMIT if slot.errors > RETRIES else event

    def _state(self, code: str) -> SlotState:
        return self.slots[code].state if code in self.slots else SlotState.FREE


_AWAITED: Final = frozenset({SlotState.REQUESTED, SlotState.RELEASING})
