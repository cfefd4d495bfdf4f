"""Suite ``observer``: all groups in one run."""

import pytest

from veritape.apps.bench import observer as suite
from veritape.apps.bench.results import QUICK, Row


def test_the_suite_has_every_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """OB-1031 to OB-1044 and OB-764 stand in six groups."""
    for name in ("live", "parts", "files", "calls", "day", "backups"):
        monkeypatch.setattr(suite, name, lambda size, name=name: [Row(name, [1.0])])
    assert [row.name for row in suite.observer(QUICK)] == [
        "live",
        "parts",
        "files",
        "calls",
        "day",
        "backups",
    ]
