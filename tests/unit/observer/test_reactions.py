"""Reactions: every code, status and body shape."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.reactions import (
    BODY_BYTES,
    REST,
    WEBSOCKET,
    AnswerReason,
    Reaction,
    classify,
    websocket_reaction,
)
from veritape.wire.kis import codes


@pytest.mark.parametrize("status", [200, 403, 500])
@pytest.mark.parametrize("code", REST)
def test_the_code_alone_decides(code: str, status: int) -> None:
    """KIS-T02, KIS-025, KIS-041, OB-403: whatever the HTTP status and the body's shape."""
    for document in (
        {"rt_cd": "1", "msg_cd": code, "msg1": "x"},
        {"error_code": code, "error_description": "x"},
    ):
        answer = classify(status, json.dumps(document).encode())
        assert (answer.reaction, answer.code) == (REST[code], code)
        assert (answer.reason is None) == (REST[code] is Reaction.OK)


def test_the_tables_hold_every_code_of_the_wire() -> None:
    """KIS-040, KIS-044: the broker's tables are covered."""
    assert set(codes.REST) <= set(REST)
    assert set(codes.WEBSOCKET) <= set(WEBSOCKET)
    assert REST["EGW00201"] is Reaction.SLOW_DOWN
    assert REST["EGW00132"] is Reaction.BUG
    assert WEBSOCKET["OPSP8996"] is Reaction.OTHER_SESSION


@pytest.mark.parametrize(
    ("status", "body", "reaction", "reason"),
    [
        (200, b"{}", Reaction.OK, None),
        (200, b'{"rt_cd":"7"}', Reaction.OK, None),
        (200, b'{"rt_cd":"0","msg_cd":"NEWS00001"}', Reaction.OK, None),
        (200, b'{"rt_cd":"1","msg_cd":"NEWS00001"}', Reaction.REFUSED, AnswerReason.REFUSED),
        (200, b'{"rt_cd":"1"}', Reaction.REFUSED, AnswerReason.REFUSED),
        (200, b"<html>", Reaction.REFUSED, AnswerReason.BAD_JSON),
        (429, b"<html>", Reaction.RETRY, AnswerReason.UNAVAILABLE),
        (503, b"", Reaction.RETRY, AnswerReason.UNAVAILABLE),
        (503, b"{}", Reaction.RETRY, AnswerReason.UNAVAILABLE),
        (404, b"", Reaction.REFUSED, AnswerReason.BAD_REQUEST),
        (200, b"x" * (BODY_BYTES + 1), Reaction.REFUSED, AnswerReason.TOO_LARGE),
    ],
)
def test_answers_without_a_known_code(
    status: int, body: bytes, reaction: Reaction, reason: AnswerReason | None
) -> None:
    """KIS-025, KIS-029, KIS-043: no JSON, no code, rt_cd 7."""
    answer = classify(status, body)
    assert (answer.reaction, answer.reason) == (reaction, reason)


def test_an_unknown_websocket_code_falls_back_to_rt_cd() -> None:
    """KIS-045: rt_cd 0 is ok for the command that it matches."""
    assert websocket_reaction("OPSP7777", "0") is Reaction.OK
    assert websocket_reaction("OPSP7777", "9") is Reaction.REFUSED
    assert websocket_reaction("OPSP0011", "0") is Reaction.RENEW_APPROVAL


@given(
    st.integers(100, 599),
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.text(max_size=9) | st.integers(),
        lambda c: st.lists(c) | st.dictionaries(st.sampled_from(["rt_cd", "msg_cd"]), c),
        max_leaves=5,
    ).map(lambda value: json.dumps(value).encode()),
)
def test_any_answer_is_classified(status: int, body: bytes) -> None:
    """OB-992, KIS-008: total."""
    classify(status, body)
