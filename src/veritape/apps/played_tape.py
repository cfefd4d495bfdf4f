"""Which tape is played and how: the options that ``replay``, ``up`` and ``demo`` read the same way."""

import contextlib
import functools
import re
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from veritape.kernel.errors import MisuseError
from veritape.replay import faults as fault_requests
from veritape.replay.series import Series, TapeReason, build, read_rows
from veritape.wire.kis.frames import SYMBOL

BUNDLED = {
    "990001": "ibm_20131007_trade.zip",
    "990002": "aig_20131007_trade.zip",
    "990003": "bac_20131007_trade.zip",
}
"""Code -> bundled tape (OB-805)."""

DEFAULT_DAY = "20131007"
"""The day on which the bundled trades happened."""

SLOWEST, FASTEST = 0.1, 1_000.0
"""Range of ``--speed``."""


class PlayedTape(NamedTuple):
    """What the chain plays, as the words of ``veritape replay``."""

    speed: str = "60"
    """Tape seconds per wall second, or ``max``."""
    faults: tuple[str, ...] = ()
    """Faults of the replayed broker, as ``name=value``."""
    seed: int = fault_requests.DEFAULT_SEED
    """Seed of the faults."""
    tapes: tuple[str, ...] = ()
    """Other tapes as ``FILE:CODE`` in place of the bundled one."""

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes that are played."""
        return tuple(tape.rpartition(":")[2] for tape in self.tapes) or tuple(BUNDLED)


_OPTIONS: Final = (
    click.option("--speed", default="60", help="Tape seconds per second, 0.1 to 1000, or max."),
    click.option(
        "--fault",
        "faults",
        multiple=True,
        metavar="NAME=VALUE",
        help="Break the broker on purpose, as drop=0.01; veritape replay --faults lists them.",
    ),
    click.option("--seed", default=fault_requests.DEFAULT_SEED, help="Seed of the faults."),
    click.option(
        "--tape",
        "tapes",
        multiple=True,
        metavar="FILE:CODE",
        help="Play this file in place of the bundled day.",
    ),
)


def plays(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a played tape; it receives them, checked before anything starts, as ``played``."""

    @functools.wraps(command)
    def call(
        speed: str, faults: tuple[str, ...], seed: int, tapes: tuple[str, ...], **others: object
    ) -> object:
        parse_speed(speed)
        fault_requests.parse(faults, seed)
        if tapes:
            load_series(tapes, every_hour=False, auctions=False)
        return command(played=PlayedTape(speed, faults, seed, tapes), **others)

    decorated: Callable[..., Any] = call
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def parse_speed(text: str) -> float | None:
    """Return the speed, None for ``max``."""
    if text == "max":
        return None
    with contextlib.suppress(ValueError):
        if SLOWEST <= float(text) <= FASTEST:
            return float(text)
    raise MisuseError(f"--speed {text}: expected {SLOWEST} to {FASTEST:.0f} or max")


def load_series(tapes: Sequence[str], *, every_hour: bool, auctions: bool) -> list[Series]:
    """Read the bundled tapes, or those of ``FILE:CODE``.

    Raises:
        MisuseError: naming the file and, within it, the line.
    """
    if not tapes:
        folder = files("veritape.replay") / "tape"
        sources = [(code, name, (folder / name).read_bytes()) for code, name in BUNDLED.items()]
    else:
        sources = [_tape_source(tape) for tape in tapes]
    codes = [code for code, _, _ in sources]
    if len(set(codes)) < len(codes):
        raise MisuseError(f"--tape: a code is given twice: {', '.join(codes)}", TapeReason.REPEATED_CODE)
    return [
        build(code, read_rows(data, name), every_hour=every_hour, auctions=auctions)
        for code, name, data in sources
    ]


def _tape_source(tape: str) -> tuple[str, str, bytes]:
    name, _, code = tape.rpartition(":")
    if not name or not re.fullmatch(SYMBOL, code):
        raise MisuseError(
            f"--tape {tape}: expected FILE:CODE with a code of six digits or capitals", TapeReason.BAD_CODE
        )
    try:
        return code, name, Path(name).read_bytes()
    except OSError as error:
        raise MisuseError(f"--tape {name}: {error.strerror}") from error
