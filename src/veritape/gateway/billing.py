"""Invoices from usage events: exact decimals, rounded once a line, provable by a digest (GW-681 to 684).

What an account owes for a month is a fixed price, what it used beyond the units that the price includes, less what an
operator credited. Units are integers of mu until the last step, an amount is rounded half up to cents once on its line, and
each account's lines carry the first and last event, their number and the SHA-256 over them: whoever holds the events can
prove the invoice.
"""

import csv
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.gateway.policy import Tier
from veritape.gateway.quota import MICROSECONDS, MU
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.canonical import canonical_json

CENT: Final = Decimal("0.01")
"""What an amount is rounded to."""

OVERAGE_UNITS: Final = 1_000
"""Units that an overage price is for."""

SINGLE_KINDS: Final = (Kind.CHARGE, Kind.REFUND, Kind.CREDIT, Kind.RECONCILED)
"""Kinds that are single events of an account; the others are counted rows outside every invoice."""

_DIGITS: Final = 60
"""Digits of intermediate results: units of a month times a price are far shorter, so nothing is rounded before its line."""

_FORMULA: Final = ("=", "+", "-", "@")
"""A cell that begins so is a formula to spreadsheets."""


class LineKind(StrEnum):
    """What a line is for."""

    PLAN = "plan"
    """The month's fixed price."""
    OVERAGE = "overage"
    """Units beyond what the plan includes."""
    CREDIT = "credit"
    """Units that an operator gave back, at the overage's price."""
    TEST = "test"
    """Units of test keys: shown, never billed."""


class Figures(NamedTuple):
    """Figures of one account and environment for one route, key or day."""

    account: str
    env: str
    """Empty for anonymous callers."""
    group: str
    """Route, id of a key, or day (UTC)."""
    calls: int
    """Charged calls; of anonymous callers the admitted ones."""
    units_mu: int
    """Charges less refunds."""
    refunded_mu: int
    """Of that: given back after failures, above 0."""
    credited_mu: int
    """Given by operators, above 0; not taken off the units."""
    denied: int
    """Refused calls."""


class AccountUsage(NamedTuple):
    """What an account's events of one month add up to."""

    account: str
    live_mu: int
    """Charges less refunds of live keys."""
    test_mu: int
    """The same of test keys."""
    credit_mu: int
    """Credits, above 0."""
    first_event: str
    last_event: str
    events: int
    """How many events the digest covers."""
    sha256: str
    """Over the events in the order of their ids, each as canonical JSON and a line feed."""


class InvoiceLine(NamedTuple):
    """One line, as it is exported."""

    account: str
    period: str
    plan: str
    line: LineKind
    units: str
    included: str
    """Units that the plan includes; empty where it includes all or the line knows none."""
    overage_units: str
    unit_price_usd: str
    """Of the month on a plan's line, of 1,000 units elsewhere; empty where there is none."""
    amount_usd: str
    """Empty where the plan's price is by contract."""
    first_event: str
    last_event: str
    events: int
    sha256: str


class _Sum:
    """What the events of one account have added up to so far."""

    def __init__(self) -> None:
        self._digest, self._count, self._first, self._last = hashlib.sha256(), 0, "", ""
        self._mu = {"live": 0, "test": 0, "credit": 0}

    def add(self, event: UsageEvent) -> None:
        """Add the event that follows in the order of ids."""
        self._digest.update(canonical_json(event_document(event)) + b"\n")
        self._last = event_id(event.boot, event.seq)
        self._count, self._first = self._count + 1, self._first or self._last
        if event.kind == Kind.CREDIT:
            self._mu["credit"] -= event.units_mu
        elif event.kind != Kind.RECONCILED:
            self._mu["test" if event.env == "test" else "live"] += event.units_mu

    def usage(self, account: str) -> AccountUsage:
        """Return it."""
        live_mu, test_mu, credit_mu = self._mu.values()
        digest = self._digest.hexdigest()
        return AccountUsage(
            account, live_mu, test_mu, credit_mu, self._first, self._last, self._count, digest
        )


def add_up(events: Iterable[UsageEvent]) -> dict[str, AccountUsage]:
    """Add up the single events of a month, given in the order of their ids: account -> what it used, by name.

    One walk for all accounts: a ledger has the events of a month in the order of their ids, whose ever they are.
    """
    sums: defaultdict[str, _Sum] = defaultdict(_Sum)
    for event in events:
        sums[event.account].add(event)
    return {account: sums[account].usage(account) for account in sorted(sums)}


def invoice_lines(period: str, tier: Tier, used: AccountUsage) -> list[InvoiceLine]:
    """Return an account's lines: plan, then overage, credit and test where there is any."""
    included_mu = tier.limits.month_mu
    over_mu = 0 if included_mu is None or not tier.limits.overage else max(0, used.live_mu - included_mu)
    price = tier.overage_usd_per_1000
    included = "" if included_mu is None else units(included_mu)
    monthly = None if tier.price_usd_month == "custom" else Decimal(tier.price_usd_month)

    def line(
        kind: LineKind, units_mu: int, beyond_mu: int, unit: Decimal | None, amount: Decimal | None
    ) -> InvoiceLine:
        return InvoiceLine(
            used.account, period, tier.name, kind, units(units_mu), included if kind is LineKind.PLAN else "",
            units(beyond_mu), plain(unit), "" if amount is None else plain(cents(amount)),
            used.first_event, used.last_event, used.events, used.sha256,
        )  # fmt: skip

    lines = [line(LineKind.PLAN, used.live_mu, over_mu, monthly, monthly)]
    if over_mu and price is not None:
        lines.append(line(LineKind.OVERAGE, over_mu, over_mu, price, cost(over_mu, price)))
    if used.credit_mu:
        forgiven_mu = min(used.credit_mu, over_mu)
        lines.append(
            line(
                LineKind.CREDIT, used.credit_mu, -forgiven_mu, price, -cost(forgiven_mu, price or Decimal(0))
            )
        )
    if used.test_mu:
        lines.append(line(LineKind.TEST, used.test_mu, 0, Decimal(0), Decimal(0)))
    return lines


def total(lines: Iterable[InvoiceLine]) -> str:
    """Return the sum of the lines' amounts, US dollars."""
    return plain(sum((Decimal(line.amount_usd or "0") for line in lines), Decimal("0.00")))


def cost(units_mu: int, usd_per_1000: Decimal) -> Decimal:
    """Return the exact price of units."""
    with localcontext(prec=_DIGITS):
        return Decimal(units_mu) * usd_per_1000 / (MU * OVERAGE_UNITS)


def cents(amount: Decimal) -> Decimal:
    """Round half up, away from zero, to cents."""
    with localcontext(prec=_DIGITS):
        return amount.quantize(CENT, ROUND_HALF_UP)


def units(units_mu: int) -> str:
    """Return units without needless zeros: ``1234500``, ``0.5``, ``-2``."""
    whole, rest = divmod(abs(units_mu), MU)
    text = f"{whole}.{rest:03}".rstrip("0").rstrip(".")
    return f"-{text}" if units_mu < 0 else text


def plain(number: Decimal | None) -> str:
    """Return a decimal without an exponent, empty for None."""
    return "" if number is None else format(number or abs(number), "f")


def event_id(boot: bytes, seq: int) -> str:
    """Return an event's id: 16 hexadecimal digits of its boot and 16 of its sequence."""
    return f"{boot.hex()}{seq:016x}"


def event_document(event: UsageEvent) -> dict[str, Any]:
    """Return an event as exports and digests show it; ids in place of their bytes."""
    members = {
        name: value for name, value in event._asdict().items() if "boot" not in name and "seq" not in name
    }
    refers = (
        ""
        if event.refers_boot is None or event.refers_seq is None
        else event_id(event.refers_boot, event.refers_seq)
    )
    return {"id": event_id(event.boot, event.seq), **members, "kind": str(event.kind), "refers_to": refers}


def cloud_event(event: UsageEvent) -> dict[str, Any]:
    """Return an event as CloudEvents 1.0: the boot is the source, the whole id the id (GW-684).

    Source: github.com/cloudevents/spec, cloudevents/spec.md 1.0.2.
    """
    moment = datetime.fromtimestamp(event.at_us // MICROSECONDS, UTC)
    return {
        "specversion": "1.0",
        "id": event_id(event.boot, event.seq),
        "source": f"urn:veritape:gateway:{event.boot.hex()}",
        "type": f"veritape.usage.{event.kind}",
        "subject": event.subject,
        "time": f"{moment:%Y-%m-%dT%H:%M:%S}.{event.at_us % MICROSECONDS:06}Z",
        "datacontenttype": "application/json",
        "data": event_document(event),
    }


def figures_document(row: Figures, by: str) -> dict[str, Any]:
    """Return a row of figures for people; ``by`` names what it is of."""
    return {
        "account": row.account, "env": row.env, by: row.group, "calls": row.calls, "units": units(row.units_mu),
        "refunded": units(row.refunded_mu), "credited": units(row.credited_mu), "denied": row.denied,
    }  # fmt: skip


def csv_text(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV (RFC 4180). A text that a spreadsheet would take for a formula gets an apostrophe.

    Numbers are ours and stay as they are, a minus sign included: only text can come from outside.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(names)
    writer.writerows([_guarded(cell) for cell in row] for row in rows)
    return file.getvalue()


def json_text(document: object) -> str:
    """Return a document on one line."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _guarded(cell: object) -> object:
    text = str(cell)
    if text.startswith(_FORMULA) and not _is_number(text):
        return f"'{text}"
    return cell


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").replace(".", "", 1)
    return digits.isascii() and digits.isdigit()
