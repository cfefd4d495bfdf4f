"""The live connection against the replayed broker: registrations, heartbeats, drops, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import aiohttp
import pytest
import structlog
from tests.broker import Broker, broker, rest_of
from tests.tape import CODES, DAY, frames
from tests.waiting import until

from veritape.apps.bench.websocket_source import framed, upgrade_answer
from veritape.kernel.clock import ManualClock
from veritape.observer.adapters import stream as module
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.daybook import Daybook
from veritape.observer.adapters.journal_files import read_journal
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.recording import Recording
from veritape.observer.adapters.stream import Stream
from veritape.observer.gaps import Cause
from veritape.observer.journal import Kind
from veritape.observer.session import SessionEvent, SessionState
from veritape.replay.accounts import APPKEY, APPSECRET
from veritape.wire.kis.frames import BOOK_KRX, TRADES_KRX

ALL = tuple(CODES)


@asynccontextmanager
async def streaming(
    one: Broker, data: Path, silence_seconds: int = 60, tr_ids: tuple[str, ...] = (TRADES_KRX,)
) -> AsyncIterator[tuple[Stream, Daybook]]:
    async with rest_of(one, data) as (rest, clock):
        recording = Recording(data)
        book = Daybook(
            recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
        )
        stream = Stream(one.settings().ws_url, rest, book, clock, 41, silence_seconds, tr_ids)
        task = asyncio.create_task(stream.run(ALL))
        try:
            yield stream, book
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await stream.abandon(Cause.OPERATOR_STOP)
            await book.close()


async def test_every_code_is_registered_and_its_trades_are_recorded(tmp_path: Path) -> None:
    """OB-343, OB-349, OB-451: registered, live, recorded; at the end every registration is released."""
    async with broker(seconds=30) as one, streaming(one, tmp_path) as (stream, book):
        await until(lambda: stream.session.state is SessionState.LIVE)
        assert stream.slots.active == list(ALL)
        await until(lambda: one.player.tape.now_ms > 32_432_000)
        await stream.finish()
        assert [len(socket.registered) for socket in one.exchange.sockets] in ([0], [])
        await book.flush()
        totals = {
            code: line.recorded.trades for code, line in book.recording.recorder.days[DAY].lines.items()
        }
        assert totals == {
            code: quoted.series.happened(32_430_000) for code, quoted in one.player.market.quoted.items()
        }
        watches = book.recording.recorder.days[DAY].watches
        assert {watch.cause for spans in watches.values() for watch in spans} == {Cause.NOT_WATCHED}


@pytest.mark.parametrize("faults", [("opsp0011=3", "mute"), ("mute", "opsp0011=100000")])
async def test_a_key_that_meets_silence_is_renewed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faults: tuple[str, ...]
) -> None:
    """KIS-115: commands without any answer: as OPSP0011, once; what stays silent then waits as any unanswered command."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 1)
    with structlog.testing.capture_logs() as told:
        async with broker(speed=1.0, faults=faults) as one, streaming(one, tmp_path) as (stream, _):
            if faults[0] == "mute":
                await until(lambda: stream.session.epoch == 2 and bool(stream.slots.taken))
                connects, socket = stream.connects["ok"], stream._socket
                await asyncio.sleep(1.5)
                assert (connects, stream._socket) == (2, socket), "the second silence is no key's"
            else:
                await until(lambda: stream.slots.active == list(ALL))
                assert stream.connects["ok"] == 2
            assert one.account.report.approvals == 2
    assert [record["event"] for record in told].count("commands_unanswered") == 1


async def test_text_that_is_not_utf_8_is_kept_and_the_session_stays(tmp_path: Path) -> None:
    """OB-991, OB-455: in the journal as it came, quarantined, and the next message is read."""
    bad, good = b"0|H0STCNT0|001|\xff\xfe^", frames(ALL[:1])[0].data

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(upgrade_answer(request) + framed(bad) + framed(good))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, broker(seconds=600) as one, streaming(one, tmp_path) as (stream, book):
        stream._url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await until(lambda: stream.frames == 2)
        await book.flush()
        assert stream.session.state is SessionState.SUBSCRIBING
        assert book.recording.recorder.days[DAY].lines["990001"].recorded.trades > 0
    received = [one.data for _, _, one in read_journal(tmp_path / "journal") if one.kind is Kind.TEXT]
    assert received == [bad, good]


async def test_a_lost_connection_comes_back_in_a_new_epoch(tmp_path: Path) -> None:
    """OB-349, OB-451, OB-453, OB-673: watched spans close with ws_disconnect; the codes are registered again."""
    async with broker(seconds=60) as one, streaming(one, tmp_path) as (stream, book):
        await until(lambda: stream.session.state is SessionState.LIVE)
        next(iter(one.player.outboxes.values())).abort()
        await until(lambda: stream.session.epoch == 2 and stream.session.state is SessionState.LIVE)
        assert len(one.exchange.sockets) == 1
        await book.flush()
        watches = book.recording.recorder.days[DAY].watches["990001"]
        assert [watch.cause for watch in watches] == [Cause.WS_DISCONNECT, None]


async def test_a_heartbeat_is_answered_with_the_same_text(tmp_path: Path) -> None:
    """KIS-108: at once; the broker does not cut."""
    async with broker(seconds=60, codes=("990001",)) as one, streaming(one, tmp_path) as (stream, _):
        await until(lambda: bool(one.player.outboxes))
        box = next(iter(one.player.outboxes.values()))
        box.put('{"header":{"tr_id":"PINGPONG","datetime":"20131007085600"}}')
        box.socket.pinged_ns = one.player.broker_ns()
        await until(lambda: box.socket.pinged_ns is None)
        assert stream.frames >= 1


async def test_an_unknown_approval_key_is_renewed_once(tmp_path: Path) -> None:
    """OB-408, OB-451: OPSP0011: a new approval key, then the next attempt."""
    async with broker(seconds=60) as one, streaming(one, tmp_path) as (stream, _):
        await until(lambda: one.account.report.approvals == 1)
        one.account._approvals.clear()
        await until(lambda: stream.session.state is SessionState.LIVE)
        assert one.account.report.approvals <= 2


async def test_an_account_in_use_elsewhere_is_held(tmp_path: Path) -> None:
    """OB-451: OPSP8996: close and wait a minute."""
    async with broker(seconds=60) as one:
        other = one.exchange.connect(0)
        other.account = one.account
        async with streaming(one, tmp_path) as (stream, _):
            await until(lambda: stream.session.state is SessionState.HELD)
            assert stream.acknowledgements["OPSP8996"] >= 1


async def test_no_secret_is_in_the_journal(tmp_path: Path) -> None:
    """KIS-006, OB-504, KIS-T20: outgoing commands are kept with the approval key replaced."""
    async with broker(seconds=60) as one, streaming(one, tmp_path) as (stream, book):
        await until(lambda: stream.session.state is SessionState.LIVE)
        key = stream._key[0] if stream._key else ""
        await book.flush()
    journal = [frame for _, _, frame in read_journal(tmp_path / "journal")]
    assert key
    assert any(frame.kind is Kind.SENT and b'"approval_key":"***"' in frame.data for frame in journal)
    for secret in (key, APPKEY, APPSECRET):
        assert not any(secret.encode() in frame.data for frame in journal)


async def test_the_client_connects_to_tryitout(tmp_path: Path) -> None:
    """KIS-012: the path of the real host; a redirect is no connection."""
    async with broker(seconds=60) as one, streaming(one, tmp_path) as (stream, _):
        assert stream._url == f"{one.settings().ws_url}/tryitout"
        await until(lambda: stream.session.state is SessionState.LIVE)


async def test_books_are_registered_beside_trades_and_recorded(tmp_path: Path) -> None:
    """KIS-162, OB-341, OB-558: two registrations a code; both kinds of frames reach the recorder."""
    async with (
        broker(seconds=60) as one,
        streaming(one, tmp_path, tr_ids=(TRADES_KRX, BOOK_KRX)) as (stream, book),
    ):
        await until(lambda: stream.session.state is SessionState.LIVE)
        await until(lambda: one.player.tape.now_ms > 32_440_000)
        [socket] = one.exchange.sockets
        assert ("H0STASP0", "990001") in socket.registered
        assert ("H0STCNT0", "990001") in socket.registered
        assert (stream.slots.taken, stream.slots.active) == (6, list(ALL))
        await book.flush()
        day = book.recording.recorder.days[DAY]
        assert day.lines["990001"].recorded.trades > 0
        assert day.books.hours
        assert [watch.cause for watch in day.watches["990001"]] == [None]


async def test_a_connection_that_says_nothing_is_closed_as_silent(tmp_path: Path) -> None:
    """OB-451, OB-452, OB-673: the limit, then 5 s more, then closed; the watched spans end with ws_silent."""
    async with broker(seconds=600) as one, streaming(one, tmp_path, silence_seconds=20) as (stream, book):
        await until(lambda: stream.session.state is SessionState.LIVE)
        for outbox in one.player.outboxes.values():
            outbox.put = lambda *_: None  # type: ignore[method-assign]
        await until(lambda: stream.session.epoch == 2)
        await book.flush()
        watches = book.recording.recorder.days[DAY].watches["990001"]
        assert watches[0].cause is Cause.WS_SILENT
        await stream.abandon(Cause.OPERATOR_STOP)
        await book.flush()
    events = [
        json.loads(frame.data)["event"]
        for _, _, frame in read_journal(tmp_path / "journal")
        if frame.kind is Kind.CONNECTION
    ]
    assert events[:3] == ["connected", "ws_silent", "connected"]


@pytest.mark.parametrize("step_s", [-86_400, -3_600, 3_600, 86_400])
async def test_an_approval_key_lives_as_long_whatever_the_clock_is_set_to(
    tmp_path: Path, step_s: int
) -> None:
    """OB-004, OB-408: a day's key is asked for once in 23 hours."""
    asked, clock = list[int](), ManualClock(wall_ns=10**18)

    class Keys:
        async def approval_key(self) -> str:
            asked.append(clock.monotonic_ns())
            return "key"

    recording = Recording(tmp_path)
    book = Daybook(
        recording, JournalOptions(recording.journal_folder, reserve_bytes=0), clock, lambda _: None
    )
    stream = Stream("http://127.0.0.1:1", cast("BrokerRest", Keys()), book, clock, 41, 60, (TRADES_KRX,))
    async with aiohttp.ClientSession() as http:
        for hours in (0, 12, 12):
            clock.advance_ns(hours * 3_600 * 10**9)
            stream._connected.happened(SessionEvent.WANTED if not asked else SessionEvent.TIMER)
            await stream._connect(http)
            if len(asked) == 1:
                clock.step_wall_ns(step_s * 10**9)
    await book.close()
    assert asked == [0, 24 * 3_600 * 10**9]
