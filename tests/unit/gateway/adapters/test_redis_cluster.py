"""The store on a real cluster of three servers, by each client."""

import asyncio
from collections.abc import Iterator

import pytest
from tests.servers.redis_cluster_process import RedisClusterProcess, redis_cluster
from tests.servers.redis_stand import FREE, no_sums
from tests.servers.store_links import away, connected, linked_by, opened
from tests.servers.store_peer import echo, store_peer

from veritape.gateway.adapters.redis_agreement import Agreement
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.cluster_slots import slot_of
from veritape.gateway.quota import MU
from veritape.gateway.settings import StoreClient
from veritape.gateway.shared_calls import keys_of
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import CheckFailedError

pytestmark = pytest.mark.usefixtures("whole_month")

each_client = pytest.mark.parametrize("client", list(StoreClient))
SUBJECTS = [f"account{number}:live" for number in range(40)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisClusterProcess]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@each_client
async def test_limits_hold_on_every_server(cluster: RedisClusterProcess, client: StoreClient) -> None:
    """GW-261, GW-255: forty subjects on three servers, each admits its burst and no more; months, refunds and resets reach them."""
    async with linked_by(client, cluster.url) as link:
        store = RedisStore(link, f"b-{client}", no_sums, SystemClock())
        await store.agreement.prepare(b"e" * 16)
        assert len(link.servers) == 3
        names = [f"{client}-{name}" for name in SUBJECTS]
        for units, admitted in ((150, True), (2, False)):
            found = await asyncio.gather(*(store.decide(name, FREE, units * MU, 7) for name in names))
            assert {decision.admitted for decision, _ in found} == {admitted}
        keys = [keys_of(name, "", 64)[0] for name in names]
        assert {cluster.owner(slot_of(key)) for key in keys} == {0, 1, 2}
        for name in names:
            await store.months.refund(name, found[0][0].period, 100 * MU)
            await store.reset(name)
        states = await asyncio.gather(*(store.status(name, FREE) for name in names))
        assert {(state.used_mu, state.minute.debt) for state in states} == {(50 * MU, 0)}
        assert await store.heartbeat(10_000) >= 1


@each_client
async def test_a_slot_that_moved_is_followed(cluster: RedisClusterProcess, client: StoreClient) -> None:
    """GW-262: MOVED is followed once and the table read anew; ASK sends one call elsewhere and changes no table."""
    key = b"vt1:{%b}" % client.encode()
    slot = slot_of(key)
    home, other = cluster.owner(slot), (cluster.owner(slot) + 1) % 3
    try:
        async with linked_by(client, cluster.url) as link:
            assert await link.call([b"SET", key, b"before"]) == b"OK"
            assert await link.call([b"DEL", key]) == 1
            cluster.ask(other, "CLUSTER SETSLOT", slot, "IMPORTING", cluster.identity(home))
            cluster.ask(home, "CLUSTER SETSLOT", slot, "MIGRATING", cluster.identity(other))
            assert await link.call([b"SET", key, b"asked"]) == b"OK"
            assert await link.call([b"GET", key]) == b"asked"
            cluster.move(slot, other)
            answers = await asyncio.gather(*(link.call([b"APPEND", key, b"%d" % n]) for n in range(5)))
            assert answers == [6, 7, 8, 9, 10]
            assert await link.call([b"GETDEL", key]) == b"asked01234"
    finally:
        cluster.move(slot, home)


@each_client
async def test_a_server_that_dies_takes_the_store_along_until_it_is_back(
    cluster: RedisClusterProcess, client: StoreClient
) -> None:
    """GW-262, GW-349: the calls to it fail, the store counts as away; when it is back, so is the store."""
    async with linked_by(client, cluster.url, deadline_s=5) as link:
        victim = cluster.servers[2]
        victim.kill()
        try:
            key = next(name.encode() for name in SUBJECTS if cluster.owner(slot_of(name.encode())) == 2)
            with pytest.raises(StoreError):
                await link.call([b"GET", key])
            await away(link)
        finally:
            victim.start()
            cluster.wait()
        await connected(link)
        assert await link.call([b"GET", key]) is None


@each_client
async def test_every_server_is_looked_at(cluster: RedisClusterProcess, client: StoreClient) -> None:
    """GW-260: one server of three that evicts is refused."""
    cluster.clients[1].config_set("maxmemory-policy", "allkeys-lru")
    try:
        async with linked_by(client, cluster.url) as link:
            with pytest.raises(CheckFailedError, match="redis_evicts: maxmemory-policy is allkeys-lru"):
                await Agreement(link).prepare(b"e" * 16)
    finally:
        cluster.clients[1].config_set("maxmemory-policy", "noeviction")


async def test_what_is_no_cluster_is_never_connected() -> None:
    """GW-262: a server that knows no slots, and calls before the table is known: failures of the store."""
    async with store_peer(lambda command: b"-ERR This instance has cluster support disabled\r\n") as one:  # noqa: SIM117
        async with opened(f"redis+cluster://127.0.0.1:{one.port}", StoreClient.OWN) as link:
            with pytest.raises(StoreError, match="is not connected"):
                await link.call([b"GET", b"a"])
            while not any(command[0] == b"CLUSTER" for command in one.commands):
                await asyncio.sleep(0.01)
            assert not link.connected.is_set()
            assert not link.servers


async def test_a_call_follows_only_once() -> None:
    """GW-262: servers that send a call to each other for ever: the second answer is handed on."""
    ports: list[int] = []

    def answer(command: list[bytes]) -> bytes:
        if command[0] == b"CLUSTER":
            return b"*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:%d\r\n" % ports[0]
        return echo(command) if command[0] == b"PING" else b"-MOVED 5 127.0.0.1:%d\r\n" % ports[0]

    async with store_peer(answer) as one:
        ports.append(one.port)
        async with linked_by(StoreClient.OWN, f"redis+cluster://127.0.0.1:{one.port}") as link:
            found = await link.call([b"GET", b"a"])
            assert str(found) == f"MOVED 5 127.0.0.1:{one.port}"
            assert sum(command[0] == b"GET" for command in one.commands) == 2
