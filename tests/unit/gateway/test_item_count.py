"""Items of a JSON body."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.item_count import DEPTH_LIMIT, count_items
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.gateway.upstreams import CountRule

RULE = CountRule(("items",), 100, per_call=False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.BAD_JSON),
        (b"{", Reason.BAD_JSON),
        (b"\xff", Reason.BAD_JSON),
        (b'{"items": ["\xc0\xaf"]}', Reason.BAD_JSON),
        (b'{"items": [NaN]}', Reason.BAD_JSON),
        (b'{"items": [Infinity]}', Reason.BAD_JSON),
        (b'{"items": [1], "items": []}', Reason.BAD_JSON),
        (b'{"a": {"b": 1, "b": 1}, "items": [1]}', Reason.BAD_JSON),
        (b'{"items": ' + b"[" * 1_000 + b"]" * 1_000 + b"}", Reason.BAD_JSON),
        (b'{"items": ' + b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT + b"}", Reason.BAD_JSON),
        (b"[]", Reason.INVALID_BODY),
        (b"{}", Reason.INVALID_BODY),
        (b'{"items": {"0": 1}}', Reason.INVALID_BODY),
        (b'{"items": []}', Reason.BATCH_EMPTY),
        (b'{"items": [' + b"1," * 100 + b"1]}", Reason.BATCH_TOO_LARGE),
        (b'{"items": [' + b"1," * 999_999 + b"1]}", Reason.BATCH_TOO_LARGE),
    ],
)  # fmt: skip
def test_what_two_parsers_could_read_differently_is_refused(body: bytes, reason: Reason) -> None:
    """GW-902, GW-145, GW-901: depth, duplicates, NaN, overlong UTF-8, no list, none, too many."""
    with pytest.raises(RefusedError) as refusal:
        count_items(body, RULE)
    assert refusal.value.reason is reason


def test_numbers_and_brackets_in_texts_do_no_harm() -> None:
    """GW-901: a number of a million digits is never computed; brackets inside texts are no depth."""
    assert (
        count_items(b'{"items": [' + b"9" * 1_000_000 + b', 1e999999, "' + b"[" * 100 + b'\\""]}', RULE) == 3
    )
    assert count_items(b'{"items": ' + b"[" * (DEPTH_LIMIT - 1) + b"]" * (DEPTH_LIMIT - 1) + b"}", RULE) == 1


def test_pointers_lead_through_members_and_indices() -> None:
    """GW-744: a pointer as RFC 6901 has it; the empty one is the whole body."""
    assert count_items(b'{"a": [0, {"b": [1, 2]}]}', CountRule(("a", "1", "b"), 9, per_call=False)) == 2
    assert count_items(b"[1, 2, 3]", CountRule((), 9, per_call=False)) == 3
    for pointer in (("a", "2"), ("a", "-1"), ("a", "x"), ("a", "0", "b")):
        with pytest.raises(RefusedError):
            count_items(b'{"a": [0, {"b": [1, 2]}]}', CountRule(pointer, 9, per_call=False))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=10,
)


@given(st.lists(VALUES, min_size=1, max_size=100))
def test_every_list_is_counted(items: list[object]) -> None:
    """GW-144: the number of items, whatever they are."""
    assert count_items(json.dumps({"items": items}).encode(), RULE) == len(items)


@given(st.binary(max_size=200))
def test_any_bytes_are_counted_or_refused(body: bytes) -> None:
    """GW-973: nothing but the refusal comes of outside bytes."""
    with contextlib.suppress(RefusedError):
        assert count_items(body, CountRule((), 100, per_call=False)) > 0
