"""Open tabs: who may use one, and who closes it."""

from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import SURE_US, MemoryStore
from veritape.gateway.quota import MICROSECONDS, Limits, make_rule
from veritape.gateway.tabs import CLOSED

WALL_US = 1_795_187_045 * MICROSECONDS
"""2026-11-20T15:04:05Z."""
SUBJECT = "ip:any:203.0.113.7"
LIMITS = Limits(make_rule(100, 60, 150))
PLAN = plan_of(LIMITS, 1_000, 7)
WEIGHT = PLAN.minute.weight


def test_a_tab_is_one_until_somebody_asks() -> None:
    """GW-603: everybody gets the same tab; a look takes its numbers over and closes it for all."""
    store = MemoryStore()
    store.judge(SUBJECT, PLAN, 5, WALL_US)
    tab = store.open_tab(SUBJECT, WEIGHT, 6)
    assert (tab.debt, tab.at_us, tab.used_mu, tab.until_us) == (600_000, 5, 1_000, SURE_US + 5)
    assert store.open_tab(SUBJECT, WEIGHT, 7) is tab
    tab.debt, tab.at_us, tab.used_mu = 1_200_000, 7, 2_000
    state = store.status(SUBJECT, LIMITS, 7, WALL_US)
    assert ((*state.minute,), state.used_mu, tab.until_us) == ((1_200_000, 7, WEIGHT), 2_000, 0)
    assert store.open_tab(SUBJECT, WEIGHT, 7) is not tab


def test_who_is_not_plain_gets_the_closed_tab() -> None:
    """GW-603, GW-209, GW-211: nobody known, another rule, a second that is over, and another month of the store."""
    store = MemoryStore()
    assert store.open_tab(SUBJECT, WEIGHT, 5) is CLOSED
    store.judge(SUBJECT, PLAN, 5, WALL_US)
    assert store.open_tab(SUBJECT, WEIGHT + 1, 5) is CLOSED
    assert store.open_tab(SUBJECT, WEIGHT, SURE_US + 5) is CLOSED
    store.judge("ip:any:203.0.113.8", PLAN, 6, WALL_US + 31 * 86_400 * MICROSECONDS)
    assert store.open_tab(SUBJECT, WEIGHT, 7) is CLOSED
    assert CLOSED.until_us == 0


def test_an_open_tab_lives_on_when_the_month_is_sure_again() -> None:
    """GW-603: what another subject's request found out of the calendar holds for all."""
    store = MemoryStore()
    store.judge(SUBJECT, PLAN, 5, WALL_US)
    tab = store.open_tab(SUBJECT, WEIGHT, 5)
    store.judge("ip:any:203.0.113.8", PLAN, SURE_US + 6, WALL_US + SURE_US)
    assert store.open_tab(SUBJECT, WEIGHT, SURE_US + 7) is tab
    assert tab.until_us == 2 * SURE_US + 6
