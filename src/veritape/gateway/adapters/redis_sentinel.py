"""Where the primary is, by those who watch it: Redis Sentinel through redis-py (GW-261, GW-263).

The sentinels are asked before each attempt to connect. After a failover they end the connections to the server that was the
primary, so whoever connects again is led to its successor.
"""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from veritape.gateway.adapters.redis_address import Locate, RedisAddress
from veritape.gateway.adapters.server_link import StoreError

ANSWER_S: Final = 0.5
"""Seconds that one sentinel may take; the others are asked then."""


def primary_of(sentinels: Sequence[RedisAddress], service: str, password: str = "") -> Locate:
    """Return what finds the primary of a service.

    Args:
        sentinels: whom to ask; user, password and database in their addresses are the primary's, TLS is everybody's.
        service: name under which they know it.
        password: what they themselves ask for; empty: nothing, as they ship.
    """

    async def locate() -> RedisAddress:
        first = sentinels[0]
        options: dict[str, Any] = {
            "retry": Retry(NoBackoff(), 0),
            "socket_timeout": ANSWER_S,
            "socket_connect_timeout": ANSWER_S,
            "password": password or None,
            "ssl": first.tls,
            "protocol": 2,
        }
        if first.tls:
            options["ssl_ca_certs"] = first.tls_ca or None
        watched = Sentinel([one.place for one in sentinels], sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        try:
            host, port = await watched.discover_master(service)
        except RedisError as error:
            raise StoreError(f"no sentinel names a primary of {service!r}") from error
        finally:
            for sentinel in watched.sentinels:
                await sentinel.aclose()
        return first._replace(host=host, port=port)

    return locate
