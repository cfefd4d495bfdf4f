"""What the gate asks of a store, and the store of one process (GW-251, GW-252)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from veritape.gateway.adapters.store_link import Asked
from veritape.gateway.degradation import StoreState
from veritape.gateway.fast_quota import Plan, Verdict, plan_of
from veritape.gateway.leases import LeaseRule
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy import Lost
from veritape.gateway.quota import Decision, LimitName, Limits, State
from veritape.gateway.rate_fields import RawFields
from veritape.gateway.store_metrics import StoreFacts
from veritape.kernel.clock import Clock


class Terms(NamedTuple):
    """On what terms a request is decided."""

    limits: Limits
    """Of the subject."""
    policy_version: int
    slot_us: int
    """The route's timeout."""
    lost: Lost = Lost.LOCAL
    """What the route does while the store is lost."""
    lease: LeaseRule | None = None
    """What may be taken beforehand; None: the store is asked for each request."""
    whole: Limits | None = None
    """Limits of the subject when ``limits`` are but half of them."""


Judged = Verdict | Decision
"""What was decided: a verdict unfolds when it is asked, where all that there is to say follows from a store's state."""


def unfolded(judged: Judged) -> Decision:
    """Return everything that there is to say of what was decided."""
    return judged.unfolded() if isinstance(judged, Verdict) else judged


class Straight(NamedTuple):
    """Asks the shared store the usual question in two steps, between which somebody waits."""

    ask: Callable[[], Asked | None]
    """Sends the question; None: this one is not usual, nothing was sent."""
    hear: Callable[[object], RawFields | None]
    """Reads the answer and returns the fields of an admission; None: it is not usual, and ``judge`` has to hear it."""


class Store(Protocol):
    """Counters of subjects; every decision is all or nothing."""

    @property
    def state(self) -> StoreState:
        """Return where decisions come from."""
        ...

    async def begun(self) -> None:
        """Return once it decides: it has answered, or is known to be away. Before, it decides nothing."""
        ...

    def facts(self, tiers: Mapping[Limits, str]) -> StoreFacts:
        """Return what has been counted since the start; ``tiers`` names the limits of leases."""
        ...

    async def judge(self, subject: str, plan: Plan, terms: Terms) -> tuple[Judged, str]:
        """Decide and charge; return what was decided and the slot to release, empty when there is none.

        Args:
            subject: ``account:env`` or ``ip:class:prefix``.
            plan: limits and cost, prepared: ``plan_of`` of the terms.
            terms: what else it is decided on.

        Raises:
            UnavailableError: no decision: the store is lost and the route is closed then.
        """
        ...

    def admit_at_hand(
        self, subject: str, plan: Plan, terms: Terms, now_us: int, wall_us: int
    ) -> tuple[Verdict, str] | None:
        """Decide and charge as ``judge`` does, if that admits and nobody has to be asked; None otherwise, and then nothing has changed.

        Args:
            subject: as ``judge`` has it, and so are plan and terms.
            plan: limits and cost.
            terms: what else it is decided on.
            now_us: monotonic clock.
            wall_us: wall clock.
        """
        ...

    async def decide(self, subject: str, cost_mu: int, terms: Terms) -> tuple[Decision, str]:
        """Decide as ``judge`` does, without a prepared plan."""
        ...

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot; freeing it twice changes nothing."""
        ...

    async def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back to a month, never tokens."""
        ...

    async def status(self, subject: str, limits: Limits) -> State:
        """Return what is owed, used and in progress now."""
        ...

    async def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive what a subject owes, of one bucket or of all; the month stays."""
        ...

    async def clamp(self, subject: str, limits: Limits) -> None:
        """Bring what a subject owes down to the bursts of its new limits, once (GW-211)."""
        ...


class ProcessStore:
    """The store of a gateway that is one process: it is never lost."""

    def __init__(self, memory: MemoryStore, clock: Clock) -> None:
        self.memory, self._clock = memory, clock

    @property
    def state(self) -> StoreState:
        """Memory is always there."""
        return StoreState.HEALTHY

    async def begun(self) -> None:
        """Memory decides from the start."""

    async def judge(self, subject: str, plan: Plan, terms: Terms) -> tuple[Judged, str]:
        """Decide in memory."""
        verdict, slot = self.memory.judge(
            subject, plan, self._now_us(), self._clock.wall_ns() // 1_000, terms.slot_us
        )
        return verdict, str(slot) if slot else ""

    def admit_at_hand(
        self, subject: str, plan: Plan, terms: Terms, now_us: int, wall_us: int
    ) -> tuple[Verdict, str] | None:
        """Decide in memory; what is denied was only looked at."""
        verdict, slot = self.memory.judge(subject, plan, now_us, wall_us, terms.slot_us)
        return (verdict, str(slot) if slot else "") if verdict[0] else None

    async def decide(self, subject: str, cost_mu: int, terms: Terms) -> tuple[Decision, str]:
        """Decide in memory."""
        judged, slot = await self.judge(subject, plan_of(terms.limits, cost_mu, terms.policy_version), terms)
        return unfolded(judged), slot

    def release_slot(self, subject: str, slot: str) -> None:
        """Free a slot."""
        if slot:
            self.memory.release_slot(subject, int(slot))

    async def refund(self, subject: str, period: str, units_mu: int) -> None:
        """Give units back."""
        self.memory.refund(subject, period, units_mu)

    async def status(self, subject: str, limits: Limits) -> State:
        """Look, without a change."""
        return self.memory.status(subject, limits, self._now_us(), self._clock.wall_ns() // 1_000)

    async def reset(self, subject: str, limit: LimitName | None = None) -> None:
        """Forgive."""
        self.memory.reset(subject, limit)

    async def clamp(self, subject: str, limits: Limits) -> None:
        """Bring down to the bursts."""
        self.memory.clamp(subject, limits, self._now_us())

    def facts(self, tiers: Mapping[Limits, str]) -> StoreFacts:
        """Return what has been counted; there are no leases in memory."""
        del tiers
        return StoreFacts(
            self.state, {self.state: 1}, rare={"subjects_evicted": self.memory.subjects_evicted}
        )

    def sweep_slots(self) -> None:
        """Free the slots whose deadline is over."""
        self.memory.sweep_slots(self._now_us())

    def _now_us(self) -> int:
        return self._clock.monotonic_ns() // 1_000
