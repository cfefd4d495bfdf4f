"""Lines to somebody who may not read."""

import os

from veritape.gateway.adapters.line_writer import LineWriter


def test_lines_arrive_in_order() -> None:
    """GW-773: everything that fits is written, at the end too."""
    reader, writer = os.pipe()
    lines = LineWriter(writer)
    for number in range(1_000):
        lines.put(str(number))
    lines.close()
    os.close(writer)
    with os.fdopen(reader) as file:
        assert file.read().split() == [str(number) for number in range(1_000)]
    assert lines.dropped == 0


def test_a_reader_who_does_not_read_stops_nobody() -> None:
    """GW-773: the queue is bounded, drops are counted, and the end does not wait for ever."""
    reader, writer = os.pipe()
    lines = LineWriter(writer, limit=10)
    line = "x" * 100_000  # above what a pipe holds: the thread stands still
    for _ in range(500):
        lines.put(line)
    lines.close(patience_s=0.05)
    assert lines.dropped >= 200
    os.close(reader)
    lines._thread.join()
    os.close(writer)


def test_a_descriptor_that_takes_nothing_is_counted() -> None:
    """GW-773: an error is a drop, the thread goes on."""
    reader, writer = os.pipe()
    os.close(reader)
    lines = LineWriter(writer)
    lines.put("a")
    lines.close()
    os.close(writer)
    assert lines.dropped == 1
