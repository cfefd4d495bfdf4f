"""What one kind of request costs and needs (GW-601, GW-602)."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from veritape.gateway.policy import Lost, PolicyReason, Route
from veritape.gateway.quota import MICROSECONDS, MU
from veritape.kernel.errors import MisuseError


@dataclass(frozen=True, slots=True, eq=False)
class Price:
    """What one kind of request costs and needs."""

    name: str
    """Route in usage events."""
    cost_mu: int
    scope: str | None = None
    """Scope that a credential must hold."""
    anonymous: bool = True
    """Callers without a credential are served."""
    refunded: bool = True
    """Month units return when the application answers 5xx or fails (GW-216)."""
    slot_us: int = 60 * MICROSECONDS
    """A request in progress is over after this long at the latest."""
    lost: Lost | None = None
    """What happens while the store is lost; None as the policy's store says."""
    leased: bool = True
    """Leases are used where the tier has them."""


def route_price(route: Route) -> Price:
    """Return what a route of the policy asks for.

    Raises:
        MisuseError: it asks for what only the gateway does.
    """
    if route.features:
        wrong = ", ".join(sorted(route.features))
        raise MisuseError(
            f"policy: routes.{route.name}: {PolicyReason.NOT_AVAILABLE}: {wrong}: only the gateway does this"
        )
    return Price(
        route.name, route.cost_mu, route.scope, route.anonymous, route.refund == "5xx",
        route.timeout_s * MICROSECONDS, route.lost, route.mode == "lease",
    )  # fmt: skip


def units_of(text: str | int) -> int:
    """Return a cost in mu from units: ``2``, ``"0.5"``.

    Raises:
        MisuseError: it is none, or has more than three decimal places.
    """
    try:
        cost = Decimal(text) * MU
    except InvalidOperation as error:
        raise MisuseError(f"cost {text!r}: units, at most three decimal places") from error
    if not cost.is_finite() or cost < 0 or cost != int(cost):
        raise MisuseError(f"cost {text!r}: units, at most three decimal places")
    return int(cost)
