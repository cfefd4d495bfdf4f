"""The door: room, length and time of a request head."""

import asyncio
from typing import ClassVar

from tests.waiting import until

from veritape.replay.adapters.doorkeeper import HEAD_BYTES, Doorkeeper, Turned


class Echo(asyncio.Protocol):
    """Sends everything back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Door:
    def __init__(self, limit: int = 2, seconds: float = 10) -> None:
        self.turned: list[Turned] = []
        self.keeper = Doorkeeper(Echo, limit, self.turned.append, seconds)

    async def open(self) -> "Door":
        self.port = await self.keeper.listen(0)
        return self

    async def say(self, data: bytes) -> tuple[bytes, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            return await reader.read(100), writer
        except ConnectionError:
            return b"", writer

    async def emptied(self) -> None:
        await until(lambda: not self.keeper.inside)


async def test_a_connection_with_a_good_head_is_let_in() -> None:
    """KIS-224: everything is passed on, in pieces too."""
    door = await Door().open()
    answer, writer = await door.say(b"GET / HTTP/1.1\r\n\r\nand more")
    assert answer == b"GET / HTTP/1.1\r\n\r\nand more"
    writer.close()
    await door.emptied()
    assert door.turned == []
    door.keeper.close()


async def test_one_too_many_is_cut() -> None:
    """KIS-224: so many connections at once, and room again when one has ended."""
    door = await Door(limit=2).open()
    inside = [await door.say(b"x") for _ in range(2)]
    answer, extra = await door.say(b"x")
    assert (answer, door.turned) == (b"", [Turned.TOO_MANY])
    for _, writer in (*inside, ("", extra)):
        writer.close()
    await door.emptied()
    answer, writer = await door.say(b"x")
    assert answer == b"x"
    writer.close()
    door.keeper.close()


async def test_a_head_that_is_too_long_or_too_slow_is_told_so() -> None:
    """KIS-224: 16 KiB and 10 s for headers; a body may be longer."""
    door = await Door(seconds=0.05).open()
    answer, first = await door.say(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_BYTES)
    assert answer.startswith(b"HTTP/1.1 431 ")
    slow, second = await asyncio.open_connection("127.0.0.1", door.port)
    assert (await slow.read()).startswith(b"HTTP/1.1 408 ")
    assert door.turned == [Turned.TOO_LARGE, Turned.TOO_SLOW]
    answer, third = await door.say(b"POST / HTTP/1.1\r\n\r\n" + b"a" * 2 * HEAD_BYTES)
    assert answer
    for writer in (first, second, third):
        writer.close()
    await door.emptied()
    door.keeper.close()


async def test_a_writer_that_is_ahead_is_told_to_wait() -> None:
    """KIS-224: what the transport says of its buffer and of the other side's end reaches the server."""

    class Flood(Echo):
        told: ClassVar[list[str]] = []

        def data_received(self, data: bytes) -> None:
            self.transport.write(data + bytes((8 << 20) - 1))

        def pause_writing(self) -> None:
            self.told.append("pause")

        def resume_writing(self) -> None:
            self.told.append("resume")

        def eof_received(self) -> bool:
            self.told.append("eof")
            return False

    keeper = Doorkeeper(Flood, 1, lambda reason: None)
    reader, writer = await asyncio.open_connection("127.0.0.1", await keeper.listen(0))
    writer.write(b"x")
    await reader.readexactly(8 << 20)
    writer.write_eof()
    assert await reader.read() == b""
    assert Flood.told == ["pause", "resume", "eof"]
    writer.close()
    keeper.close()
