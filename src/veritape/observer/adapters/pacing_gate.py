"""Where every REST call of this process waits for its permit (OB-251, OB-257)."""

import asyncio
import contextlib
from collections.abc import Callable

from veritape.kernel.clock import Clock
from veritape.observer.adapters.permit_file import Permits, is_alive
from veritape.observer.lanes import Lane, LaneFigures, Ticket, WaitingRoom
from veritape.observer.pacing import PaceFigures, Permit
from veritape.observer.recorder import kst


class Gate:
    """One process's way to the account's permits."""

    def __init__(self, permits: Permits, clock: Clock, alive: Callable[[int, int], bool] = is_alive) -> None:
        """Open the gate.

        Args:
            permits: shared with the account's other processes, or not.
            clock: its monotonic side is the permits' time, its wall side names the business date.
            alive: whether the holder of a permit still runs.
        """
        self._permits = permits
        self._clock = clock
        self._alive = alive
        self._room = WaitingRoom()
        self._callers: dict[Ticket, asyncio.Future[Permit]] = {}
        self._waker: asyncio.Task[None] | None = None
        self.waited: Callable[[Lane, int], None] = lambda _lane, _waited_ns: None
        """Told of every caller that was served: its lane, and how long it waited."""

    async def take(self, lane: Lane) -> Permit:
        """Wait for a permit; give it back with ``answered``.

        Raises:
            UnavailableError: ``pacing_full``.
        """
        ticket = self._room.enter(lane, self._clock.monotonic_ns())
        caller: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._callers[ticket] = caller
        if self._waker is None:
            self._serve()
        try:
            return await caller
        except asyncio.CancelledError:
            self._abandon(ticket, caller)
            raise

    def answered(self, permit: Permit, *, refused_for_speed: bool = False) -> None:
        """Note that an answer was seen, or that the connection was closed after its timeout."""
        now_ns = self._clock.monotonic_ns()
        with self._permits.pace() as pace:
            if refused_for_speed:
                pace.refused(permit, now_ns)
            pace.answered(permit, now_ns)

    def unused(self, permit: Permit) -> None:
        """Give back a permit whose call was never sent."""
        with self._permits.pace() as pace:
            pace.cancelled(permit)

    async def close(self) -> None:
        """Serve nobody any more."""
        if self._waker is not None:
            self._waker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._waker

    @property
    def figures(self) -> PaceFigures:
        """Return the permits' figures."""
        with self._permits.pace() as pace:
            return pace.figures

    @property
    def lanes(self) -> dict[Lane, LaneFigures]:
        """Return the figures of this process's lanes."""
        return self._room.figures

    def _abandon(self, ticket: Ticket, caller: "asyncio.Future[Permit]") -> None:
        """Let a caller go; a permit that it was handed in the same turn was never used."""
        if caller.done() and not caller.cancelled():
            self.unused(caller.result())
            return
        self._callers.pop(ticket, None)
        self._room.leave(ticket)

    def _serve(self) -> None:
        """Hand out what can be granted now; come back when more can."""
        while True:
            now_ns = self._clock.monotonic_ns()
            ticket = self._room.head(now_ns)
            if ticket is None:
                return
            with self._permits.pace() as pace:
                pace.begin_day(int(kst(self._clock.wall_ns())[0]))
                outcome = pace.grant(now_ns, self._permits.holder, self._alive)
            if not isinstance(outcome, Permit):
                self._waker = asyncio.create_task(self._wake(outcome))
                return
            self._room.served(ticket, now_ns)
            self.waited(ticket.lane, now_ns - ticket.entered_ns)
            self._callers.pop(ticket).set_result(outcome)

    async def _wake(self, at_ns: int) -> None:
        await self._clock.sleep_until(at_ns)
        self._waker = None
        self._serve()
