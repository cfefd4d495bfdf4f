"""Usage events: ids, refunds, counted refusals."""

from veritape.gateway.quota import Decision, Mode
from veritape.gateway.reasons import Reason
from veritape.gateway.usage import (
    MINUTE_US,
    Caller,
    EventSource,
    Kind,
    Tally,
    TallyKey,
    UsageEvent,
    alike,
    marks_of,
    months_of,
)

DECISION = Decision(True, None, 2_000, (), 0, Mode.EXACT, "2026-11", 7)
CALLER = Caller("acme", "live", "key_a", "acme:live")
WALL_US = 1_795_187_045_000_000


def test_a_charge_explains_itself() -> None:
    """GW-651: id, account, key, route, units, policy version, period, request."""
    event = EventSource(b"12345678").charge(CALLER, "trades", DECISION, WALL_US, "r1")
    assert event == (
        b"12345678", 1, "charge", "acme", "live", "key_a", "acme:live", "trades", 2_000, "admitted", "", "exact", 7,
        "2026-11", WALL_US, "r1", None, None, 1,
    )  # fmt: skip


def test_a_refund_names_its_charge_and_keeps_its_month() -> None:
    """GW-216, GW-651: negative units in the charge's own month, whatever the date."""
    source = EventSource(b"12345678")
    charge = source.charge(CALLER, "trades", DECISION, WALL_US, "r1")
    refund = source.refund(charge, Reason.INTERNAL_ERROR, WALL_US + 40 * 24 * 60 * MINUTE_US)
    assert (refund.seq, refund.kind, refund.units_mu, refund.period) == (2, Kind.REFUND, -2_000, "2026-11")
    assert (refund.refers_boot, refund.refers_seq, refund.reason) == (b"12345678", 1, "internal_error")


def test_refusals_are_counted_by_minute() -> None:
    """GW-651: one row per account, route, reason and minute; the running minute waits."""
    tally, source = Tally(), EventSource(b"12345678")
    key = TallyKey(Kind.DENIED, "acme", "live", "trades", "rate_limited", 7)
    start = WALL_US // MINUTE_US * MINUTE_US
    for at_us in (start, start + 1, start + MINUTE_US):
        tally.add(key, at_us)
    tally.add(key._replace(kind=Kind.ANONYMOUS, reason=""), start)
    rows = tally.take(source, start + MINUTE_US)
    assert [(row.kind, row.items, row.units_mu, row.decision) for row in rows] == [
        (Kind.ANONYMOUS, 1, 0, "admitted"),
        (Kind.DENIED, 2, 0, "denied"),
    ]
    assert [row.items for row in tally.take(source, start + MINUTE_US, everything=True)] == [1]
    assert tally.take(source, WALL_US * 2, everything=True) == []


def test_charges_of_one_key_and_route_are_alike() -> None:
    """GW-664: they share all but sequence, time and request; whatever else differs sets an event apart."""
    source = EventSource(b"12345678")
    first, second, third = (
        source.charge(CALLER, "trades", DECISION, WALL_US + later, f"r{later}") for later in range(3)
    )
    others = [
        UsageEvent(*(object() if column == changed else value for column, value in enumerate(second)))  # type: ignore[arg-type]
        for changed, name in enumerate(UsageEvent._fields)
        if name not in {"seq", "at_us", "request_id"}
    ]
    assert alike([first, *others, third]) == [[first, third], *([other] for other in others)]
    assert alike([]) == []


def test_what_events_add_to_months_and_marks() -> None:
    """GW-652: sums by subject, month and boot, counted rows left out; the last sequence of each boot."""
    one, other = EventSource(b"12345678"), EventSource(b"abcdefgh")
    charge = one.charge(CALLER, "trades", DECISION, WALL_US, "r1")
    events = [
        charge,
        one.refund(charge, Reason.INTERNAL_ERROR, WALL_US),
        one.charge(CALLER, "trades", DECISION, WALL_US, "r2"),
        other.charge(CALLER, "trades", DECISION._replace(period="2026-12"), WALL_US, "r3"),
        one.counted(TallyKey(Kind.DENIED, "acme", "live", "trades", "rate_limited", 7), 3, WALL_US),
    ]
    assert months_of(alike(events)) == [
        ("acme:live", "2026-11", b"12345678", 2_000, 3),
        ("acme:live", "2026-12", b"abcdefgh", 2_000, 1),
    ]
    assert marks_of(events) == [(b"12345678", 4), (b"abcdefgh", 1)]
