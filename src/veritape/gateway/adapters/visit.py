"""One request on its way through the gate: who asks, what was decided, what was charged."""

from dataclasses import dataclass
from typing import Final

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.admission import decider, outcome
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.policy_memory import Origin
from veritape.gateway.adapters.stores import Judged, unfolded
from veritape.gateway.addresses import Address
from veritape.gateway.policy import Route
from veritape.gateway.quota import Decision, Limits
from veritape.gateway.rate_fields import AdmittedFields
from veritape.gateway.usage import Caller, UsageEvent

FREE: Final = Limits()
"""Of callers on a unix socket."""


@dataclass(slots=True)
class Visit:
    """One request on its way through the gate."""

    request_id: str
    address: Address | None
    """The client; None on a unix socket."""
    route: Route | None = None
    """Once it is known."""
    caller: Caller | None = None
    tier: str = ""
    limits: Limits = FREE
    judged: Judged | None = None
    """What was decided; ``decision`` has everything that there is to say of it."""
    fields: AdmittedFields | None = None
    """Writes the rate fields of what was admitted."""
    slot: str = ""
    charge: UsageEvent | None = None
    receipt: Receipt | None = None
    """Tells when the charge is durable; None once that is known."""
    units_mu: int = 0
    """Charged, less what was refunded."""
    refunded_mu: int = 0
    """Given back after a failure of ours."""
    would_deny: str = ""
    """Limit that would have denied, were it not only watched."""
    began_ns: int = 0
    """Monotonic clock at its beginning."""
    decision_ns: int = 0
    """How long the decision took, waits included."""
    upstream_ns: int = 0
    """How long the route's own work took."""
    origin: Origin | None = None
    """What the policy says of the address."""
    chain: bytes = b""
    """Addresses that the request came through, as far as they are believed, the client's first."""

    @property
    def decision(self) -> Decision | None:
        """Return what was decided, unfolded; None before the decision, and for routes that cost nothing."""
        return None if self.judged is None else unfolded(self.judged)

    def access(self, method: str, name: str, status: int, reason: str, now_ns: int, store: str) -> Access:
        """Return what is said of the visit once it has ended.

        Args:
            method: of the request.
            name: of its route, ``builtin``, ``console`` or ``none``.
            status: of its answer.
            reason: of a refusal, else empty.
            now_ns: monotonic clock.
            store: kind of the policy's store.
        """
        caller, judged = self.caller, self.judged
        return Access(
            self.request_id, method, name, status, reason, caller.account if caller else "", caller.key_id if caller else "",
            self.tier, self.units_mu, judged.mode if judged else "", (now_ns - self.began_ns) // 1_000, outcome(judged, reason),
            self.units_mu + self.refunded_mu, self.refunded_mu, caller is not None and not caller.env, self.would_deny,
            self.decision_ns // 1_000, self.upstream_ns // 1_000, decider(judged, store),
        )  # fmt: skip
