"""The fast reader against the one that defines what is right."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tape import frames

from veritape.observer.batches import trade_of
from veritape.observer.frames import Trade, parse_message
from veritape.observer.trade_columns import NUMBER_PLACES, TEXT_PLACES, TradeColumns, read_columns
from veritape.wire.kis.frames import FIELD_NAMES, TRADE_STREAMS

UNTIL = 32_400_000 + 60_000

ODD = (
    "", "0", "-5", " 12 ", "007", "1e5", "+3", "999999999", "9999999999", "999999999999999", "9999999999999999",
    "123456789012345678", "090000", "240000", "096000", "090060", "20130229", "00131007", "20131307", "20131000",
    "Q12345", "Q123456", "A12345", "A123456", "99a001", "9900012", "20", "200", "30", "5", "1", "3", "99", "100", "X",
    "abcde", "\x00", "\x7f", "ä", "\u06f1", "4294967296", "2147483648", "2147483647",
)  # fmt: skip
"""Values that some field may not have, or not usually."""


def trades_of(columns: TradeColumns) -> list[list[Trade]]:
    """Return the trades of each message, [] of one that was not read."""
    found: list[list[Trade]] = [[] for _ in columns.is_read]
    for index, message in enumerate(columns.message.tolist()):
        assert columns.record[index] == len(found[message])
        found[message].append(trade_of(columns, index))
    return found


def assert_agrees(messages: list[bytes]) -> TradeColumns:
    columns = read_columns(messages)
    for message, is_read, found in zip(messages, columns.is_read, trades_of(columns), strict=True):
        assert not is_read or tuple(found) == parse_message(message)
        assert is_read == bool(found)
    return columns


def test_usual_messages_are_read() -> None:
    """KIS-124, KIS-140: every message of the bundled minute at both widths, alone and together."""
    for width in (46, 47):
        messages = [frame.data for frame in frames(width=width, until_ms=UNTIL)]
        assert assert_agrees(messages).is_read.all()
        assert all(assert_agrees([message]).is_read.all() for message in messages[:20])


def test_both_widths_and_every_stream_in_one_call() -> None:
    """KIS-124: messages of other widths, streams and none beside each other."""
    narrow, wide = (frames(width=width, until_ms=UNTIL)[:40] for width in (46, 47))
    messages = [one.data for pair in zip(narrow, wide, strict=True) for one in pair]
    messages[1:1] = [
        message.replace(b"H0STCNT0", tr.encode()) for tr in TRADE_STREAMS for message in messages[:2]
    ]
    strange = [
        b"",
        b"0",
        b"^" * 60,
        b"|" * 60,
        b"{}",
        messages[0] + b"^^^",
        b"1" + messages[0][1:],
    ]
    strange += [messages[0].replace(b"H0STCNT0", b"H0STANC0"), messages[0][:11] + b"000" + messages[0][14:]]
    assert assert_agrees(messages + strange).is_read.tolist() == [True] * len(messages) + [False] * len(
        strange
    )


def test_the_fields_are_where_the_table_says() -> None:
    """KIS-140: the places that are read have these names in every width of every trade stream."""
    names = (
        "STCK_CNTG_HOUR",
        "STCK_PRPR",
        "CNTG_VOL",
        "ACML_VOL",
        "ACML_TR_PBMN",
        "SELN_CNTG_CSNU",
        "SHNU_CNTG_CSNU",
    )
    widths = {width for tr_id, width in FIELD_NAMES if tr_id in TRADE_STREAMS}
    for tr_id in TRADE_STREAMS:
        for width in widths:
            table = FIELD_NAMES[tr_id, width]
            assert tuple(table[place] for place in NUMBER_PLACES[:7]) == names
            assert table[21] in {"CCLD_DVSN", "CNTG_CLS_CODE"}
            assert table[33] == "BSOP_DATE"
            assert [table[place] for place in TEXT_PLACES[:3]] == [
                "MKSC_SHRN_ISCD", "NEW_MKOP_CLS_CODE", "HOUR_CLS_CODE",
            ]  # fmt: skip
            assert width == 46 or table[46] == "MARKET_CLS_CODE"


@settings(max_examples=150)
@given(st.randoms(use_true_random=False), st.integers(0, 12))
def test_what_is_read_is_what_the_parser_reads(chance: random.Random, damages: int) -> None:
    """OB-992, KIS-126: any field with any value and any bytes: the same trades, or left to the parser."""
    usual = frames(width=chance.choice((46, 47)), until_ms=UNTIL)
    messages = [one.data for one in chance.choices(usual, k=12)]
    for _ in range(damages):
        place = chance.randrange(len(messages))
        messages[place] = damaged(messages[place], chance)
    assert_agrees(messages)


def damaged(message: bytes, chance: random.Random) -> bytes:
    """Change a field, some bytes, or the length."""
    if chance.random() < 0.6:
        fields = message.split(b"^")
        fields[chance.randrange(1, len(fields))] = chance.choice(ODD).encode()
        return b"^".join(fields)
    at = chance.randrange(len(message) + 1)
    inserted = chance.choice((b"", b"^", b"|", b"0", bytes([chance.randrange(256)])))
    return message[:at] + inserted + message[at + chance.choice((0, 1, 7)) :]


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=8))
def test_any_bytes_are_left_to_the_parser(messages: list[bytes]) -> None:
    """OB-992: total; what is no message of trades is not read."""
    assert not assert_agrees(messages).is_read.any()
