"""Faults of commands and connections, seen by a plain socket client (KIS-225)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.plain_client import PING, PONG, PlainSocket, at, code_of, replayed, tape
from tests.waiting import until

CODES = ("990001", "990002", "990003")
SERIES = [tape(code) for code in CODES]


def events(path: Path) -> list[dict[str, Any]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in records if record["kind"] == "event"]


def is_data(text: str) -> bool:
    return text.startswith("0|")


def is_heartbeat(text: str) -> bool:
    return '"PINGPONG"' in text


async def acknowledgements(socket: PlainSocket, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        text = await socket.text()
        if not is_data(text) and not is_heartbeat(text):
            found.append(text)
    return found


async def test_a_lost_acknowledgement_leaves_the_code_registered(tmp_path: Path) -> None:
    """KIS-225, OB-851: no_ack carries the command out; a resend earns OPSP0002."""
    async with replayed("no_ack@08:00:00-09:00:00", series=SERIES, truth=f"{tmp_path}/t", speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        await socket.command(key)
        await socket.command(key)
        await socket.send(b"", PING)
        assert (await socket.frame())[0] == PONG
    lost = [one["detail"] for one in events(tmp_path / "t")]
    assert [(one["code"], one["faults"]) for one in lost] == [
        ("OPSP0000", ["no_ack"]),
        ("OPSP0002", ["no_ack"]),
    ]


async def test_an_acknowledgement_comes_late() -> None:
    """KIS-225, OB-851: late_ack=ms."""
    async with replayed("late_ack=150", series=SERIES, speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await socket.register(key) == "OPSP0000"
        assert loop.time() - began >= 0.14


async def test_an_acknowledgement_follows_the_data() -> None:
    """KIS-225, KIS-105: ack_after_data."""
    async with replayed("ack_after_data", "no_pingpong") as plain:
        key, socket = await plain.key(), await plain.connect()
        await socket.command(key)
        texts = await socket.texts(3)
    assert is_data(texts[0])
    assert code_of(texts[1]) == "OPSP0000"
    assert is_data(texts[2])


async def test_acknowledgements_come_in_another_order() -> None:
    """KIS-225, KIS-285: ack_shuffle; the last one does not wait for ever."""
    async with replayed("ack_shuffle", series=SERIES, speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        for code in CODES:
            await socket.command(key, code)
        answers = [json.loads(text)["header"]["tr_key"] for text in await acknowledgements(socket, 3)]
    assert answers == ["990002", "990001", "990003"]


async def test_the_limit_is_lower_than_the_rule_says(tmp_path: Path) -> None:
    """KIS-225, OB-851, KIS-221: limit=n; the event log names the rule."""
    async with replayed("limit=2", series=SERIES, speed=1, truth=f"{tmp_path}/t") as plain:
        key, socket = await plain.key(), await plain.connect()
        assert [await socket.register(key, code) for code in CODES] == ["OPSP0000", "OPSP0000", "OPSP0008"]
    assert events(tmp_path / "t")[-1]["detail"] == {
        "connection": 1, "code": "OPSP0008", "tr_id": "H0STCNT0", "tr_key": "990003", "rule": "KIS-170",
    }  # fmt: skip


async def test_keys_and_appkeys_are_refused_for_a_while() -> None:
    """KIS-225, OB-851: opsp0011=count, opsp8996=s."""
    async with replayed("opsp0011=2", speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        assert [await socket.register(key) for _ in range(3)] == ["OPSP0011", "OPSP0011", "OPSP0000"]
    async with replayed("opsp8996=0.5", speed=1, virtual=False) as plain:
        key, socket = await plain.key(), await plain.connect()
        assert await socket.register(key) == "OPSP8996"
        answers = ["OPSP8996"]
        while answers[-1] == "OPSP8996":
            await asyncio.sleep(0.05)
            answers.append(await socket.register(key))
    assert answers[-1] == "OPSP0000"


@pytest.mark.parametrize("code", ["OPSP0007", "OPSP8993", "OPSP9993"])
async def test_every_command_is_refused_with_a_code(code: str) -> None:
    """KIS-225, KIS-220: opsp=CODE."""
    async with replayed(f"opsp={code}", speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        assert await socket.register(key) == code


async def test_a_bad_key_meets_silence() -> None:
    """KIS-225, KIS-115: mute."""
    async with replayed("mute", speed=1) as plain:
        key, socket = await plain.key(), await plain.connect()
        await socket.command("x" * 36)
        assert await socket.register(key) == "OPSP0000"


async def test_an_unclean_end_holds_the_appkey() -> None:
    """KIS-225, KIS-115, KIS-286: linger=S after a cut; without it the appkey is free at once."""
    for faults, code in ((("linger=60",), "OPSP8996"), ((), "OPSP0000")):
        async with replayed(*faults, speed=1, virtual=False) as plain:
            key, first = await plain.key(), await plain.connect()
            await first.register(key)
            first.writer.transport.abort()
            await until(lambda: not plain.broker.player.outboxes)
            second = await plain.connect()
            assert await second.register(key) == code


async def test_connects_are_banned() -> None:
    """KIS-225, KIS-220: ban=S: the eleventh connect of a minute finds a closed door."""
    async with replayed("ban=60", speed=1, virtual=False) as plain:
        for _ in range(10):
            await plain.connect()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await plain.connect()


async def test_heartbeats_stop_or_flood() -> None:
    """KIS-225, KIS-108: without faults one after ten idle seconds; no_pingpong none; pingpong_flood many."""
    async with replayed(speed=1000, until_ms=32_400_000 + 600_000) as plain:
        key, socket = await plain.key(), await plain.connect()
        await socket.command(key)
        texts = [await socket.text()]
        while sum(map(is_data, texts)) < 20 or not is_heartbeat(texts[-1]):
            texts.append(await socket.text())
        stamp = json.loads(texts[-1])["header"]["datetime"]
        assert stamp.startswith("2013100709")
    async with replayed("pingpong_flood", speed=1) as plain:
        socket = await plain.connect()
        assert all(is_heartbeat(text) for text in await socket.texts(5))
    async with replayed("no_pingpong", speed=1000) as plain:
        key, socket = await plain.key(), await plain.connect()
        await socket.command(key)
        assert not any(map(is_heartbeat, await socket.texts(21)))
        await at(plain, 32_400_000 + 60_000)
        await socket.send(b"", PING)
        assert (await socket.frame())[0] == PONG


async def test_a_ping_is_not_answered() -> None:
    """KIS-225, KIS-111: no_pong."""
    async with replayed("no_pong", speed=1) as plain:
        socket = await plain.connect()
        await socket.send(b"", PING)
        await socket.send(b"no json")
        assert code_of(await socket.text()) == "OPSP9999"


async def test_stamps_are_shifted() -> None:
    """KIS-225, OB-851, KIS-180: clock_skew moves PINGPONG and Date, ahead or behind."""
    async with replayed("clock_skew=3600000", "pingpong_flood", speed=1) as plain:
        socket = await plain.connect()
        assert json.loads(await socket.text())["header"]["datetime"].startswith("2013100709")
        answer = await plain.issue()
        assert answer.headers["Date"].startswith("Mon, 07 Oct 2013 00:")
