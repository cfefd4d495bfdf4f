"""The chain's processes as data: which commands run, with which configuration, on which ports.

Pure: options in, command lines and configuration texts out. ``apps.running_chain`` starts them; ``up`` and ``demo``
differ only in their options. Every part is started by its own public command, so what the chain does a user can do by
hand with the files in the run's folder.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from veritape.apps.played_tape import DEFAULT_DAY, PlayedTape
from veritape.apps.supervisor import ChildPlan
from veritape.kernel.addresses import LARGEST_PORT
from veritape.kernel.errors import MisuseError
from veritape.replay.accounts import APPKEY, APPSECRET

LOOPBACK = "127.0.0.1"
"""The only address that the chain listens on."""

PARTS = ("replay", "gateway", "observer", "executor")
"""Names of the children in starting order: part labels and log file names."""

OBSERVER_FILE = "record.toml"
"""Name of the recorder's settings file."""

GATEWAY_FILE = "gateway.toml"
"""Name of the gateway's settings file."""


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


def chosen_ports(chosen: Iterable[str]) -> Ports:
    """Return the usual ports with some that were chosen, each as ``PART=NUMBER``.

    Raises:
        MisuseError: no such part, no port, or one port for two parts.
    """
    ports = {name: getattr(Ports, name) for name in Ports.__dataclass_fields__}
    for text in chosen:
        part, _, number = text.partition("=")
        name = part.replace("-", "_")
        if (
            name not in ports
            or not number.isascii()
            or not number.isdigit()
            or not 0 < int(number) <= LARGEST_PORT
        ):
            parts = ", ".join(one.replace("_", "-") for one in ports)
            raise MisuseError(f"--port {text}: expected PART=NUMBER, PART one of {parts}")
        ports[name] = int(number)
    if len(set(ports.values())) < len(ports):
        raise MisuseError(f"--port: two parts cannot listen on one port: {ports}")
    return Ports(**ports)


@dataclass(frozen=True)
class ChainOptions:
    """What ``up`` and ``demo`` let a user choose."""

    folder: Path
    """The run's folder: configuration, logs, truth files, ``observer/``, ``receipts/``, ``gateway/``."""
    ports: Ports
    """Where the parts listen."""
    played: PlayedTape = field(default_factory=PlayedTape)
    """What the replayed broker plays."""
    tape_seconds: int | None = None
    """Seconds of tape from the open; None plays the whole day."""
    one_day: bool = False
    """End with the day (``demo``) instead of going on to the next (``up``)."""
    backfill: bool = True
    """Fetch what was missed."""


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
    def calendar(self) -> Path:
        """The played days' hours, which the broker writes and the recorder reads."""
        return self.configuration / "calendar.toml"

    @property
    def logs(self) -> Path:
        """One log a part."""
        return self.root / "logs"


def observer_configuration(options: ChainOptions, descriptor: int) -> str:
    """Return the recorder's settings file; its metrics go through the descriptor."""
    rest = f"http://{LOOPBACK}:{options.ports.rest}"
    return _toml(
        {
            "observer": {"data_dir": str(Folders(options.folder).observer)},
            "kis": {
                "appkey": APPKEY,
                "appsecret": APPSECRET,
                "rest_url": rest,
                "master_url": rest,
                "ws_url": f"ws://{LOOPBACK}:{options.ports.websocket}",
                "follow_replay_clock": True,
            },
            "universe": {"min_count": 1},
            "calendar": {"override_file": str(Folders(options.folder).calendar)},
            "track_b": {"manual": list(options.played.codes)},
            "backfill": {"enabled": options.backfill},
            "telemetry": {"listen": "", "descriptor": descriptor},
        }
    )


def gateway_configuration(options: ChainOptions, descriptor: int) -> str:
    """Return the gateway's settings file; its metrics go through the descriptor."""
    folders = Folders(options.folder)
    return _toml(
        {
            "": {"data_dir": str(folders.gateway)},
            "listen": {
                "public": f"{LOOPBACK}:{options.ports.gateway}",
                "admin": f"{LOOPBACK}:{options.ports.gateway_admin}",
            },
            "read": {
                "observer_dir": str(folders.observer),
                "receipts_dir": str(folders.receipts),
                "metrics_page": f"{LOOPBACK}:{options.ports.metrics}",
            },
            "telemetry": {"listen": "", "descriptor": descriptor},
        }
    )


def configurations(options: ChainOptions, descriptors: Mapping[str, int]) -> dict[str, str]:
    """Return file name -> content of every part's configuration; descriptors are the parts' metrics pipes."""
    return {
        OBSERVER_FILE: observer_configuration(options, descriptors["observer"]),
        GATEWAY_FILE: gateway_configuration(options, descriptors["gateway"]),
    }


def plans(options: ChainOptions, descriptors: Mapping[str, int]) -> tuple[ChildPlan, ...]:
    """Return the processes of the chain in the order in which they start.

    The executor comes last: it compiles for a while on a new machine, and the first seal is far.
    """
    configuration = str(Folders(options.folder).configuration / GATEWAY_FILE)
    gateway = ChildPlan(
        "gateway", command("serve", "--config", configuration), descriptor=descriptors["gateway"]
    )
    executor = command("compute", *executor_folders(options), "--metrics-pipe", str(descriptors["executor"]))
    return (
        _replay_plan(options),
        gateway,
        _observer_plan(options, descriptors["observer"]),
        ChildPlan("executor", executor, descriptor=descriptors["executor"]),
    )


def _replay_plan(options: ChainOptions) -> ChildPlan:
    folders, ports = Folders(options.folder), options.ports
    arguments = [
        "--virtual", "--wait-registered", "--speed", options.played.speed, "--rest-port", str(ports.rest),
        "--websocket-port", str(ports.websocket), "--day", DEFAULT_DAY, "--seed", str(options.played.seed),
        "--truth", str(folders.root / "truth-{day}.jsonl"), "--calendar-file", str(folders.calendar),
    ]  # fmt: skip
    for name, values in (("--fault", options.played.faults), ("--tape", options.played.tapes)):
        for value in values:
            arguments += [name, value]
    if options.tape_seconds is not None:
        arguments += ["--seconds", str(options.tape_seconds)]
    if not options.one_day:
        arguments.append("--next-days")
    return ChildPlan("replay", command("replay", *arguments))


def _observer_plan(options: ChainOptions, descriptor: int) -> ChildPlan:
    folders = Folders(options.folder)
    arguments = ["--config", str(folders.configuration / OBSERVER_FILE)]
    if options.one_day:
        arguments += ["--day", DEFAULT_DAY]
    return ChildPlan(
        "observer",
        command("record", *arguments),
        ends=options.one_day,
        needs=folders.calendar,
        descriptor=descriptor,
    )


def executor_folders(options: ChainOptions) -> tuple[str, ...]:
    """Return the arguments that name what the executor reads and writes."""
    folders = Folders(options.folder)
    return ("--data", str(folders.observer), "--receipts", str(folders.receipts))


def command(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line of one of our own commands."""
    return (sys.executable, "-m", "veritape", name, *arguments)


def _toml(tables: dict[str, dict[str, str | int | bool | list[str]]]) -> str:
    """Return TOML text: JSON's strings, numbers, booleans and lists of strings are TOML's too."""
    lines = []
    for table, values in tables.items():
        lines += [f"[{table}]"] if table else []
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)
