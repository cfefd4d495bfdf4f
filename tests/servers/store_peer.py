"""A peer of the store's connections in this process: it answers each command as a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

GREETINGS = {b"AUTH", b"CLIENT", b"SELECT"}
"""Commands with which a client begins; they are answered with OK."""


async def read_command(reader: asyncio.StreamReader) -> list[bytes]:
    """Read a command's words."""
    parts = []
    for _ in range(int((await reader.readline())[1:])):
        length = int((await reader.readline())[1:])
        parts.append((await reader.readexactly(length + 2))[:-2])
    return parts


class StorePeer:
    """A server that answers as a test wants."""

    def __init__(self, answers: Callable[[list[bytes]], bytes | None]) -> None:
        self.answers = answers
        self.commands: list[list[bytes]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.port = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ValueError, IndexError):
            while True:
                command = await read_command(reader)
                self.commands.append(command)
                answer = b"+OK\r\n" if command[0] in GREETINGS else self.answers(command)
                if answer is not None:
                    writer.write(answer)
        writer.close()


@asynccontextmanager
async def store_peer(answers: Callable[[list[bytes]], bytes | None]) -> AsyncIterator[StorePeer]:
    """Serve on loopback."""
    one = StorePeer(answers)
    server = await asyncio.start_server(one.talk, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for writer in one.writers:
            writer.close()
        await asyncio.sleep(0)


def echo(command: list[bytes]) -> bytes:
    """Answer with the last word."""
    return b"$%d\r\n%b\r\n" % (len(command[-1]), command[-1])
