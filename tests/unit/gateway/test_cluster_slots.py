"""Slots of keys, the table of a cluster, and where a server sends a call."""

import contextlib
from binascii import crc_hqx

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.cluster_slots import (
    SLOTS,
    Redirect,
    read_redirect,
    read_table,
    slot_of,
    slot_of_command,
)
from veritape.gateway.shared_calls import META_KEY, keys_of
from veritape.kernel.errors import PeerError

ASKED = ("10.0.0.9", 6379)
ANSWERS = st.recursive(
    st.none() | st.integers() | st.binary(max_size=9), lambda inner: st.lists(inner, max_size=5)
)


def test_the_specification_s_examples() -> None:
    """GW-261: CRC-16 of "123456789" is 0x31C3; tags as in the specification's four examples."""
    assert slot_of(b"123456789") == 0x31C3 % SLOTS == 12_739
    assert slot_of(b"{user1000}.following") == slot_of(b"{user1000}.followers") == slot_of(b"user1000")
    assert slot_of(b"foo{}{bar}") == crc_hqx(b"foo{}{bar}", 0) % SLOTS
    assert slot_of(b"foo{{bar}}zap") == slot_of(b"{bar")
    assert slot_of(b"foo{bar}{zap}") == slot_of(b"bar")


def test_a_call_belongs_to_one_server() -> None:
    """GW-255, GW-261: all keys of a subject have one slot, which a script's first key tells; any server is good for a look."""
    keys = keys_of("acme:live", "2026-11", 64)
    assert len({slot_of(key) for key in keys}) == 1
    assert slot_of_command([b"EVALSHA", b"digest", b"4", *keys]) == slot_of(keys[0])
    assert slot_of_command([b"HGET", META_KEY, b"epoch"]) == slot_of(META_KEY)
    assert slot_of_command([b"CONFIG", b"GET", b"appendonly"]) is None


def test_the_table_of_slots() -> None:
    """GW-261: primaries by slot; who has no name is the host that was asked."""
    answer = [
        [5461, 16383, [b"10.0.0.2", 7001, b"n2"], [b"10.0.0.3", 7002, b"n3"]],
        [0, 5460, [b"", 7000, b"n1"]],
    ]
    table = read_table(answer, ASKED)
    assert (len(table), table[0], table[5460]) == (SLOTS, ("10.0.0.9", 7000), ("10.0.0.9", 7000))
    assert table[5461] == table[16383] == ("10.0.0.2", 7001)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([], "gaps"), ([[0, 5, [b"h", 1]]], "gaps"), ([[0, 16384, [b"h", 1]]], "gaps"), (None, "be read"),
        ([[0, 16383]], "be read"), ([[0, 16383, []]], "be read"), ([[0, 16383, [b"\xff", 1]]], "be read"),
    ],
)  # fmt: skip
def test_what_is_no_table(answer: object, says: str) -> None:
    """GW-262: a table with gaps or of another shape is the store's fault."""
    with pytest.raises(PeerError, match=says):
        read_table(answer, ASKED)


@given(ANSWERS)
def test_any_answer_is_a_table_or_refused(answer: object) -> None:
    """GW-262: nothing else happens."""
    with contextlib.suppress(PeerError):
        assert len(read_table(answer, ASKED)) == SLOTS


def test_redirects() -> None:
    """GW-262: MOVED is for good, ASK for once; other errors are none."""
    assert read_redirect("MOVED 3999 127.0.0.1:6381", ASKED) == Redirect(3999, ("127.0.0.1", 6381), False)
    assert read_redirect("ASK 3999 ::1:6381", ASKED) == Redirect(3999, ("::1", 6381), True)
    assert read_redirect("MOVED 3999 :6381", ASKED) == Redirect(3999, ("10.0.0.9", 6381), False)
    for text in (
        "",
        "MOVED",
        "MOVED x h:1",
        "MOVED 16384 h:1",
        "ASK 1 h:",
        "ASK 1 h",
        "READONLY no",
        "MOVEDX 1 h:1",
    ):
        assert read_redirect(text, ASKED) is None


@given(st.text())
def test_any_error_is_read(text: str) -> None:
    """GW-262: no text makes it fail."""
    found = read_redirect(text, ASKED)
    assert found is None or 0 <= found.slot < SLOTS
