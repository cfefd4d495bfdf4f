"""The log of a part that runs for long."""

import json

import pytest
import structlog

from veritape.apps.part_log import part_log
from veritape.kernel.clock import ManualClock
from veritape.telemetry.metrics import LOG_RECORDS
from veritape.telemetry.registry import Registry


def test_a_part_logs_json_lines_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """TL-600: one JSON object a line on stderr, written in full when the context ends; stdout stays the command's."""
    registry = Registry((LOG_RECORDS,))
    with part_log("replay", registry, ManualClock()) as log:
        log.info("day_begun", day="20131007")
        log.warning("proxy_refused", reason="no_such_host")
    structlog.reset_defaults()
    said = capsys.readouterr()
    records = [json.loads(line) for line in said.err.splitlines()]
    assert (said.out, [record["event"] for record in records]) == ("", ["day_begun", "proxy_refused"])
    assert records[0] == {
        "at": "1970-01-01T00:00:00.000000Z", "level": "info", "part": "replay", "event": "day_begun", "day": "20131007",
    }  # fmt: skip
    assert registry.value(LOG_RECORDS, level="warning") == 1
