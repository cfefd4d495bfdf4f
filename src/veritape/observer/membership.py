"""Which listed symbols are watched on a day: the filter, and the document that says so (OB-102, OB-105 to 109).

The document is written once and never changed. A list that is far shorter than the last one is refused, and yesterday's
symbols are used with their provenance: a broken file must not empty the day.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from blake3 import blake3

from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import PeerError
from veritape.observer.universe import Listed, MasterFile, UniverseReason

FORMAT: Final = "veritape.universe.v1"
"""Name of the day's document."""

KEPT_SESSIONS: Final = 10
"""A list older than this many sessions is not used."""


class Exclusion(StrEnum):
    """Why a listed symbol is not watched; the first that holds is counted."""

    HALTED = "halted"
    """Trading is halted."""
    ADMINISTRATIVE = "administrative"
    """Administrative issue."""
    LIQUIDATION = "liquidation"
    """Liquidation trading."""
    ETF = "etf"
    """Exchange-traded fund, foreign ones included."""
    ETN = "etn"
    """Exchange-traded note."""
    ELW = "elw"
    """Equity-linked warrant."""
    SPAC = "spac"
    """Special purpose acquisition company."""
    FUND = "fund"
    """Mutual, ship or infrastructure fund, beneficiary certificate."""
    PREFERRED = "preferred"
    """Preferred share."""
    REIT = "reit"
    """Real estate investment trust."""
    FOREIGN = "foreign"
    """Foreign share or depositary receipt."""
    RIGHT = "right"
    """Subscription right: always left out."""
    PRICE = "price"
    """Reference price below the least."""


ALWAYS: Final = frozenset({Exclusion.RIGHT, Exclusion.PRICE})
"""Rules that no setting lifts."""

DEFAULT_EXCLUDE: Final = tuple(Exclusion)[:8]
"""Rules in force by default: products, funds and what is not traded normally."""

GROUPS: Final = MappingProxyType(
    {
        "EF": Exclusion.ETF, "FE": Exclusion.ETF, "EN": Exclusion.ETN, "EW": Exclusion.ELW, "MF": Exclusion.FUND,
        "SC": Exclusion.FUND, "IF": Exclusion.FUND, "BC": Exclusion.FUND, "RT": Exclusion.REIT, "FS": Exclusion.FOREIGN,
        "DR": Exclusion.FOREIGN, "SW": Exclusion.RIGHT, "SR": Exclusion.RIGHT,
    }
)  # fmt: skip
"""Security group -> what it is; ST is a share."""

PRODUCTS: Final = MappingProxyType(
    {"1": Exclusion.ETF, "2": Exclusion.ETF, "3": Exclusion.ETN, "4": Exclusion.ETN, "5": Exclusion.FUND}
)
"""Class of an exchange-traded product -> what it is."""


@dataclass(frozen=True)
class Filter:
    """Which listed symbols are watched (OB-102)."""

    min_price_krw: int = 4_000
    """Least reference price."""
    min_count: int = 100
    """A list shorter than this is refused."""
    exclude: tuple[Exclusion, ...] = DEFAULT_EXCLUDE
    """Rules in force beside price and rights."""
    max_shrink_percent: int = 30
    """A list that lost more than this of the last one is refused."""

    def exclusion(self, listed: Listed) -> Exclusion | None:
        """Return why a symbol is not watched, None when it is."""
        kinds = kinds_of(listed)
        if listed.reference_price < self.min_price_krw:
            kinds.add(Exclusion.PRICE)
        in_force = ALWAYS | set(self.exclude)
        return next((rule for rule in Exclusion if rule in kinds and rule in in_force), None)

    def refuses(self, count: int, before: int) -> bool:
        """Tell whether a list of this many symbols is refused after one of so many (OB-108)."""
        return count < self.min_count or count * 100 < before * (100 - self.max_shrink_percent)


def kinds_of(listed: Listed) -> set[Exclusion]:
    """Return everything that a symbol is, its price aside."""
    flags = {
        Exclusion.HALTED: listed.halted,
        Exclusion.ADMINISTRATIVE: listed.administrative,
        Exclusion.LIQUIDATION: listed.liquidation,
        Exclusion.SPAC: listed.spac,
        Exclusion.PREFERRED: listed.preferred,
    }
    tables = (GROUPS.get(listed.group), PRODUCTS.get(listed.etp))
    unknown = Exclusion.FUND if listed.etp and listed.etp not in PRODUCTS else None
    return {kind for kind, holds in flags.items() if holds} | {kind for kind in (*tables, unknown) if kind}


def document(
    day: str, files: Iterable[MasterFile], rule: Filter, previous: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the day's universe (OB-106), whether it may come into force or not: see ``require_whole``."""
    files = tuple(files)
    excluded: Counter[str] = Counter()
    chosen = []
    for listed in (one for file in files for one in file.listed):
        reason = rule.exclusion(listed)
        if reason is None:
            chosen.append(listed)
        else:
            excluded[reason.value] += 1
    chosen.sort(key=lambda one: (-one.market_cap_100m_krw, one.code))
    return _sealed(
        {
            "format": FORMAT,
            "day": day,
            "market": "kr_stocks",
            "filter": _rule(rule),
            "sources": [
                {"name": f.name, "bytes": f.size, "blake3": f.blake3, "entry_time": f.entry_time}
                for f in files
            ],
            "count": len(chosen),
            "symbols": [_symbol(one) for one in chosen],
            "excluded": dict(excluded),
            "rejected": [
                [file.name, number, reason.value] for file in files for number, reason in file.rejected
            ],
            "provenance": "fresh",
        },
        previous,
    )


def kept(day: str, previous: Mapping[str, Any]) -> dict[str, Any]:
    """Return a universe of yesterday's symbols for a day without a list of its own."""
    return _sealed(
        {
            **previous,
            "day": day,
            "sources": [],
            "rejected": [],
            "provenance": f"kept_from:{origin(previous)}",
        },
        previous,
    )


def origin(universe: Mapping[str, Any]) -> str:
    """Return the day whose master files a universe comes from."""
    provenance = str(universe.get("provenance", "fresh"))
    return provenance.partition(":")[2] or str(universe["day"])


def require_whole(universe: Mapping[str, Any], rule: Filter, previous: Mapping[str, Any] | None) -> None:
    """Check that a list has not collapsed.

    Raises:
        PeerError: ``universe_collapsed``.
    """
    before = 0 if previous is None else len(previous["symbols"])
    if rule.refuses(universe["count"], before):
        raise PeerError(
            f"universe of {universe['day']}: {universe['count']} symbols, at least {rule.min_count} and"
            f" {100 - rule.max_shrink_percent} % of {before} expected",
            UniverseReason.UNIVERSE_COLLAPSED,
        )


def digest(universe: Mapping[str, Any]) -> str:
    """Return the BLAKE3 of a universe without its own digest."""
    return blake3(canonical_json({k: v for k, v in universe.items() if k != "blake3"})).hexdigest()


def _sealed(body: dict[str, Any], previous: Mapping[str, Any] | None) -> dict[str, Any]:
    """Add what follows from the previous session's universe, and the digest."""
    codes = {symbol["code"] for symbol in body["symbols"]}
    before = None if previous is None else {symbol["code"] for symbol in previous["symbols"]}
    body |= {
        "created": [] if before is None else sorted(codes - before),
        "deleted": [] if before is None else sorted(before - codes),
        "previous": None if previous is None else {"day": previous["day"], "blake3": previous["blake3"]},
    }
    return body | {"blake3": digest(body)}


def _rule(rule: Filter) -> dict[str, Any]:
    return {
        "min_price_krw": rule.min_price_krw,
        "min_count": rule.min_count,
        "exclude": sorted(rule.exclude),
        "max_shrink_percent": rule.max_shrink_percent,
    }


def _symbol(listed: Listed) -> dict[str, Any]:
    return {
        "code": listed.code,
        "isin": listed.isin,
        "name": listed.name,
        "market": listed.market,
        "group": listed.group,
        "reference_price_krw": listed.reference_price,
        "previous_shares": listed.previous_shares,
        "market_cap_100m_krw": listed.market_cap_100m_krw,
        "flags": sorted(kinds_of(listed)),
    }
