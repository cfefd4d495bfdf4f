"""The store of one process, as the gate sees it."""

from veritape.gateway.adapters.stores import ProcessStore, Terms
from veritape.gateway.degradation import StoreState
from veritape.gateway.fast_quota import plan_of
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy import Lost
from veritape.gateway.quota import MU, Limits, make_rule
from veritape.kernel.clock import ManualClock

DECEMBER_NS = 1_796_083_200 * 10**9
"""2026-12-01T00:00:00Z."""
FREE = Limits(make_rule(100, 60, 150), None, 50_000 * MU, 2)


async def test_it_decides_frees_refunds_and_forgets() -> None:
    """GW-251, GW-252: the calls of every store, on memory; it is never lost."""
    clock = ManualClock(wall_ns=1_795_187_045_000_000_000, monotonic_ns=5_000_000_000)
    store = ProcessStore(MemoryStore(), clock)
    found = [await store.decide("a:live", 2 * MU, Terms(FREE, 7, 1_000_000, Lost.CLOSED)) for _ in range(3)]
    assert [(decision.admitted, bool(slot)) for decision, slot in found] == [(True, True)] * 2 + [
        (False, False)
    ]
    store.release_slot("a:live", found[0][1])
    store.release_slot("a:live", found[2][1])
    assert (await store.status("a:live", FREE)).slots == 1
    await store.refund("a:live", "2026-11", MU)
    await store.reset("a:live")
    state = await store.status("a:live", FREE)
    assert (state.used_mu, state.minute.debt, store.state) == (3 * MU, 0, StoreState.HEALTHY)
    clock.advance_ns(60 * 10**9)
    store.sweep_slots()
    assert (await store.status("a:live", FREE)).slots == 0


async def test_time_is_monotonic_in_whole_microseconds_and_months_are_the_walls() -> None:
    """GW-002: a step of the wall gives no credit, 599,999 µs and 999 ns are not 600,000; the month turns at midnight UTC."""
    clock = ManualClock(wall_ns=DECEMBER_NS - 2 * 10**9, monotonic_ns=5_000_000_000)
    store = ProcessStore(MemoryStore(), clock)
    terms = Terms(FREE._replace(concurrency=None), 7, 1_000_000, Lost.CLOSED)
    for _ in range(150):
        assert (await store.decide("a:live", MU, terms))[0].admitted
    for step_ns in (10**15, -(10**15)):
        clock.step_wall_ns(step_ns)
        assert not (await store.decide("a:live", MU, terms))[0].admitted
    clock.advance_ns(599_999_999)
    denied, _ = await store.decide("a:live", MU, terms)
    longest_us = max(part.wait_us for part in denied.limits)
    assert (denied.admitted, longest_us, denied.period) == (False, 1, "2026-11")
    clock.advance_ns(1)
    admitted, _ = await store.decide("a:live", MU, terms)
    assert (admitted.admitted, admitted.period) == (True, "2026-11")
    clock.advance_ns(2 * 10**9)
    later, _ = await store.decide("a:live", MU, terms)
    assert (later.admitted, later.period) == (True, "2026-12")


async def test_what_is_at_hand_is_what_would_be_judged() -> None:
    """GW-251, GW-208: the same admissions, slots and states; what is denied changes nothing."""
    clock = ManualClock(wall_ns=1_795_187_045_000_000_000, monotonic_ns=5_000_000_000)
    one, other = ProcessStore(MemoryStore(), clock), ProcessStore(MemoryStore(), clock)
    terms, plan = Terms(FREE, 7, 1_000_000, Lost.CLOSED), plan_of(FREE, MU, 7)
    for number in range(4):
        wall_us = clock.wall_ns() // 1_000
        found = one.admit_at_hand("a:live", plan, terms, clock.monotonic_ns() // 1_000, wall_us)
        judged, slot = await other.judge("a:live", plan, terms)
        assert found == ((judged, slot) if judged.admitted else None)
        assert (found is None) == (number >= 2)
        assert await one.status("a:live", FREE) == await other.status("a:live", FREE)
        clock.advance_ns(10**6)
