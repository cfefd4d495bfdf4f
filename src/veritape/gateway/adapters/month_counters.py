"""The month counters in Redis, read and folded from outside of the hot path: by the drainer and by ``usage reconcile``."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import redis

from veritape.gateway.adapters.redis_scripts import Script
from veritape.gateway.reconciliation import Counter
from veritape.gateway.shared_calls import keys_of, named_period
from veritape.gateway.shared_state import Month
from veritape.kernel.errors import MisuseError, UnavailableError

FOLD: Final = Script.load("common", "fold")

TIMEOUT_S: Final = 2.0
"""Longest wait for an answer: nobody's request waits here."""

SCAN_KEYS: Final = 1_000
"""Keys that the store looks at in one step."""


class MonthCounters:
    """All counters of a store."""

    def __init__(self, url: str, partitions: int) -> None:
        """Name the store; it is connected to when it is needed.

        Args:
            url: of the store.
            partitions: of the policy.

        Raises:
            MisuseError: the address is none.
        """
        try:
            self._client = redis.Redis.from_url(
                url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
            )
        except ValueError as error:
            raise MisuseError("store.url is no address as redis://127.0.0.1:6379/0") from error
        self._partitions = partitions

    def read(self, period: str) -> dict[str, Counter]:
        """Return subject -> counter of every subject that the store knows in a month.

        Raises:
            UnavailableError: the store does not answer.
        """
        ending = f":{period.replace('-', '')}".encode()
        with _answering():
            keys = self._client.scan_iter(match=b"vt1:{*}:q:*" + ending, count=SCAN_KEYS)
            subjects = [bytes(key).partition(b":q:")[2].removesuffix(ending).decode() for key in keys]
            return {subject: self._counter(subject, period) for subject in subjects}

    def fold(self, subject: str, period: str, closed_mu: int, boots: Iterable[str]) -> tuple[int, int] | None:
        """Make the closed boots of a month one share; return the total before and after, None when the month is unknown.

        Raises:
            UnavailableError: the store does not answer.
        """
        keys = keys_of(subject, period, self._partitions)
        values: list[bytes | str | int] = [named_period(period).expire_ms, closed_mu, *boots]
        with _answering():
            answer = cast("list[int]", self._client.eval(FOLD.text.decode(), len(keys), *keys, *values))
        return (answer[1], answer[2]) if answer[0] else None

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def _counter(self, subject: str, period: str) -> Counter:
        _, month, _, leases = keys_of(subject, period, self._partitions)
        with self._client.pipeline() as one_step:
            one_step.hgetall(month)
            one_step.hgetall(leases)
            fields, held = cast("list[dict[bytes, bytes]]", one_step.execute())
        shares = {name.decode(): int(value) for name, value in fields.items() if name != b"t"}
        return Counter(Month(int(fields.get(b"t", 0)), shares), _held_mu(held, shares))


def _held_mu(leases: Mapping[bytes, Any], shares: Mapping[str, int]) -> int:
    """Return what leases hold of the shares that are counted: a folded boot's lease is charged no more."""
    return sum(int(value.split(b",")[0]) for boot, value in leases.items() if boot.decode() in shares)


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise UnavailableError(f"the quota store does not answer: {error}") from error
