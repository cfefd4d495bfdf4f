"""Read typed values out of TOML tables, collecting every error in place of stopping at the first (GW-103)."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from ipaddress import ip_network
from typing import Any, Final

from veritape.gateway.addresses import Network
from veritape.gateway.policy import PolicyProblem, PolicyReason
from veritape.gateway.quota import MU

_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,3})?")
"""A decimal with at most three places."""


@dataclass
class Table:
    """One table of the file. Each ``take`` reads a key once; ``finish`` complains of those that nobody read."""

    values: Mapping[str, Any]
    path: tuple[str, ...]
    problems: list[PolicyProblem]
    """Every table of one file shares it."""
    _known: set[str] = field(default_factory=set)

    def complain(self, key: str, reason: PolicyReason, allowed: str) -> None:
        """Note an error at a key; an empty key is the table itself."""
        self.problems.append(PolicyProblem((*self.path, key) if key else self.path, reason, allowed))

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """Return an integer within a range; without a default the key must be there."""
        value = self._value(key, required=default is None)
        if value is None:
            return low if default is None else default
        if isinstance(value, bool) or not isinstance(value, int):
            self.complain(key, PolicyReason.WRONG_TYPE, f"an integer from {low} to {high}")
        elif not low <= value <= high:
            self.complain(key, PolicyReason.OUT_OF_RANGE, f"an integer from {low} to {high}")
        else:
            return value
        return low if default is None else default

    def flag(self, key: str) -> bool:
        """Return true or false; absent is false."""
        value = self._value(key)
        if value is None or isinstance(value, bool):
            return bool(value)
        self.complain(key, PolicyReason.WRONG_TYPE, "true or false")
        return False

    def text(self, key: str, default: str | None = None, choices: Iterable[str] = ()) -> str:
        """Return a text, one of the choices if there are any; without a default the key must be there."""
        value, allowed = self._value(key, required=default is None), tuple(choices)
        if value is None:
            return default or ""
        if not isinstance(value, str) or not value:
            self.complain(key, PolicyReason.WRONG_TYPE, f"text{': ' if allowed else ''}{', '.join(allowed)}")
        elif allowed and value not in allowed:
            self.complain(key, PolicyReason.OUT_OF_RANGE, f"one of {', '.join(allowed)}")
        else:
            return value
        return default or ""

    def texts(self, key: str, *, required: bool = False, most: int = 1_000) -> tuple[str, ...]:
        """Return a list of texts; a single text stands for a list of one."""
        value = self._value(key, required=required)
        items = [value] if isinstance(value, str) else value
        if items is None:
            return ()
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            self.complain(key, PolicyReason.WRONG_TYPE, "a list of texts")
            return ()
        if len(items) > most or (required and not items):
            self.complain(key, PolicyReason.OUT_OF_RANGE, f"1 to {most} texts")
            return ()
        return tuple(items)

    def units_mu(self, key: str, default: str) -> int:
        """Return a decimal of units with at most three places, in mu."""
        value = self._value(key)
        text = default if value is None else str(value)
        if isinstance(value, bool) or not _DECIMAL.fullmatch(text):
            self.complain(key, PolicyReason.WRONG_TYPE, 'a decimal of at most three places, as "1" or "0.5"')
            return 0
        return int(Decimal(text) * MU)

    def decimal(self, key: str, low: str, high: str) -> Decimal | None:
        """Return a decimal number or text within a range, None when absent or wrong."""
        value = self._value(key)
        if value is None:
            return None
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            number = Decimal("NaN")
        if isinstance(value, bool) or not number.is_finite():
            self.complain(key, PolicyReason.WRONG_TYPE, f"a decimal from {low} to {high}")
            return None
        if not Decimal(low) <= number <= Decimal(high):
            self.complain(key, PolicyReason.OUT_OF_RANGE, f"a decimal from {low} to {high}")
            return None
        return number

    def networks(self, key: str, *, required: bool = False) -> tuple[Network, ...]:
        """Return a list of address prefixes."""
        found = []
        for text in self.texts(key, required=required):
            try:
                found.append(ip_network(text))
            except ValueError:
                self.complain(key, PolicyReason.WRONG_TYPE, "address prefixes as 10.0.0.0/8 or fd00::/8")
        return tuple(found)

    def table(self, key: str, *, required: bool = False) -> "Table | None":
        """Return a table inside this one, None when absent or wrong."""
        value = self._value(key, required=required)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.complain(key, PolicyReason.WRONG_TYPE, "a table")
            return None
        return Table(value, (*self.path, key), self.problems)

    def tables(self, key: str, *, required: bool = False) -> Iterator[tuple[str, "Table"]]:
        """Yield every table of a table of tables."""
        outer = self.table(key, required=required)
        for name in outer.values if outer else ():
            inner = outer.table(name) if outer else None
            if inner is not None:
                yield name, inner

    def listed(self, key: str) -> Iterator["Table"]:
        """Yield every table of a list of tables."""
        value = self._value(key) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.complain(key, PolicyReason.WRONG_TYPE, "a list of tables")
            return
        for index, item in enumerate(value):
            yield Table(item, (*self.path, key, str(index)), self.problems)

    def has(self, key: str) -> bool:
        """Tell whether a key of the schema is there."""
        self._known.add(key)
        return key in self.values

    def finish(self) -> None:
        """Complain of unknown keys, each with the nearest known one."""
        for key in self.values:
            if key not in self._known:
                near = get_close_matches(key, sorted(self._known), n=1, cutoff=0)[0]
                self.complain(key, PolicyReason.UNKNOWN_KEY, f"the nearest known key is {str(near)!r}")

    def _value(self, key: str, *, required: bool = False) -> Any:
        self._known.add(key)
        if required and key not in self.values:
            self.complain(key, PolicyReason.MISSING_KEY, "it must be there")
        return self.values.get(key)
