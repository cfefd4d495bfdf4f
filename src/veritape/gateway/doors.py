"""How many connections a worker holds, in all and of one address group (GW-553)."""

from collections.abc import Callable
from typing import Final

from veritape.gateway.addresses import Address, AddressPolicy

CONNECTIONS: Final = 10_000
"""Connections of a worker."""

PER_GROUP: Final = 200
"""Connections of one address group; trusted proxies are exempt."""


class Doors:
    """Counts who is in."""

    def __init__(
        self, policy: Callable[[], AddressPolicy], limit: int = CONNECTIONS, per_group: int = PER_GROUP
    ) -> None:
        self._policy, self._limit, self._per_group = policy, limit, per_group
        self.inside = 0
        """Connections that are in."""
        self._groups: dict[str, int] = {}

    def enter(self, address: Address | None) -> str | None:
        """Let a connection in and return its group for ``leave``; None when it must stay out."""
        if self.inside >= self._limit:
            return None
        policy = self._policy()
        group = "" if address is None or policy.is_trusted(address) else policy.group_of(address)
        if group and self._groups.get(group, 0) >= self._per_group:
            return None
        self.inside += 1
        if group:
            self._groups[group] = self._groups.get(group, 0) + 1
        return group

    def leave(self, group: str) -> None:
        """Count a connection out."""
        self.inside -= 1
        if not group:
            return
        self._groups[group] -= 1
        if not self._groups[group]:
            del self._groups[group]
