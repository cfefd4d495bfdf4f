"""The overload ladder: how busy a worker is, and what it stops doing (GW-381).

Load is the larger of two shares: requests in progress of those allowed, and the event loop's lag (90th percentile of the last
second) of 100 ms. A level is entered when the load was at or above its share for a whole second, and left, for level 0, when
the load was below a half for five seconds. Nothing is delayed: delay raises the number in progress; work is shed.

The highest level serves next to nobody for five seconds at least, so a worker that came there by plain demand would throw away what
it can do, be calm, and begin anew. So it takes no more than it can answer (``Room``): beyond, requests are refused one by one, and
the work that it has stays below that level.
"""

import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from veritape.gateway.quota import MICROSECONDS, Limits, Rule
from veritape.gateway.room import LEAST, Room

LAG_LIMIT_US: Final = 100_000
"""Lag of the event loop that is full load where the settings say nothing else."""

LEVELS: Final = (0.70, 0.85, 0.95)
"""Load from which on levels 1, 2 and 3 hold."""

FULL: Final = 0.90
"""Share of the requests in progress that are taken of routes that are not essential: what is left below the highest level is for those."""

CALM: Final = 0.50
"""Load below which a level is left."""

ENTER_US: Final = MICROSECONDS
"""How long the load has to be there before a level is entered."""

LEAVE_US: Final = 5 * MICROSECONDS
"""How long calm has to last before a level is left."""

LAG_WINDOW_US: Final = MICROSECONDS
"""Lag samples older than this do not count."""

SAMPLE_US: Final = 50_000
"""Time between two samples: twenty of them make a percentile."""

SAMPLED_LEVEL, HALVED_LEVEL, ESSENTIAL_LEVEL = 1, 2, 3
"""Levels: access log 1 in 10 and the console pauses; halved limits; essential routes alone."""

LOG_SHARE: Final = 10
"""Of so many requests one is logged from ``SAMPLED_LEVEL`` on."""

HALVED_TIER: Final = "free"
"""The tier whose callers share the fate of anonymous ones at ``HALVED_LEVEL``."""

RETRY_SPREAD_S: Final = 5
"""Seconds over which refused callers are told to come back."""


@dataclass
class Overload:
    """The level of one worker."""

    lag_limit_us: int = LAG_LIMIT_US
    """Lag of the event loop that is full load."""
    level: int = 0
    """0 to 3."""
    room: Room = field(default_factory=Room)
    """How many requests are taken."""
    _lags: deque[tuple[int, int]] = field(default_factory=deque)
    _reached_us: list[int | None] = field(default_factory=lambda: [None] * len(LEVELS))
    """Since when the load has been at or above each level's share."""
    _calm_us: int | None = None

    def sample(
        self, now_us: int, lag_us: int, in_flight: int, in_flight_max: int, worked: float = 1.0
    ) -> int:
        """Take a sample; return the level.

        Args:
            now_us: monotonic clock.
            lag_us: how much later than asked for the sample was taken.
            in_flight: requests in progress.
            in_flight_max: of them allowed.
            worked: share of the time since the last sample in which this loop had a processor. In the rest of its lag other programs
                had it: then there is room for less, but to serve nobody for seconds would help none of them.
        """
        self.room.sample(lag_us / self.lag_limit_us, in_flight, in_flight_max)
        self._lags.append((now_us, int(lag_us * min(1.0, worked))))
        while self._lags[0][0] <= now_us - LAG_WINDOW_US:
            self._lags.popleft()
        load = max(in_flight / in_flight_max, percentile_90(lag for _, lag in self._lags) / self.lag_limit_us)
        for index, share in enumerate(LEVELS):
            self._reached_us[index] = _since(self._reached_us[index], now_us, holds=load >= share)
        self._calm_us = _since(self._calm_us, now_us, holds=load < CALM)
        if self._calm_us is not None and now_us - self._calm_us >= LEAVE_US:
            self.level = 0
        reached = [
            index + 1
            for index, since_us in enumerate(self._reached_us)
            if since_us is not None and now_us - since_us >= ENTER_US
        ]
        self.level = max([self.level, *reached])
        return self.level

    def always(self, in_flight_max: int) -> int:
        """Return up to how many requests in progress, this one included, none is refused at level 0, whatever was measured."""
        return min(LEAST, Room().requests(in_flight_max, FULL))

    def sheds(self, in_flight: int, in_flight_max: int, *, essential: bool) -> bool:
        """Tell whether a request of a route is refused: there is no room for it, or only essential ones are served.

        Args:
            in_flight: requests in progress, this one included.
            in_flight_max: of them allowed.
            essential: what the route is.
        """
        return not essential and (
            self.level >= ESSENTIAL_LEVEL or in_flight > self.room.requests(in_flight_max, FULL)
        )


def percentile_90(values: Iterable[int]) -> int:
    """Return the smallest value that at least nine tenths do not exceed."""
    ordered = sorted(values)
    return ordered[-(-len(ordered) * 9 // 10) - 1]


def is_halved(level: int, tier: str, *, anonymous: bool) -> bool:
    """Tell whether a caller is decided with half the rate and burst."""
    return level >= HALVED_LEVEL and (anonymous or tier == HALVED_TIER)


def halved(limits: Limits) -> Limits:
    """Return half the rate and burst of the buckets; month and requests in progress stay.

    The weight doubles and the gain stays, so the half is exact and what is owed stays owed when the level ends (GW-211).
    """
    return limits._replace(minute=_half(limits.minute), hour=_half(limits.hour))


def retry_after_s(request_id: str) -> int:
    """Return after how many seconds a refused caller should come back: 1 to 5, by the request's id."""
    return 1 + zlib.crc32(request_id.encode()) % RETRY_SPREAD_S


def _since(since_us: int | None, now_us: int, *, holds: bool) -> int | None:
    if not holds:
        return None
    return now_us if since_us is None else since_us


def _half(rule: Rule | None) -> Rule | None:
    if rule is None:
        return None
    return rule._replace(burst_mu=rule.burst_mu // 2, weight=rule.weight * 2)
