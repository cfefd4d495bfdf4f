"""Faults on demand: how they are asked for and whom they strike (OB-851 to 853).

A fault never touches the truth: the trades of a dropped frame happened. Whether frame n suffers fault f is a draw that
depends on seed, f and n alone, so that a run can be repeated and a ledger's figures can be stated in advance.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from blake3 import blake3

from veritape.kernel.errors import MisuseError
from veritape.replay.fault_kinds import KINDS, Form, Kind
from veritape.replay.schedule import parse_clock

DEFAULT_SEED: Final = 7
"""Seed of the worked day (OB-608)."""

DRAW_BYTES: Final = 8
"""Bytes of a digest that make one draw."""

FOREVER_MS: Final = 1 << 62
"""End of a window that has none."""


@dataclass(frozen=True)
class Fault:
    """One request."""

    name: str
    """Key of ``KINDS``."""
    number: float = 1.0
    """Share, count, milliseconds or seconds; of a moment 1, of a word 0."""
    word: str = ""
    """The value as text."""
    at_ms: int | None = None
    """Tape time of a fault that happens once."""
    from_ms: int = 0
    """Beginning of the window."""
    until_ms: int = FOREVER_MS
    """First millisecond after the window."""

    def holds(self, tape_ms: int) -> bool:
        """Tell whether a tape time lies in the window."""
        return self.from_ms <= tape_ms < self.until_ms


class Faults:
    """The faults of one run."""

    def __init__(self, asked: Iterable[Fault] = (), seed: int = DEFAULT_SEED) -> None:
        self.asked = tuple(asked)
        """Every request, in order."""
        self.seed = seed
        """Seed of the draws."""
        self._by_name = {
            name: tuple(fault for fault in self.asked if fault.name == name)
            for name in dict.fromkeys(fault.name for fault in self.asked)
        }

    @property
    def names(self) -> frozenset[str]:
        """Return the names of the faults that were asked for."""
        return frozenset(self._by_name)

    def of(self, name: str) -> tuple[Fault, ...]:
        """Return every request of a name."""
        return self._by_name.get(name, ())

    def active(self, name: str, tape_ms: int) -> Fault | None:
        """Return the first request of a name whose window holds a tape time."""
        return next((fault for fault in self.of(name) if fault.holds(tape_ms)), None)

    def strikes(self, name: str, ordinal: int, tape_ms: int) -> bool:
        """Tell whether a fault strikes the frame, command or call with this ordinal."""
        fault = self.active(name, tape_ms)
        return fault is not None and fault.at_ms is None and draw(self.seed, name, ordinal) < fault.number

    def choice(self, name: str, ordinal: int, size: int) -> int:
        """Return which of ``size`` places a fault that strikes takes."""
        return int(draw(self.seed, f"{name}:place", ordinal) * size)


def draw(seed: int, fault: str, number: int) -> float:
    """Return the draw in [0, 1) of a fault for an ordinal: 8 bytes of BLAKE3, little-endian (OB-853)."""
    digest = blake3(f"{seed}:{fault}:{number}".encode()).digest(DRAW_BYTES)
    return int.from_bytes(digest, "little") / float(1 << (8 * DRAW_BYTES))


def parse(requests: Iterable[str], seed: int = DEFAULT_SEED) -> Faults:
    """Read ``name=value@HH:MM:SS-HH:MM:SS`` requests; value and window may be left out.

    Raises:
        MisuseError: an unknown name (with the list), a value out of range, a bad window.
    """
    return Faults((_fault(request) for request in requests), seed)


def listing() -> str:
    """Return every fault with its value and meaning, one a line."""
    return "\n".join(f"  {name}={kind.form.value}  {kind.meaning}" for name, kind in KINDS.items())


def _fault(request: str) -> Fault:
    head, has_window, window = request.partition("@")
    name, has_value, value = head.partition("=")
    kind = KINDS.get(name)
    if kind is None:
        raise MisuseError(
            f"unknown fault {name!r}; known are: {', '.join(KINDS)} (meanings: veritape replay --faults)"
        )
    from_ms, until_ms = _window(name, window) if has_window else (0, FOREVER_MS)
    fault = _READERS[kind.form](name, kind, value if has_value else "")
    return Fault(name, fault.number, fault.word, fault.at_ms, from_ms, until_ms)


def _window(name: str, text: str) -> tuple[int, int]:
    first, has_end, last = text.partition("-")
    from_ms = parse_clock(first)
    until_ms = parse_clock(last) if has_end else FOREVER_MS
    if until_ms <= from_ms:
        raise MisuseError(f"fault {name}: the window {text} ends before it begins")
    return from_ms, until_ms


def _share(name: str, kind: Kind, value: str) -> Fault:
    del kind
    share = _number(name, value or "1", float)
    if not 0 <= share <= 1:
        raise MisuseError(f"fault {name}: {value} is outside 0 to 1")
    return Fault(name, share, value)


def _count(name: str, kind: Kind, value: str) -> Fault:
    del kind
    count = _number(name, value, int)
    if count < 0:
        raise MisuseError(f"fault {name}: {value} is below 0")
    return Fault(name, count, value)


def _milliseconds(name: str, kind: Kind, value: str) -> Fault:
    del kind
    return Fault(name, _number(name, value, int), value)


def _seconds(name: str, kind: Kind, value: str) -> Fault:
    del kind
    seconds = _number(name, value, float)
    if not 0 < seconds < float("inf"):
        raise MisuseError(f"fault {name}: {value} is not a number of seconds above 0")
    return Fault(name, seconds, value)


def _moment(name: str, kind: Kind, value: str) -> Fault:
    del kind
    return Fault(name, 1, value, parse_clock(value))


def _share_or_moment(name: str, kind: Kind, value: str) -> Fault:
    return _moment(name, kind, value) if ":" in value else _share(name, kind, value)


def _word(name: str, kind: Kind, value: str) -> Fault:
    if not re.fullmatch(kind.pattern, value):
        raise MisuseError(f"fault {name}: {value!r} does not fit {kind.pattern}")
    return Fault(name, 0, value)


def _number(name: str, value: str, read: type[int] | type[float]) -> float:
    try:
        return read(value)
    except ValueError:
        raise MisuseError(f"fault {name}: {value!r} is not a number") from None


_READERS: Final[MappingProxyType[Form, Callable[[str, Kind, str], Fault]]] = MappingProxyType(
    {
        Form.SHARE: _share,
        Form.COUNT: _count,
        Form.MILLISECONDS: _milliseconds,
        Form.SECONDS: _seconds,
        Form.MOMENT: _moment,
        Form.SHARE_OR_MOMENT: _share_or_moment,
        Form.WORD: _word,
    }
)
"""How each form is read."""
