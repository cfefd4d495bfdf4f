"""Parts of the OpenAPI document."""

from tests.upstream import policy_text

from veritape.gateway.openapi_parts import problems, security
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.reasons import Reason


def test_problems_stand_by_status() -> None:
    """GW-743: reasons of one status together; where an upstream may answer alike, with any body."""
    own = problems((Reason.MISSING_SCOPE, Reason.BAD_JSON, Reason.IP_DENIED))
    assert list(own) == ["400", "403"]
    assert own["403"]["description"] == "Reasons: missing_scope, ip_denied."
    assert list(own["403"]["content"]) == ["application/problem+json"]
    assert list(problems((Reason.NO_ROUTE,), passed_on=True)["404"]["content"]) == [
        "application/problem+json",
        "*/*",
    ]


def test_who_may_call() -> None:
    """GW-743: credentials with the scope as their role; nobody's too where a route says so."""
    (route,) = read_policy(policy_text("http://127.0.0.1:1"), "f").routes
    assert security(route) == [{}, {"key": []}, {"bearer": []}]
    assert security(route._replace(anonymous=False, scope="a:b")) == [{"key": ["a:b"]}, {"bearer": ["a:b"]}]
