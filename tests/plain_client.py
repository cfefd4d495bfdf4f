"""A client of the replayed broker made of sockets and nothing else: no parser of ours can agree with a mistake of ours."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.waiting import PATIENCE_S, until

from veritape.apps.replayed_broker import Broker, Doors
from veritape.replay.accounts import APPKEY, APPSECRET
from veritape.replay.adapters.player import PlayOptions
from veritape.replay.faults import parse
from veritape.replay.limits import Limits
from veritape.replay.schedule import next_session_day, session
from veritape.replay.series import SHIFT_MS, Row, Series, build
from veritape.replay.widths import parse_widths

NINE = 32_400_000
TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A


class Answer(NamedTuple):
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


class PlainSocket:
    """One WebSocket, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frame(self) -> tuple[int, bytes]:
        """Return (first byte, payload) of the next frame; (0, b"") when the connection ended."""
        try:
            first, second = await self.reader.readexactly(2)
            length = second
            if second == 126:
                length = int.from_bytes(await self.reader.readexactly(2), "big")
            elif second == 127:
                length = int.from_bytes(await self.reader.readexactly(8), "big")
            return first, await self.reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""

    async def text(self) -> str:
        """Return the next message, put together of its fragments.

        Raises:
            EOFError: the connection ended.
        """
        first, payload = await self.frame()
        if not first:
            raise EOFError
        while first and not first & 0x80:
            more, rest = await self.frame()
            first, payload = more, payload + rest
        return payload.decode()

    async def texts(self, count: int) -> list[str]:
        return [await self.text() for _ in range(count)]

    async def send(self, payload: bytes, first: int = TEXT) -> None:
        size = (
            bytes((0x80 | len(payload),)) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        )
        self.writer.write(bytes((first,)) + size + bytes(4) + payload)
        await self.writer.drain()

    async def command(
        self, key: str, tr_key: str = "990001", tr_id: str = "H0STCNT0", kind: str = "1"
    ) -> None:
        header = {"approval_key": key, "custtype": "P", "tr_type": kind, "content-type": "utf-8"}
        document = {"header": header, "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}}}
        await self.send(json.dumps(document).encode())

    async def register(self, key: str, tr_key: str = "990001", tr_id: str = "H0STCNT0") -> str:
        """Send a command; return the code of its acknowledgement: ticks of what is registered already may come before it."""
        await self.command(key, tr_key, tr_id)
        while (text := await self.text()).startswith("0|"):
            pass
        return code_of(text)


def code_of(text: str) -> str:
    code: str = json.loads(text)["body"]["msg_cd"]
    return code


@dataclass
class Plain:
    """A running replay and a stranger's access to it."""

    broker: Broker
    token: str = ""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    playing: asyncio.Future[None] = field(default_factory=asyncio.Future)

    def play(self) -> None:
        """Begin to play the loaded day."""
        self.playing = asyncio.create_task(self.broker.player.play(lambda _ms, _sent: None))

    async def next_day(self) -> None:
        """Leave what is left of the day and begin to play the next one."""
        self.playing.cancel()
        await asyncio.gather(self.playing, return_exceptions=True)
        played = self.broker.planned
        self.broker.load(session(next_session_day(played.day), until_ms=played.end_ms), None)
        self.play()

    async def open(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection that ends with the test."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        self.writers.append(writer)
        return reader, writer

    async def call(
        self, path: str, query: Mapping[str, str] | None = None, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:  # fmt: skip
        """Ask the REST port; GET without a body."""
        reader, writer = await self.open(self.broker.server.rest_port)
        target = path + (f"?{urlencode(query)}" if query else "")
        lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [] if body is None else [f"Content-Length: {len(body)}"]
        writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        data = await reader.read()
        writer.close()
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        return Answer(int(first.split()[1]), dict(field.split(": ", 1) for field in fields), rest)

    async def issue(self) -> Answer:
        """Ask for an access token."""
        document = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
        answer = await self.call("/oauth2/tokenP", body=json.dumps(document).encode())
        self.token = answer.json.get("access_token", self.token)
        return answer

    async def approve(self) -> Answer:
        """Ask for an approval key."""
        document = {"grant_type": "client_credentials", "appkey": APPKEY, "secretkey": APPSECRET}
        return await self.call("/oauth2/Approval", body=json.dumps(document).encode())

    async def key(self) -> str:
        key: str = (await self.approve()).json["approval_key"]
        return key

    async def get(self, name: str, tr_id: str, *, cont: str = "", **query: str) -> Answer:
        """Make a quotation call; ``name`` is the last part of its path, or the path."""
        if not self.token:
            await self.issue()
        path = name if name.startswith("/") else f"/uapi/domestic-stock/v1/quotations/{name}"
        headers = {
            "authorization": f"Bearer {self.token}",
            "appkey": APPKEY,
            "appsecret": APPSECRET,
            "tr_id": tr_id,
        }
        return await self.call(path, query, headers=headers | ({"tr_cont": cont} if cont else {}))

    async def price(self, code: str = "990001") -> Answer:
        return await self.get(
            "inquire-price", "FHKST01010100", FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD=code
        )

    async def prices(self, *codes: str) -> Answer:
        query: dict[str, str] = {}
        for number, code in enumerate(codes, 1):
            query |= {f"FID_COND_MRKT_DIV_CODE_{number}": "J", f"FID_INPUT_ISCD_{number}": code}
        return await self.get("intstock-multprice", "FHKST11300006", **query)

    async def connect(self, path: str = "/tryitout") -> PlainSocket:
        """Open a WebSocket; asserts the upgrade."""
        reader, writer = await self.open(self.broker.server.websocket_port)
        nonce = base64.b64encode(bytes(16)).decode()
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return PlainSocket(reader, writer)

    @property
    def now_ms(self) -> int:
        return self.broker.player.tape.now_ms

    def stand_at(self, ms: int) -> None:
        """Let a tape that waits for its watchers stand at a time, and with it the broker's clock."""
        self.broker.player.tape.now_ns = ms * 1_000_000


def tape(code: str = "990001", trades: int = 20, step_ms: int = 30, first_ms: int = NINE) -> Series:
    """Return a day of trades of one share each, at rising prices."""
    return build(
        code,
        [Row(first_ms + SHIFT_MS + n * step_ms, 10_000 + n, n + 1, auction=False) for n in range(trades)],
        every_hour=True,
    )


async def at(plain: Plain, ms: int) -> None:
    """Wait until the tape is there."""
    await until(lambda: plain.now_ms >= ms)


@asynccontextmanager
async def replayed(
    *faults: str, series: list[Series] | None = None, speed: float | None = None, wire: tuple[str, ...] = (),
    until_ms: int | None = None, virtual: bool = True, waits: bool = True, truth: str | None = None, seed: int = 7,
    limits: Limits | None = None, paper: bool = False, stands: bool = False, day: str = "20131007",
    patience_seconds: float = PATIENCE_S,
) -> AsyncIterator[Plain]:  # fmt: skip
    """Run ``veritape replay``'s broker on free ports with these faults.

    A tape that ``stands`` waits just before the open until every code is registered: no window of a limit passes.
    """
    options = PlayOptions(speed, virtual, waits, parse_widths(wire), truth)
    broker = Broker(series or [tape()], parse(faults, seed), options, limits or Limits(), paper=paper)
    broker.load(session(day, until_ms=until_ms), None)
    await broker.listen(Doors(0, 0, None, None))
    beating = asyncio.create_task(broker.player.beat())
    plain = Plain(broker)
    plain.play()
    if stands:
        plain.stand_at(NINE - 200)
    try:
        async with asyncio.timeout(patience_seconds):
            yield plain
    finally:
        for writer in plain.writers:
            writer.close()
        for task in (plain.playing, beating):
            task.cancel()
        await asyncio.gather(plain.playing, beating, return_exceptions=True)
        await broker.close()
