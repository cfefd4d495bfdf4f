"""structlog, set up once a process: JSON lines that never block the loop (TL-600 to TL-640).

``log = structlog.get_logger()`` then ``log.warning("snake_case_event", reason=..., field=...)``. Records go through a
bounded queue to a thread that writes; what does not fit is dropped, counted and said in one record. A warning that repeats
(same event and reason) is written once and then as a count each minute.
"""

import queue
import threading
from collections.abc import MutableMapping
from typing import Any, Protocol

import structlog

from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.telemetry import metrics
from veritape.telemetry.log_record import failure, log_line, timestamp
from veritape.telemetry.registry import Registry

QUEUE_LIMIT = 10_000
"""Records that wait for the writer."""

REPEAT_NS = 60 * NANOSECONDS
"""Time in which a warning with the same event and reason is only counted."""

REPEAT_KINDS = 1000
"""Different warnings remembered: beyond, the memory starts anew."""

Fields = MutableMapping[str, Any]
"""A record on its way through structlog."""


class Lines(Protocol):
    """What takes the lines: a text stream, or a file that is begun anew."""

    def write(self, text: str, /) -> int:
        """Append a line."""
        ...

    def flush(self) -> None:
        """Hand over what was written."""
        ...


class LogOutput:
    """The queue and the thread that writes. ``close`` writes what waits."""

    def __init__(self, stream: Lines) -> None:
        self._stream = stream
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_LIMIT)
        self.dropped = 0
        """Records that did not fit or could not be written."""
        self._thread = threading.Thread(target=self._write, name="log-writer", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        """Queue one line; drop it when the writer is behind."""
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    debug = info = warning = error = critical = msg

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _write(self) -> None:
        while (line := self._queue.get()) is not None:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.dropped += 1


class _Steps:
    """The processors of a part's records."""

    def __init__(self, part: str, registry: Registry, clock: Clock, output: LogOutput) -> None:
        self._part, self._registry, self._clock, self._output = part, registry, clock, output
        self._repeats: dict[tuple[str, str], tuple[int, int]] = {}
        self._said = 0

    def stamp(self, _logger: object, level: str, fields: Fields) -> Fields:
        """Add time, level and part; write an exception as fields."""
        fields.update(at=timestamp(self._clock.wall_ns()), level=level, part=self._part)
        error = fields.pop("exc_info", None)
        if isinstance(error, BaseException):
            fields.update(failure(error))
        return fields

    def hold_back(self, _logger: object, level: str, fields: Fields) -> Fields:
        """Drop a repeated warning; say how many were dropped with the next one that is written."""
        if level != "warning":
            return fields
        key, now_ns = (str(fields["event"]), str(fields.get("reason", ""))), self._clock.monotonic_ns()
        said_ns, held = self._repeats.get(key, (now_ns - REPEAT_NS, 0))
        if now_ns - said_ns < REPEAT_NS:
            self._repeats[key] = (said_ns, held + 1)
            raise structlog.DropEvent
        if len(self._repeats) >= REPEAT_KINDS:
            self._repeats.clear()
        self._repeats[key] = (now_ns, 0)
        if held:
            fields["repeated"] = held
        return fields

    def render(self, _logger: object, level: str, fields: Fields) -> str:
        """Return the line; say first what was dropped."""
        self._registry.add(metrics.LOG_RECORDS, level=level)
        if self._output.dropped > self._said:
            fields["records_dropped"] = self._output.dropped - self._said
            self._said = self._output.dropped
        return log_line(fields)


def configure_logs(part: str, level: str, registry: Registry, clock: Clock, stream: Lines) -> LogOutput:
    """Set structlog up for this process; close the returned output at the end.

    Args:
        part: value of the field ``part``.
        level: least level that is written: debug, info, warning, error or critical.
        registry: counts the records; holds ``metrics.LOG_RECORDS``.
        clock: stamps them.
        stream: takes the lines: stderr or a file.
    """
    output = LogOutput(stream)
    steps = _Steps(part, registry, clock, output)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, steps.stamp, steps.hold_back, steps.render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: output,
        cache_logger_on_first_use=False,
    )
    return output
