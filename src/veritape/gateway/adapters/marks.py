"""Routes that say in their own code what they cost: found before the router runs, so that a request is charged once (GW-602).

A dependency runs after the router has chosen a route, and what is above the router has charged by then. So the middleware
looks at the application's table of routes, in the router's order, for those that carry a ``Mark``, charges as the mark says,
and the dependency only sees that this was done. FastAPI keeps routes flat, or in included routers, by version; both are read.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from veritape.gateway.prices import Price

REMEMBERED: Final = 65_536
"""Paths whose marks are kept; at the bound all are forgotten."""

PATH_CHARACTERS: Final = 256
"""Longer paths are looked up each time, so that nobody fills the memory with them."""


class Mark:
    """Stands among a route's dependencies."""

    def __init__(self, price: Price | None) -> None:
        self.price = price
        """What the route costs; None: nothing, and nobody is asked who he is."""


class Found(NamedTuple):
    """A route that a request leads to."""

    marks: tuple[Mark, ...]
    """Of routers first, of the route itself last, which is the one that holds."""


class _Entry(NamedTuple):
    pattern: re.Pattern[str]
    methods: frozenset[str] | None
    """None: any."""
    marks: tuple[Mark, ...]
    inside: "tuple[_Entry, ...]"
    """Routes of a mounted application."""
    template: str


class MarkedRoutes:
    """The marks of an application's routes."""

    def __init__(self, application: Any) -> None:
        self._entries = tuple(_entries(getattr(application, "routes", ())))
        self.any = any(map(_is_marked, self._entries))
        """Some route carries a mark."""
        self._found: dict[tuple[str, str], Found | None] = {}

    def find(self, method: str, path: str) -> Found | None:
        """Return the marks of the route that a request leads to, None when it has none."""
        key = (method, path)
        try:
            return self._found[key]
        except KeyError:
            found = _find(self._entries, method, path)
            if len(path) <= PATH_CHARACTERS:
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[key] = found
            return found

    def of_template(self, method: str, template: str) -> Found | None:
        """Return the marks of a route by the path that stands in the OpenAPI document."""
        for entry in self._entries:
            if entry.template == template and entry.methods is not None and method in entry.methods:
                return Found(entry.marks) if entry.marks else None
        return None


def _entries(routes: Iterable[Any]) -> Iterator[_Entry]:
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        for one in included() if included is not None else (route,):
            pattern, methods = getattr(one, "path_regex", None), getattr(one, "methods", None)
            inside = () if methods else tuple(_entries(getattr(one, "routes", None) or ()))
            if pattern is not None:
                wanted = frozenset(methods) if methods else None
                marks = tuple(_marks(getattr(one, "dependant", None)))
                yield _Entry(pattern, wanted, marks, inside, getattr(one, "path_format", ""))


def _marks(dependant: Any) -> Iterator[Mark]:
    for dependency in getattr(dependant, "dependencies", ()):
        if isinstance(dependency.call, Mark):
            yield dependency.call
        yield from _marks(dependency)


def _is_marked(entry: _Entry) -> bool:
    return bool(entry.marks) or any(map(_is_marked, entry.inside))


def _find(entries: Iterable[_Entry], method: str, path: str) -> Found | None:
    for entry in entries:
        match = entry.pattern.match(path)
        if match is None or (entry.methods is not None and method not in entry.methods):
            continue
        if entry.inside:
            return _find(entry.inside, method, "/" + match["path"])
        return Found(entry.marks) if entry.marks else None
    return None
