"""The connection to the shared store that the settings ask for (GW-261, GW-263).

redis-py is imported by who needs it: for sentinels, or when it is the client.
"""

import ssl
from collections.abc import Callable
from typing import assert_never

from veritape.gateway.adapters.password_file import read_password
from veritape.gateway.adapters.redis_address import (
    Locate,
    RedisAddress,
    StoreAddress,
    Topology,
    parse_store_url,
)
from veritape.gateway.adapters.redis_cluster import ClusterLink
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.store_link import Link
from veritape.gateway.settings import StoreClient, StoreSettings
from veritape.kernel.errors import MisuseError


def store_address(settings: StoreSettings) -> StoreAddress:
    """Return where the counters are, with password and authorities from their files.

    Raises:
        MisuseError: the address is none, a file cannot be read, or is of no use with this address.
    """
    address = parse_store_url(settings.url.get_secret_value())
    watched = settings.sentinel_password_file
    if watched is not None and address.topology is not Topology.SENTINEL:
        raise MisuseError(
            "store.sentinel_password_file is of no use without sentinels: begin store.url with redis+sentinel"
        )
    password = read_password(settings.password_file, "store") or ""
    sentinel_password = read_password(watched, "store", "sentinel_password_file") or ""
    return address.with_secrets(password, _authorities(settings, address), sentinel_password)


def _authorities(settings: StoreSettings, address: StoreAddress) -> str:
    """Return the file of the authorities, which can be read; empty for the system's.

    Raises:
        MisuseError: it cannot, or there is no TLS.
    """
    if settings.tls_ca is None:
        return ""
    if not address.servers[0].tls:
        raise MisuseError("store.tls_ca is of no use without TLS: begin store.url with rediss")
    try:
        ssl.create_default_context(cafile=settings.tls_ca)
    except OSError as error:
        raise MisuseError(f"store.tls_ca: cannot read {settings.tls_ca} as certificates") from error
    return str(settings.tls_ca)


def open_link(address: StoreAddress, deadline_s: float, client: StoreClient = StoreClient.OWN) -> Link:
    """Return the connection, which its ``run`` makes.

    Args:
        address: where the counters are.
        deadline_s: seconds that a call may wait for its answer.
        client: whose connections.
    """
    make = _maker(client)
    first = address.servers[0]
    match address.topology:
        case Topology.SERVER:
            return make(first, deadline_s, None)
        case Topology.SENTINEL:
            from veritape.gateway.adapters.redis_sentinel import primary_of  # noqa: PLC0415 - imports redis-py

            locate = primary_of(address.servers, address.service, address.sentinel_password)
            return make(first, deadline_s, locate)
        case Topology.CLUSTER:
            return ClusterLink(address.servers, lambda server: make(server, deadline_s, None))
        case _:  # pragma: no cover - all are named
            assert_never(address.topology)


def _maker(client: StoreClient) -> Callable[[RedisAddress, float, Locate | None], Link]:
    if client is StoreClient.OWN:
        return RedisLink
    from veritape.gateway.adapters.redis_py_link import RedisPyLink  # noqa: PLC0415 - imports redis-py

    return RedisPyLink
