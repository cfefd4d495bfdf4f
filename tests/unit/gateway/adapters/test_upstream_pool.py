"""One upstream: checks, balance, probes."""

import contextlib
import socket
from collections.abc import Iterator

import pytest
from tests.upstream import Peer, answer, upstream
from tests.waiting import until

from veritape.gateway.adapters.target_pool import TargetPool
from veritape.gateway.adapters.upstream_pool import UpstreamPool, check
from veritape.gateway.reasons import Reason
from veritape.gateway.target_health import FAILURES, Standing, TargetHealth, standing
from veritape.gateway.upstream_failures import UpstreamFailedError
from veritape.gateway.upstreams import HealthRule, Target, TlsRule, Upstream
from veritape.kernel.clock import NANOSECONDS, ManualClock
from veritape.kernel.errors import MisuseError

RULE = HealthRule("/health", timeout_ms=60_000)


class Figures:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.targets: list[int] = []

    def attempt(self, upstream: str, outcome: str, seconds: float) -> None:
        raise AssertionError(f"no attempt is made here: {upstream}, {outcome}, {seconds}")

    def healthy(self, upstream: str, targets: int) -> None:
        assert upstream == "back"
        self.targets.append(targets)


def pool_of(clock: ManualClock, *ports: int, health: HealthRule | None = None) -> UpstreamPool:
    targets = tuple(Target("127.0.0.1", port) for port in ports)
    return UpstreamPool(Upstream("back", targets, health), clock, Figures(), lambda _: None)


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """Yield a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


async def test_a_check_tells_the_status_or_nothing() -> None:
    """GW-583: ``GET path``; no answer in time is none."""

    async def ill(peer: Peer) -> None:
        assert peer.head.startswith(b"GET /health HTTP/1.1\r\n")
        peer.writer.write(answer(503))

    async with upstream(ill) as back:
        with deaf_port() as deaf:
            pool = pool_of(ManualClock(), back.port, deaf, 1)
            assert [await check(one, RULE) for one in pool.targets[::2]] == [503, None]
            assert await check(pool.targets[1], RULE._replace(timeout_ms=50)) is None
            pool.close()


async def changed(target: TargetPool, before: TargetHealth) -> None:
    await until(lambda: target.health != before)


async def test_checks_put_a_target_out_and_in_again() -> None:
    """GW-583, GW-974: out after three failures, in after two successes, each interval; the figure follows."""
    statuses = (500, 500, 500, 200, 200)

    async def ill(peer: Peer) -> None:
        peer.writer.write(answer(statuses[min(peer.number, 4)]))

    async with upstream(ill) as back:
        clock = ManualClock()
        pool = pool_of(clock, back.port, health=RULE)
        target, seen = pool.targets[0], []
        before = target.health
        pool.start()
        for _ in statuses:
            await changed(target, before)
            before = target.health
            seen.append(standing(before, clock.monotonic_ns()))
            clock.advance_ns(RULE.interval_s * NANOSECONDS)
        assert seen == [Standing.IN, Standing.IN, Standing.OUT, Standing.OUT, Standing.IN]
        assert {0, 1} == set(pool.figures.targets)  # type: ignore[attr-defined]
        pool.close()


async def test_when_all_are_ejected_one_request_a_second_probes() -> None:
    """GW-583: live failures of all targets: 503, but one probe a second; its success brings the target in."""
    clock = ManualClock(monotonic_ns=5 * NANOSECONDS)
    pool = pool_of(clock, 1)
    target = pool.choose()
    for _ in range(FAILURES):
        pool.note(target, None, Reason.UPSTREAM_CLOSED)
    assert pool.choose() is target
    with pytest.raises(UpstreamFailedError) as failure:
        pool.choose()
    assert failure.value.reason is Reason.NO_HEALTHY_UPSTREAM
    clock.advance_ns(NANOSECONDS)
    assert pool.choose() is target
    pool.note(target, 200)
    assert [pool.choose() for _ in range(3)] == [target] * 3


async def test_a_target_whose_checks_fail_gets_no_probe() -> None:
    """GW-583: probes are for passive marks only; a full queue is no mark at all."""
    clock = ManualClock(monotonic_ns=5 * NANOSECONDS)
    pool = pool_of(clock, 1, 2)
    pool.targets[0].health = pool.targets[0].health._replace(is_up=False)
    assert {pool.choose() for _ in range(4)} == {pool.targets[1]}
    with pytest.raises(UpstreamFailedError):
        pool.choose(pool.targets[1])
    for _ in range(2 * FAILURES):
        pool.note(pool.targets[1], None, Reason.NO_HEALTHY_UPSTREAM)
    assert pool.choose() is pool.targets[1]
    for _ in range(FAILURES):
        pool.note(pool.targets[1], 503)
    assert pool.choose() is pool.targets[1]
    with pytest.raises(UpstreamFailedError):
        pool.choose()


def test_certificates_that_cannot_be_read_are_named() -> None:
    """GW-103: the key of the policy."""
    upstream = Upstream("back", (Target("a", 443, is_tls=True),), tls=TlsRule("/nowhere.pem"))
    with pytest.raises(MisuseError, match=r"upstreams\.back\.tls\.ca_file"):
        UpstreamPool(upstream, ManualClock(), Figures(), lambda _: None)
