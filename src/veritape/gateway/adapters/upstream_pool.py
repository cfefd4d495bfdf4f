"""One upstream: which target gets a request, its health checks, retries (GW-583, GW-584)."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from veritape.gateway.adapters.target_pool import TargetPool, tls_context
from veritape.gateway.adapters.upstream_connection import UpstreamConnection
from veritape.gateway.balance import Balance, Load, RetryBudget
from veritape.gateway.reasons import Reason
from veritape.gateway.target_health import (
    FAILING,
    PROBE_NS,
    SPOTLESS,
    Standing,
    after_answer,
    after_check,
    standing,
)
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.gateway.upstreams import HealthRule, Upstream
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import MisuseError

CLASSES: Final = tuple(f"{hundreds}xx" for hundreds in range(10))
"""First digit of a status -> how figures call its class."""

RESOLVE_NS: Final = 30 * NANOSECONDS
"""How often the targets' names are looked up."""


class UpstreamFigures(Protocol):
    """Where an upstream's figures go."""

    def attempt(self, upstream: str, outcome: str, seconds: float) -> None:
        """Note an attempt: its status class, ``timeout`` or ``error``."""
        ...

    def healthy(self, upstream: str, targets: int) -> None:
        """Note how many targets get requests."""
        ...


class UpstreamPool:
    """The targets of one upstream."""

    def __init__(
        self, upstream: Upstream, clock: Clock, figures: UpstreamFigures, report: Callable[[str], None]
    ) -> None:
        self.upstream = upstream
        self.figures = figures
        self._clock, self._report = clock, report
        try:
            tls = tls_context(upstream.tls) if any(one.is_tls for one in upstream.targets) else None
        except OSError as error:
            raise MisuseError(f"policy: upstreams.{upstream.name}.tls.ca_file: {error.strerror}") from error
        self.targets = [
            TargetPool(target, tls if target.is_tls else None, upstream.tls.server_name)
            for target in upstream.targets
        ]
        self._balance, self._budget = Balance(len(self.targets)), RetryBudget()
        self._probed_ns = -PROBE_NS
        self._tasks: list[asyncio.Task[None]] = []
        self._show_healthy()

    def start(self) -> None:
        """Begin to check and to look names up; ``close`` ends it."""
        self._tasks.append(asyncio.create_task(self._resolve_often()))
        if self.upstream.health is not None:
            rule = self.upstream.health
            self._tasks += [asyncio.create_task(self._check_often(one, rule)) for one in self.targets]

    def close(self) -> None:
        """Stop the checks; connections in use end with their requests."""
        for task in self._tasks:
            task.cancel()
        for target in self.targets:
            target.close()

    def begin(self) -> None:
        """Count a request: a share of them may be retried."""
        self._budget.note_request(self._clock.monotonic_ns() // NANOSECONDS)

    def take_retry(self) -> bool:
        """Tell whether one more retry is within the budget, and take it."""
        return self._budget.take(self._clock.monotonic_ns() // NANOSECONDS)

    def choose(self, tried: TargetPool | None = None) -> TargetPool:
        """Return the target for a request, another one than it was tried on.

        Raises:
            UpstreamFailedError: ``no_healthy_upstream``.
        """
        now_ns = self._clock.monotonic_ns()
        first = self.targets[0]
        if len(self.targets) == 1 and tried is None and standing(first.health, now_ns) is Standing.IN:
            return first  # nothing to choose, and no turn to owe
        where = [standing(one.health, now_ns) for one in self.targets]
        able = self._able(where, Standing.IN, tried) or self._probed(where, tried, now_ns)
        loads = [Load(one.in_flight, one.target.weight) for one in self.targets]
        return self.targets[self._balance.choose(loads, able)]

    def ended(
        self,
        target: TargetPool,
        began_ns: int,
        status: int | None,
        failure: UpstreamFailedError | None = None,
    ) -> None:
        """Note how an attempt at a target ended: an answer's status, or why there was none."""
        now_ns = self._clock.monotonic_ns()
        outcome = CLASSES[(status or 0) // 100] if failure is None else failure.metric_class
        self.figures.attempt(self.upstream.name, outcome, (now_ns - began_ns) / NANOSECONDS)
        if status is None or status in FAILING or target.health != SPOTLESS:
            self.note(target, status, failure.reason if failure else None)

    def note(self, target: TargetPool, status: int | None, reason: Reason | None = None) -> None:
        """Note how a live request ended at a target: an answer's status, or why there was none."""
        if reason is Reason.NO_HEALTHY_UPSTREAM:
            return
        now_ns, marks = self._clock.monotonic_ns(), target.health
        is_failure = status is None or status in FAILING
        target.health = after_answer(marks, now_ns, is_failure=is_failure)
        if target.health is not marks:
            self._tell(target, standing(marks, now_ns), standing(target.health, now_ns))

    def _probed(self, where: list[Standing], tried: TargetPool | None, now_ns: int) -> list[int]:
        """Return the targets that may be probed by this request, because live requests put all of them out.

        Raises:
            UpstreamFailedError: ``no_healthy_upstream``.
        """
        able = [] if Standing.IN in where else self._able(where, Standing.EJECTED, tried)
        if not able or now_ns - self._probed_ns < PROBE_NS:
            raise UpstreamFailedError(Reason.NO_HEALTHY_UPSTREAM, request_begun=False)
        self._probed_ns = now_ns
        return able

    def _able(self, where: list[Standing], wanted: Standing, tried: TargetPool | None) -> list[int]:
        return [
            index for index, one in enumerate(where) if one is wanted and self.targets[index] is not tried
        ]

    def _tell(self, target: TargetPool, before: Standing, after: Standing) -> None:
        if before is not after:
            self._report(f"upstream {self.upstream.name}: target {target.target.authority} is {after.value}")
        self._show_healthy()

    def healthy(self) -> int:
        """Return how many targets get requests."""
        now_ns = self._clock.monotonic_ns()
        return sum(standing(one.health, now_ns) is Standing.IN for one in self.targets)

    def _show_healthy(self) -> None:
        self.figures.healthy(self.upstream.name, self.healthy())

    async def _resolve_often(self) -> None:
        while True:
            await asyncio.gather(*(one.resolve() for one in self.targets))
            await self._clock.sleep_until(self._clock.monotonic_ns() + RESOLVE_NS)
            self._show_healthy()

    async def _check_often(self, target: TargetPool, rule: HealthRule) -> None:
        while True:
            now_ns = self._clock.monotonic_ns()
            status = await check(target, rule)
            before = standing(target.health, now_ns)
            target.health = after_check(target.health, rule, status)
            self._tell(target, before, standing(target.health, now_ns))
            await self._clock.sleep_until(now_ns + rule.interval_s * NANOSECONDS)


async def check(target: TargetPool, rule: HealthRule) -> int | None:
    """Return the status of a health check, None when there was no answer in time."""
    connection: UpstreamConnection | None = None
    timeout_s = rule.timeout_ms / 1_000
    head = f"GET {rule.path} HTTP/1.1\r\nHost: {target.target.authority}\r\nUser-Agent: veritape\r\n\r\n"
    try:
        async with asyncio.timeout(timeout_s):
            until_s = asyncio.get_running_loop().time() + timeout_s
            connection = await target.acquire(until_s)
            connection.begin("GET", head.encode("ascii"), has_body=False)
            answer = await connection.head(until_s)
            while await connection.read(until_s):
                pass
            return answer.status
    except (UpstreamFailedError, TimeoutError):
        return None
    finally:
        if connection is not None:
            target.release(connection)
