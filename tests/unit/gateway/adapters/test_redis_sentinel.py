"""A real primary, its replica and a sentinel; the primary dies."""

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from tests.ports import kept_port
from tests.servers.redis_process import redis_process
from tests.servers.store_links import away, connected, linked_by, opened
from tests.waiting import until

from veritape.gateway.adapters.redis_address import parse_store_url
from veritape.gateway.adapters.redis_sentinel import primary_of
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.settings import StoreClient


@contextmanager
def sentinel(folder: Path, primary: int, *more: str) -> Iterator[int]:
    """Watch a primary under the name ``quota``, with further lines of configuration; yield the port."""
    with kept_port() as port, _sentinel(folder, port, primary, *more):
        yield port


@contextmanager
def _sentinel(folder: Path, port: int, primary: int, *more: str) -> Iterator[None]:
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor quota 127.0.0.1 {primary} 1\n"
        "sentinel down-after-milliseconds quota 500\nsentinel failover-timeout quota 5000\n" + "\n".join(more)
    )
    process = subprocess.Popen(["redis-server", str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _follows(watch: redis.Redis) -> bool:
    """Tell whether the sentinel knows a replica that follows."""
    with contextlib.suppress(redis.exceptions.RedisError):
        return any(one["master-link-status"] == "ok" for one in watch.sentinel_slaves("quota"))
    return False


@pytest.mark.parametrize("client", list(StoreClient))
async def test_the_successor_is_found(client: StoreClient, tmp_path: Path) -> None:
    """GW-261, GW-263, GW-259: sentinels name the primary; when it is killed, the next connection is to the replica that took its place."""
    homes = [tmp_path / name for name in ("primary", "replica", "sentinel")]
    for home in homes:
        home.mkdir()
    with redis_process(homes[0]) as primary:
        follows = ("--replicaof", f"127.0.0.1 {primary.port}", "--repl-diskless-sync-delay", "0")
        with redis_process(homes[1], *follows), sentinel(homes[2], primary.port) as port:  # noqa: SIM117 - the next need the ports
            with (
                redis.Redis(port=primary.port) as asked,
                redis.Redis(port=port) as watch,
                kept_port() as nobody,
            ):
                asked.config_set("repl-diskless-sync-delay", 0)
                await until(lambda: _follows(watch))
                url = f"redis+sentinel://127.0.0.1:{nobody},127.0.0.1:{port}/quota"
                async with linked_by(client, url) as link:
                    assert await link.call([b"SET", b"vt1:a", b"1"]) == b"OK"
                    asked.set(
                        "vt1:after", 1
                    )  # WAIT is for what its own connection wrote: what was written before went first
                    assert asked.wait(1, 20_000) == 1
                    primary.kill()
                    await away(link)
                    await connected(link)
                    assert await link.call([b"INCR", b"vt1:a"]) == 2


async def test_nobody_knows_the_primary(tmp_path: Path) -> None:
    """GW-263: sentinels that are away, or know no such name: no connection, a failure of the store that names the service."""
    with redis_process(tmp_path) as server, sentinel(tmp_path, server.port) as port, kept_port() as nobody:
        for ports in (f"127.0.0.1:{nobody}", f"127.0.0.1:{port}"):
            address = parse_store_url(f"redis+sentinel://{ports}/other")
            with pytest.raises(StoreError, match="no sentinel names a primary of 'other'"):
                await primary_of(address.servers, address.service)()


@pytest.mark.parametrize("client", list(StoreClient))
async def test_sentinels_have_a_password_of_their_own(client: StoreClient, tmp_path: Path) -> None:
    """GW-263: the sentinel asks for one password, the primary for another; without the sentinel's nobody finds the primary."""
    secret, of_sentinel = "of the server", "of the sentinel"
    asks = (f'requirepass "{of_sentinel}"', f'sentinel auth-pass quota "{secret}"')
    with redis_process(tmp_path) as server, redis.Redis(port=server.port) as set_up:
        set_up.config_set("requirepass", secret)
        with sentinel(tmp_path, server.port, *asks) as port:
            url = f"redis+sentinel://127.0.0.1:{port}/quota"
            async with opened(url, client, password=secret, sentinel_password=of_sentinel) as link:
                await connected(link)
                assert await link.call([b"PING"]) == b"PONG"
            known = parse_store_url(url)
            for wrong in ("", secret):
                with pytest.raises(StoreError, match="no sentinel names a primary"):
                    await primary_of(known.servers, known.service, wrong)()
