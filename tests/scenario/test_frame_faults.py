"""Faults of data frames, seen by a plain socket client (KIS-225)."""

import json
from pathlib import Path

import pytest
from tests.plain_client import CLOSE, NINE, Plain, PlainSocket, code_of, replayed, tape

from veritape.replay.series import Series


async def watch(plain: Plain, *codes: str) -> PlainSocket:
    key, socket = await plain.key(), await plain.connect()
    for code in codes or ("990001",):
        await socket.command(key, code)
    return socket


async def frames(plain: Plain, count: int, *codes: str) -> list[str]:
    """Return so many data frames, acknowledgements and heartbeats left out."""
    socket = await watch(plain, *codes)
    found: list[str] = []
    while len(found) < count:
        text = await socket.text()
        if not text.startswith("{"):
            found.append(text)
    return found


def volumes(text: str, width: int = 47) -> list[int]:
    """Return CNTG_VOL of each record of a frame by plain splitting."""
    fields = text.split("|", 3)[3].split("^")
    return [int(fields[place]) for place in range(12, len(fields), width)]


def fates(path: Path) -> list[tuple[str, list[str]]]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [(record["fate"], record["faults"]) for record in records if record["kind"] == "frame"]


def packed(trades: int) -> list[Series]:
    """Return a tape whose trades come three to a frame."""
    return [tape(trades=trades, step_ms=10)]


async def test_a_run_without_faults_sends_every_frame_in_order() -> None:
    """KIS-221, KIS-120: twenty trades, twenty frames of width 47."""
    async with replayed() as plain:
        got = await frames(plain, 20)
    assert [volumes(text) for text in got] == [[n] for n in range(1, 21)]
    assert all(text.startswith("0|H0STCNT0|001|990001^") and text.count("^") == 46 for text in got)


async def test_dropped_frames_do_not_come(tmp_path: Path) -> None:
    """KIS-225, OB-851: drop within a window; the truth file says which."""
    async with replayed("drop@09:00:00-09:00:01", series=[tape(step_ms=500)], truth=f"{tmp_path}/t") as plain:
        got = await frames(plain, 18)
    assert [volumes(text)[0] for text in got] == list(range(3, 21))
    assert fates(tmp_path / "t") == [("dropped", ["drop"])] * 2 + [("sent", [])] * 18


async def test_a_duplicated_frame_comes_twice() -> None:
    """KIS-225, OB-851: duplicate."""
    async with replayed("duplicate") as plain:
        got = await frames(plain, 40)
    assert got[::2] == got[1::2]
    assert len(set(got)) == 20


async def test_a_reordered_frame_follows_its_successor() -> None:
    """KIS-225, OB-851: reorder."""
    async with replayed("reorder@09:00:00-09:00:01", series=[tape(step_ms=900)]) as plain:
        got = await frames(plain, 20)
    assert [volumes(text)[0] for text in got[:4]] == [2, 1, 3, 4]


async def test_a_split_frame_comes_as_two_and_merged_ones_as_one(tmp_path: Path) -> None:
    """KIS-225, OB-851, OB-852: split, merge; every record once, the fate is sent."""
    async with replayed("split", series=packed(30), truth=f"{tmp_path}/t") as plain:
        got = await frames(plain, 20)
    assert [len(volumes(text)) for text in got] == [int(text[11:14]) for text in got]
    assert [volume for text in got for volume in volumes(text)] == list(range(1, 31))
    assert set(map(str, fates(tmp_path / "t"))) == {"('sent', ['split'])"}
    async with replayed("merge", series=packed(30)) as plain:
        got = await frames(plain, 5)
    assert [text[11:14] for text in got] == ["006"] * 5
    assert [volume for text in got for volume in volumes(text)] == list(range(1, 31))


async def test_truncated_and_garbled_frames_are_damaged(tmp_path: Path) -> None:
    """KIS-225, OB-851: cut at a random byte; one byte changed; the fate is altered."""
    async with replayed() as plain:
        whole = await frames(plain, 20)
    async with replayed("truncate", truth=f"{tmp_path}/t") as plain:
        cut = await frames(plain, 20)
    assert all(left.startswith(right) and left != right for left, right in zip(whole, cut, strict=True))
    assert set(map(str, fates(tmp_path / "t"))) == {"('altered', ['truncate'])"}
    async with replayed("garble") as plain:
        garbled = await frames(plain, 20)
    differences = [
        sum(a != b for a, b in zip(left, right, strict=True))
        for left, right in zip(whole, garbled, strict=True)
    ]
    assert differences == [1] * 20


async def test_records_grow_at_their_time() -> None:
    """KIS-225, OB-851, OB-804: width=48 from a time on; --wire does the same for both kinds."""
    series = [tape(trades=6, step_ms=1000)]
    async with replayed("width=48@09:00:03", series=series) as plain:
        got = await frames(plain, 6)
    assert [text.count("^") + 1 for text in got] == [47, 47, 47, 48, 48, 48]
    async with replayed(series=series, wire=("trade=46", "trade=47@09:00:02", "trade=12@09:00:04")) as plain:
        got = await frames(plain, 6)
    assert [text.count("^") + 1 for text in got] == [46, 46, 47, 47, 12, 12]


@pytest.mark.parametrize("place", [0, 12, 46])
async def test_a_field_is_inserted_at_any_place(place: int) -> None:
    """KIS-225, KIS-280: insert=i at width 46 gives 47 fields with the new one at i."""
    async with replayed(wire=("trade=46",)) as plain:
        (usual, *_) = await frames(plain, 1)
    async with replayed(f"insert={place}", wire=("trade=46",)) as plain:
        (wider, *_) = await frames(plain, 1)
    fields = wider.split("|", 3)[3].split("^")
    assert len(fields) == 47
    assert fields.pop(place) == "2"
    assert fields == usual.split("|", 3)[3].split("^")


async def test_a_delayed_frame_is_overtaken() -> None:
    """KIS-225, OB-851: delay=ms holds the frames of its window."""
    async with replayed("delay=2500@09:00:00-09:00:01", series=[tape(trades=5, step_ms=1000)]) as plain:
        got = await frames(plain, 5)
    assert [volumes(text)[0] for text in got] == [2, 3, 1, 4, 5]


async def test_silence_sends_nothing_and_keeps_the_socket() -> None:
    """KIS-225, OB-851: silence=s; heartbeats and acknowledgements are silent too."""
    async with replayed("silence=3@09:00:01", series=[tape(trades=6, step_ms=1000)]) as plain:
        got = await frames(plain, 3)
    assert [volumes(text)[0] for text in got] == [1, 5, 6]


async def test_a_fragmented_frame_is_one_message_in_two_pieces() -> None:
    """KIS-225, KIS-113: fragment cuts inside a field."""
    async with replayed("fragment", "no_pingpong") as plain:
        socket = await watch(plain)
        await socket.text()
        first, second = await socket.frame(), await socket.frame()
    assert (first[0], second[0]) == (0x01, 0x80)
    assert volumes((first[1] + second[1]).decode()) == [1]


async def test_one_record_is_missing_and_a_count_lies() -> None:
    """KIS-225, KIS-220: drop_record, count_bad."""
    async with replayed("drop_record", series=packed(9)) as plain:
        got = await frames(plain, 3)
    assert [len(volumes(text)) for text in got] == [2, 2, 2]
    async with replayed("count_bad", series=packed(9)) as plain:
        got = await frames(plain, 3)
    assert [(text[11:14], len(volumes(text))) for text in got] == [("004", 3)] * 3


async def test_a_mixed_frame_holds_two_symbols() -> None:
    """KIS-225, KIS-223: mix."""
    async with replayed("mix", series=[tape(), tape("990002")]) as plain:
        got = await frames(plain, 5, "990001", "990002")
    for text in got:
        fields = text.split("|", 3)[3].split("^")
        assert (text[11:14], fields[0], fields[47]) == ("002", "990001", "990002")


async def test_every_connection_ends_at_its_moment() -> None:
    """KIS-225, OB-851: close has a close frame, reset none, half_close ends one direction only."""
    series = [tape(trades=4, step_ms=1000)]
    async with replayed("close=09:00:02", "no_pingpong", series=series) as plain:
        socket = await watch(plain)
        texts = await socket.texts(3)
        assert code_of(texts[0]) == "OPSP0000"
        assert [volumes(text)[0] for text in texts[1:]] == [1, 2]
        assert (await socket.frame())[0] == CLOSE
    async with replayed("reset=09:00:02", "no_pingpong", series=series, speed=20) as plain:
        socket = await watch(plain)
        await socket.texts(3)
        with pytest.raises(ConnectionResetError):
            await socket.reader.readexactly(1)
    async with replayed("half_close=09:00:02", "no_pingpong", series=series, speed=20) as plain:
        socket = await watch(plain)
        await socket.texts(3)
        assert await socket.frame() == (0, b"")
        assert len(plain.broker.player.outboxes) == 1
        assert plain.now_ms >= NINE
