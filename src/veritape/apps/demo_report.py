"""The report of ``veritape demo``: what the market did beside what the chain recorded, computed and served.

Pure: it takes the replay's truth file, the audit document, receipts and counts, and returns one JSON document. The
truth stands in one place only, the replay's file; the recorder never reads it, so that ``closed`` compares two
independent accounts of the same day.

Example, shortened (``T`` = trades, shares, value_krw)::

    {"ticks": {"sent": 2, "recorded": 2, ..., "symbols": {"990001": {"truth": T, "closed": true, ...}}},
     "receipts": {"kind": "simulated", "count": 3, "verified": 3, "missing": 0, "refused": 0, "vwap": {"990001": "1825085.0029"}}, "ok": true}
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any, NamedTuple

from veritape.kernel.errors import CheckFailedError

VWAP_EXTRA_DECIMALS = 4
"""Decimals of a VWAP beyond its price scale (EX-239)."""

DIGITS = 60
"""Digits of the division: a 128-bit value has 39, and rounding must not happen twice."""


class Totals(NamedTuple):
    """What happened, was recorded or is missing: the three quantities in which a line must close."""

    trades: int
    """Counted trades."""
    shares: int
    """Shares traded."""
    value_krw: int
    """Sum of price x shares, in won."""

    def plus(self, other: "Totals") -> "Totals":
        """Return the sum, quantity by quantity."""
        return Totals(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


NOTHING = Totals(0, 0, 0)
"""Totals of a line without a trade."""


class Computed(NamedTuple):
    """What one receipt's journal says of its tape."""

    code: str
    """Symbol."""
    price_scale: int
    """Decimals of the tape's prices."""
    volume_shares: int
    """Shares over the tape's rows."""
    value: int
    """Sum of price x shares over the tape's rows, scaled by ``price_scale``."""


class Receipts(NamedTuple):
    """Every receipt of the run."""

    kind: str
    """``simulated`` or ``stark``: the type of the receipts, never a wish."""
    computed: tuple[Computed, ...]
    """One entry for each VWAP receipt."""
    verified: int
    """Receipts that a fresh process checked."""
    others: int = 0
    """Receipts without an average: of other guests, or refused."""
    missing: tuple[str, ...] = ()
    """Codes of the receipts that are not there, of every program over every sealed tape."""


@dataclass(frozen=True)
class Facts:
    """Everything that the report is made of."""

    truth: Mapping[str, Totals]
    """Code -> what the market did, from the replay's truth file."""
    audit: Mapping[str, Any]
    """Document ``veritape.audit.v1``."""
    segments_sealed: int
    """Seals in the data folder."""
    segment_bytes: int
    """Bytes of all sealed segment files."""
    seconds: float
    """Wall seconds of the whole run."""
    receipts: "Receipts | None" = None
    """What the executor did; None while that part is not built."""
    gateway: Mapping[str, int] | None = None
    """Counts of the requests that were sent: requests, allowed, limited, errors; None while that part is not built."""
    families: int | None = None
    """Metric families on the live page; None while that part is not built."""


def read_truth(lines: Iterable[bytes]) -> dict[str, Totals]:
    """Return code -> totals of a truth file, from its closing summary.

    Raises:
        CheckFailedError: the file has no summary, so the replay was cut off.
    """
    for line in lines:
        if b'"end"' in line:
            record = json.loads(line)
            if record.get("kind") == "end":
                return {
                    code: Totals(end["trades"], end["shares"], end["value_krw"])
                    for code, end in record["codes"].items()
                }
    raise CheckFailedError("the truth file has no summary: the replayed broker was cut off")


def volume_weighted_average(computed: Iterable[Computed]) -> str:
    """Return the VWAP over several tapes of one symbol, rounded half up to price scale + 4 decimals (EX-239)."""
    parts = tuple(computed)
    scale = parts[0].price_scale
    with localcontext(prec=DIGITS):
        price = Decimal(sum(part.value for part in parts)) / sum(part.volume_shares for part in parts)
        unit = Decimal(1).scaleb(-(scale + VWAP_EXTRA_DECIMALS))
        return f"{price.scaleb(-scale).quantize(unit, ROUND_HALF_UP):f}"


def compose(facts: Facts) -> dict[str, Any]:
    """Return the document that ``veritape demo --json`` prints."""
    lines = {line["code"]: line for line in facts.audit["lines"]}
    symbols = {code: _symbol(truth, lines.get(code)) for code, truth in sorted(facts.truth.items())}
    return {
        "ticks": {
            **{
                key: sum(s[key] for s in symbols.values())
                for key in ("sent", "recorded", "backfilled", "residual")
            },
            "symbols": symbols,
        },
        "sweeps": dict(facts.audit["sweeps"]),
        "segments": {"sealed": facts.segments_sealed, "bytes_per_tick": _bytes_per_tick(facts, symbols)},
        **({} if facts.receipts is None else {"receipts": _receipts(facts.receipts, facts.audit)}),
        **({} if facts.gateway is None else {"gateway": dict(facts.gateway)}),
        **({} if facts.families is None else {"metrics": {"families": facts.families}}),
        "seconds": {"total": round(facts.seconds, 1)},
        "ok": set(lines) == set(symbols) != set()
        and all(s["closed"] for s in symbols.values())
        and _parts_ok(facts),
    }


def text(report: Mapping[str, Any]) -> str:
    """Return the report for people: a row a symbol, then a sentence a part."""
    vwap = report.get("receipts", {}).get("vwap", {})
    rows = [f"{'symbol':8}{'sent':>9}{'recorded':>10}{'backfilled':>12}{'residual':>10}  {'VWAP':>14}  line"]
    for code, symbol in report["ticks"]["symbols"].items():
        rows.append(
            f"{code:8}{symbol['sent']:>9,}{symbol['recorded']:>10,}{symbol['backfilled']:>12,}{symbol['residual']:>10,}"
            f"  {vwap.get(code, '-'):>14}  {'closes' if symbol['closed'] else 'DOES NOT CLOSE'}"
        )
    sweeps, segments = report["sweeps"], report["segments"]
    rows += [
        f"sweeps    {sweeps['cycles']} cycles, {sweeps['received']:,} of {sweeps['expected']:,} snapshots",
        f"segments  {segments['sealed']} sealed, {segments['bytes_per_tick']} bytes a tick",
    ]
    if receipts := report.get("receipts"):
        called = "executed, not proven" if receipts["kind"] == "simulated" else "proven"
        missing = f", {receipts['missing']} MISSING" if receipts["missing"] else ""
        missing += f", {receipts['refused']} refused: contradicted tapes" if receipts["refused"] else ""
        rows.append(
            f"receipts  {receipts['verified']} of {receipts['count']} checked by a fresh process ({called}){missing}"
        )
    if gateway := report.get("gateway"):
        words = "gateway   {requests} requests: {allowed} allowed, {limited} limited, {errors} errors"
        rows.append(words.format(**gateway))
    if metrics := report.get("metrics"):
        rows.append(f"metrics   {metrics['families']} families live")
    rows.append(f"{'ok' if report['ok'] else 'FAILED'} after {report['seconds']['total']} s")
    return "\n".join(rows)


def _owed(receipts: Receipts, audit: Mapping[str, Any]) -> list[str]:
    """Return the codes of missing receipts that the executor owes: a guest may refuse what the audit calls contradicted."""
    contradicted = {line["code"] for line in audit["lines"] if line.get("status") == "contradicted"}
    return [code for code in receipts.missing if code not in contradicted]


def _receipts(receipts: Receipts, audit: Mapping[str, Any]) -> dict[str, Any]:
    owed = len(_owed(receipts, audit))
    return {
        "kind": receipts.kind,
        "count": len(receipts.computed) + receipts.others,
        "verified": receipts.verified,
        "missing": owed,
        "refused": len(receipts.missing) - owed,
        "vwap": _averages(receipts.computed),
    }


def _parts_ok(facts: Facts) -> bool:
    """Tell whether every part that is there did its work."""
    receipts, gateway = facts.receipts, facts.gateway
    receipts_ok = receipts is None or (
        receipts.verified == len(receipts.computed) + receipts.others > 0 and not _owed(receipts, facts.audit)
    )
    gateway_ok = gateway is None or (gateway["allowed"] > 0 and gateway["errors"] == 0)
    return receipts_ok and gateway_ok and facts.families != 0


def _symbol(truth: Totals, line: Mapping[str, Any] | None) -> dict[str, Any]:
    parts = {name: _totals(line, name) for name in ("recorded", "backfilled", "residual")}
    whole = parts["recorded"].plus(parts["backfilled"]).plus(parts["residual"])
    return {
        "sent": truth.trades,
        **{name: part.trades for name, part in parts.items()},
        "volume_closed": whole.shares == truth.shares,
        "truth": truth._asdict(),
        **{f"{name}_totals": part._asdict() for name, part in parts.items()},
        "closed": whole == truth,
    }


def _totals(line: Mapping[str, Any] | None, name: str) -> Totals:
    if line is None:
        return NOTHING
    return Totals(*(line[name][quantity] or 0 for quantity in Totals._fields))


def _averages(computed: tuple[Computed, ...]) -> dict[str, str]:
    by_code: dict[str, list[Computed]] = {}
    for one in computed:
        by_code.setdefault(one.code, []).append(one)
    return {code: volume_weighted_average(parts) for code, parts in sorted(by_code.items())}


def _bytes_per_tick(facts: Facts, symbols: Mapping[str, Mapping[str, Any]]) -> float:
    recorded = sum(symbol["recorded"] for symbol in symbols.values())
    return round(facts.segment_bytes / recorded, 2) if recorded else 0.0
