"""A refusal as ASGI messages."""

import json
from types import SimpleNamespace

from veritape.gateway.adapters.asgi_messages import has_own_answer, refusal_messages
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason


def test_a_refusal_is_a_problem_document_with_the_fields_it_is_given() -> None:
    """GW-601, GW-507: status, document, length and rate fields; where nothing can be decided, when to ask again."""
    left = (b"ratelimit", b'"minute";r=3;t=1')
    start, body = refusal_messages(RefusedError(Reason.INTERNAL_ERROR), "mine", [left], head=False)
    document = json.loads(body["body"])
    assert (start["status"], document["reason"], document["request_id"]) == (500, "internal_error", "mine")
    headers = dict(start["headers"])
    assert headers[b"content-length"] == b"%d" % len(body["body"])
    assert (headers[b"x-request-id"], headers[b"ratelimit"], b"retry-after" in headers) == (
        b"mine",
        left[1],
        False,
    )
    start, _ = refusal_messages(RefusedError(Reason.QUOTA_UNAVAILABLE), "mine", (), head=False)
    assert (start["status"], dict(start["headers"])[b"retry-after"]) == (503, b"1")


def test_who_asks_for_the_head_gets_no_body() -> None:
    """GW-601: the length is that of the document all the same."""
    refusal = RefusedError(Reason.RATE_LIMITED)
    told, body = refusal_messages(refusal, "mine", (), head=True)
    whole, document = refusal_messages(refusal, "mine", (), head=False)
    assert (told, body["body"], bool(document["body"])) == (whole, b"", True)


def test_who_answers_failures_himself_is_known() -> None:
    """GW-601: by debug mode, or by a handler of 500 or of every exception."""
    applications = (
        object(),
        SimpleNamespace(debug=False, exception_handlers={404: print}),
        SimpleNamespace(debug=True),
        SimpleNamespace(exception_handlers={500: print}),
        SimpleNamespace(exception_handlers={Exception: print}),
    )
    assert [has_own_answer(one) for one in applications] == [False, False, True, True, True]
