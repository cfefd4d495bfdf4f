"""Audit a day whose journal was removed: its last statement against the files that stay (OB-732)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.observer import audit_document, kept
from veritape.observer.adapters.backfill_files import TRADES
from veritape.observer.adapters.batch_audit import batch_audit
from veritape.observer.adapters.journal_files import journal_paths
from veritape.observer.adapters.recording import Recording
from veritape.observer.recorded_days import Anchor


def is_journal_gone(recording: Recording, day: str) -> bool:
    """Tell whether no file of a day's journal is here."""
    return not journal_paths(recording.journal_folder / day)


def statement_path(data: Path, day: str) -> Path:
    """Return where the statement of a day lies (OB-680)."""
    return data / "export" / f"audit_{day}.json"


def kept_audit(recording: Recording, day: str, codes: Iterable[str] | None = None) -> dict[str, Any]:
    """Return a day's statement, proven again as far as its files allow.

    Raises:
        MisuseError: there is no statement either.
        CheckFailedError: the statement cannot be read.
    """
    path = statement_path(recording.data, day)
    if not path.exists():
        raise MisuseError(
            f"audit: the journal of {day} is gone and {path} too: bring the day back with veritape restore --day {day}"
        )
    try:
        stated = audit_document.read(path.read_bytes()).model_dump(mode="json")
    except ValueError as error:
        raise CheckFailedError(f"{path}: not the audit of a day: {error}") from error
    anchors = {
        line["code"]: Anchor(line["anchor"]["shares"], line["anchor"]["value_krw"], 0, agreed=True)
        for line in stated["lines"]
        if line["anchor"] is not None
    }
    files = [seal.path for seal in recording.segments.seals(day) if seal.path.exists()]
    batch = batch_audit(files, recording.backfill.paths(TRADES, day), anchors)
    return kept.proven_again(stated, batch, codes)
