"""What a response says of a bucket, written once for all who may hear it (GW-603).

A plan's callers are told the same few things: so many units are left, one more comes within so many seconds. Behind a framework
it is cheaper to find what was said before than to say it again.
"""

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import Final, Generic, TypeVar

from veritape.gateway.fast_quota import Plan, Side
from veritape.gateway.quota import LimitName
from veritape.gateway.rate_fields import LEFT_ITEMS, RawFields, left_template, policy_field, units_field

REMEMBERED: Final = 1_024
"""Debts of a plan of which is kept what is said, some 300 bytes each; at the bound all are forgotten."""

Text = TypeVar("Text")


class LeftWriter(Generic[Text]):
    """Writes what a bucket's units left and seconds say, each once (GW-603).

    Both are whole, so what is said is the same for all debts between two multiples of ``step``, and a few texts are
    enough for all callers: one for each unit of the burst where the next unit always comes within a second.
    """

    def __init__(self, side: Side, write: Callable[[int, int], Text]) -> None:
        """Begin.

        Args:
            side: a bucket that is there.
            write: says units left and the seconds until one more comes.
        """
        self._side, self._write = side, write
        self.step = side.unit if side.unit <= side.gain_second else gcd(side.unit, side.gain_second)
        """Parts: a burst is a multiple of it."""
        self.told: dict[int, Text] = {}
        """``-debt // step``, the debt after the charge -> what is said."""
        self._written: dict[tuple[int, int], Text] = {}
        """Units left and seconds -> what is said."""

    def tell(self, debt: int) -> Text:
        """Return what is said of a debt after a charge, and remember it."""
        side = self._side
        units = (side.cap - debt) // side.unit
        threshold = side.cap - (units + 1) * side.unit
        wait_s = -((threshold - debt) // side.gain_second) if threshold >= 0 else 0
        if len(self.told) >= REMEMBERED:
            self.told.clear()
            self._written.clear()
        said = self._written.get((units, wait_s))
        if said is None:
            said = self._written[units, wait_s] = self._write(units, wait_s)
        self.told[-debt // self.step] = said
        return said


@lru_cache(maxsize=64)
def minute_fields(plan: Plan) -> LeftWriter[RawFields]:
    """Return what writes all fields of a plan that has a minute's bucket alone; each of its callers shares it."""
    fixed, left = fixed_fields(plan), left_template(plan.limits)
    return LeftWriter(plan.minute, lambda *numbers: (*fixed, (b"ratelimit", left % numbers)))


@lru_cache(maxsize=64)
def left_writers(plan: Plan) -> tuple[LeftWriter[bytes], LeftWriter[bytes] | None]:
    """Return what writes the items of a plan's minute and hour, separated from what follows; None: no hour."""
    minute, hour = LEFT_ITEMS[LimitName.MINUTE], LEFT_ITEMS[LimitName.HOUR]
    before_slots = b"," if plan.counts_slots else b""
    if not plan.hour.gain:
        return LeftWriter(plan.minute, lambda *numbers: minute % numbers + before_slots), None
    return (
        LeftWriter(plan.minute, lambda *numbers: minute % numbers + b","),
        LeftWriter(plan.hour, lambda *numbers: hour % numbers + before_slots),
    )


def fixed_fields(plan: Plan) -> RawFields:
    """Return the fields of a plan without a month that are always the same."""
    return units_field(plan), policy_field(plan, 0)
