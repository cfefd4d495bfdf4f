"""Seal the hours of the running day: every few seconds what is over, at its end the rest (OB-551, OB-558)."""

from collections.abc import Callable

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.disk_watch import DiskWatch
from veritape.observer.adapters.segment_files import Seal

LOOK_EVERY_S = 20
"""Seconds between two looks for hours to seal."""


class Sealing:
    """The seals of one recorder's days."""

    def __init__(
        self, daybook: Daybook, clock: Clock, kept_bytes: int, delay_s: int, say: Callable[[str], None]
    ) -> None:
        """Seal what a daybook's recording holds.

        Args:
            daybook: of the recording.
            clock: the market's time.
            kept_bytes: of the disk for the journal alone; what is sealed must not take them.
            delay_s: how long after its end records of an hour may come.
            say: told of every seal.
        """
        self._daybook = daybook
        self._clock = clock
        self._delay_s = delay_s
        self._say = say
        self._disk = DiskWatch(daybook.recording.data, kept_bytes)

    async def run(self, day: str, second: Callable[[], int]) -> None:
        """Seal what is over until cancelled.

        Args:
            day: business date.
            second: returns the second of the day.
        """
        recording = self._daybook.recording
        await self._daybook.loaded
        while True:
            await self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_EVERY_S * NANOSECONDS)
            if self._disk.has_room():
                for seal in recording.seal_due(day, second(), self._delay_s):
                    self._sealed(seal, day)
                recording.seal_books_due(day, second(), self._delay_s)

    def seal_rest(self, day: str) -> None:
        """Seal whatever is left of a day that is over.

        Raises:
            UnavailableError: the disk has no room for it.
        """
        recording = self._daybook.recording
        if not self._disk.has_room():
            raise UnavailableError(
                f"{recording.data}: too little space is left to seal {day}: all of it is in the journal; free some and start again"
            )
        for seal in recording.seal_due(day, 0, 0, all_hours=True):
            self._sealed(seal, day)
        recording.seal_books_due(day, 0, 0, all_hours=True)

    def _sealed(self, seal: Seal, day: str) -> None:
        self._daybook.index.sealed(seal)
        self._daybook.checkpoint(day)
        self._say(f"sealed {seal.path.name} of {day}: {seal.document['rows']:,} trades")
