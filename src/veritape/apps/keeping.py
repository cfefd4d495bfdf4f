"""What the commands ``backup``, ``restore`` and ``drill`` share: where the data lies, where the backup does."""

import getpass
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import click

from veritape.apps.recorded_days import DATA, require_folder
from veritape.apps.settings_file import settings_bytes
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.kernel.settings import load_settings
from veritape.observer import control
from veritape.observer.adapters.backup.events import backup_rows
from veritape.observer.adapters.backup.records import Records
from veritape.observer.adapters.backup.source import Source
from veritape.observer.adapters.backup.targets import FolderTarget, StoreTarget, open_target
from veritape.observer.adapters.control_database import ControlDatabase
from veritape.observer.settings import KeepingSettings
from veritape.telemetry.adapters.audit_files import FOLDER, log_files
from veritape.telemetry.audit_log import Head

PREFIX = "VERITAPE_RECORD"
"""What the environment variables of the recorder, and so of its backup, begin with."""

ACTOR = f"cli:{getpass.getuser()}"
"""Who it is in the audit log."""

VERSION = version("veritape")
"""Stands in each manifest."""

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True)
class Place:
    """A data folder with the settings that belong to it."""

    source: Source
    """The recording."""
    settings: KeepingSettings
    """The tables ``[retention]`` and ``[backup]``."""

    def targets(self, url: str | None, option: str) -> list[FolderTarget | StoreTarget]:
        """Return the target of an option, or those of the settings.

        Raises:
            MisuseError: there is none, or it cannot be had.
        """
        urls = [url] if url else list(self.settings.backup.targets)
        if not urls:
            raise MisuseError(f"no backup target: give {option} URL, or backup.targets in the configuration")
        return [open_target(one) for one in urls]


def place_options(command: CommandT) -> CommandT:
    """Give a command the options ``--config``, ``--data`` and ``--json``."""
    options = (
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            help="The recorder's TOML file: data folder and targets.",
        ),
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            help="The recorder's data directory, in place of the file's.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON document."),
    )
    return _with(command, options)


def source_options(command: CommandT) -> CommandT:
    """Give a command that reads a backup the options ``--from`` and ``--day``."""
    options = (
        click.option(
            "--from", "source", metavar="URL", help="The backup; the first of backup.targets when left out."
        ),
        click.option("--day", help="Business date, YYYYMMDD; the newest in the backup when left out."),
    )
    return _with(command, options)


def _with(command: CommandT, options: tuple[Callable[[CommandT], CommandT], ...]) -> CommandT:
    for option in reversed(options):
        command = option(command)
    return command


def place_of(config: Path | None, data: Path | None) -> Place | None:
    """Return what the options name; None when they name nothing.

    Raises:
        MisuseError: an unreadable file, a bad key, or a folder that does not exist.
    """
    if config is None and data is None:
        return None
    environment = dict(os.environ)  # noqa: TID251 - apps read the environment
    if data is not None:
        environment[f"{PREFIX}_OBSERVER__DATA_DIR"] = str(data)
    settings = load_settings(
        KeepingSettings, settings_bytes(config), environment, PREFIX, str(config or "--data")
    )
    option = "--data" if data is not None else "observer.data_dir"
    folder = require_folder(settings.observer.data_dir, option, DATA)
    return Place(Source(folder, settings.observer.venue, settings.calendar.override_file), settings)


def required_place(config: Path | None, data: Path | None) -> Place:
    """Return what the options name.

    Raises:
        MisuseError: they name nothing.
    """
    place = place_of(config, data)
    if place is None:
        raise MisuseError("which recording? give --config FILE or --data DIR")
    return place


def index_backups(place: Place) -> None:
    """Enter every manifest in the recording's control.db, if it has one."""
    path = place.source.data / control.FILE_NAME
    if path.exists():
        database = ControlDatabase(path)
        database.put(control.BACKUPS, *backup_rows(Records(place.source.data)))
        database.close()


def require_whole_log(data: Path, head: Head) -> None:
    """Hold an audit log against the head that the newest backup manifest knows: a chain alone cannot show that its end was cut.

    Args:
        data: data folder of the log.
        head: where its chain stands now.

    Raises:
        CheckFailedError: records that were backed up are gone or others (TL-668).
    """
    known = [(manifest.audit_log, receipt.manifest.name) for receipt, manifest in Records(data).proven()]
    for backed_up, name in known:
        if backed_up is None:
            continue
        if head.seq < backed_up.seq:
            raise CheckFailedError(
                f"the audit log ends with record {head.seq}, and manifest {name} knows {backed_up.seq}: its end was cut"
            )
        if _hash_of(data, backed_up.seq) != backed_up.hash:
            raise CheckFailedError(
                f"record {backed_up.seq} of the audit log is not the one that manifest {name} knows"
            )


def _hash_of(data: Path, seq: int) -> str:
    for path in log_files(data / FOLDER):
        with path.open("rb") as lines:
            for line in lines:
                record = json.loads(line)
                if record["seq"] == seq:
                    return str(record["hash"])
    return ""
