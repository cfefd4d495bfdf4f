"""What makes a code worth a slot (OB-301, OB-302): differences between sweeps, rankings, the pace of the own stream.

Never a cumulative total: d(i) is what was traded between two sweeps, r(i) the logarithm of the price's step, and the
baseline that an interval is held against does not contain it. An interval that was longer than the grid's, because a sweep
missed the code, counts with its mean pace. Each trigger is a function of its numbers that gives a strength or None; what
``Histories`` adds is the memory of a day's sweeps.
"""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

EARLIER: Final = 6
"""Intervals that a baseline is the mean of, at most."""

VOLUME_WARM_UP: Final = 2
"""Earlier intervals from which on the day's own volume is the baseline; before, yesterday's by cycle."""

RANGE_WARM_UP: Final = 3
"""Earlier ranges that the volatility trigger needs."""

LEAST_VALUE_KRW: Final = 50_000_000
"""Value that an interval must have traded for a volume surge: a surge of a stock that hardly trades is noise."""

LEAST_RANGE: Final = 0.015
"""Range below which a stock is not volatile, however calm it was before."""

VELOCITY_SECONDS: Final = 10
"""Window of the trade velocity."""

FULL_SURGE, FULL_VELOCITY, FULL_VOLATILITY, FULL_SPIKE, FULL_RANK = 5.0, 20.0, 3.0, 0.06, 20
"""Ratio, trades a second, ratio, logarithm of the price step at which a strength is 1; rank at which it is nearly 0."""


class Trigger(StrEnum):
    """Why a code is a candidate."""

    VOLUME_SURGE = "volume_surge"
    """An interval traded a multiple of the mean of the ones before."""
    TRADE_VELOCITY = "trade_velocity"
    """The own stream brings many trades a second: keeps a slot, cannot win one."""
    VOLATILITY = "volatility"
    """An interval's range is a multiple of the mean of the ones before."""
    PRICE_SPIKE = "price_spike"
    """The price moved far in one interval."""
    RANKING = "ranking"
    """Among the first of the broker's volume or price-change ranking."""
    MANUAL = "manual"
    """On the operator's list: pinned."""


@dataclass(frozen=True)
class Rule:
    """How a trigger is used; the defaults of ``RULES`` are OB-302's."""

    threshold: float
    """Ratio, trades a second, or rank."""
    weight: float
    """What its score is multiplied with."""
    lifetime_s: int
    """Seconds for which its score holds."""
    enabled: bool = True


RULES: Final = MappingProxyType(
    {
        Trigger.VOLUME_SURGE: Rule(3.0, 10.0, 300),
        Trigger.TRADE_VELOCITY: Rule(10.0, 8.0, 180),
        Trigger.VOLATILITY: Rule(2.0, 6.0, 300),
        Trigger.PRICE_SPIKE: Rule(0.03, 6.0, 300),
        Trigger.RANKING: Rule(20, 4.0, 180),
    }
)
"""Trigger -> rule; the manual list needs none."""


class Firing(NamedTuple):
    """A trigger that fired on a code."""

    code: str
    trigger: Trigger
    strength: float
    """0 to 1."""


class Snapshot(NamedTuple):
    """What triggers need of a code's row of a sweep: won and shares."""

    price: int
    open: int
    high: int
    low: int
    chain_shares: int
    chain_value: int
    reference_price: int


@dataclass
class History:
    """A code's day so far."""

    at_s: int = 0
    """Second of the grid of the last sweep."""
    last: Snapshot | None = None
    volumes: deque[float] = field(default_factory=lambda: deque(maxlen=EARLIER))
    """Shares of the earlier intervals, each scaled to the grid's interval."""
    ranges: deque[float] = field(default_factory=lambda: deque(maxlen=EARLIER))
    """Ranges of the earlier intervals."""
    went_back: bool = False
    """The chain fell: no triggers for the code today (OB-212)."""


def volume_surge(
    rule: Rule, shares: float, value_krw: int, earlier: Sequence[float], by_cycle: float
) -> float | None:
    """Return the strength of an interval's volume, None when it does not fire.

    Args:
        rule: threshold is the ratio to the baseline.
        shares: of the interval.
        value_krw: of the interval.
        earlier: shares of the intervals before.
        by_cycle: yesterday's shares by cycle, the baseline of the first intervals.
    """
    baseline = sum(earlier) / len(earlier) if len(earlier) >= VOLUME_WARM_UP else by_cycle
    if shares <= 0 or value_krw < LEAST_VALUE_KRW or shares < rule.threshold * baseline:
        return None
    return min(_ratio(shares, baseline) / FULL_SURGE, 1.0)


def trade_velocity(rule: Rule, trades: int) -> float | None:
    """Return the strength of ``trades`` within the window, None below the threshold."""
    rate = trades / VELOCITY_SECONDS
    return min(rate / FULL_VELOCITY, 1.0) if rate >= rule.threshold else None


def volatility(rule: Rule, span: float, earlier: Sequence[float]) -> float | None:
    """Return the strength of an interval's range, None when it does not fire or too few ranges came before."""
    if len(earlier) < RANGE_WARM_UP or span < LEAST_RANGE:
        return None
    baseline = sum(earlier) / len(earlier)
    return min(_ratio(span, baseline) / FULL_VOLATILITY, 1.0) if span >= rule.threshold * baseline else None


def price_spike(rule: Rule, before: int, after: int) -> float | None:
    """Return the strength of a price's step, None below the threshold."""
    if before <= 0 or after <= 0:
        return None
    step = abs(math.log(after / before))
    return min(step / FULL_SPIKE, 1.0) if step >= rule.threshold else None


def ranking(rule: Rule, rank: int) -> float | None:
    """Return the strength of a place in a ranking, None outside of it."""
    return max(0.0, 1 - (rank - 1) / FULL_RANK) if 1 <= rank <= rule.threshold else None


def range_of(before: Snapshot, now: Snapshot) -> float:
    """Return an interval's range: (top - bottom) / the price before.

    The day's high is the interval's top if it rose in the interval, else the interval's prices are all that is known.
    """
    if before.price <= 0:
        return 0.0
    top = now.high if now.high > before.high else max(before.price, now.price)
    bottom = now.low if now.low < before.low else min(before.price, now.price)
    return (top - bottom) / before.price


class Histories:
    """The sweeps of a day, as triggers see them."""

    def __init__(
        self, rules: Mapping[Trigger, Rule], interval_s: int, cycles: int, previous_shares: Mapping[str, int]
    ) -> None:
        """Begin a day of ``cycles`` sweeps every ``interval_s`` seconds; yesterday's volumes by code."""
        self._rules = rules
        self._interval_s = interval_s
        self._cycles = cycles
        self._previous_shares = previous_shares
        self.by_code: dict[str, History] = {}
        """Code -> its day."""

    def seed(self, at_s: int, rows: Mapping[str, Snapshot]) -> None:
        """Take a sweep off the grid: it begins the baseline of codes that have none and ends no interval (OB-394)."""
        for code, now in rows.items():
            history = self.by_code.setdefault(code, History())
            if history.last is None:
                history.at_s, history.last = at_s, now

    def sweep(self, at_s: int, rows: Mapping[str, Snapshot]) -> list[Firing]:
        """Take a sweep of the grid; return what it fires."""
        firings = []
        for code, now in rows.items():
            history = self.by_code.setdefault(code, History())
            before, since_s = history.last, history.at_s
            history.at_s, history.last = at_s, now
            if before is None or at_s <= since_s:
                continue
            if now.chain_shares < before.chain_shares:
                history.went_back = True
            if not history.went_back:
                firings += self._interval(code, history, before, at_s - since_s)
        return firings

    def _interval(self, code: str, history: History, before: Snapshot, seconds: int) -> list[Firing]:
        now = history.last or before
        shares = (now.chain_shares - before.chain_shares) * self._interval_s / seconds
        value_krw = now.chain_value - before.chain_value
        by_cycle = self._previous_shares.get(code, 0) / self._cycles
        span = range_of(before, now)
        strengths = {
            Trigger.VOLUME_SURGE: volume_surge(
                self._rules[Trigger.VOLUME_SURGE], shares, value_krw, history.volumes, by_cycle
            ),
            Trigger.VOLATILITY: volatility(self._rules[Trigger.VOLATILITY], span, history.ranges),
            Trigger.PRICE_SPIKE: price_spike(self._rules[Trigger.PRICE_SPIKE], before.price, now.price),
        }
        history.volumes.append(shares)
        history.ranges.append(span)
        return [
            Firing(code, trigger, strength)
            for trigger, strength in strengths.items()
            if strength is not None and self._rules[trigger].enabled
        ]


def _ratio(value: float, baseline: float) -> float:
    return value / baseline if baseline > 0 else math.inf
