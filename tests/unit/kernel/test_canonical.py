"""Canonical JSON: one value, one encoding."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.canonical import DEPTH_LIMIT, Json, canonical_json, parse_canonical_json
from veritape.kernel.errors import PeerError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_keys_are_sorted_and_text_is_utf8() -> None:
    assert canonical_json({"b": [1, None, True], "a": "한"}) == '{"a":"한","b":[1,null,true]}'.encode()


@given(VALUES)
def test_a_value_survives_the_round_trip(value: Json) -> None:
    assert parse_canonical_json(canonical_json(value)) == value


@given(VALUES)
def test_any_other_spelling_of_a_value_is_refused(value: Json) -> None:
    spelled = json.dumps(value, indent=1).encode()
    if spelled != canonical_json(value):
        with pytest.raises(PeerError, match="not canonical JSON"):
            parse_canonical_json(spelled)


@given(st.binary(max_size=60))
def test_the_decoder_is_total(data: bytes) -> None:
    try:
        value = parse_canonical_json(data)
    except PeerError:
        return
    assert canonical_json(value) == data


@pytest.mark.parametrize("value", [1.5, {"a": float("nan")}, {1: "a"}, [object()], {"a": {1, 2}}])
def test_what_has_no_canonical_encoding_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)


@pytest.mark.parametrize(
    "data", [b'{"a":1,"a":1}', b'{"b":1,"a":1}', b"1.0", b"[1, 2]", b"\xff", b"", b"[" * 100_000]
)
def test_bytes_that_are_not_canonical_are_refused(data: bytes) -> None:
    with pytest.raises(PeerError, match="not canonical JSON"):
        parse_canonical_json(data)


def test_nesting_is_bounded() -> None:
    value: Json = 1
    for _ in range(DEPTH_LIMIT + 1):
        value = [value]
    with pytest.raises(ValueError, match="nested deeper"):
        canonical_json(value)
