"""Messages of the WebSocket: every value, every refusal, any bytes."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import frames, trade

from veritape.observer.frames import (
    FRAME_BYTES,
    Acknowledgement,
    FrameReason,
    Heartbeat,
    Message,
    Refusal,
    Trade,
    parse_message,
)

THREE = (
    "0|H0STCNT0|003|"
    "990001^090014^1818700^5^-300^-0.02^1819066.73^1819000^1821400^1818500^1818800^1818700^100^1133^2061002600^3^4^1"
    "^211.26^364^769^5^0.68^0.03^090000^5^-300^090000^5^-2700^090001^2^200^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000^"
    "990001^090014^1818500^5^-500^-0.03^1819012.45^1819000^1821400^1818500^1818600^1818500^120^1253^2279222600^4^4^0"
    "^158.88^484^769^5^0.61^0.04^090000^5^-500^090000^5^-2900^090001^3^0^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000^"
    "990001^090014^1818500^5^-500^-0.03^1818974.58^1819000^1821400^1818500^1818600^1818500^100^1353^2461072600^5^4^-1"
    "^131.68^584^769^5^0.57^0.04^090000^5^-500^090000^5^-2900^090001^3^0^20131007^20^N^1^1^1^1^0.00^0^0.00^0^^1819000"
)
WIDE = "0|H0STCNT0|003|" + "^".join(
    "^".join([*THREE.split("|")[3].split("^")[46 * n : 46 * (n + 1)], "2"]) for n in range(3)
)


def refusal(text: str | bytes, *, binary: bool = False) -> FrameReason:
    message = parse_message(text if isinstance(text, bytes) else text.encode(), binary=binary)
    assert isinstance(message, Refusal)
    return message.reason


def trades_of(message: Message) -> list[Trade]:
    assert not isinstance(message, Refusal)
    return [one for one in message if isinstance(one, Trade)]


def test_the_worked_frame_gives_its_three_trades() -> None:
    """KIS-261, KIS-121: 138 fields in 3 records are trades of 46 fields."""
    message = parse_message(THREE.encode())
    assert message == tuple(trade(row)._replace(session="20/0/") for row in (7, 8, 9))


def test_the_present_width_gives_the_same_trades() -> None:
    """KIS-262, KIS-122: 141 fields in 3 records are trades of 47 fields."""
    assert parse_message(WIDE.encode()) == tuple(trade(row) for row in (7, 8, 9))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", FrameReason.EMPTY),
        ("0|H0STCNT0|003", FrameReason.BAD_HEADER),
        ("00|H0STCNT0|003|x", FrameReason.BAD_HEADER),
        ("0|h0stcnt0|003|x", FrameReason.BAD_HEADER),
        ("0|H0STCNT0|000|x", FrameReason.BAD_COUNT),
        ("0|H0STCNT0|1|x", FrameReason.BAD_COUNT),
        ("0|H0STCNT0|abc|x", FrameReason.BAD_COUNT),
        ("1|H0STCNT0|001|x", FrameReason.NO_KEY),
        ("0|H0STMKO0|001|x", FrameReason.UNKNOWN_TR),
        ("0|H0STCNT0|001|" + "^".join(["1"] * 59), FrameReason.UNKNOWN_WIDTH),
        (WIDE.replace("|003|", "|002|"), FrameReason.WIDTH_NOT_INTEGER),
        (WIDE.replace("|003|", "|001|"), FrameReason.UNKNOWN_WIDTH),
        (THREE.replace("^1133^", "^x^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^1133^", "^^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^1133^", "^+1133^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^1133^", "^-1133^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^1133^", "^99^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^2061002600^", "^0^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^2061002600^3^4^", "^2061002600^3^2147483648^"), FrameReason.RECORD_SHAPE),
        (THREE.replace("990001^090014^1818700", "99001^090014^1818700"), FrameReason.RECORD_SHAPE),
        (THREE.replace("^20131007^", "^20131307^", 1), FrameReason.RECORD_SHAPE),
        (THREE.replace("^090014^", "^250014^", 1), FrameReason.RECORD_SHAPE),
        ("{", FrameReason.BAD_JSON),
        ("[1]", FrameReason.BAD_JSON),
        ("[" * 100_000, FrameReason.BAD_JSON),
        ('{"header":{"tr_id":"X"}}', FrameReason.UNKNOWN_CONTROL),
        ('{"header":5,"body":{"msg_cd":3}}', FrameReason.UNKNOWN_CONTROL),
    ],
)
def test_every_refusal(text: str, reason: FrameReason) -> None:
    """KIS-120, KIS-121, KIS-123, KIS-125, KIS-128, KIS-126, KIS-129, KIS-116: one reason each; an unknown width is never read by a known prefix."""
    assert refusal(text) is reason


def test_what_is_not_text_or_too_large_is_refused() -> None:
    """OB-454: a binary or non-UTF-8 message, and one above 1 MiB."""
    assert refusal(b"\xff") is FrameReason.NOT_TEXT
    assert refusal(THREE, binary=True) is FrameReason.NOT_TEXT
    assert refusal(b"0" * (FRAME_BYTES + 1)) is FrameReason.TOO_LARGE


def test_control_messages() -> None:
    """KIS-103, KIS-108: acknowledgements and heartbeats."""
    text = '{"header":{"tr_id":"PINGPONG","datetime":"20131007090500"}}'
    assert parse_message(text.encode()) == Heartbeat(text)
    answer = {
        "header": {"tr_id": "H0STCNT0", "tr_key": "990001"},
        "body": {"rt_cd": "1", "msg_cd": "OPSP0002"},
    }
    assert parse_message(json.dumps(answer).encode()) == Acknowledgement(
        "H0STCNT0", "990001", "1", "OPSP0002"
    )


@pytest.mark.parametrize("place", range(47))
@pytest.mark.parametrize("width", [46, 47])
def test_an_inserted_field_never_gives_a_wrong_trade(place: int, width: int) -> None:
    """KIS-T12, KIS-126: with one field inserted anywhere the frame is refused, or its price, volume, time and date are right."""
    head, _, payload = (THREE if width == 46 else WIDE).rpartition("|")
    fields = payload.split("^")
    records = [fields[n : n + width] for n in range(0, len(fields), width)]
    for record in records:
        record.insert(min(place, width), "7")
    message = parse_message(f"{head}|{'^'.join('^'.join(record) for record in records)}".encode())
    if not isinstance(message, Refusal):
        assert [(*one[:6], one.day) for one in trades_of(message)] == [
            (*trade(row)[:6], trade(row).day) for row in (7, 8, 9)
        ]


@pytest.mark.parametrize(("side", "counted"), [("1", True), ("5", True), ("3", False), ("x", False)])
def test_only_continuous_trades_of_a_side_are_counted(side: str, counted: bool) -> None:
    """KIS-143, KIS-146: f34 20, f43 0 and a side of 1 or 5."""
    one = "0|H0STCNT0|001|" + "^".join(WIDE.split("|")[3].split("^")[:47]).replace(
        "^5^0.68^", f"^{side}^0.68^"
    )
    message = parse_message(one.encode())
    (only,) = trades_of(message)
    assert only.counted == counted
    assert only.side == (int(side) if side.isdigit() else 255)


def test_the_whole_bundled_day_parses_at_both_widths() -> None:
    """KIS-122: 46 and 47 give the same trades."""
    until = 32_400_000 + 300_000
    for narrow, wide in zip(frames(width=46, until_ms=until), frames(until_ms=until), strict=True):
        left, right = trades_of(parse_message(narrow.data)), trades_of(parse_message(wide.data))
        assert [one._replace(session="") for one in left] == [one._replace(session="") for one in right]


@given(st.binary(max_size=400) | st.text('01|^H0STCN0123456789{}":,', max_size=400).map(str.encode))
def test_any_bytes_give_a_value_or_one_reason(data: bytes) -> None:
    """OB-992, KIS-008: the parser is total."""
    parse_message(data)


@given(st.integers(0, len(WIDE) - 1), st.characters(codec="ascii"))
def test_a_garbled_frame_is_refused_or_still_a_frame(place: int, letter: str) -> None:
    """KIS-126: one changed character never raises."""
    parse_message((WIDE[:place] + letter + WIDE[place + 1 :]).encode())


@pytest.mark.parametrize("place", [5, 6, 18, 22, 23, 40, 42])
def test_display_fields_never_refuse_a_record(place: int) -> None:
    """KIS-149: rates and averages are for display."""
    fields = WIDE.split("|")[3].split("^")
    fields[place] = "n/a"
    message = parse_message(f"0|H0STCNT0|003|{'^'.join(fields)}".encode())
    assert trades_of(message) == [trade(row) for row in (7, 8, 9)]


def test_the_words_of_an_acknowledgement_are_never_read() -> None:
    """KIS-110: msg1 is for people."""
    answers = {
        parse_message(
            json.dumps({"header": {"tr_id": "H0STCNT0", "tr_key": "990001"}, "body": body}).encode()
        )
        for body in (
            {"rt_cd": "0", "msg_cd": "OPSP0000", "msg1": words}
            for words in ("SUBSCRIBE SUCCESS", "UNSUBSCRIBE ERROR", "")
        )
    }
    assert answers == {Acknowledgement("H0STCNT0", "990001", "0", "OPSP0000")}


INTEGERS = (2, 12, 13, 14, 15, 16)
STRANGE = st.sampled_from(
    ["", " ", "-", "0", "-0", "-1", "+1", "1e5", "007", " 7 ", "7 7", "\u0661", "9" * 18, "9" * 19, "-" + "9" * 17,
     "-" + "9" * 18, "2147483648", "235959", "240000", "20131007", "20", "120", "1", "5", "05", "99", "x|y", "\n"]
)  # fmt: skip


def readable_trade(fields: list[str]) -> Trade | None:
    """Return a record's trade by KIS-126 as it is written, check by check: the parser must agree."""
    code, clock, day, phase = fields[0], fields[1], fields[33], fields[34]
    texts = [fields[place].strip(" ") for place in INTEGERS]
    shaped = [
        re.fullmatch(r"[0-9A-Z]{6}|Q[0-9A-Z]{6}", code),
        re.fullmatch(r"([01][0-9]|2[0-3])([0-5][0-9]){2}", clock),
        re.fullmatch(r"[12][0-9]{3}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", day),
        len(phase) <= 2,
        *(len(text) <= 18 and re.fullmatch(r"-?[0-9]+", text) for text in texts),
    ]
    if not all(shaped):
        return None
    price, shares, chain_shares, chain_value, sells, buys = map(int, texts)
    if not (price > 0 and 0 < shares <= chain_shares and chain_value > 0):
        return None
    if not (0 <= sells < 2**31 and 0 <= buys < 2**31):
        return None
    side = int(fields[21]) if re.fullmatch(r"[0-9]{1,2}", fields[21]) else 255
    market = fields[46] if len(fields) == 47 else ""
    return Trade(
        code, int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:]), price, shares, chain_shares, chain_value,
        sells, buys, side, phase == "20" and fields[43] == "0" and side in {1, 5}, day,
        f"{phase}/{fields[43][:4]}/{market[:4]}",
    )  # fmt: skip


@given(
    st.sampled_from([46, 47]),
    st.dictionaries(st.integers(0, 47 * 3 - 1), STRANGE | st.text("0123456789 -A\n", max_size=6), max_size=3),
)
def test_the_parser_agrees_with_the_readable_check(width: int, changes: dict[int, str]) -> None:
    """KIS-126: with fields replaced by strange ones a frame gives the trades of the readable check, or its refusal."""
    head, _, payload = (THREE if width == 46 else WIDE).rpartition("|")
    fields = payload.split("^")
    for place, text in changes.items():
        if place < len(fields):
            fields[place] = text
    expected = [readable_trade(fields[start : start + width]) for start in range(0, len(fields), width)]
    message = parse_message(f"{head}|{'^'.join(fields)}".encode())
    if None in expected:
        assert message == Refusal(FrameReason.RECORD_SHAPE, "H0STCNT0", width)
    else:
        assert message == tuple(expected)
