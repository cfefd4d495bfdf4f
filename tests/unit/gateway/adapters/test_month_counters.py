"""Month counters in a real Redis: read, folded as the definition says, and what an absent store is."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis as client
from tests.months import month_later
from tests.servers.redis_process import RedisProcess, redis_process

from veritape.gateway.adapters.month_counters import MonthCounters
from veritape.gateway.reconciliation import CLOSED, Counter, folded
from veritape.gateway.shared_calls import keys_of
from veritape.gateway.shared_state import Month
from veritape.kernel.errors import MisuseError, UnavailableError

BOOTS = [f"{n:016x}" for n in range(5)]
PRESENT, FOLLOWING = month_later(), month_later(1)
"""Redis forgets a month some time after its end."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def raw(redis: RedisProcess) -> Iterator["client.Redis"]:
    made = client.Redis.from_url(redis.url)
    made.flushall()
    yield made
    made.close()


@pytest.fixture
def counters(redis: RedisProcess) -> Iterator[MonthCounters]:
    made = MonthCounters(redis.url, 64)
    yield made
    made.close()


def plant(raw: "client.Redis", subject: str, month: Month) -> None:
    for name, units_mu in {"t": month.total_mu, **month.shares_mu}.items():
        raw.hset(keys_of(subject, PRESENT, 64)[1], name, str(units_mu))


def test_what_is_read(raw: "client.Redis", counters: MonthCounters) -> None:
    """GW-673: every subject of the month, its shares, and what leases of counted boots hold."""
    month = Month(9_000, {BOOTS[0]: 4_000, BOOTS[1]: 5_000})
    for subject in ("acme:live", "a:q:b:live", "중:test"):
        plant(raw, subject, month)
    raw.hset(keys_of("acme:live", FOLLOWING, 64)[1], mapping={"t": 1})
    for boot, lease in ((BOOTS[0], "700,1"), (BOOTS[4], "800,1")):
        raw.hset(keys_of("acme:live", "", 64)[3], boot, lease)
    assert counters.read(PRESENT) == {
        "acme:live": Counter(month, 700), "a:q:b:live": Counter(month, 0), "중:test": Counter(month, 0),
    }  # fmt: skip


def test_the_script_folds_as_the_definition_does(raw: "client.Redis", counters: MonthCounters) -> None:
    """GW-672, GW-964: 300 random months, near 2^53 too, come out alike; the key still expires."""
    rng = random.Random(672)
    for _ in range(300):
        most = rng.choice((10, 10**6, 2**50))
        names = rng.sample([*BOOTS, CLOSED], rng.randint(0, 6))
        month = Month(rng.randint(0, most), {name: rng.randint(0, most) for name in names})
        closed, closed_mu = rng.sample(BOOTS, rng.randint(0, 5)), rng.randint(-5, most)
        raw.delete(keys_of("acme:live", PRESENT, 64)[1])
        plant(raw, "acme:live", month)
        expected = folded(month, closed_mu, closed)
        assert counters.fold("acme:live", PRESENT, closed_mu, closed) == (month.total_mu, expected.total_mu)
        assert counters.read(PRESENT)["acme:live"].month == expected
    assert raw.pttl(keys_of("acme:live", PRESENT, 64)[1]) != -1


def test_an_unknown_month_is_not_made(raw: "client.Redis", counters: MonthCounters) -> None:
    """GW-258: only a sum begins a month."""
    assert counters.fold("acme:live", PRESENT, 5, []) is None
    assert raw.dbsize() == 0


def test_a_store_that_is_away(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"store\.url"):
        MonthCounters("http://nonsense", 64)
    counters = MonthCounters(f"unix://{tmp_path}/none", 64)
    with pytest.raises(UnavailableError, match="does not answer"):
        counters.read(PRESENT)
    counters.close()
