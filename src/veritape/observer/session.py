"""The WebSocket session: connect, subscribe, live, wait, hold (OB-451 to 453).

A table of states and events; delays are full jitter with a doubling cap, so that a broker that comes back is not met by
everyone at once. Randomness arrives as a number in [0, 1). Any frame is life; silence is a state before it is a failure.
Silence is what was listened to: a process that stood still for a minute heard nothing because it did not listen, and its
frames still wait to be read.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from veritape.kernel.clock import NANOSECONDS

FIRST_CAP_NS: Final = NANOSECONDS // 2
"""Cap of the first delay."""

LAST_CAP_NS: Final = 60 * NANOSECONDS
"""Largest cap."""

FLOOR_NS: Final = NANOSECONDS // 5
"""Least delay."""

STEADY_NS: Final = 60 * NANOSECONDS
"""After this long live the next delay starts small again."""

HELD_NS: Final = (60 * NANOSECONDS, 120 * NANOSECONDS, 300 * NANOSECONDS)
"""Waits while another process uses the account."""

PROBE_NS: Final = 5 * NANOSECONDS
"""How long a silent connection may still say something."""

LOOK_NS: Final = NANOSECONDS
"""Time between two looks at a connection."""

ATTENDED_NS: Final = 2 * LOOK_NS
"""Most time that one look can vouch for; what passed beyond it since the look before was not listened to."""

CONNECTS: Final = 12
"""Connects within an hour after which the session waits longer."""

CONNECTS_WINDOW_NS: Final = 3600 * NANOSECONDS
"""That hour."""

BUDGET_NS: Final = 300 * NANOSECONDS
"""Wait once the connects are used up."""

QUIET_NS: Final = 120 * NANOSECONDS
"""Silence limit outside continuous trading or without an active slot."""


class SessionState(StrEnum):
    """States of the connection."""

    CLOSED = "closed"
    """Outside the hours."""
    CONNECTING = "connecting"
    """A connection attempt is under way."""
    SUBSCRIBING = "subscribing"
    """Open; registrations are being acknowledged."""
    LIVE = "live"
    """Every wanted code is registered or refused."""
    SILENT = "silent"
    """Nothing came for too long; a last chance runs."""
    WAITING = "waiting"
    """Between two attempts."""
    HELD = "held"
    """Another process uses the account."""


OPEN_STATES: Final = frozenset({SessionState.SUBSCRIBING, SessionState.LIVE, SessionState.SILENT})
"""States with an open socket."""


class SessionEvent(StrEnum):
    """What may happen."""

    WANTED = "wanted"
    """The connect phase began."""
    OPENED = "opened"
    """The connection is open."""
    FAILED = "failed"
    """The attempt was refused or timed out."""
    SETTLED = "settled"
    """Every registration is acknowledged or refused."""
    FRAME = "frame"
    """Anything arrived."""
    SILENCE = "silence"
    """The silence limit passed."""
    ENDED = "ended"
    """Close frame, reset or end of stream."""
    BAD_APPROVAL = "bad_approval"
    """OPSP0011."""
    IN_USE = "in_use"
    """OPSP8996."""
    TIMER = "timer"
    """The wait is over."""
    UNWANTED = "unwanted"
    """The day is over."""


class SessionAction(StrEnum):
    """What the caller does."""

    NONE = "none"
    """Nothing."""
    CONNECT = "connect"
    """Open a connection, with a fresh approval key when needed."""
    SUBSCRIBE = "subscribe"
    """A new epoch: register the wanted codes."""
    CLOSE = "close"
    """Close the connection if it is open."""
    RENEW = "renew"
    """Close; ask for a new approval key before the next attempt."""


class SessionNotice(StrEnum):
    """What somebody should hear of."""

    CONNECTED = "connected"
    """A connection is open."""
    CONNECTION_LOST = "connection_lost"
    """It ended, or an attempt failed."""
    WAS_SILENT = "was_silent"
    """Nothing came for too long, and then something did."""
    WS_SILENT = "ws_silent"
    """Nothing came: the connection is closed."""
    APPKEY_IN_USE = "appkey_in_use"
    """Another process uses the account."""
    CONNECT_BUDGET = "connect_budget"
    """So many connects within an hour that the next one waits."""


S, E, A = SessionState, SessionEvent, SessionAction
_OPEN: Final = (S.SUBSCRIBING, S.LIVE, S.SILENT)

TRANSITIONS: Final[dict[tuple[SessionState, SessionEvent], tuple[SessionState, SessionAction]]] = {
    (S.CLOSED, E.WANTED): (S.CONNECTING, A.CONNECT),
    (S.CONNECTING, E.OPENED): (S.SUBSCRIBING, A.SUBSCRIBE),
    (S.CONNECTING, E.FAILED): (S.WAITING, A.CLOSE),
    (S.SUBSCRIBING, E.SETTLED): (S.LIVE, A.NONE),
    (S.SUBSCRIBING, E.FRAME): (S.SUBSCRIBING, A.NONE),
    (S.LIVE, E.FRAME): (S.LIVE, A.NONE),
    (S.LIVE, E.SETTLED): (S.LIVE, A.NONE),
    (S.SILENT, E.FRAME): (S.LIVE, A.NONE),
    (S.SUBSCRIBING, E.SILENCE): (S.SILENT, A.NONE),
    (S.LIVE, E.SILENCE): (S.SILENT, A.NONE),
    (S.SILENT, E.SILENCE): (S.WAITING, A.CLOSE),
    **{(state, E.ENDED): (S.WAITING, A.CLOSE) for state in _OPEN},
    **{(state, E.BAD_APPROVAL): (S.WAITING, A.RENEW) for state in _OPEN},
    **{(state, E.IN_USE): (S.HELD, A.CLOSE) for state in _OPEN},
    (S.HELD, E.TIMER): (S.CONNECTING, A.CONNECT),
    (S.WAITING, E.TIMER): (S.CONNECTING, A.CONNECT),
    **{(state, E.UNWANTED): (S.CLOSED, A.CLOSE) for state in SessionState},
}
"""(state, event) -> (next state, action): the table of OB-451; anything else is ignored."""

NOTICES: Final[dict[tuple[SessionState | None, SessionEvent, SessionState], SessionNotice]] = {
    (None, E.OPENED, S.SUBSCRIBING): SessionNotice.CONNECTED,
    (None, E.FAILED, S.WAITING): SessionNotice.CONNECTION_LOST,
    (None, E.ENDED, S.WAITING): SessionNotice.CONNECTION_LOST,
    (None, E.BAD_APPROVAL, S.WAITING): SessionNotice.CONNECTION_LOST,
    (S.SILENT, E.FRAME, S.LIVE): SessionNotice.WAS_SILENT,
    (S.SILENT, E.SILENCE, S.WAITING): SessionNotice.WS_SILENT,
    (None, E.IN_USE, S.HELD): SessionNotice.APPKEY_IN_USE,
}
"""(state before or None for any, event, state after) -> what somebody should hear of."""


@dataclass
class Session:
    """One connection's life."""

    silence_ns: int
    """Silence limit in continuous trading with an active slot."""
    state: SessionState = SessionState.CLOSED
    epoch: int = 0
    """Connections opened; the number that frames carry."""
    wake_ns: int | None = None
    """When ``TIMER`` is due."""
    connected_ns: int | None = None
    """Monotonic time at which the present connection opened."""
    last_frame_ns: int = 0
    """Monotonic time of the last sign of life."""
    notice: SessionNotice | None = None
    """What the last event was, if anybody should hear of it."""
    _quiet_since_ns: int = 0
    _looked_ns: int = 0
    _failures: int = 0
    _holds: int = 0
    _connects: list[int] = field(default_factory=list)

    def happened(self, event: SessionEvent, now_ns: int, chance: float = 1.0) -> SessionAction:
        """Take an event; return what it asks for.

        Args:
            event: what happened.
            now_ns: monotonic clock.
            chance: uniform in [0, 1), for the delay.
        """
        cell = TRANSITIONS.get((self.state, event))
        self.notice = None
        if cell is None:
            return SessionAction.NONE
        before, (self.state, action) = self.state, cell
        self.notice = NOTICES.get((before, event, self.state)) or NOTICES.get((None, event, self.state))
        if action is SessionAction.SUBSCRIBE:
            self.epoch += 1
            self.connected_ns = self.last_frame_ns = self._quiet_since_ns = self._looked_ns = now_ns
        elif event is SessionEvent.FRAME:
            self.last_frame_ns = self._quiet_since_ns = now_ns
        elif action is SessionAction.CONNECT:
            self._connects = [at for at in self._connects if now_ns - at < CONNECTS_WINDOW_NS] + [now_ns]
        if self.state is not before:
            self.wake_ns = self._wake(now_ns, chance)
        return action

    def look(self, now_ns: int) -> None:
        """Note that the connection was listened to; time that passed unattended since the last look is no silence."""
        unattended_ns = max(now_ns - self._looked_ns - ATTENDED_NS, 0)
        self._quiet_since_ns = min(self._quiet_since_ns + unattended_ns, now_ns)
        self._looked_ns = now_ns

    def silent_at(self, *, trading: bool) -> int | None:
        """Return when the present silence becomes an event, None without a connection."""
        if self.state is SessionState.SILENT:
            return self._quiet_since_ns + self._limit(trading=trading) + PROBE_NS
        if self.state in {SessionState.SUBSCRIBING, SessionState.LIVE}:
            return self._quiet_since_ns + self._limit(trading=trading)
        return None

    def _limit(self, *, trading: bool) -> int:
        return self.silence_ns if trading else max(self.silence_ns, QUIET_NS)

    def _wake(self, now_ns: int, chance: float) -> int | None:
        if self.state is SessionState.HELD:
            self._holds += 1
            return now_ns + HELD_NS[min(self._holds, len(HELD_NS)) - 1]
        if self.state is SessionState.LIVE:
            self._holds = 0
        if self.state is not SessionState.WAITING:
            return None
        if self.connected_ns is not None and now_ns - self.connected_ns >= STEADY_NS:
            self._failures = 0
        if len(self._connects) >= CONNECTS:
            self.notice = SessionNotice.CONNECT_BUDGET
            return now_ns + BUDGET_NS
        cap_ns = min(LAST_CAP_NS, FIRST_CAP_NS << min(self._failures, 16))
        self._failures += 1
        return now_ns + max(FLOOR_NS, int(cap_ns * chance))
