"""The live connection: what is asked for, what is journalled, what ends it."""

import asyncio
from pathlib import Path

import pytest
from tests.binance import CODE, FIRST, Venue
from tests.binance_run import FastClock, Run, settings
from tests.binance_server import BinanceServer, Faults
from tests.waiting import until

from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind


@pytest.mark.parametrize("book_ticker", [True, False])
async def test_every_message_of_the_wanted_streams_is_journalled_as_it_came(
    tmp_path: Path, book_ticker: bool
) -> None:
    """OB-901, OB-504: byte for byte, numbered from 1; the library answers the venue's pings."""
    server = BinanceServer(Venue(), Faults(until=600), None, 0, FIRST)
    await server.start()
    run = Run(settings(tmp_path, server.port, binance={"book_ticker": book_ticker}), FastClock(1))
    streaming = asyncio.create_task(run.watching.stream.run())
    await server.ended.wait()
    await run.watching.stream.finish(Cause.OPERATOR_STOP)
    await streaming
    await run.close()
    await server.stop()
    found = [frame for _, _, frame in read_journal(tmp_path) if frame.kind is Kind.TEXT]
    wanted = [one.data for one in server.messages[:600] if book_ticker or one.stream != "bookTicker"]
    assert [frame.data for frame in found] == wanted
    assert [frame.sequence for frame in found] == list(range(1, len(wanted) + 1))
    assert {frame.connection for frame in found} == {1}
    assert server.pongs == 1


async def test_a_silent_connection_is_left_and_opened_again(tmp_path: Path) -> None:
    """OB-673, OB-451: silence is a cause of its own."""
    server = BinanceServer(Venue(), Faults(until=50), None, 0, FIRST)
    await server.start()
    run = Run(settings(tmp_path, server.port, session={"silence_seconds": 20}), FastClock(200))
    streaming = asyncio.create_task(run.watching.stream.run())
    await until(lambda: server.connections >= 2)
    await run.watching.stream.finish(Cause.OPERATOR_STOP)
    await streaming
    await run.daybook.flush()
    assert run.recording.recorder.symbols[CODE].watches[0].cause is Cause.WS_SILENT
    await run.close()
    await server.stop()


async def test_a_venue_that_does_not_answer_is_tried_again(tmp_path: Path) -> None:
    """OB-451: with growing pauses, until it is there."""
    server = BinanceServer(Venue(), Faults(until=50), None, 0, FIRST)
    await server.start()
    port = server.port
    await server.stop()
    run = Run(settings(tmp_path, port), FastClock(60))
    streaming = asyncio.create_task(run.watching.stream.run())
    await until(lambda: run.watching.stream.session.wake_ns is not None)
    assert "Cannot connect" in run.watching.stream.trouble
    again = BinanceServer(Venue(), Faults(until=50), None, 0, FIRST)
    await again.start(port)
    await again.ended.wait()
    assert (run.watching.stream.live.is_set(), run.watching.stream.trouble) == (True, "")
    await run.watching.stream.finish(Cause.OPERATOR_STOP)
    await streaming
    await run.close()
    await again.stop()
