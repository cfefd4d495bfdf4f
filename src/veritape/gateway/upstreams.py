"""What a policy says of upstreams: targets, weights, health checks, counted bodies, changed fields (GW-581 to 585)."""

import re
from typing import Final, NamedTuple

VARIABLE: Final = re.compile(r"\$([a-z_]*)")
"""A variable in the value of a header field."""


class Target(NamedTuple):
    """One server of an upstream."""

    host: str
    """Name or address, without brackets."""
    port: int
    is_tls: bool = False
    weight: int = 1
    """Share of the requests, beside the other targets' weights."""

    @property
    def authority(self) -> str:
        """Return the ``Host`` field."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


class HealthRule(NamedTuple):
    """Active checks of an upstream's targets (GW-583)."""

    path: str
    interval_s: int = 10
    timeout_ms: int = 2_000
    healthy: int = 2
    """Successes in a row that bring a target in."""
    unhealthy: int = 3
    """Failures in a row that put a target out."""


class TlsRule(NamedTuple):
    """How targets over TLS are verified; verification cannot be turned off."""

    ca_file: str = ""
    """Certificates that are trusted in place of the system's."""
    server_name: str = ""
    """Name in the certificate; empty for the target's host."""


class Upstream(NamedTuple):
    """Where the requests of some routes go."""

    name: str
    targets: tuple[Target, ...]
    """Empty for a part of this process."""
    health: HealthRule | None = None
    tls: TlsRule = TlsRule()


class CountRule(NamedTuple):
    """A cost that depends on the number of items in the body (GW-144)."""

    pointer: tuple[str, ...]
    """Members and indices from the top, as a JSON pointer (RFC 6901) names them."""
    max_items: int
    per_call: bool
    """The cost is that of a call; the items are counted all the same."""


class FieldRule(NamedTuple):
    """How header fields are changed (GW-510). Values may hold ``$variables``."""

    set: tuple[tuple[str, str], ...] = ()
    """Fields that replace those of the name."""
    add: tuple[tuple[str, str], ...] = ()
    """Fields beside those of the name."""
    remove: tuple[str, ...] = ()
    """Lower-case names."""

    @property
    def has_variables(self) -> bool:
        """Tell whether a value depends on the request."""
        return any("$" in value for _, value in (*self.set, *self.add))
