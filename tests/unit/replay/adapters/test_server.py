"""The two listeners, seen by a plain client."""

import asyncio
import io
import json
import ssl
import zipfile
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.waiting import PATIENCE_S

from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError
from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.adapters.certificates import NAMES, certify
from veritape.replay.adapters.player import Player, PlayOptions
from veritape.replay.adapters.server import BrokerServer
from veritape.replay.faults import Faults
from veritape.replay.market import Market
from veritape.replay.rest import Quotations
from veritape.replay.schedule import session
from veritape.replay.series import Row, build
from veritape.replay.sockets import Exchange
from veritape.replay.widths import Widths
from veritape.wire.kis import rest as wire


@pytest.fixture
async def server() -> AsyncIterator[BrokerServer]:
    accounts = Accounts()
    accounts.add(Account(APPKEY, APPSECRET, 7))
    exchange = Exchange(accounts, 7)
    player = Player(
        PlayOptions(1, virtual=True, wait_registered=True, widths=Widths(), truth=None),
        exchange,
        Faults(),
        SystemClock(),
    )
    rows = [Row(34_200_000, 100, 5, auction=False)]
    player.load(session("20131007"), Market([build("990001", rows), build("990003", rows)], "20131007"))
    one = BrokerServer(Quotations(accounts, lambda: player.market, str), exchange, player)
    await one.start(0, 0)
    yield one
    await one.stop()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session_:
        yield session_


async def test_rest_headers_and_case(server: BrokerServer, http: aiohttp.ClientSession) -> None:
    """KIS-020, KIS-021, KIS-022, KIS-208: header and parameter names in any case; the three answer headers in lower case."""
    base = f"http://127.0.0.1:{server.rest_port}"
    credentials = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
    async with http.post(base + wire.TOKEN_PATH, json=credentials) as answer:
        token = (await answer.json())["access_token"]
    headers = {
        "AUTHORIZATION": f"Bearer {token}",
        "appKey": APPKEY,
        "appSecret": APPSECRET,
        "TR_ID": "FHKST01010100",
    }
    query = {"fid_cond_mrkt_div_code": "J", "FID_INPUT_ISCD": "990001"}
    async with http.get(base + wire.INQUIRE_PRICE.path, params=query, headers=headers) as answer:
        raw = {name.decode() for name, _ in answer.raw_headers}
        assert {"tr_id", "tr_cont", "gt_uid", "Content-Type"} <= raw
        assert answer.headers["tr_id"] == "FHKST01010100"
        assert len(answer.headers["gt_uid"]) == 32
        assert (await answer.json())["output"]["stck_sdpr"] == "100"


async def test_master_files_and_clock(server: BrokerServer, http: aiohttp.ClientSession) -> None:
    """KIS-087, OB-810: both archives without a key; GET /replay/clock."""
    base = f"http://127.0.0.1:{server.rest_port}"
    lengths = {}
    for path in wire.MASTER_PATHS:
        async with http.get(base + path) as answer:
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
            lengths[path] = [len(line) for line in archive.read(archive.namelist()[0]).splitlines()]
    assert list(lengths.values()) == [[288], [282]]
    async with http.get(base + "/replay/clock") as answer:
        clock = await answer.json()
    assert (clock["day"], clock["virtual"], clock["format"]) == ("20131007", True, "veritape.clock.v1")
    for asked, step_ms in (("50", 50), ("0", None), ("1e9", None), ("9" * 99, None)):
        async with http.get(base + "/replay/clock", params={"step_ms": asked}) as answer:
            assert answer.status == 200
        assert server._player.followers.step_ms == step_ms


async def test_the_websocket_upgrades_on_its_paths_only(
    server: BrokerServer, http: aiohttp.ClientSession
) -> None:
    """KIS-017, KIS-113: /, /tryitout and /tryitout/<TR>; any other path is 404; compression is declined."""
    base = f"ws://127.0.0.1:{server.websocket_port}"
    for path in ("/", "/tryitout", "/tryitout/H0STCNT0"):
        async with http.ws_connect(base + path, compress=15) as socket:
            assert socket.compress == 0
            await socket.send_str("not json")
            assert json.loads(await socket.receive_str())["body"]["msg_cd"] == "OPSP9999"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await http.ws_connect(base + "/other")
    assert refusal.value.status == 404


async def test_a_registered_client_receives_acknowledgement_and_frames(
    server: BrokerServer, http: aiohttp.ClientSession
) -> None:
    """KIS-101, KIS-103, KIS-120: command, acknowledgement, data frame at the present width."""
    base = f"http://127.0.0.1:{server.rest_port}"
    body = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
    async with http.post(base + wire.APPROVAL_PATH, json=body) as answer:
        key = (await answer.json())["approval_key"]
    player = server._player
    playing = asyncio.create_task(player.play(lambda ms, sent: None))
    async with (
        asyncio.timeout(PATIENCE_S),
        http.ws_connect(f"ws://127.0.0.1:{server.websocket_port}/tryitout") as socket,
    ):
        for code in ("990001", "990003"):
            header = {"approval_key": key, "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
            await socket.send_json(
                {"header": header, "body": {"input": {"tr_id": "H0STCNT0", "tr_key": code}}}
            )
        messages = [await socket.receive_str() for _ in range(4)]
    assert [json.loads(text)["body"]["msg_cd"] for text in messages[:2]] == ["OPSP0000"] * 2
    assert [text[:22] for text in messages[2:]] == ["0|H0STCNT0|001|990001^", "0|H0STCNT0|001|990003^"]
    assert [text.count("^") + 1 for text in messages[2:]] == [47, 47]
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)


async def test_any_pong_frame_answers_the_heartbeat_and_pings_are_answered(
    server: BrokerServer, http: aiohttp.ClientSession
) -> None:
    """KIS-108, KIS-111: the vendor's own client answers a PINGPONG with a Pong frame; a Ping earns a Pong."""
    url = f"ws://127.0.0.1:{server.websocket_port}/tryitout"
    async with asyncio.timeout(PATIENCE_S), http.ws_connect(url, autoping=False) as socket:
        await socket.send_str("not json")
        await socket.receive_str()
        (state,) = server._exchange.sockets
        state.pinged_ns = 1
        await socket.pong(b"anything")
        await socket.ping(b"abc")
        answer = await socket.receive()
    assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"abc")
    assert state.pinged_ns is None


async def test_text_that_is_no_unicode_comes_back_as_it_was_escaped(
    server: BrokerServer, http: aiohttp.ClientSession
) -> None:
    """KIS-224, KIS-036: half a surrogate pair in an order body is answered, not a fault of the server."""
    body = b'{"a":"\\ud800"}'
    headers = {"appkey": APPKEY, "appsecret": APPSECRET}
    url = f"http://127.0.0.1:{server.rest_port}{wire.HASHKEY_PATH}"
    async with http.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200
        assert json.loads(await answer.read())["BODY"] == {"a": "\ud800"}


async def test_rest_is_answered_under_tls_for_the_proxy_too(server: BrokerServer) -> None:
    """KIS-203: one application, plain and with TLS."""
    tls, authority = certify(SystemClock().wall_ns())
    both = BrokerServer(server._quotations, server._exchange, server._player)
    await both.start(0, 0, tls)
    trust = ssl.create_default_context(cadata=authority.decode())
    connector = aiohttp.TCPConnector(ssl=trust)
    url = f"https://127.0.0.1:{both.tls_port}/replay/clock"
    async with (
        aiohttp.ClientSession(connector=connector) as client,
        client.get(url, server_hostname=NAMES[0]) as answer,
    ):
        assert (await answer.json())["day"] == "20131007"
    await both.stop()
    assert server.tls_port == 0


async def test_a_busy_port_is_named(server: BrokerServer) -> None:
    """OB-971, OB-801: a busy port is one line and exit 1; only loopback is bound."""
    other = BrokerServer(server._quotations, server._exchange, server._player)
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{server.rest_port}: in use .*: choose --"):
        await other.start(server.rest_port, 0)
    await other.stop()
