"""Where the shared store is: ``store.url`` read into addresses (GW-263).

One Redis by name or socket, the primary that sentinels know, or a cluster. What every connection needs beside the name
(user, password, database, certificates) stands in the address, so that whoever connects asks for nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

from veritape.kernel.errors import MisuseError

EXAMPLES: Final = "redis://127.0.0.1:6379/0, redis+sentinel://host1:26379,host2:26379/name/0 or redis+cluster://host1:6379,host2:6379"
"""What an address looks like; rediss in place of redis asks for TLS."""


class RedisAddress(NamedTuple):
    """Where a Redis listens and who we are."""

    host: str
    """Host name or address; empty with a socket."""
    port: int
    socket: str
    """Path of a unix socket, or empty."""
    tls: bool
    username: str
    password: str
    database: int
    tls_ca: str = ""
    """File of the authorities that are trusted; empty: the system's."""

    @property
    def place(self) -> tuple[str, int]:
        """Return host and port."""
        return self.host, self.port


Locate: TypeAlias = Callable[[], Awaitable[RedisAddress]]
"""Asks where the Redis is now; raises OSError or a StoreError when nobody knows."""


class Topology(StrEnum):
    """How many servers keep the counters, and how they are found."""

    SERVER = "server"
    """One, at its address."""
    SENTINEL = "sentinel"
    """The one that the sentinels call primary."""
    CLUSTER = "cluster"
    """Several, each with a part of the keys."""


class StoreAddress(NamedTuple):
    """Where the counters are."""

    topology: Topology
    servers: tuple[RedisAddress, ...]
    """The server, the sentinels, or the first servers of a cluster to be asked; with the credentials of the servers."""
    service: str = ""
    """Name under which the sentinels know the server."""
    sentinel_password: str = ""
    """What the sentinels themselves ask for; empty: nothing, as they ship."""

    def with_secrets(self, password: str, tls_ca: str, sentinel_password: str = "") -> "StoreAddress":
        """Return it with passwords and authorities, where they are given."""
        servers = tuple(
            one._replace(password=password or one.password, tls_ca=tls_ca) for one in self.servers
        )
        return self._replace(servers=servers, sentinel_password=sentinel_password)


_SCHEMES: Final[Mapping[str, tuple[Topology, int]]] = {
    "redis": (Topology.SERVER, 6379),
    "redis+cluster": (Topology.CLUSTER, 6379),
    "redis+sentinel": (Topology.SENTINEL, 26379),
}
"""Scheme without TLS -> what it names, and the usual port."""


def parse_store_url(text: str) -> StoreAddress:
    """Read the address of a server, of sentinels or of a cluster.

    ``redis://user:password@host:6379/0``, ``rediss://`` for TLS, ``unix:///path?db=0``;
    ``redis+sentinel://host1:26379,host2:26379/name/0``, ``redis+cluster://host1:6379,host2:6379``.

    Raises:
        MisuseError: it is none; the message holds no password.
    """
    try:
        found = _read(urlsplit(text))
    except ValueError as error:
        raise MisuseError(f"store.url: not an address as {EXAMPLES}") from error
    if found.topology is Topology.CLUSTER and found.servers[0].database:
        raise MisuseError("store.url: a cluster has only database 0: leave the number out")
    return found


def parse_redis_url(text: str) -> RedisAddress:
    """Read the address of one server.

    Raises:
        MisuseError: it is none; the message holds no password.
    """
    found = parse_store_url(text)
    if found.topology is not Topology.SERVER:
        raise MisuseError("store.url: one server is needed here, as redis://127.0.0.1:6379/0")
    return found.servers[0]


def _read(parts: SplitResult) -> StoreAddress:
    """Read an address that is one.

    Raises:
        ValueError: it is none.
    """
    before, _, hosts = parts.netloc.rpartition("@")
    name, _, secret = before.partition(":")
    username, password = unquote(name), unquote(secret)
    if parts.scheme == "unix":
        database = int(parts.query.removeprefix("db=") or "0")
        path = _some(unquote(parts.path))
        return StoreAddress(
            Topology.SERVER, (RedisAddress("", 6379, path, False, username, password, database),)
        )
    plain, tls = parts.scheme.replace("rediss", "redis", 1), parts.scheme.startswith("rediss")
    if plain not in _SCHEMES:
        raise ValueError(parts.scheme)
    topology, usual_port = _SCHEMES[plain]
    words = parts.path.strip("/").split("/")
    service = _some(unquote(words.pop(0))) if topology is Topology.SENTINEL else ""
    database = int("/".join(words) or "0")
    named = hosts.split(",") if topology is not Topology.SERVER else [hosts]
    places = [_place(one, usual_port) for one in named]
    servers = tuple(RedisAddress(host, port, "", tls, username, password, database) for host, port in places)
    return StoreAddress(topology, servers, service)


def _place(text: str, usual_port: int) -> tuple[str, int]:
    if "," in text:
        raise ValueError(text)  # several, where one is meant
    parts = urlsplit(f"//{text}")
    return _some(parts.hostname), parts.port or usual_port


def _some(text: str | None) -> str:
    if not text:
        raise ValueError
    return text
