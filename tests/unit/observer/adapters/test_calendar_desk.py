"""The calendar of a running recorder."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import structlog

from veritape.kernel.errors import MisuseError
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.calendar_desk import CalendarDesk
from veritape.observer.reactions import Answer, AnswerReason, Reaction
from veritape.observer.sessions import USUAL, Hours
from veritape.wire.kis.rest import TRADING_DAYS, Call

CLOSED_ROW = '[[day]]\ndate = "2026-11-20"\nkind = "closed"\n'


class Broker:
    """Counts the calls and answers as told."""

    def __init__(self, output: object = None, *, paper: bool = False) -> None:
        self.calls: list[dict[str, str]] = []
        self.paper = paper
        self.answer = Answer(Reaction.OK, "MCA00000", None, {"output": output})

    @property
    def rest(self) -> BrokerRest:
        return cast("BrokerRest", self)

    def serves(self, call: Call) -> bool:
        assert call is TRADING_DAYS
        return not self.paper

    async def token(self) -> str:
        return "token"

    async def quotation(self, _call: Call, parameters: dict[str, str], _lane: object, times: int) -> Answer:
        assert times == 1
        self.calls.append(parameters)
        return self.answer


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as records:
        yield records


def rows(**days: str) -> list[dict[str, str]]:
    return [{"bass_dt": day.strip("d"), "opnd_yn": opened} for day, opened in days.items()]


def desk(folder: Path, override: str | None = None) -> CalendarDesk:
    path = None
    if override is not None:
        path = folder / "mine.toml"
        path.write_text(override)
    return CalendarDesk(path, folder / "calendar" / "broker-real.json")


async def test_the_broker_is_asked_once_a_date_over_restarts_and_its_answer_is_kept(tmp_path: Path) -> None:
    """OB-121, KIS-069, KIS-028: at most one call a KST date and environment; fifty restarts ask once."""
    broker = Broker(rows(d20261120="N", d20261123="Y"))
    for _ in range(50):
        one = desk(tmp_path)
        await one.ask_broker(broker.rest, "20261120")
        await one.ask_broker(broker.rest, "20261120")
    assert broker.calls == [{"BASS_DT": "20261120", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}]
    assert desk(tmp_path).calendar().hours("20261120") is None
    broker.answer = Answer(Reaction.OK, "", None, {"output": rows(d20261124="N")})
    await desk(tmp_path).ask_broker(broker.rest, "20261121")
    assert len(broker.calls) == 2
    kept = desk(tmp_path).calendar()
    assert (kept.hours("20261120"), kept.hours("20261124")) == (None, None)
    other = CalendarDesk(None, tmp_path / "calendar" / "broker-paper.json")
    assert other.calendar().hours("20261120") is not None


@pytest.mark.parametrize(
    "answer",
    [
        Answer(Reaction.BUG, "OPSQ0002", AnswerReason.REFUSED, {}),
        Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {}),
        Answer(Reaction.OK, "", None, {"output": "?"}),
    ],
)
async def test_a_call_that_brought_nothing_is_not_repeated_on_that_date(
    tmp_path: Path, told: list[Any], answer: Answer
) -> None:
    """KIS-069, OB-991: it was a call; the event says what came, and other authorities decide."""
    broker = Broker()
    broker.answer = answer
    for _ in range(3):
        await desk(tmp_path).ask_broker(broker.rest, "20261120")
    assert len(broker.calls) == 1
    assert [record["event"] for record in told] == ["broker_calendar_missing"]
    assert desk(tmp_path).calendar().hours("20261120") == Hours(32_400, 55_800)


async def test_a_paper_account_never_asks(tmp_path: Path) -> None:
    """KIS-015: it lacks the call."""
    broker = Broker(paper=True)
    await desk(tmp_path).ask_broker(broker.rest, "20261120")
    assert broker.calls == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"format":"veritape.broker-calendar.v1","asked_day":"","days":{"x":1}}']
)
async def test_a_damaged_answer_knows_nothing(tmp_path: Path, content: bytes) -> None:
    """OB-991: as if it had never been asked."""
    one = desk(tmp_path)
    (tmp_path / "calendar").mkdir()
    (tmp_path / "calendar" / "broker-real.json").write_bytes(content)
    assert one.calendar().hours("20261120") == Hours(32_400, 55_800)
    broker = Broker(rows(d20261120="N"))
    await one.ask_broker(broker.rest, "20261120")
    assert len(broker.calls) == 1


def test_a_persons_rows_win_over_the_shipped_ones_date_by_date(tmp_path: Path) -> None:
    """OB-121, OB-123: the others of the shipped file stay."""
    one = desk(tmp_path, '[[day]]\ndate = "2026-11-19"\nkind = "closed"\n').calendar()
    assert one.hours("20261119") is None
    assert one.hours("20260603") is None
    assert one.hours("20251113") == Hours(36_000, 59_400)


def test_a_bad_override_is_an_error_at_start_and_an_event_afterwards(tmp_path: Path, told: list[Any]) -> None:
    """OB-123, OB-991: exit 2 at start; edited while running: event, once, and the old rows."""
    with pytest.raises(MisuseError, match="row 1"):
        desk(tmp_path, "[[day]]\nx = 1\n")
    with pytest.raises(MisuseError, match="No such file"):
        CalendarDesk(tmp_path / "none.toml", tmp_path / "a")
    one = desk(tmp_path, CLOSED_ROW)
    (tmp_path / "mine.toml").write_text(CLOSED_ROW + CLOSED_ROW)
    assert one.calendar().hours("20261120") is None
    assert one.calendar().hours("20261120") is None
    assert [record["event"] for record in told] == ["calendar_refused"]
    assert "given twice" in told[0]["problem"]
    (tmp_path / "mine.toml").write_text("")
    assert one.calendar().hours("20261120") == Hours(32_400, 55_800)


async def test_disagreements_are_told_once(tmp_path: Path, told: list[Any]) -> None:
    """OB-121: event, with what each authority says and who decides."""
    one = desk(tmp_path, CLOSED_ROW)
    one.tell_differences("20261118")
    one.tell_differences("20261119")
    assert [(record["day"], record["decides"]) for record in told] == [
        ("20261119", "override"),
        ("20261120", "override"),
    ]
    assert told[1] == {
        "event": "calendar_differs", "log_level": "warning", "day": "20261120", "decides": "override",
        "override": "closed", "exchange": "09:00-15:30",
    }  # fmt: skip
    assert json.dumps(told)


def test_a_day_that_no_authority_knows_is_told(tmp_path: Path, told: list[Any]) -> None:
    """OB-121: beyond the table, and the broker not asked: an ordinary weekday, and a warning that says so, once."""
    one = desk(tmp_path, "")
    one.tell_differences("20351228")
    assert told == []
    one.tell_differences("20360102")
    one.tell_differences("20360102")
    assert [(record["event"], record["day"]) for record in told] == [("calendar_unknown", "20360102")]
    assert one.calendar().hours("20360102") == USUAL
