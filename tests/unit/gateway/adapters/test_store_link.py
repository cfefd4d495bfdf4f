"""One suite for every client of the store: order, deadlines, failures, who we are and how we get there."""

import asyncio
from pathlib import Path

import hiredis
import pytest
from tests.ports import kept_port
from tests.servers.certificates import CertificateFiles, write_certificate
from tests.servers.redis_process import redis_process
from tests.servers.store_links import connected, linked_by, opened
from tests.servers.store_peer import echo, store_peer

from veritape.gateway.adapters.redis_address import parse_store_url
from veritape.gateway.adapters.redis_links import open_link
from veritape.gateway.adapters.server_link import WAITING_LIMIT, StoreError, StoreTimeoutError
from veritape.gateway.settings import StoreClient

pytestmark = pytest.mark.parametrize("client", list(StoreClient))


async def test_answers_come_in_order(client: StoreClient) -> None:
    """GW-261: calls of one turn and of the next are sent in their order, and each gets its own answer."""
    async with store_peer(echo) as one, linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
        first = [link.call([b"ECHO", b"%d" % n]) for n in range(100)]
        await asyncio.sleep(0)
        second = [link.send(b"*2\r\n$4\r\nECHO\r\n$3\r\n%d\r\n" % n) for n in range(100, 200)]
        assert await asyncio.gather(*first, *second) == [b"%d" % n for n in range(200)]
        asked = [command[1] for command in one.commands if command[0] == b"ECHO"]
        assert asked == [b"%d" % n for n in range(200)]
        assert list(link.servers) == [link]


@pytest.mark.parametrize(
    "error", ["NOSCRIPT no", "READONLY no", "OOM no", "MISCONF no", "CLUSTERDOWN no", "MOVED 5 h:1", "ERR no", "WRONGTYPE no"]
)  # fmt: skip
async def test_an_error_is_an_answer_that_begins_with_redis_word(client: StoreClient, error: str) -> None:
    """GW-262: what Redis refuses is told; the connection stays and the next call gets its own answer."""
    answers = iter([f"-{error}\r\n".encode(), b"+PONG\r\n"])
    async with store_peer(lambda _: next(answers)) as one:  # noqa: SIM117 - the second needs the first
        async with linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
            refused, pong = await asyncio.gather(link.call([b"SET", b"a", b"b"]), link.call([b"PING"]))
            assert isinstance(refused, hiredis.ReplyError)
            assert str(refused) == error
            assert pong == b"PONG"
            assert link.connected.is_set()


async def test_a_silent_store_fails_all_that_wait_together_and_nothing_is_repeated(
    client: StoreClient,
) -> None:
    """GW-262: no answer within the deadline ends the connection; a new one comes; no command is sent twice."""
    silent = True
    async with store_peer(lambda command: None if silent else echo(command)) as one:  # noqa: SIM117
        async with linked_by(client, f"redis://127.0.0.1:{one.port}", deadline_s=0.05) as link:
            found = await asyncio.gather(
                *(link.call([b"ECHO", b"%d" % number]) for number in range(4)), return_exceptions=True
            )
            assert [type(error) for error in found] == [StoreTimeoutError] * 4
            assert str(found[0]) == "the store did not answer in 50 ms"
            with pytest.raises(StoreError, match="is not connected"):
                await link.call([b"PING"])
            silent = False
    async with store_peer(echo) as one, linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
        one.writers[0].close()
        await asyncio.gather(link.call([b"ECHO", b"lost"]), return_exceptions=True)
        await connected(link)
        assert await link.call([b"ECHO", b"again"]) == b"again"
        assert [command[1] for command in one.commands if command[0] == b"ECHO"][-1:] == [b"again"]


async def test_who_leaves_early_disturbs_nobody(client: StoreClient) -> None:
    """GW-261: its answer is dropped, the next call gets its own."""
    async with store_peer(echo) as one, linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
        left, kept = link.call([b"ECHO", b"left"]), link.call([b"ECHO", b"kept"])
        left.cancel()
        assert await kept == b"kept"


async def test_too_many_that_wait(client: StoreClient) -> None:
    """GW-262: above 10,000 the newcomer fails, who waits is answered."""
    async with store_peer(echo) as one, linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
        waiting = [link.call([b"ECHO", b"x"]) for _ in range(WAITING_LIMIT)]
        with pytest.raises(StoreError, match="too many calls"):
            await link.call([b"ECHO", b"y"])
        assert set(await asyncio.gather(*waiting)) == {b"x"}


async def test_bytes_that_are_no_answer_end_the_connection(client: StoreClient) -> None:
    """GW-262: garbage is a failure of the store."""
    async with store_peer(lambda _: b"?what\r\n") as one:  # noqa: SIM117 - the second needs the first
        async with linked_by(client, f"redis://127.0.0.1:{one.port}") as link:
            with pytest.raises(StoreError):
                await link.call([b"PING"])


async def test_user_database_and_socket(client: StoreClient, tmp_path: Path) -> None:
    """GW-263: an ACL user with the guide's rights on our keys only, a database number, a unix socket; a wrong password never connects."""
    path = tmp_path / "r.sock"
    options = (
        "--unixsocket",
        str(path),
        "--user",
        "veritape",
        "on",
        ">pw",
        "~vt1:*",
        "+@all",
        "-@dangerous",
        "+config|get",
    )
    with redis_process(tmp_path, *options) as server:
        for url in (f"redis://veritape:pw@127.0.0.1:{server.port}/3", f"unix://veritape:pw@{path}?db=3"):
            async with linked_by(client, url) as link:
                assert await link.call([b"HSET", b"vt1:a", url.encode(), b"1"]) == 1
                refused = await link.call([b"SET", b"other", b"1"])
                assert str(refused).startswith("NOPERM ")
        async with linked_by(client, f"redis://127.0.0.1:{server.port}/3") as link:
            assert await link.call([b"HLEN", b"vt1:a"]) == 2
        url = f"redis://veritape@127.0.0.1:{server.port}"
        async with opened(url, client, password="wrong") as link:
            with pytest.raises(StoreError, match="is not connected") as caught:
                await link.call([b"PING"])
            assert "wrong" not in str(caught.value)
            assert not link.connected.is_set()


async def test_tls_with_verification(client: StoreClient, tmp_path: Path) -> None:
    """GW-263: a certificate of the given authority is taken; the system's authorities do not know it, so nothing connects."""
    files = write_certificate(tmp_path)
    with kept_port() as port:
        await _verify(client, tmp_path, files, port)


async def _verify(client: StoreClient, folder: Path, files: CertificateFiles, port: int) -> None:
    tls = ("--tls-port", str(port), "--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key),
           "--tls-ca-cert-file", str(files.certificate), "--tls-auth-clients", "no")  # fmt: skip
    url = f"rediss://127.0.0.1:{port}"
    with redis_process(folder, *tls):
        async with opened(url, client, tls_ca=str(files.certificate)) as link:
            await connected(link)
            assert await link.call([b"SET", b"vt1:x", b"1"]) == b"OK"
        refused = open_link(parse_store_url(url), 5, client)
        running = asyncio.create_task(refused.run())
        await asyncio.sleep(1)
        assert not refused.connected.is_set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
