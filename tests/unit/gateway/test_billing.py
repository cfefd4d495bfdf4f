"""Invoices: exact, rounded once a line, provable."""

import csv
import hashlib
import io
import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.usage_events import AT_US, BOOT, NOVEMBER, event

from veritape.gateway import billing
from veritape.gateway.billing import InvoiceLine, LineKind, add_up, invoice_lines
from veritape.gateway.policy import Tier
from veritape.gateway.quota import Limits
from veritape.gateway.usage import Kind, UsageEvent

PRO = Tier("pro", Limits(month_mu=1_000_000_000, overage=True), "99", None, Decimal("0.20"))


def amounts(lines: list[InvoiceLine]) -> dict[LineKind, str]:
    return {line.line: line.amount_usd for line in lines}


def test_the_worked_example() -> None:
    """GW-683, GW-968: Pro, 1,234,500 units in live: 99.00 + 234.5 x 0.20 = 145.90; test units are shown and cost 0."""
    events = [event(1, 1_234_500_000), event(2, 7_000, env="test", subject="acme:test")]
    lines = invoice_lines(NOVEMBER, PRO, add_up(events)["acme"])
    assert amounts(lines) == {LineKind.PLAN: "99.00", LineKind.OVERAGE: "46.90", LineKind.TEST: "0.00"}
    assert billing.total(lines) == "145.90"
    first, last = f"{BOOT.hex()}0000000000000001", f"{BOOT.hex()}0000000000000002"
    digest = hashlib.sha256(
        b"".join(
            json.dumps(billing.event_document(one), sort_keys=True, separators=(",", ":")).encode() + b"\n"
            for one in events
        )
    ).hexdigest()
    assert lines[0] == (
        "acme", NOVEMBER, "pro", "plan", "1234500", "1000000", "234500", "99", "99.00", first, last, 2, digest,
    )  # fmt: skip
    assert (
        digest == "fca18d78d8409d9d18c123cd5f1070e6b385693f7e7a306a272bf10fbb083acc"
    )  # as docs/formats/invoice.md shows
    assert (lines[1].units, lines[1].unit_price_usd) == ("234500", "0.20")
    assert lines[2].units == "7"


def test_a_tier_that_denies_beyond_its_quota_bills_no_overage() -> None:
    """GW-682: units that an outage let through above a denied quota are on the plan's line alone."""
    free = Tier("free", Limits(month_mu=1_000), "0")
    lines = invoice_lines(NOVEMBER, free, add_up([event(1, 5_000)])["acme"])
    assert [(line.line, line.units, line.overage_units, line.amount_usd) for line in lines] == [
        ("plan", "5", "0", "0.00")
    ]


def test_refunds_lower_the_units_and_credits_the_overage() -> None:
    """GW-682, GW-212: a credit is a line of its own, never above what the overage costs."""
    events = [
        event(1, 1_003_000_000),
        event(2, -1_000_000, Kind.REFUND),
        event(3, -500_000, Kind.CREDIT),
        event(4, 0, Kind.RECONCILED),
    ]
    lines = invoice_lines(NOVEMBER, PRO, add_up(events)["acme"])
    assert amounts(lines) == {LineKind.PLAN: "99.00", LineKind.OVERAGE: "0.40", LineKind.CREDIT: "-0.10"}
    assert (lines[2].units, lines[2].overage_units) == ("500", "-500")
    assert {line.events for line in lines} == {4}
    much = invoice_lines(NOVEMBER, PRO, add_up([*events, event(5, -(10**12), Kind.CREDIT)])["acme"])
    assert billing.total(much) == "99.00"


def test_a_price_by_contract_is_left_to_the_contract() -> None:
    """GW-682: neither price nor amount stands on the line of a custom plan, whose units are not bounded."""
    (line,) = invoice_lines(NOVEMBER, Tier("enterprise", Limits(), "custom"), add_up([event(1)])["acme"])
    assert (line.included, line.unit_price_usd, line.amount_usd) == ("", "", "")
    assert billing.total([line]) == "0.00"


@given(st.integers(0, 10**15), st.integers(0, 10**9))
def test_amounts_are_exact_and_rounded_half_up_once(units_mu: int, price_mils: int) -> None:
    """GW-682: the amount in cents is the floor of the exact fraction plus a half."""
    exact = Fraction(units_mu, 1_000_000) * Fraction(price_mils, 1_000)
    amount = billing.cents(billing.cost(units_mu, Decimal(price_mils).scaleb(-3)))
    assert Fraction(amount) * 100 == (exact * 100 + Fraction(1, 2)).__floor__()


@given(st.integers(-(10**15), 10**15))
def test_units_read_back(units_mu: int) -> None:
    """GW-001: the text of units is exact."""
    assert Decimal(billing.units(units_mu)) * 1_000 == units_mu


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_the_digest_tells_every_changed_event(amounts_mu: list[int]) -> None:
    """GW-682, GW-968: an invoice is proven by its events: one mu more in any of them is another digest."""
    events = [event(seq, units_mu) for seq, units_mu in enumerate(amounts_mu, start=1)]
    honest = add_up(events)["acme"].sha256
    for index, one in enumerate(events):
        planted = [*events[:index], one._replace(units_mu=one.units_mu + 1), *events[index + 1 :]]
        assert add_up(planted)["acme"].sha256 != honest


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+x", "'+x"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("-2.50", "-2.50"),
        (-3, "-3"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_a_formula(cell: object, written: str) -> None:
    """GW-682: a text that begins with = + - @ gets an apostrophe; numbers stay numbers."""
    assert list(csv.reader(io.StringIO(billing.csv_text(["x"], [[cell]])))) == [["x"], [written]]


def test_csv_is_rfc_4180() -> None:
    """GW-682: lines end with CR LF; commas and quotes are quoted."""
    assert billing.csv_text(["a", "b"], [['say "x"', "1,2"]]) == 'a,b\r\n"say ""x""","1,2"\r\n'


def test_a_cloud_event_keeps_id_and_boot() -> None:
    """GW-684: the boot is the source and the event's id the id, which together are unique."""
    refund = event(2, -1_000, Kind.REFUND, refers_boot=BOOT, refers_seq=1, at_us=AT_US + 7)
    made = billing.cloud_event(refund)
    assert made["id"] == "31323334353637380000000000000002"
    assert made["source"] == "urn:veritape:gateway:3132333435363738"
    assert (made["type"], made["time"]) == ("veritape.usage.refund", "2026-11-20T15:04:05.000007Z")
    assert made["data"]["refers_to"] == "31323334353637380000000000000001"
    assert set(UsageEvent._fields) - set(made["data"]) == {"boot", "seq", "refers_boot", "refers_seq"}
    json.dumps(made)


def test_one_walk_adds_up_every_account() -> None:
    """GW-682, GW-684: events of accounts that lie among each other add up as each account's alone."""
    acme = [event(1), event(3, 2_000), event(4, -250, Kind.CREDIT)]
    bolt = [event(2, 700, account="bolt"), event(5, 1, account="bolt", env="test")]
    mixed = sorted([*acme, *bolt], key=lambda one: one.seq)
    assert add_up(mixed) == add_up(acme) | add_up(bolt)
    assert list(add_up(reversed(mixed))) == ["acme", "bolt"]
