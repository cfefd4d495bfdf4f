"""How attempts fail."""

from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.upstream_failures import FAILURES, UpstreamFailedError


def test_a_timeout_is_told_apart() -> None:
    """GW-771: attempts by class."""
    assert UpstreamFailedError(Reason.UPSTREAM_TIMEOUT).metric_class == "timeout"
    assert UpstreamFailedError(Reason.UPSTREAM_CLOSED).metric_class == "error"


def test_every_failure_of_an_upstream_is_given_back() -> None:
    """GW-216: 502, 503 and 504 made here."""
    assert {PROBLEMS[reason].status for reason in FAILURES} == {502, 503, 504}
