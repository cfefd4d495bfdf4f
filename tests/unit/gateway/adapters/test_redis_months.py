"""Months in a real Redis: sums, shares of boots, and how they heal."""

from collections.abc import Iterator, Mapping

import pytest
from tests.months import month_later
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import FREE, linked, store_on

from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.quota import MU, month_of
from veritape.gateway.shared_calls import keys_of
from veritape.kernel.clock import SystemClock

pytestmark = pytest.mark.usefixtures("whole_month")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as process:
        yield process


async def test_a_month_that_the_store_does_not_know_is_brought_from_the_ledger(server: RedisProcess) -> None:
    """GW-258: asked once, for that subject and month; the boot's own share is what it surely charged."""
    asked = []

    async def sums(subject: str, period: str) -> Mapping[str, int]:
        asked.append((subject, period))
        return {"old": 40_000 * MU, "b1": 3}

    async with linked(server) as link:
        store = RedisStore(link, "b1", sums, SystemClock())
        decision, _ = await store.decide("month:live", FREE, 1_000, 7)
        await store.decide("month:live", FREE, 1_000, 7)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        assert (decision.period, asked) == (period, [("month:live", period)])
        assert (await store.status("month:live", FREE)).used_mu == 40_002 * MU + 3


async def test_what_was_executed_unseen_and_what_was_lost_heals(server: RedisProcess) -> None:
    """GW-671: the boot's field is put to what it surely charged, up or down, and the total moves with it."""
    async with linked(server) as link:
        store = store_on(link)
        await store.decide("heal:live", FREE, 5_000, 7)
        period = month_of(SystemClock().wall_ns() // 1_000).period
        key = keys_of("heal:live", period, 64)[1]
        await link.call([b"HSET", key, b"t", b"99000", b"b1", b"99000"])
        await store.months.heal("heal:live", period)
        assert (await store.status("heal:live", FREE)).used_mu == 5_000
        await link.call([b"HSET", key, b"t", b"1000", b"b1", b"1000"])
        await store.decide("heal:live", FREE, 1_000, 7)
        assert (await store.status("heal:live", FREE)).used_mu == 6_000


async def test_shares_of_months_long_past_are_forgotten(server: RedisProcess) -> None:
    """GW-216, GW-671: this month's and the last one's are kept, so memory follows the subjects and not the years."""
    periods = [month_later(months) for months in range(3)]
    async with linked(server) as link:
        store = store_on(link, "keeper")
        for period in periods:
            store.months.charged("old:live", period, 1_000)
        for period, share in zip(periods, (b"0", b"1000", b"1000"), strict=True):
            await store.months.heal("old:live", period)
            assert await link.call([b"HGET", keys_of("old:live", period, 64)[1], b"keeper"]) == share


async def test_a_share_that_differs_is_settled(server: RedisProcess) -> None:
    """GW-671: a call that was executed unseen shows in the next answer; the share and the total are put right together."""
    async with linked(server) as link:
        store = store_on(link, "settles")
        decision, _ = await store.decide("settles:live", FREE, MU, 7)
        key = keys_of("settles:live", decision.period, 64)[1]

        async def held() -> list[bytes]:
            found: list[bytes] = await link.call([b"HMGET", key, b"t", b"settles"])
            return found

        async def plant(units_mu: bytes) -> None:
            for name in (b"t", b"settles"):
                await link.call([b"HINCRBY", key, name, units_mu])

        await store.settle()
        await plant(b"3000")
        await store.settle()  # nothing was seen yet
        assert await held() == [b"4000", b"4000"]
        await store.decide("settles:live", FREE, MU, 7)
        store._subjects.of("settles:live").under_way += 1
        await store.settle(everything=True)  # a call under way may explain it
        assert await held() == [b"5000", b"5000"]
        store._subjects.of("settles:live").under_way -= 1
        await store.settle()
        assert await held() == [b"2000", b"2000"]
        await plant(b"-1500")
        await store.settle()
        await store.months.refund("settles:live", decision.period, 0)
        await store.settle(everything=True)  # each minute, without a look
        assert await held() == [b"2000", b"2000"]
        assert not store.months.shares.due(everything=True)
