"""What a gateway does while the shared store is lost (GW-341 to 347): an explicit table, one instance a worker.

Requests are the measure of health: five failures in a row, half of at least twenty calls in a second, or a refused
connection, and decisions come from local shares until a probe is answered and what was charged meanwhile is pushed. The
state says where decisions come from; nothing here sleeps or calls.
"""

from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from veritape.gateway.memory_store import UNLIMITED
from veritape.gateway.quota import MICROSECONDS, Limits, Rule

FAILURES_IN_A_ROW: Final = 5
"""Failed calls, one after the other, that mean the store is lost."""

CALLS_LEAST: Final = 20
"""Calls within a second from which the share of failures counts."""

CALLS_KEPT: Final = 1_024
"""Calls of the last second that are remembered."""

START_LIMIT_US: Final = 2 * MICROSECONDS
"""Longest wait for the store at the start."""

PROBE_US: Final = 250_000
"""Time between two probes."""


class StoreState(StrEnum):
    """Where decisions come from."""

    STARTING = "starting"
    """Nowhere yet: the gateway is not ready."""
    HEALTHY = "healthy"
    """The store, or a lease of it."""
    LOCAL = "local"
    """Local shares."""
    PROBING = "probing"
    """Local shares, while one call asks whether the store is back."""
    RECONCILING = "reconciling"
    """The store for subjects whose charges were pushed, local shares for the others."""
    REBUILDING = "rebuilding"
    """Local shares: the store forgot, its sums come from the ledger."""
    EXHAUSTED = "exhausted"
    """The outage outlasted its grace: each route's own rule."""


class Signal(StrEnum):
    """What may change the state."""

    ANSWERED = "answered"
    """The store answered at the start."""
    TIMED_OUT = "timed_out"
    """It did not within two seconds of the start."""
    LOST = "lost"
    """Calls fail as the table says."""
    PROBE_DUE = "probe_due"
    """A quarter of a second has passed."""
    GRACE_OVER = "grace_over"
    """The outage has lasted for the grace."""
    PROBE_FAILED = "probe_failed"
    """The probe was not answered."""
    PROBE_ANSWERED = "probe_answered"
    """It was, by the store that we knew."""
    STORE_FORGOT = "store_forgot"
    """It was, by a store with another epoch or none."""
    REBUILT = "rebuilt"
    """The ledger is complete and a new epoch is written."""
    PUSHED = "pushed"
    """Everything that was charged locally is in the store."""
    CALL_FAILED = "call_failed"
    """A call failed while charges were pushed."""


TABLE: Final[Mapping[tuple[StoreState, Signal], StoreState]] = {
    (StoreState.STARTING, Signal.ANSWERED): StoreState.HEALTHY,
    (StoreState.STARTING, Signal.TIMED_OUT): StoreState.LOCAL,
    (StoreState.HEALTHY, Signal.LOST): StoreState.LOCAL,
    (StoreState.LOCAL, Signal.PROBE_DUE): StoreState.PROBING,
    (StoreState.LOCAL, Signal.GRACE_OVER): StoreState.EXHAUSTED,
    (StoreState.EXHAUSTED, Signal.PROBE_DUE): StoreState.PROBING,
    (StoreState.PROBING, Signal.PROBE_FAILED): StoreState.LOCAL,
    (StoreState.PROBING, Signal.PROBE_ANSWERED): StoreState.RECONCILING,
    (StoreState.PROBING, Signal.STORE_FORGOT): StoreState.REBUILDING,
    (StoreState.REBUILDING, Signal.REBUILT): StoreState.RECONCILING,
    (StoreState.REBUILDING, Signal.CALL_FAILED): StoreState.LOCAL,
    (StoreState.RECONCILING, Signal.PUSHED): StoreState.HEALTHY,
    (StoreState.RECONCILING, Signal.CALL_FAILED): StoreState.LOCAL,
}
"""State and signal -> next state; any other pair changes nothing."""


class Transition(NamedTuple):
    """One change of state."""

    at_us: int
    before: StoreState
    signal: Signal
    after: StoreState


class Degradation:
    """The state of one worker's store."""

    def __init__(self, now_us: int, grace_s: int) -> None:
        """Begin.

        Args:
            now_us: monotonic clock.
            grace_s: longest continuous time on local shares before the routes' own rules hold.
        """
        self.state = StoreState.STARTING
        self.transitions: deque[Transition] = deque(maxlen=64)
        """The latest changes, oldest first."""
        self.entered: Counter[StoreState] = Counter({StoreState.STARTING: 1})
        """How often each state was entered."""
        self._began_us, self._grace_us = now_us, grace_s * MICROSECONDS
        self._lost_us = now_us
        self._probed_us = now_us
        self._in_a_row = 0
        self._calls: deque[tuple[int, bool]] = deque(maxlen=CALLS_KEPT)

    def begin(self, now_us: int) -> None:
        """Note that the store is asked from now on: what the process did before is no time in which it could have answered."""
        self._began_us = self._lost_us = self._probed_us = now_us

    @property
    def is_exhausted(self) -> bool:
        """Tell whether the outage has outlasted its grace; a probe under way does not change that."""
        return self.state is StoreState.EXHAUSTED or (
            self.state is StoreState.PROBING and self._probed_us - self._lost_us >= self._grace_us
        )

    def signal(self, signal: Signal, now_us: int) -> bool:
        """Follow the table; return whether the state changed."""
        after = TABLE.get((self.state, signal))
        if after is None:
            return False
        if signal is Signal.PROBE_FAILED and self._probed_us - self._lost_us >= self._grace_us:
            after = StoreState.EXHAUSTED
        self.transitions.append(Transition(now_us, self.state, signal, after))
        self.entered[after] += 1
        if after is StoreState.LOCAL and self.state in {StoreState.HEALTHY, StoreState.STARTING}:
            self._lost_us = now_us
        if after is StoreState.HEALTHY:
            self._in_a_row = 0
            self._calls.clear()
        self.state = after
        return True

    def answered(self, now_us: int) -> None:
        """Note a call of a request that the store answered as it should: this changes no state."""
        self._in_a_row = 0
        self._calls.append((now_us, True))

    def failed(self, now_us: int, *, refused: bool = False) -> bool:
        """Note a call of a request that failed; return whether the state changed.

        Args:
            now_us: monotonic clock.
            refused: there is no connection and none is to be had.
        """
        self._in_a_row += 1
        self._calls.append((now_us, False))
        while self._calls[0][0] <= now_us - MICROSECONDS:
            self._calls.popleft()
        failed = sum(not went for _, went in self._calls)
        many = len(self._calls) >= CALLS_LEAST and 2 * failed >= len(self._calls)
        if self.state in {StoreState.RECONCILING, StoreState.REBUILDING}:
            return self.signal(Signal.CALL_FAILED, now_us)
        return (refused or self._in_a_row >= FAILURES_IN_A_ROW or many) and self.signal(Signal.LOST, now_us)

    def passed(self, now_us: int) -> bool:
        """Note that time has passed; return whether the state changed. A change to PROBING asks for a probe."""
        if self.state is StoreState.STARTING:
            return now_us - self._began_us >= START_LIMIT_US and self.signal(Signal.TIMED_OUT, now_us)
        if self.state is StoreState.LOCAL and now_us - self._lost_us >= self._grace_us:
            return self.signal(Signal.GRACE_OVER, now_us)
        if now_us - self._probed_us >= PROBE_US and self.signal(Signal.PROBE_DUE, now_us):
            self._probed_us = now_us
            return True
        return False


def local_limits(limits: Limits, workers: int, month_left_mu: int | None) -> Limits:
    """Return one worker's share of a subject's limits (GW-343, GW-346).

    The gain stays and the weight grows with the workers, so a share's rate is exact; its burst is rounded down.

    Args:
        limits: the whole.
        workers: N, at least 1.
        month_left_mu: what this worker last saw left in the month; None when it did not see the subject in it.
    """
    if limits == UNLIMITED:
        return limits
    month_mu = None
    if limits.month_mu is not None:
        burst_mu = limits.minute.burst_mu if limits.minute else limits.month_mu
        month_mu = (burst_mu if month_left_mu is None else month_left_mu) // workers
    concurrency = None if limits.concurrency is None else max(1, limits.concurrency // workers)
    return Limits(
        _share(limits.minute, workers), _share(limits.hour, workers), month_mu, concurrency, limits.overage
    )


def over_admission_mu(rule: Rule, workers: int, cut_off: int, share_of: int, outage_us: int) -> int:
    """Return the most that a bucket may admit beyond burst + rate x time in an outage (GW-344).

    Args:
        rule: the bucket.
        workers: M, running workers.
        cut_off: J of them, without the store.
        share_of: N, by how many a share is divided: the workers last seen, at least the policy's ``workers_min``.
        outage_us: how long.
    """
    earned_mu = outage_us * rule.gain // rule.weight
    beyond_mu = cut_off * (rule.burst_mu + earned_mu) // share_of
    return max(0, beyond_mu - earned_mu) if cut_off == workers else beyond_mu


def _share(rule: Rule | None, workers: int) -> Rule | None:
    if rule is None:
        return None
    return Rule(rule.limit, rule.window_s, rule.burst_mu // workers, rule.gain, rule.weight * workers)
