"""What is remembered of authorizations: by shape and stable bytes of their messages, within bounds (GW-612, GW-908)."""

from typing import Final, NamedTuple

from veritape.gateway.adapters.envoy.straight_check import StraightCheck
from veritape.gateway.check_shapes import ID_NAME, Shape, shape_of
from veritape.gateway.remembered import Remembered

CHECKS: Final = 16_384
"""Messages that are remembered; at the bound all are forgotten."""

MESSAGE_BYTES: Final = 4_096
"""Longest message that is remembered."""

SHAPES: Final = 8
"""Shapes that are tried for a message: of one length, with the id at one place."""

PATH_CHARACTERS: Final = 2_048
"""Longest path of a call that is remembered."""

PATHS: Final = 4_096
"""Paths that are remembered: a path is remembered when it is asked for the first time, and calls from the second time on."""

PRICE: Final = 16
"""What it costs to remember a call; one that is found again earns as much, one that is not found earns 1."""

CREDIT_LIMIT: Final = 2_048 * PRICE
"""Most that is earned: so much is remembered of what never comes again, then one call in sixteen."""


class Found(NamedTuple):
    """What is known of a call."""

    check: StraightCheck
    asked: bytes | None
    """Id that it names."""


_Kept = tuple[Shape, dict[bytes, StraightCheck]]
"""A shape, and by stable bytes what follows from them."""


class KnownChecks:
    """Finds the straight way of a call by its message."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[int, int], list[_Kept]] = {}
        """By length and place of the id."""
        self._kept, self._credit = 0, CREDIT_LIMIT
        self._paths: Remembered[str, bool] = Remembered(PATHS)

    def find(self, message: bytes) -> Found | None:
        """Return what is known of calls like this one; None for one that was not remembered."""
        for shape, known in self._shapes.get((len(message), message.rfind(ID_NAME)), ()):
            check = known.get((int.from_bytes(message) & shape.mask).to_bytes(shape.length))
            if check is not None:
                self._earn(PRICE)
                place = shape.id_place
                return Found(check, None if place is None else message[place])
        return None

    def wants(self, path: str) -> bool:
        """Tell whether a call for a path is to be remembered: from the second one on, while that is of use."""
        self._earn(1)
        if path in self._paths:
            return self._credit >= PRICE
        if len(path) <= PATH_CHARACTERS:
            self._paths.keep(path, True)
        return False

    def keep(self, message: bytes, check: StraightCheck) -> None:
        """Remember what follows from a message."""
        self._credit -= PRICE
        shape = shape_of(message) if len(message) <= MESSAGE_BYTES else None
        if shape is None:
            return
        if self._kept >= CHECKS:
            self._shapes, self._kept = {}, 0
        kept = self._shapes.setdefault((shape.length, message.rfind(ID_NAME)), [])
        known = next((known for one, known in kept if one == shape), None)
        if known is None:
            if len(kept) >= SHAPES:
                kept.clear()
            known = {}
            kept.append((shape, known))
        known[shape.stable(message)] = check
        self._kept += 1

    def _earn(self, more: int) -> None:
        self._credit = min(CREDIT_LIMIT, self._credit + more)
