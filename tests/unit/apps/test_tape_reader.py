"""The gateway's tape is the observer's folder: the same trades, the same statement as the audit."""

import asyncio
import json
import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from tests.binance import CODE as BTC
from tests.binance import FIRST, SECOND, trades
from tests.binance import frames as binance_frames
from tests.recorded_day import record_day
from tests.tape import DAY, MIDNIGHT_NS, anchors, bundled, day_notes, frames, own_note
from tests.unit.observer.adapters.binance.test_recording import opened, written

from veritape.apps import tape_reader
from veritape.apps.tape_reader import RecordedTape, open_tape
from veritape.gateway.product.bars import read_bars
from veritape.gateway.product.completeness import read_completeness
from veritape.gateway.product.pages import Query, Sources
from veritape.gateway.product.trades import read_trades
from veritape.gateway.readers import Totals
from veritape.kernel.clock import NANOSECONDS, ManualClock, SystemClock
from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.backfill_files import BackfillFiles
from veritape.observer.adapters.binance.fill_files import FillFiles
from veritape.observer.adapters.binance.recording import BinanceRecording
from veritape.observer.adapters.journal_output import JournalOptions
from veritape.observer.adapters.journal_writer import JournalWriter
from veritape.observer.adapters.recording import Recording
from veritape.observer.backfill import Fetched, Source
from veritape.observer.binance.lines import Filled
from veritape.observer.binance.trade_ids import day_start_us, utc_day
from veritape.observer.journal import Frame
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 60_000
CODE = "990001"


async def write(data: Path, journal: list[Frame]) -> None:
    options = JournalOptions(data / "journal" / "KRX", reserve_bytes=0)
    writer = JournalWriter(options, lambda _: None, SystemClock())
    for frame in journal:
        writer.append(frame)
    await writer.close()
    await asyncio.sleep(0)


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    await write(tmp_path, [*day_notes(), *frames(until_ms=UNTIL), *anchors(until_ms=UNTIL)])
    return tmp_path


def seal(data: Path) -> None:
    recording = Recording(data)
    recording.load()
    recording.seal_due(DAY, 0, 120, all_hours=True)


async def test_sealed_trades_are_those_of_the_source(data: Path) -> None:
    """GW-741: every trade of the bundled day, price, size and second, in chain order."""
    seal(data)
    tape = RecordedTape(data, "KRX", ManualClock())
    (segment,) = tape.segments(DAY, CODE)
    assert (segment.name, segment.midnight_ns, segment.first_s, segment.last_s) == (
        "09-0000",
        MIDNIGHT_NS,
        32_400,
        35_999,
    )
    source = [
        (one.ms // 1000, one.price, one.shares, one.chain_shares) for one in bundled(CODE).until(UNTIL).trades
    ]
    rows = tape.trades(segment, CODE)
    assert [(row.event_s, row.price, row.shares, row.chain_shares) for row in rows] == source
    assert tape.trades(segment, CODE) is rows
    assert all(row.counted is True and isinstance(row.session, str) for row in rows)
    assert tape.segments(DAY, "000000") == []
    assert tape.segments("20991231", CODE) == []


async def test_fetched_trades_are_read_apart_from_the_sealed_ones(data: Path) -> None:
    """OB-703, OB-705: in chain order, each once; what was recorded after all is left out; none, no segment."""
    seal(data)
    tape = RecordedTape(data, "KRX", ManualClock())
    assert tape.fetched(DAY, CODE) is None
    (segment,) = tape.segments(DAY, CODE)
    recorded = tape.trades(segment, CODE)[0]
    fetched = [
        Fetched(
            CODE,
            recorded.event_s,
            recorded.price,
            recorded.shares,
            recorded.chain_shares,
            Source.BY_TIME,
            1,
            "g",
        ),
        *(Fetched(CODE, 50_000, 7, 1, chain, Source.BY_TIME, 2, "g") for chain in (9_000_002, 9_000_001)),
    ]
    for _ in range(2):
        BackfillFiles(data, "KRX").add_trades(DAY, fetched, MIDNIGHT_NS)
    found = tape.fetched(DAY, CODE)
    assert found is not None
    assert [row.chain_shares for row in found[1]] == [9_000_001, 9_000_002]
    assert found[1][0] == (50_000, 7, 1, "by_time", 2, "g", 9_000_001, 0, 0, None, None)
    assert found[0].name > segment.name
    assert (found[0].midnight_ns, found[0].digest) == (segment.midnight_ns, "")


async def test_the_statement_is_the_audit_s(data: Path) -> None:
    """GW-741: recorded, backfilled, residual and closed of each line as ``veritape audit`` says."""
    tape = RecordedTape(data, "KRX", ManualClock(wall_ns=7))
    found = tape.completeness(DAY)
    recording = Recording(data)
    recording.load()
    document = recording.audit(DAY, 7)
    assert found is not None
    assert (found.closed, found.as_of_ns) == (document["closed"], 7)
    assert [(one.code, one.status, one.recorded._asdict()) for one in found.lines] == [
        (line["code"], line["status"], line["recorded"]) for line in document["lines"]
    ]
    assert tape.completeness("20991231") is None
    assert not tape.is_sealed("20991231")


def test_a_day_without_its_journal_is_what_was_stated_and_proven_again(tmp_path: Path) -> None:
    """OB-732, GW-741: the retention removed the journal: the same figures as before, held against the segments; sealed."""
    record_day(tmp_path, DAY)
    before = RecordedTape(tmp_path, "KRX", ManualClock()).completeness(DAY)
    shutil.rmtree(tmp_path / "journal" / "KRX" / DAY)
    tape = RecordedTape(tmp_path, "KRX", clock := ManualClock())
    found = tape.completeness(DAY)
    stated = json.loads((tmp_path / "export" / f"audit_{DAY}.json").read_bytes())
    assert before is not None
    assert found == before._replace(as_of_ns=stated["generated_ns"])
    assert (tape.days(), tape.is_sealed(DAY)) == ([DAY], True)
    (seal,) = Recording(tmp_path).segments.seals(DAY)
    seal.path.unlink()
    clock.advance_ns(100 * NANOSECONDS)
    found = tape.completeness(DAY)
    assert found is not None
    assert {line.status for line in found.lines} == {"contradicted"}


def test_a_day_without_journal_and_statement_is_no_day_without_trades(tmp_path: Path) -> None:
    """OB-732, OB-991: nothing is made up: the error names the remedy, and the segments can still be read."""
    record_day(tmp_path, DAY)
    shutil.rmtree(tmp_path / "journal" / "KRX" / DAY)
    (tmp_path / "export" / f"audit_{DAY}.json").unlink()
    tape = RecordedTape(tmp_path, "KRX", ManualClock())
    with pytest.raises(MisuseError, match=f"veritape restore --day {DAY}"):
        tape.completeness(DAY)
    assert tape.is_sealed(DAY)
    (segment,) = tape.segments(DAY, CODE)
    assert tape.trades(segment, CODE)


async def test_a_day_is_sealed_once_it_is_closed_and_nothing_waits(data: Path) -> None:
    """GW-742: before the end of the recording and before the last seal ``sealed`` is false; the files are looked at anew."""
    clock = ManualClock()
    tape = RecordedTape(data, "KRX", clock)
    assert not tape.is_sealed(DAY)
    await write(data, [own_note(NoteKind.CLOSED, 56_100, day=DAY)])
    clock.advance_ns(2 * NANOSECONDS)
    assert not tape.is_sealed(DAY)
    seal(data)
    assert not tape.is_sealed(DAY)
    clock.advance_ns(2 * NANOSECONDS)
    assert tape.is_sealed(DAY)


async def test_memory_is_bounded(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: only so many segments and days are kept."""
    seal(data)
    monkeypatch.setattr(tape_reader, "ROWS_KEPT", 1)
    monkeypatch.setattr(tape_reader, "DAYS_KEPT", 0)
    tape = RecordedTape(data, "KRX", ManualClock())
    for code in ("990001", "990002"):
        tape.trades(tape.segments(DAY, code)[0], code)
    assert tape.completeness(DAY) is not None
    assert (len(tape._rows), len(tape._states)) == (1, 0)


async def test_the_second_venue_s_tape_is_served_by_its_own_rules(tmp_path: Path) -> None:
    """OB-562, OB-901, GW-741: numbers of trades in place of totals, microseconds, eight decimals; the audit's statement."""
    book = await written(tmp_path, opened(), *binance_frames(FIRST, SECOND))
    book.recording.seal_due(FIRST, 0, all_hours=True)
    await book.close()
    tape = open_tape(tmp_path, "BINANCE", ManualClock(wall_ns=7))
    assert tape.days() == [FIRST, SECOND]
    (segment,) = tape.segments(FIRST, BTC)
    start_us = day_start_us(FIRST)
    assert (segment.midnight_ns, segment.price_scale, segment.share_scale) == (start_us * 1_000, 8, 8)
    source = [one for one in trades(FIRST, SECOND) if utc_day(one.event_us) == FIRST]
    rows = tape.trades(segment, BTC)
    assert [(row.trade_id, row.price, row.shares) for row in rows] == [
        (one.trade_id, one.price, one.quantity) for one in source
    ]
    assert [start_us + row.event_s * 1_000_000 + row.event_us for row in rows] == [
        one.event_us for one in source
    ]
    found, audited = tape.completeness(FIRST), BinanceRecording(tmp_path)
    audited.load([FIRST])
    document = audited.audit(FIRST, 7)
    assert found is not None
    assert (found.closed, found.share_scale, found.value_scale) == (document["closed"], 8, 16)
    (line,), (said,) = found.lines, document["lines"]
    assert line.recorded == Totals(*(said["recorded"][name] for name in ("trades", "quantity", "value")))
    assert (line.residual, line.closed) == (Totals(0, 0, 0), True)
    assert not tape.is_sealed(FIRST), "the recorder did not finish the day"


def test_fetched_trades_of_the_venue_with_numbers_have_theirs(tmp_path: Path) -> None:
    """OB-705, OB-904: a trade of its own by its number, several fills together by their first and last."""
    start_us = day_start_us(FIRST)
    one = Filled(BTC, 5, 5, 1, start_us + 1_500_000, 100, 7, 5, 5, 9, single=True, left_id=4)
    several = one._replace(first_id=8, last_id=10, trades=3, single=False)
    FillFiles(tmp_path).write(FIRST, [several, one, one._replace(code="ETHUSDT")])
    tape = open_tape(tmp_path, "BINANCE", ManualClock())
    found = tape.fetched(FIRST, BTC)
    assert found is not None
    assert [(row.trade_id, row.last_id, row.source) for row in found[1]] == [
        (5, 5, "by_id"),
        (8, 10, "aggregate"),
    ]
    assert (found[1][0].event_s, found[1][0].event_us, found[0].share_scale) == (1, 500_000, 8)
    sources = Sources(tape, None, b"k" * 32)
    asked = {"symbol": BTC, "day": FIRST, "limit": "9", "include": "backfill"}
    first, second = json.loads(read_trades(sources, Query("/v1/trades", asked)).body)["items"]
    assert (first["trade_id"], second["last_trade_id"], first["price"]) == ("5", "10", "0.00000100")
    assert tape.fetched(FIRST, "XRPUSDT") is None


async def test_a_missing_trade_s_size_is_unknown(tmp_path: Path) -> None:
    """OB-902, GW-742: its number is known; quantity and value of the residual are none, and null on the page."""
    tape = list(binance_frames(FIRST, SECOND))
    del tape[500:520]
    book = await written(tmp_path, opened(), *tape)
    book.recording.seal_due(FIRST, 0, all_hours=True)
    await book.close()
    reader = open_tape(tmp_path, "BINANCE", ManualClock())
    found = reader.completeness(FIRST)
    assert found is not None
    assert found.lines[0].residual == Totals(20, None, None)
    sources = Sources(reader, None, b"k" * 32)
    page = json.loads(read_completeness(sources, Query("/v1/completeness", {"day": FIRST})).body)
    assert page["items"][0]["residual"] == {"trades": 20, "shares": None, "value": None}
    asked = {"symbol": BTC, "day": FIRST, "limit": "2"}
    first, second = json.loads(read_trades(sources, Query("/v1/trades", asked)).body)["items"]
    assert int(second["trade_id"]) == int(first["trade_id"]) + 1
    assert "chain_shares" not in first
    assert len(first["shares"].partition(".")[2]) == 8
    bars = {"symbol": BTC, "day": FIRST, "interval": "1h"}
    (bar,) = json.loads(read_bars(sources, Query("/v1/bars", bars)).body)["items"]
    rows = reader.trades(reader.segments(FIRST, BTC)[0], BTC)
    assert bar["trades"] == len(rows)
    assert Decimal(bar["volume"]) == Decimal(sum(row.shares for row in rows)).scaleb(-8)
    assert Decimal(bar["value"]) == Decimal(sum(row.price * row.shares for row in rows)).scaleb(-16)
