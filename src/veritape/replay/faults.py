"""Faults on demand: which there are, how they are asked for, whom they strike (OB-851 to 853).

A fault never touches the truth: the trades of a dropped frame happened. Whether frame n suffers fault f is a draw that
depends on seed, f and n alone, so that a run can be repeated and a ledger's figures can be stated in advance.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from veritape.kernel.errors import MisuseError

DEFAULT_SEED: Final = 7
"""Seed of the worked day (OB-608)."""

NAMES: Final = {"drop": "share of frames that are not sent, 0 to 1"}
"""Fault -> what its value means."""

DRAW_BYTES: Final = 8
"""Bytes of a digest that make one draw."""


@dataclass(frozen=True)
class Faults:
    """The faults of one run."""

    drop: float = 0.0
    """Share of frames that are not sent."""
    seed: int = DEFAULT_SEED
    """Seed of the draws."""

    def drops(self, number: int) -> bool:
        """Tell whether the frame with this ordinal is lost."""
        return self.drop > 0 and draw(self.seed, "drop", number) < self.drop


def draw(seed: int, fault: str, number: int) -> float:
    """Return the draw in [0, 1) of a fault for an ordinal: 8 bytes of BLAKE3, little-endian (OB-853)."""
    digest = blake3(f"{seed}:{fault}:{number}".encode()).digest(DRAW_BYTES)
    return int.from_bytes(digest, "little") / float(1 << (8 * DRAW_BYTES))


def parse(requests: Iterable[str], seed: int = DEFAULT_SEED) -> Faults:
    """Read ``name=value`` requests.

    Raises:
        MisuseError: an unknown name (with the list), or a value out of range.
    """
    values: dict[str, float] = {}
    for request in requests:
        name, _, text = request.partition("=")
        if name not in NAMES:
            known = ", ".join(f"{known} ({meaning})" for known, meaning in NAMES.items())
            raise MisuseError(f"unknown fault {name!r}: known are {known}")
        try:
            values[name] = float(text)
        except ValueError:
            raise MisuseError(f"fault {name}: {text!r} is not a number") from None
        if not 0 <= values[name] <= 1:
            raise MisuseError(f"fault {name}: {text} is outside 0 to 1")
    return Faults(drop=values.get("drop", 0.0), seed=seed)
