"""A worker's side of a lease."""

from veritape.gateway.leases import Errand, Holding, LeaseRule

RULE = LeaseRule(50_000, 500_000, 750_000)
UNIT = 1_000


def granted(units: int = 10, slots: int = 2) -> Holding:
    one = Holding(RULE)
    one.granted(units * UNIT, slots, 500_000, 0, 0, recalled=False)
    return one


def test_it_spends_what_it_holds_and_no_more() -> None:
    """GW-301: units and slots both have to be there; what does not fit is for the store."""
    one = granted(units=2, slots=1)
    assert one.spend(UNIT, 1, with_slot=True)
    assert not one.spend(UNIT, 2, with_slot=True)
    assert one.spend(UNIT, 3, with_slot=False)
    assert not one.spend(UNIT, 4, with_slot=False)
    assert (one.take_report(5), one.take_report(5), one.slots_used) == (2 * UNIT, 0, 1)


def test_it_ends_before_the_store_thinks_so() -> None:
    """GW-305: 98 % of the validity, from before the call was sent."""
    one = Holding(RULE)
    one.granted(10 * UNIT, 0, 500_000, 1_000_000, 1_000_000, recalled=False)
    assert one.spend(UNIT, 1_489_999, with_slot=False)
    assert not one.spend(UNIT, 1_490_000, with_slot=False)


def test_what_was_spent_while_the_answer_was_on_its_way_is_spent() -> None:
    """GW-302: the store's figure of held units is from before."""
    one = granted()
    one.take_report(5)
    one.spend(3 * UNIT, 1, with_slot=False)
    one.granted(20 * UNIT, 0, 500_000, 0, 0, recalled=False)
    assert (one.held_mu, one.spent_mu) == (17 * UNIT, 3 * UNIT)


def test_it_wants_what_the_last_tenth_of_a_second_used() -> None:
    """GW-306: between one unit and the most of its tier."""
    one = Holding(RULE)
    assert one.wanted_mu(0) == UNIT
    for n in range(200):
        one.spend(UNIT, n * 1_000, with_slot=False)
    assert one.wanted_mu(199_000) == RULE.most_mu
    assert one.wanted_mu(290_000) == 10 * UNIT - UNIT


def test_a_lone_request_takes_no_lease() -> None:
    """GW-306: only who comes again within a tenth of a second saves a round trip by one."""
    one = Holding(RULE)
    one.spend(UNIT, 0, with_slot=False)
    assert one.errand(1_000) is Errand.NONE
    one.spend(UNIT, 50_000, with_slot=False)
    assert one.errand(50_000) is Errand.RENEW
    assert one.errand(150_000) is Errand.NONE


def test_it_renews_at_a_quarter_and_returns_when_idle() -> None:
    """GW-306, GW-308: a quarter left, 200 ms unused, 50 ms when recalled."""
    one = granted(units=8)
    one.spend(5 * UNIT, 1_000, with_slot=False)
    assert one.errand(1_000) is Errand.NONE
    one.spend(UNIT, 2_000, with_slot=False)
    assert one.errand(2_000) is Errand.RENEW
    assert one.errand(201_999) is Errand.NONE
    assert one.errand(202_000) is Errand.RETURN
    one.recalled = True
    assert (one.errand(51_999), one.errand(52_000)) == (Errand.RENEW, Errand.RETURN)
    one.lost()
    assert (one.errand(300_000), one.is_idle(300_000), one.held_mu) == (Errand.NONE, True, 0)


def test_it_renews_sooner_where_the_answer_would_come_too_late() -> None:
    """GW-306: a worker whose turns last 20 ms asks while as much is left as it uses until the answer to its next look."""
    one = Holding(RULE)
    one.granted(50 * UNIT, 0, 500_000, 0, 20_000, recalled=False)
    errands = []
    for at_us in range(1_000, 41_000, 1_000):
        one.spend(UNIT, at_us, with_slot=False)
        errands.append(one.errand(at_us))
    assert errands == [Errand.NONE] * 10 + [Errand.RENEW] * 30


def test_slots_in_use_keep_the_lease_alive() -> None:
    """GW-311: a long answer's slot must not end before it."""
    one = granted()
    one.spend(UNIT, 0, with_slot=True)
    assert one.errand(300_000) is Errand.NONE
    assert one.errand(390_000) is Errand.RENEW


def test_what_it_covers_is_what_it_spends() -> None:
    """GW-301, GW-305: units, slots and time are looked at as spending does, and looking changes nothing."""
    one = granted(units=3, slots=1)
    asked = [(UNIT, 1, True), (UNIT, 2, True), (3 * UNIT, 3, False), (UNIT, 4, False), (UNIT, 490_000, False)]
    for cost_mu, now_us, with_slot in asked:
        before = (one.held_mu, one.spent_mu, one.slots_used)
        covered = one.covers(cost_mu, now_us, with_slot=with_slot)
        assert (one.held_mu, one.spent_mu, one.slots_used) == before
        assert one.spend(cost_mu, now_us, with_slot=with_slot) == covered
    assert one.held_mu == UNIT
