"""Who waits for whom on a connection: the peer while we do not read, we while it does not."""

import asyncio


class Flow:
    """Back-pressure of one connection."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_reading_paused = False
        """The peer waits."""
        self._writable: asyncio.Future[None] | None = None

    def pause_reading(self) -> None:
        """Let the peer wait."""
        if not self.is_reading_paused:
            self.is_reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self.is_reading_paused:
            self.is_reading_paused = False
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """Note that the peer does not take more."""
        if self._writable is None:
            self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Note that the peer takes more, or never will."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    async def until_writable(self) -> None:
        """Return once the peer takes more."""
        if self._writable is not None:
            await asyncio.shield(self._writable)
