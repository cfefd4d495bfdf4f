"""The gateway's checks of readiness on the metrics page (TL-720), from what was measured and nothing else."""

from enum import StrEnum

from veritape.gateway.degradation import StoreState


class Check(StrEnum):
    """The gateway's values of ``veritape_ready_check``."""

    POLICY_LOADED = "policy_loaded"
    """A checked policy is in force: a process without one ends before it shows anything."""
    KEY_STORE = "key_store"
    """The last look-up of a key was answered."""
    LEDGER = "ledger"
    """Charges can be made durable, or need not be (``usage.on_failure``)."""
    COUNTER_STORE = "counter_store"
    """The quota store was found; once it was, local shares take its place when it is lost (GW-348)."""
    UPSTREAMS = "upstreams"
    """Every upstream has a target that gets requests. Shown, and makes nobody wait: other routes are served."""


def checks(
    *, key_store: bool, ledger: bool, store: StoreState, healthy_targets: dict[str, int]
) -> dict[Check, bool]:
    """Return which checks pass.

    Args:
        key_store: the last look-up was answered.
        ledger: charged routes are served.
        store: where decisions come from.
        healthy_targets: upstream elsewhere -> targets that get requests.
    """
    return {
        Check.POLICY_LOADED: True,
        Check.KEY_STORE: key_store,
        Check.LEDGER: ledger,
        Check.COUNTER_STORE: store is not StoreState.STARTING,
        Check.UPSTREAMS: all(healthy_targets.values()),
    }
