"""What happens on purpose to commands and connections (OB-851, KIS-220: rules 101 to 115).

The exchange asks at each of its checks; a run without faults gets the rule's own answer every time. Counts and periods
begin with the first command inside a fault's window.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from veritape.kernel.clock import NANOSECONDS
from veritape.replay.faults import Fault, Faults

SHUFFLE_SECONDS: Final = 0.2
"""Real seconds after which an acknowledgement that waits for the next one leaves without it."""


class When(StrEnum):
    """When an acknowledgement leaves."""

    NOW = "now"
    """At once, in the order of the commands."""
    NEVER = "never"
    """The command is carried out and nothing is said."""
    LATE = "late"
    """After a delay."""
    AFTER_DATA = "after_data"
    """Behind the code's first data frame."""
    AFTER_NEXT = "after_next"
    """Behind the next acknowledgement."""


@dataclass(frozen=True)
class Delay:
    """When an acknowledgement leaves, and on account of which fault."""

    when: When = When.NOW
    """Kind of delay."""
    delay_ms: int = 0
    """Of ``LATE``: milliseconds."""
    fault: str = ""
    """Name of the fault, empty without one."""


class ControlFaults:
    """The faults of commands, with what they remember."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._commands = 0
        self._used: dict[Fault, int] = {}
        self._began_ns: dict[Fault, int] = {}
        self._lingers_until_ns: dict[str, int] = {}
        self._connects_ns: list[int] = []
        self._banned_until_ns = 0

    def next_command(self) -> int:
        """Count a command; return its ordinal."""
        self._commands += 1
        return self._commands

    def bad_key(self, tape_ms: int) -> bool:
        """Tell whether the broker finds a good approval key bad (``opsp0011``)."""
        fault = self._faults.active("opsp0011", tape_ms)
        if fault is None or self._used.get(fault, 0) >= fault.number:
            return False
        self._used[fault] = self._used.get(fault, 0) + 1
        return True

    def in_use(self, appkey: str, now_ns: int, tape_ms: int) -> bool:
        """Tell whether the appkey is said to be in use: ``opsp8996``, or ``linger`` after an unclean end."""
        fault = self._faults.active("opsp8996", tape_ms)
        if fault is not None:
            began_ns = self._began_ns.setdefault(fault, now_ns)
            if now_ns < began_ns + fault.number * NANOSECONDS:
                return True
        return now_ns < self._lingers_until_ns.get(appkey, 0)

    def ended(self, appkey: str, now_ns: int, tape_ms: int, *, clean: bool) -> None:
        """Take note of a socket's end."""
        fault = self._faults.active("linger", tape_ms)
        if fault is not None and not clean:
            self._lingers_until_ns[appkey] = now_ns + int(fault.number * NANOSECONDS)

    def limit(self, usual: int, tape_ms: int) -> int:
        """Return how many registrations a socket may have."""
        fault = self._faults.active("limit", tape_ms)
        return usual if fault is None else int(fault.number)

    def refusal(self, tape_ms: int) -> str | None:
        """Return the code that refuses every command (``opsp``)."""
        fault = self._faults.active("opsp", tape_ms)
        return None if fault is None else fault.word

    def delay(self, ordinal: int, code: str, tape_ms: int) -> Delay:
        """Return when the acknowledgement of a command leaves."""
        if self._faults.strikes("no_ack", ordinal, tape_ms):
            return Delay(When.NEVER, fault="no_ack")
        if code == "OPSP0011" and self._faults.strikes("mute", ordinal, tape_ms):
            return Delay(When.NEVER, fault="mute")
        late = self._faults.active("late_ack", tape_ms)
        if late is not None:
            return Delay(When.LATE, int(late.number), "late_ack")
        if code == "OPSP0000" and self._faults.strikes("ack_after_data", ordinal, tape_ms):
            return Delay(When.AFTER_DATA, fault="ack_after_data")
        if self._faults.strikes("ack_shuffle", ordinal, tape_ms):
            return Delay(When.AFTER_NEXT, fault="ack_shuffle")
        return Delay()

    def banned(self, now_ns: int, tape_ms: int) -> bool:
        """Count a connect; tell whether it is refused: the eleventh of 60 s, for the fault's period (``ban``)."""
        fault = self._faults.active("ban", tape_ms)
        if fault is None:
            return False
        if now_ns < self._banned_until_ns:
            return True
        self._connects_ns = [stamp for stamp in self._connects_ns if stamp > now_ns - BAN_WINDOW_NS]
        if len(self._connects_ns) >= BAN_CONNECTS:
            self._banned_until_ns = now_ns + int(fault.number * NANOSECONDS)
            return True
        self._connects_ns.append(now_ns)
        return False

    def says(self, name: str, tape_ms: int) -> bool:
        """Tell whether a fault without draws is on."""
        return self._faults.active(name, tape_ms) is not None


BAN_CONNECTS: Final = 10
"""Connects within the window that are let in."""

BAN_WINDOW_NS: Final = 60 * NANOSECONDS
"""The window."""
