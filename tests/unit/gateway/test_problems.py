"""Problem bodies and their pages."""

import json

from veritape.gateway import quota
from veritape.gateway.problems import RefusedError, problem_body, problem_page
from veritape.gateway.quota import Limits, State
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.kernel.canonical import canonical_json


def test_every_reason_has_a_body_and_a_page() -> None:
    """GW-507: six members, at most 4 KiB, and a page that says what to do."""
    for reason in Reason:
        octets = problem_body(reason, "", "r1", None)
        body = json.loads(octets)
        assert set(body) == {"type", "title", "status", "detail", "reason", "request_id"}
        assert (body["status"], body["reason"]) == (PROBLEMS[reason].status, reason.value)
        assert len(octets) <= 4_096
        other = problem_body(reason, "", "a._-9", None)
        assert other == canonical_json(body | {"request_id": "a._-9"})
        told = problem_body(reason, 'own \\ "words" é', "r1", None)
        assert told == canonical_json(body | {"detail": 'own \\ "words" é'})
        assert reason.value.encode() in problem_page(reason)


def test_a_quota_denial_lists_every_limit_that_denied() -> None:
    """GW-208, GW-507: violated policies, and figures of the limit with the longest wait."""
    limits = Limits(quota.make_rule(1, 60, 1), None, 1_000, None)
    state = State(used_mu=1_000)
    decision = quota.evaluate(limits, state, 1_000, 0, 1_795_187_045_000_000, 7)[1]
    body = json.loads(problem_body(Reason.MONTH_QUOTA_EXHAUSTED, "own", "r1", decision))
    assert body["violated-policies"] == ["month"]
    assert (body["limit"], body["remaining"], body["cost"], body["retry_after"]) == (1, 0, "1", 896_155)
    assert (body["type"], body["detail"]) == (
        "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "own",
    )


def test_a_refusal_carries_reason_detail_and_fields() -> None:
    refusal = RefusedError(Reason.NO_ROUTE, "x", {"Allow": "GET"})
    assert (refusal.reason, refusal.detail, refusal.fields) == (Reason.NO_ROUTE, "x", {"Allow": "GET"})
    assert RefusedError(Reason.NO_ROUTE).fields == {}
