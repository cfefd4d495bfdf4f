"""The shape of a log record: which fields, in which order, how large (TL-600, TL-610)."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from veritape.telemetry.redaction import redact

STANDARD = (
    "at", "level", "part", "event", "reason", "request_id", "trace_id", "span_id", "connection", "claim",
)  # fmt: skip
"""Fields in the order in which they stand; the event's own follow by name."""

VALUE_LIMIT_BYTES = 2048
"""A longer text is cut and marked."""

RECORD_LIMIT_BYTES = 16_384
"""A longer record keeps the standard fields only."""

CUT = "…(cut)"
"""Marks a cut value."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp(wall_ns: int) -> str:
    """Return RFC 3339 in UTC with microseconds."""
    at = EPOCH + timedelta(microseconds=wall_ns // 1000)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def log_line(fields: Mapping[str, object]) -> str:
    """Return a record as one line of JSON: redacted, cut, ordered."""
    ordered = {name: _cut(redact(name, fields[name])) for name in STANDARD if fields.get(name) is not None}
    own = {name: _cut(redact(name, fields[name])) for name in sorted(fields.keys() - set(STANDARD))}
    line = _json({**ordered, **own})
    if len(line.encode()) > RECORD_LIMIT_BYTES:
        line = _json({**ordered, "cut": True})
    return line


def readable(line: str) -> str:
    """Return a record as words for a person, ``error disk full: needed_bytes 4096``; any other line as it is."""
    try:
        fields = json.loads(line)
    except ValueError:
        return line
    if not isinstance(fields, dict) or not {"level", "event"} <= fields.keys():
        return line
    told = [
        f"{name} {value}" for name, value in fields.items() if name not in {"at", "level", "part", "event"}
    ]
    event = str(fields["event"]).replace("_", " ")
    head = event if fields["level"] == "info" else f"{fields['level']} {event}"
    return f"{head}: {', '.join(told)}" if told else head


def failure(error: BaseException) -> dict[str, object]:
    """Return an exception as fields: type, message, frames from the outermost."""
    frames, trace = [], error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return {"error_type": type(error).__name__, "error": str(error), "frames": frames}


def _cut(value: object) -> object:
    if isinstance(value, str) and len(value.encode()) > VALUE_LIMIT_BYTES:
        return value.encode()[:VALUE_LIMIT_BYTES].decode(errors="ignore") + CUT
    return value


def _json(fields: Mapping[str, object]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), default=str)
