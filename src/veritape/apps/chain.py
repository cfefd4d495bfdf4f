"""The chain's processes as data: which commands run, with which configuration, on which ports.

Pure: options in, command lines and configuration texts out. ``apps.running_chain`` starts them; ``up`` and ``demo``
differ only in their options. Every part is started by its own public command, so what the chain does a user can do by
hand with the files in the run's folder.
"""

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
"""The only address that the chain listens on."""

PARTS = ("replay", "observer", "executor", "gateway")
"""Names of the children in starting order: part labels and log file names."""

REPLAY_SYMBOLS = ("990001", "990002", "990003")
"""Codes of the bundled tape (OB-805), watched when no other tape is given."""

APPKEY, APPSECRET = "veritape-replay-key", "veritape-replay-secret"
"""Credentials for the replayed broker: it accepts any, and they are no secret."""


@dataclass(frozen=True)
class Ports:
    """Port of every listener of the chain, loopback each."""

    gateway: int = 8000
    """API and console."""
    gateway_admin: int = 8001
    """Gateway administration."""
    rest: int = 9443
    """Replayed broker, REST."""
    websocket: int = 21000
    """Replayed broker, WebSocket."""
    metrics: int = 9464
    """One metrics page of all parts."""


@dataclass(frozen=True)
class ChainOptions:
    """What ``up`` and ``demo`` let a user choose."""

    folder: Path
    """The run's folder: configuration, logs, truth files, ``observer/``, ``receipts/``, ``gateway/``."""
    ports: Ports
    """Where the parts listen."""
    speed: str = "60"
    """Tape seconds per wall second, or ``max``."""
    tape_seconds: int | None = None
    """Seconds of tape from the open; None plays the whole day."""
    faults: tuple[str, ...] = ()
    """Faults of the replayed broker, as ``name=value``."""
    seed: int = 7
    """Seed of the faults."""
    tapes: tuple[str, ...] = ()
    """Other tapes as ``FILE:CODE`` in place of the bundled one."""
    one_day: bool = False
    """End with the day (``demo``) instead of going on to the next (``up``)."""


@dataclass(frozen=True)
class Folders:
    """Places inside a run's folder."""

    root: Path

    @property
    def observer(self) -> Path:
        """Journal, segments, control database: the recorder's data directory."""
        return self.root / "observer"

    @property
    def receipts(self) -> Path:
        """Receipts of the executor."""
        return self.root / "receipts"

    @property
    def gateway(self) -> Path:
        """Keys, quotas, usage ledger."""
        return self.root / "gateway"

    @property
    def configuration(self) -> Path:
        """Configuration files of the parts."""
        return self.root / "configuration"

    @property
    def logs(self) -> Path:
        """One log a part."""
        return self.root / "logs"


def codes(options: ChainOptions) -> tuple[str, ...]:
    """Return the codes that the replay plays and the recorder watches."""
    if not options.tapes:
        return REPLAY_SYMBOLS
    return tuple(tape.rpartition(":")[2] for tape in options.tapes)
