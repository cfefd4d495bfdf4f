"""Which target gets a request, and whether it may be tried on another one (GW-583, GW-584)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

RETRY_WINDOW_S: Final = 10
"""Seconds over which retries are counted."""

RETRY_SHARE: Final = 5
"""One retry for so many requests, rounded up: a single request may be tried again."""


class Load(NamedTuple):
    """What balancing needs of a target."""

    in_flight: int
    weight: int


class Balance:
    """Weighted least requests in progress; equals take turns by weight (smooth weighted round robin)."""

    def __init__(self, size: int) -> None:
        self._credit = [0] * size

    def choose(self, loads: Sequence[Load], candidates: Sequence[int]) -> int:
        """Return the index of the target that gets the next request.

        Args:
            loads: of every target.
            candidates: indices that may be chosen, at least one.
        """
        if len(candidates) == 1:  # who takes turns with nobody owes nobody a turn
            return candidates[0]
        least = min(candidates, key=lambda index: loads[index].in_flight / loads[index].weight)
        low = loads[least]
        equals = [
            one
            for one in candidates
            if loads[one].in_flight * low.weight == low.in_flight * loads[one].weight
        ]
        for one in equals:
            self._credit[one] += loads[one].weight
        chosen = max(equals, key=lambda one: (self._credit[one], -one))
        self._credit[chosen] -= sum(loads[one].weight for one in equals)
        return chosen


class RetryBudget:
    """Retries are at most a fifth of the requests of the last ten seconds, so that they never double an outage."""

    def __init__(self) -> None:
        self._requests: dict[int, int] = {}
        self._retries: dict[int, int] = {}

    def note_request(self, now_s: int) -> None:
        """Count a request."""
        if now_s in self._requests:
            self._requests[now_s] += 1
            return
        self._requests[now_s] = 1
        for counts in (self._requests, self._retries):
            for second in [one for one in counts if one <= now_s - RETRY_WINDOW_S]:
                del counts[second]

    def take(self, now_s: int) -> bool:
        """Take a retry if there is one left."""
        since = now_s - RETRY_WINDOW_S
        requests = sum(count for second, count in self._requests.items() if second > since)
        retries = sum(count for second, count in self._retries.items() if second > since)
        if retries * RETRY_SHARE >= requests:
            return False
        self._retries[now_s] = self._retries.get(now_s, 0) + 1
        return True


def may_retry(method: str, *, request_begun: bool, body_begun: bool, answer_begun: bool) -> bool:
    """Tell whether a failed attempt may be repeated on another target.

    Args:
        method: of the request.
        request_begun: a byte of the request was written.
        body_begun: a byte of the request's body was taken from the client; it cannot be had twice.
        answer_begun: a byte of an answer came.
    """
    if answer_begun or body_begun:
        return False
    return not request_begun or method in {"GET", "HEAD"}
