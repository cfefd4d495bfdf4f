"""Label values that the policy closes."""

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.closed_labels import closed_metrics, known_value, known_values
from veritape.gateway.metrics import HTTP_SECONDS, METRICS, TIER_REQUESTS
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.process_metrics import POLICY_INFO
from veritape.telemetry import Registry

TEXT = shipped_policy().replace(b"version = 7", b"version = 12").replace(b"\nfree = {", b"\ngold = {")


def test_routes_tiers_and_version_are_the_policy_s() -> None:
    """TL-250: an own policy's names have their own series; its first twenty routes and eight tiers."""
    policy = read_policy(TEXT + b"".join(
        b'[routes.own%d]\npath = "/own/%d"\nmethods = ["GET"]\nupstream = "veritape"\n' % (n, n) for n in range(20)
    ), "p")  # fmt: skip
    registry = Registry(closed_metrics(METRICS, policy), strict=True)
    assert len(known_values(registry, HTTP_SECONDS, "route")) == 23
    assert known_value(registry, HTTP_SECONDS, "route", "own1") == "own1"
    assert known_value(registry, HTTP_SECONDS, "route", "own19") == "other"
    assert known_values(registry, TIER_REQUESTS, "tier") == (
        "gold", "enterprise", "partner", "pro", "anonymous", "other",
    )  # fmt: skip
    assert known_values(registry, POLICY_INFO, "version") == ("12", "other")
