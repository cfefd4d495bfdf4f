"""Scores: how much a firing weighs beside another (OB-303, OB-304).

score = weight x (1 + strength) + 0.1 x log10(market cap); the cap part is what remains when a firing's lifetime is over.
A score is kept in millionths as an integer, so that it is compared, stored and printed without rounding twice. Example: a
volume surge of ratio 4.0 on a code of 5,000,000,000,000 won: 10 x 1.8 + 0.1 x 4.699 = 18.469897.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from veritape.kernel.clock import NANOSECONDS
from veritape.observer.triggers import Firing, Rule, Trigger

MICRO: Final = 1_000_000
"""Units of a score of 1."""

CAP_SHARE: Final = 0.1
"""What a power of ten of the market capitalisation is worth."""

REFRESH_NS: Final = 120 * NANOSECONDS
"""For this long after it made a candidate, a trigger on the same code only refreshes its lifetime (OB-304)."""


class Live(NamedTuple):
    """A firing whose lifetime lasts."""

    score_micro: int
    strength: float
    expires_ns: int
    """End of its lifetime."""
    candidate_ns: int
    """When it last made a candidate."""


def resting_micro(market_cap_100m_krw: int) -> int:
    """Return the score of a code on which nothing fires."""
    return round(_cap_part(market_cap_100m_krw) * MICRO)


def score_micro(weight: float, strength: float, market_cap_100m_krw: int) -> int:
    """Return a firing's score in millionths."""
    return round((weight * (1 + strength) + _cap_part(market_cap_100m_krw)) * MICRO)


def _cap_part(market_cap_100m_krw: int) -> float:
    return CAP_SHARE * math.log10(max(market_cap_100m_krw, 1))


@dataclass
class Scores:
    """What is alive on every code."""

    rules: Mapping[Trigger, Rule]
    caps: Mapping[str, int]
    """Code -> market capitalisation, 100 million won."""
    live: dict[str, dict[str, Live]] = field(default_factory=dict)
    """Code -> trigger (or the context's name) -> what is alive."""

    def fire(self, firing: Firing, now_ns: int) -> bool:
        """Take a firing; tell whether it is a new candidate and not only a refreshed lifetime."""
        rule = self.rules[firing.trigger]
        of_code = self.live.setdefault(firing.code, {})
        known = of_code.get(firing.trigger)
        is_new = known is None or now_ns - known.candidate_ns >= REFRESH_NS
        score = score_micro(rule.weight, firing.strength, self.caps.get(firing.code, 0))
        candidate_ns = now_ns if is_new or known is None else known.candidate_ns
        expires_ns = now_ns + rule.lifetime_s * NANOSECONDS
        of_code[firing.trigger] = Live(score, firing.strength, expires_ns, candidate_ns)
        return is_new

    def give(self, code: str, name: str, score: int, now_ns: int, lifetime_s: int) -> None:
        """Give a code a score of another origin than a trigger."""
        expires_ns = now_ns + lifetime_s * NANOSECONDS
        self.live.setdefault(code, {})[name] = Live(score, 0.0, expires_ns, now_ns)

    def best(self, code: str, now_ns: int) -> tuple[str, int]:
        """Return the trigger and score that count: the highest that is alive, else an empty name and the cap part."""
        alive = [
            (live.score_micro, trigger)
            for trigger, live in self.live.get(code, {}).items()
            if live.expires_ns > now_ns
        ]
        if not alive:
            return "", resting_micro(self.caps.get(code, 0))
        score, trigger = max(alive)
        return trigger, score

    def order(self, code: str, now_ns: int) -> tuple[int, int, str]:
        """Return a key that sorts codes by falling score, then by falling market cap, then by code."""
        return -self.best(code, now_ns)[1], -self.caps.get(code, 0), code

    def next_expiry(self, codes: Mapping[str, object]) -> int | None:
        """Return when the first lifetime on one of these codes ends."""
        ends = (live.expires_ns for code in codes for live in self.live.get(code, {}).values())
        return min(ends, default=None)

    def expire(self, now_ns: int) -> list[str]:
        """Forget what is over; return the codes that it stood on."""
        over = [
            code
            for code, of_code in self.live.items()
            if any(live.expires_ns <= now_ns for live in of_code.values())
        ]
        for code in over:
            left = {name: live for name, live in self.live[code].items() if live.expires_ns > now_ns}
            if left:
                self.live[code] = left
            else:
                del self.live[code]
        return sorted(over)
