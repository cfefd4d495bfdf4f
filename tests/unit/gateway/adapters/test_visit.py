"""What is said of a visit once it has ended."""

from veritape.gateway.adapters.visit import FREE, Visit
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.quota import Limits, make_rule
from veritape.gateway.usage import Caller

WALL_US = 1_795_187_045_000_000


def test_a_refused_stranger_s_record_says_so() -> None:
    """GW-773: without a caller and a decision there is no account, no units, no store."""
    visit = Visit("r", None, began_ns=1_000_000)
    assert (visit.decision, visit.limits) == (None, FREE)
    access = visit.access("GET", "none", 404, "no_route", 3_000_000, "redis")
    assert (access.request_id, access.method, access.route, access.status, access.reason) == (
        "r",
        "GET",
        "none",
        404,
        "no_route",
    )
    assert (access.account, access.units_mu, access.outcome, access.store) == ("", 0, "", "")
    assert (access.duration_us, access.anonymous) == (2_000, False)


def test_a_charged_visit_s_record_says_what_it_cost() -> None:
    """GW-773, GW-216: units that were given back were charged all the same; an address is anonymous."""
    plan = plan_of(Limits(make_rule(100, 60, 150)), 2_000, 7)
    verdict, _ = MemoryStore().judge("ip:any:a", plan, 5, WALL_US)
    caller = Caller("ip:any", "", "", "ip:any:a")
    visit = Visit("r", None, None, caller, "any", judged=verdict, units_mu=500, refunded_mu=1_500)
    access = visit.access("GET", "echo", 200, "", 0, "memory")
    assert (access.units_mu, access.charged_mu, access.refunded_mu) == (500, 2_000, 1_500)
    assert (access.outcome, access.store, access.anonymous) == ("allowed", "memory", True)
    decision = visit.decision
    assert decision is not None
    assert decision.cost_mu == 2_000
