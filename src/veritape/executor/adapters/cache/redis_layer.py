"""The layer in Redis, for several machines (EX-403, 407, 409, 410).

Nothing here raises to the caller: an operation that takes longer than 50 ms or fails counts as unavailable, and a breaker leaves
the server alone for a while. Values are authenticated, names tell nothing, so whoever writes into the server gains nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from veritape.executor.cache.breaker import Breaker
from veritape.executor.cache.entries import SECRET_BYTES, Entry, from_value, shared_name, to_value
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError

OPERATION_S = 0.05
"""Longest operation."""

TTL_NS = 7 * 24 * 3600 * NANOSECONDS
"""Time for which an entry is kept unless the settings say otherwise."""

LEASE_MS = 30_000
"""Time after which a leader that died holds its lease no more."""

_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"

AnswerT = TypeVar("AnswerT")


class RedisLayer:
    """Entries and leases in one Redis server."""

    def __init__(
        self,
        url: str,
        secret: bytes,
        clock: Clock,
        failed: Callable[[], None],
        ttl_ns: int = TTL_NS,
        operation_s: float = OPERATION_S,
    ) -> None:
        if len(secret) < SECRET_BYTES:
            raise MisuseError(
                "cache.secret_file: the Redis layer needs a secret of 32 bytes: name one, or set cache.redis_url empty"
            )
        # the library takes 50 ms to load, and only who names a server has it loaded
        import redis  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415

        self._failures = (redis.RedisError, OSError)
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                socket_timeout=operation_s,
                socket_connect_timeout=operation_s,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
            )
        except ValueError as error:
            raise MisuseError(f"cache.redis_url: {error}") from error
        self._secret, self._clock, self._failed, self._ttl_ns = secret, clock, failed, ttl_ns
        self.breaker = Breaker()
        """Open while the server is left alone."""

    def get(self, key: bytes) -> Entry | None:
        """Return an entry, or None.

        Raises:
            PeerError: somebody else wrote the value; it is deleted before this is raised.
        """
        name = shared_name(key, self._secret)
        value = self._ask(lambda: self._client.get(name), None)
        if value is None:
            return None
        try:
            return from_value(key, value, self._secret)
        except Exception:
            self.drop(key)
            raise

    def put(self, entry: Entry) -> None:
        """Store an entry when the server can be had."""
        name, value = shared_name(entry.key, self._secret), to_value(entry, self._secret)
        self._ask(lambda: self._client.set(name, value, px=self._ttl_ns // 1_000_000), None)

    def drop(self, key: bytes) -> None:
        """Delete an entry."""
        name = shared_name(key, self._secret)
        self._ask(lambda: self._client.delete(name), None)

    def acquire(self, key: bytes, token: str) -> bool:
        """Take the lease of a key; True as well when the server cannot be had: work goes on without it."""
        taken = self._ask(lambda: self._client.set(self._lease(key), token, nx=True, px=LEASE_MS), True)
        return bool(taken)

    def renew(self, key: bytes, token: str) -> None:
        """Hold a lease that is ours for longer."""
        self._ask(lambda: self._client.eval(_RENEW, 1, self._lease(key), token, LEASE_MS), None)

    def release(self, key: bytes, token: str) -> None:
        """Give a lease back when it is still ours."""
        self._ask(lambda: self._client.eval(_RELEASE, 1, self._lease(key), token), None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _lease(self, key: bytes) -> str:
        return shared_name(key, self._secret).replace("vt:pc:", "vt:pl:")

    def _ask(self, operation: Callable[[], AnswerT], otherwise: AnswerT) -> AnswerT:
        if not self.breaker.allows(self._clock.monotonic_ns()):
            return otherwise
        try:
            return operation()
        except self._failures:
            self.breaker.failed(self._clock.monotonic_ns())
            self._failed()
            return otherwise
