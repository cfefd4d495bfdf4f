"""structlog set up: lines, counts, repeats, secrets, a stream that fails."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from veritape.kernel.clock import ManualClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.logs import REPEAT_NS, configure_logs
from veritape.telemetry.metrics import LOG_RECORDS


@pytest.fixture(autouse=True)
def _defaults_afterwards() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_records_are_lines_of_json_and_counted() -> None:
    """TL-600, TL-610 and TL-620: debug is off, each record written is counted by level."""
    registry, stream = Registry((LOG_RECORDS,)), io.StringIO()
    output = configure_logs("observer", "info", registry, ManualClock(), stream)
    log = structlog.get_logger()
    log.debug("not_said")
    log.info("token_issued", access_token="planted", margin_seconds=3600)
    try:
        int("planted")
    except ValueError as error:
        log.critical("task_failed", exc_info=error)
    output.close()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first == {
        "at": "1970-01-01T00:00:00.000000Z",
        "level": "info",
        "part": "observer",
        "event": "token_issued",
        "access_token": "***",
        "margin_seconds": 3600,
    }
    assert (second["error_type"], len(second["frames"])) == ("ValueError", 1)
    assert registry.value(LOG_RECORDS, level="info") == registry.value(LOG_RECORDS, level="critical") == 1


def test_a_repeated_warning_is_counted_not_written() -> None:
    """TL-620: once, then as a count after a minute; another reason is another warning."""
    stream, clock = io.StringIO(), ManualClock()
    output = configure_logs("replay", "info", Registry((LOG_RECORDS,)), clock, stream)
    log = structlog.get_logger()
    for _ in range(5):
        log.warning("refused", reason="limit")
    log.warning("refused", reason="other")
    clock.advance_ns(REPEAT_NS)
    log.warning("refused", reason="limit")
    output.close()
    lines = list(map(json.loads, stream.getvalue().splitlines()))
    assert [(line["reason"], line.get("repeated")) for line in lines] == [
        ("limit", None),
        ("other", None),
        ("limit", 4),
    ]


def test_a_stream_that_fails_never_stops_the_part() -> None:
    """TL-920: a closed log pipe: records are dropped and counted, the next record says so."""
    stream = io.StringIO()
    output = configure_logs("replay", "info", Registry((LOG_RECORDS,)), ManualClock(), stream)
    stream.close()
    structlog.get_logger().info("first")
    output.close()
    assert output.dropped == 1
