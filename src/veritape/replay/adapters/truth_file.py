"""The truth file on disk: one a day, written while the day is played and closed by a summary even when it is cut short."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.replay.delivery import Outcome
from veritape.replay.market import Market
from veritape.replay.packing import Frame
from veritape.replay.truth import Truth


class TruthFile:
    """The file of the day that is played; without a path nothing is written."""

    def __init__(self, path: str | None) -> None:
        self._path = path
        self._truth = Truth(())
        self._file: TextIO | None = None

    def open(self, market: Market, seed: int, settings: Mapping[str, Any]) -> None:
        """Begin a day.

        Args:
            market: whose trades are told.
            seed: seed of faults and secrets.
            settings: how the day is played.

        Raises:
            MisuseError: there is no folder for it.
            UnavailableError: the path cannot be written.
        """
        if self._path is None:
            return
        path = Path(self._path.replace("{day}", market.day))
        if not path.parent.is_dir():
            raise MisuseError(
                f"replay: --truth {path}: there is no folder {path.parent}: make it first, or name another"
            )
        try:
            self._file = path.open("w")
        except OSError as error:
            raise UnavailableError(
                f"replay: --truth {path}: {error.strerror}: choose another path"
            ) from error
        self._truth = Truth(market.codes)
        self._file.write(self._truth.start(market.day, seed, settings))

    def note(self, ms: int, kind: str, detail: Mapping[str, Any]) -> None:
        """Write an event."""
        if self._file:
            self._file.write(self._truth.event(ms, kind, detail))

    def record(self, frame: Frame, market: Market, outcome: Outcome, sessions: list[int]) -> None:
        """Write a frame's trades, which happened, and its fate."""
        if self._file:
            series = market.quoted[frame.code].happened
            self._file.write(self._truth.frame(frame, series, outcome, sessions))

    def close(self) -> None:
        """End the day."""
        if self._file:
            self._file.write(self._truth.end())
            self._file.close()
            self._file = None
