"""control.db under the recorder's own process: rebuilt when damaged, refused when newer."""

import sqlite3
from pathlib import Path

from tests.scenario.recording_run import DAY, a_run

from veritape.observer.control import SCHEMA


def test_a_corrupt_index_is_rebuilt_and_a_newer_one_refused(tmp_path: Path) -> None:
    """OB-561, OB-991: corrupt: moved aside, rebuilt from the files, the day recorded; newer: one line and exit 2."""
    with a_run(tmp_path) as run:
        run.broker("--speed", "60", "--seconds", "60")
        run.data.mkdir()
        path = run.data / "control.db"
        path.write_bytes(b"this is no database" * 500)
        ended = run.recorder("--day", DAY).wait()
        assert ended.status == 0, ended.output
        assert "control.db was corrupt: moved to" in ended.output
        assert (run.data / "quarantine" / "control.db.0").read_bytes().startswith(b"this is no database")
        connection = sqlite3.connect(path)
        assert connection.execute("SELECT day, hour FROM seals").fetchall() == [(DAY, 9)]
        assert connection.execute("SELECT count(*) FROM anchors").fetchone() == (3,)
        connection.execute(f"PRAGMA user_version = {SCHEMA + 1}")
        connection.close()
        refused = run.recorder("--day", DAY).wait()
        assert (refused.status, len(refused.output.splitlines())) == (2, 1), refused.output
        assert f"schema {SCHEMA + 1}, this version knows {SCHEMA}" in refused.output
