"""What clients are told of their commands, and when."""

import asyncio
from typing import Any

import pytest
from tests.waiting import until

from veritape.replay.accounts import Accounts
from veritape.replay.adapters.answers import Answers
from veritape.replay.adapters.outbox import Outbox
from veritape.replay.control_faults import Delay, When
from veritape.replay.delivery import Packet
from veritape.replay.market import Market
from veritape.replay.schedule import TapeClock
from veritape.replay.series import Row, build
from veritape.replay.sockets import Exchange, Reply, Socket

PLACE = ("H0STCNT0", "990001")


class Stage:
    """One code, one connection, nothing that moves."""

    def __init__(self) -> None:
        self.market = Market([build("990001", [Row(34_200_000, 100, 1, auction=False)])], "20131007")
        self.tape = TapeClock(32_400_000 * 1_000_000, 1.0)
        self.exchange = Exchange(Accounts(), 7)
        self.socket = self.exchange.connect(0)
        self.box = Outbox(self.socket, lambda: None, lambda: 0)
        self.outboxes: dict[Socket, Outbox] = {self.socket: self.box}
        self.silent = False
        self.noted: list[tuple[str, dict[str, Any]]] = []
        self.answers = Answers(self, self.exchange)

    def is_silent(self) -> bool:
        return self.silent

    def clock_document(self) -> dict[str, Any]:
        return {"speed": 100.0}

    def note(self, kind: str, detail: dict[str, Any]) -> None:
        self.noted.append((kind, detail))

    def reply(self, text: str, delay: Delay | None = None, code: str = "OPSP0000") -> None:
        self.answers.acknowledge(self.box, Reply(text, code, PLACE, delay or Delay()))

    @property
    def said(self) -> list[str]:
        return [one.text for one in self.box.queue]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_command_is_answered_at_once_and_noted(stage: Stage) -> None:
    """KIS-102, OB-809: an acknowledgement as such, a refusal with its rule."""
    stage.reply("ok")
    stage.reply("full", code="OPSP0008")
    assert stage.said == ["ok", "full"]
    (accepted, first), (refused, second) = stage.noted
    assert (accepted, refused) == ("acknowledged", "refused")
    assert first == {
        "connection": stage.socket.number,
        "code": "OPSP0000",
        "tr_id": PLACE[0],
        "tr_key": PLACE[1],
    }
    assert second["rule"].startswith("KIS-")


def test_an_answer_that_is_lost_or_kept_silent_about_is_noted_all_the_same(stage: Stage) -> None:
    """OB-851: no_ack and silence; the truth file says what happened."""
    stage.reply("lost", Delay(When.NEVER, fault="no_ack"))
    stage.silent = True
    stage.reply("unheard")
    assert stage.said == []
    assert [detail.get("faults") for _, detail in stage.noted] == [["no_ack"], None]
    stage.answers.acknowledge(stage.box, Reply(None, None))
    assert len(stage.noted) == 2


async def test_a_late_answer_comes_later(stage: Stage) -> None:
    """OB-851: late_ack, milliseconds of the tape."""
    stage.reply("late", Delay(When.LATE, 500))
    stage.reply("now")
    assert stage.said == ["now"]
    await until(lambda: stage.said == ["now", "late"])


def test_an_answer_can_follow_the_first_data(stage: Stage) -> None:
    """KIS-103, OB-851: ack_after_data: once, and only behind its own code's frame."""
    stage.reply("behind", Delay(When.AFTER_DATA))
    stage.answers.say_after_data(Packet(PLACE[0], "990002", 1, (), (stage.socket,)))
    assert stage.said == []
    for _ in range(2):
        stage.answers.say_after_data(Packet(*PLACE, 1, (), (stage.socket,)))
    assert stage.said == ["behind"]
    stage.outboxes.clear()
    stage.answers.say_after_data(Packet(*PLACE, 1, (), (stage.socket,)))


async def test_answers_can_change_places(stage: Stage) -> None:
    """KIS-103, OB-851: ack_shuffle: it follows the next one, or leaves alone when none comes."""
    stage.reply("first", Delay(When.AFTER_NEXT))
    stage.reply("second")
    assert stage.said == ["second", "first"]
    stage.reply("alone", Delay(When.AFTER_NEXT))
    await asyncio.sleep(0)
    assert stage.said[2:] == []
    await until(lambda: stage.said[2:] == ["alone"])


def test_a_registration_for_notices_earns_one(stage: Stage) -> None:
    """KIS-163: behind its acknowledgement; a refused one earns none."""
    for code in ("OPSP0008", "OPSP0000"):
        stage.answers.acknowledge(stage.box, Reply("ok", code, ("H0STCNI0", "user"), Delay()))
    assert stage.said[:2] == ["ok", "ok"]
    (notice,) = stage.said[2:]
    assert notice.startswith("1|H0STCNI0|001|")
