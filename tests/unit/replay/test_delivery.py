"""The way of a frame: regrouped, damaged, held back, lost."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.replay.delivery import Delivery, Fate, Outcome, Packet, Sending
from veritape.replay.faults import parse
from veritape.replay.sockets import Socket

NINE = 32_400_000
ONE, TWO = Socket(1), Socket(2)


def packet(number: int, *records: str, code: str = "A", sockets: tuple[Socket, ...] = (ONE,)) -> Packet:
    return Packet("H0STCNT0", code, number, records, sockets)


def sent(delivery: Delivery, one: Packet, ms: int = NINE) -> list[Sending]:
    return delivery.send(one, delivery.strikes(one.number, len(one.records), ms), ms)


def texts(*faults: str, packets: list[Packet]) -> list[str]:
    delivery = Delivery(parse(faults))
    return [one.text for each in packets for one in sent(delivery, each)] + [
        one.text for one in delivery.flush()
    ]


def test_a_frame_without_faults_leaves_as_it_is() -> None:
    """KIS-120: flag, transaction id, three digits, records."""
    assert texts(packets=[packet(1, "a^1", "a^2")]) == ["0|H0STCNT0|002|a^1^a^2"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("drop", []),
        ("silence=60", []),
        ("duplicate", ["0|H0STCNT0|002|a^b", "0|H0STCNT0|002|a^b"]),
        ("split", ["0|H0STCNT0|001|a", "0|H0STCNT0|001|b"]),
        ("drop_record", ["0|H0STCNT0|001|b"]),
        ("count_bad", ["0|H0STCNT0|003|a^b"]),
    ],
)
def test_what_a_fault_makes_of_one_frame(fault: str, expected: list[str]) -> None:
    """OB-851: drop, silence, duplicate, split; KIS-220: drop_record, count_bad."""
    assert texts(fault, packets=[packet(2, "a", "b")]) == expected


def test_a_single_record_cannot_be_split_or_taken() -> None:
    """OB-851: such a frame is not struck."""
    delivery = Delivery(parse(["split", "drop_record"]))
    assert delivery.strikes(1, 1, NINE) == ()
    assert delivery.strikes(1, 2, NINE) == ("split", "drop_record")


def test_merge_joins_the_code_s_next_frame_up_to_twenty_records() -> None:
    """OB-851: two frames of a code in one (limit 20), with others between them undisturbed."""
    waiting = [packet(1, "a"), packet(2, "x", code="B"), packet(3, "b"), packet(4, "y", code="B")]
    assert texts("merge", packets=waiting) == ["0|H0STCNT0|002|a^b", "0|H0STCNT0|002|x^y"]
    full = [packet(1, *"a" * 12), packet(2, *"b" * 9)]
    assert [text[11:14] for text in texts("merge", packets=full)] == ["012", "009"]
    assert texts("merge", packets=[packet(1, "a")]) == ["0|H0STCNT0|001|a"]


def test_mix_joins_another_code_s_next_frame() -> None:
    """KIS-223, KIS-291: a frame holds one symbol's records unless mix."""
    assert texts("mix", packets=[packet(1, "a"), packet(2, "x", code="B")]) == ["0|H0STCNT0|002|a^x"]
    assert texts("mix", packets=[packet(1, "a"), packet(2, "b")]) == ["0|H0STCNT0|001|a", "0|H0STCNT0|001|b"]
    apart = [packet(1, "a"), packet(2, "x", code="B", sockets=(TWO,))]
    assert texts("mix", packets=apart) == ["0|H0STCNT0|001|a", "0|H0STCNT0|001|x"]


def test_a_single_record_that_waited_is_not_split() -> None:
    """OB-851: a packet let go by another code's frame keeps its one record."""
    delivery = Delivery(parse(["mix=1@09:00:00-09:00:01", "split=1@09:00:01"]))
    assert sent(delivery, packet(1, "a")) == []
    leaving = sent(delivery, packet(2, "b", "c"), NINE + 1000)
    assert [one.text[11:] for one in leaving] == ["001|a", "001|b", "001|c"]


def test_reorder_swaps_with_the_successor_on_the_session() -> None:
    """OB-851: each session sees the swap; at the end nothing stays behind."""
    delivery = Delivery(parse(["reorder=1@09:00:00-09:00:01"]))
    both = (ONE, TWO)
    assert sent(delivery, packet(1, "a", sockets=both)) == []
    leaving = sent(delivery, packet(2, "b", sockets=both), NINE + 1000)
    assert [(one.socket.number, one.text[-1]) for one in leaving] == [(1, "b"), (1, "a"), (2, "b"), (2, "a")]
    assert sent(delivery, packet(3, "c", sockets=both)) == []
    delivery.forget(TWO)
    assert [one.socket.number for one in delivery.flush()] == [1]
    assert delivery.flush() == []


def test_delay_and_fragment_say_how_a_frame_leaves() -> None:
    """OB-851, KIS-220: frame held; cut inside a field."""
    delivery = Delivery(parse(["delay=250", "fragment"]))
    assert sent(delivery, packet(1, "a")) == [Sending(ONE, "0|H0STCNT0|001|a", 250, fragment=True)]


@given(st.integers(1, 10_000), st.integers(1, 20))
def test_a_truncated_frame_is_a_beginning_and_a_garbled_one_differs_in_one_byte(
    number: int, records: int
) -> None:
    """OB-851: cut at a random byte; one byte changed."""
    one = packet(number, *("990001^090000^1819000" for _ in range(records)))
    (whole,) = texts(packets=[one])
    (cut,) = texts("truncate", packets=[one])
    assert whole.startswith(cut)
    assert 0 < len(cut) < len(whole)
    (garbled,) = texts("garble", packets=[one])
    assert sum(left != right for left, right in zip(whole, garbled, strict=True)) == 1
    assert garbled.isascii()
    assert garbled.isprintable()


def test_width_and_insert_change_the_shape_of_records() -> None:
    """OB-851, KIS-280: fields per record changed from a time on; one field more at a place."""
    delivery = Delivery(parse(["width=48@09:01:00", "insert=3"]))
    assert delivery.shape(delivery.strikes(1, 1, NINE), 47, NINE) == (47, 3)
    later = NINE + 60_000
    assert delivery.shape(delivery.strikes(1, 1, later), 47, later) == (48, 3)
    assert delivery.shape((), 46, NINE) == (46, None)


def test_silence_lasts_its_seconds_from_the_windows_beginning() -> None:
    """OB-851: without a window from the open on."""
    assert [Delivery(parse(["silence=5"])).silent(NINE + ms) for ms in (-1, 0, 4999, 5000)] == [
        False,
        True,
        True,
        False,
    ]
    late = Delivery(parse(["silence=60@09:01:00-09:01:30"]))
    assert [late.silent(NINE + s * 1000) for s in (59, 60, 89, 90)] == [False, True, True, False]


@pytest.mark.parametrize(
    ("struck", "fate"),
    [
        ((), Fate.SENT),
        (("split", "duplicate", "reorder", "delay", "mix", "fragment"), Fate.SENT),
        (("drop", "garble"), Fate.DROPPED),
        (("silence",), Fate.DROPPED),
        *(
            ((name,), Fate.ALTERED)
            for name in ("truncate", "garble", "width", "insert", "drop_record", "count_bad")
        ),
    ],
)
def test_the_fate_of_a_frame(struck: tuple[str, ...], fate: Fate) -> None:
    """OB-809, OB-852: sent, unwatched, dropped or altered; regrouped frames lost nothing."""
    delivery = Delivery(parse([]))
    assert delivery.outcome(struck, watched=True).fate is fate
    assert delivery.outcome(struck, watched=False) == Outcome(Fate.UNWATCHED, ())


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 20)), max_size=30),
    st.sets(st.sampled_from(["split", "merge", "mix", "reorder"])),
    st.floats(0.1, 1),
)
def test_regrouping_loses_and_repeats_no_record(
    frames: list[tuple[str, int]], names: set[str], share: float
) -> None:
    """OB-852: whatever regroups or swaps frames, every record arrives once, none in a frame of more than 20."""
    packets = [
        packet(number, *(f"{number}.{record}" for record in range(count)), code=code)
        for number, (code, count) in enumerate(frames, 1)
    ]
    out = texts(*(f"{name}={share}" for name in names), packets=packets)
    arrived = [record for text in out for record in text.split("|")[3].split("^")]
    assert Counter(arrived) == Counter(record for one in packets for record in one.records)
    assert all(text.split("|")[2] == f"{text.count('^') + 1:03}" <= "020" for text in out)
