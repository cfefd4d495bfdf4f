"""Log records: order, limits, exceptions."""

import json

from veritape.telemetry.log_record import CUT, failure, log_line, readable, timestamp


def test_fields_stand_in_their_order() -> None:
    """TL-600 and TL-610: standard fields first, own fields by name, one line."""
    line = log_line(
        {"zeta": 1, "alpha": "x\ny", "event": "token_issued", "level": "info", "at": "t", "reason": None}
    )
    assert line == '{"at":"t","level":"info","event":"token_issued","alpha":"x\\ny","zeta":1}'


def test_the_time_is_utc_with_microseconds() -> None:
    """TL-610: RFC 3339, cut and not rounded."""
    assert timestamp(1_795_219_200_123_456_789) == "2026-11-21T00:00:00.123456Z"


def test_long_values_and_records_are_cut() -> None:
    """TL-610: a value over 2 KiB is cut and marked, a record over 16 KiB keeps the standard fields."""
    value = json.loads(log_line({"event": "e", "text": "가" * 2000}))["text"]
    assert value.endswith(CUT)
    assert len(value.encode()) <= 2048 + len(CUT.encode())
    large = {"event": "e", "level": "info", **{f"field_{n}": "x" * 2000 for n in range(20)}}
    assert json.loads(log_line(large)) == {"event": "e", "level": "info", "cut": True}


def test_an_exception_is_fields() -> None:
    """TL-610: type, message, frames as a list."""
    try:
        int("wrong")
    except ValueError as error:
        fields = failure(error)
    assert (fields["error_type"], "wrong" in str(fields["error"])) == ("ValueError", True)
    assert str(fields["frames"]).startswith("['test_log_record.py:")


def test_a_person_reads_words() -> None:
    """TL-610: a record is told without its braces; what is no record stays as it is."""
    line = log_line(
        {"at": "t", "level": "error", "part": "observer", "event": "disk_full", "needed_bytes": 4096}
    )
    assert readable(line) == "error disk full: needed_bytes 4096"
    assert readable('{"level":"info","event":"day_opened"}') == "day opened"
    for other in ("09:06  1,911 frames durable", "{", "[1]", "3", '{"level":"info"}'):
        assert readable(other) == other
