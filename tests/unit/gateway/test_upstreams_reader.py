"""The tables of upstreams, counted bodies and changed fields."""

import pytest
from tests.upstream import policy_text

from veritape.gateway.policy import PolicyReason
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.upstreams import CountRule, FieldRule, HealthRule, Target, TlsRule, Upstream
from veritape.kernel.errors import MisuseError

R = PolicyReason


def test_a_full_upstream_is_read() -> None:
    """GW-101, GW-583, GW-745: targets with weights, health checks, TLS; a policy may add any service."""
    text = policy_text(
        "http://127.0.0.1:8020",
        upstream_extra=', balance = "least_requests", health = { path = "/health", interval_s = 5 }, tls = { server_name = "x" }',
        extra='[upstreams.jobs]\ntargets = [{ url = "https://[::1]", weight = 3 }]\n[routes.jobs]\npath = "/v1/jobs/{rest...}"\n'
        'methods = ["POST"]\nupstream = "jobs"\n',
    )
    policy = read_policy(text, "f")
    assert policy.upstreams == {
        "back": Upstream(
            "back", (Target("127.0.0.1", 8020),), HealthRule("/health", 5), TlsRule(server_name="x")
        ),
        "jobs": Upstream("jobs", (Target("::1", 443, True, 3),)),
    }
    assert policy.in_process == frozenset()


def test_counted_bodies_and_changed_fields_are_read() -> None:
    """GW-144, GW-510: a JSON pointer with its escapes, items, variables."""
    rule = (
        'cost_per = { pointer = "/a~1b/0/~0", max_items = 7, per_call = true }\n'
        'request_headers = { set = { X-A = "$tier" }, add = { X-B = "b" }, remove = ["Cookie"] }'
    )
    route = read_policy(policy_text("http://a:1", route=rule), "f").routes[0]
    assert route.counted == CountRule(("a/b", "0", "~"), 7, per_call=True)
    assert route.request_fields == FieldRule((("X-A", "$tier"),), (("X-B", "b"),), ("cookie",))
    assert route.response_fields == FieldRule()


@pytest.mark.parametrize(
    ("old", "new", "path", "reason"),
    [
        ("http://a:1", "ftp://a:1", "upstreams.back.targets.0.url", R.OUT_OF_RANGE),
        ("http://a:1", "http://a:1/path", "upstreams.back.targets.0.url", R.OUT_OF_RANGE),
        ("http://a:1", "http://u@a:1", "upstreams.back.targets.0.url", R.OUT_OF_RANGE),
        ("http://a:1", "http://a:99999", "upstreams.back.targets.0.url", R.OUT_OF_RANGE),
        ("http://a:1", "http://169.254.169.254", "upstreams.back.targets.0.url", R.DESTINATION_REFUSED),
        ("http://a:1", "http://[fe80::1]:1", "upstreams.back.targets.0.url", R.DESTINATION_REFUSED),
        ('{ url = "http://a:1" }', "", "upstreams.back.targets", R.OUT_OF_RANGE),
        ('{ url = "http://a:1" }', '{ url = "http://a:1", weight = 0 }', "upstreams.back.targets.0.weight", R.OUT_OF_RANGE),
        ("targets = [", 'balance = "random", targets = [', "upstreams.back.balance", R.OUT_OF_RANGE),
        ("targets = [", "target = [", "upstreams.back.inprocess", R.MISSING_KEY),
        ("targets = [", 'health = { path = "health" }, targets = [', "upstreams.back.health.path", R.OUT_OF_RANGE),
        ("targets = [", 'health = { path = "/a", healthy = 0 }, targets = [', "upstreams.back.health.healthy", R.OUT_OF_RANGE),
        ("targets = [", 'health = { path = "/a?\\n" }, targets = [', "upstreams.back.health.path", R.OUT_OF_RANGE),
        ("anonymous = true", 'cost_per = { pointer = "items", max_items = 1 }\nanonymous = true', "routes.echo.cost_per.pointer", R.OUT_OF_RANGE),
        ("anonymous = true", 'cost_per = { pointer = "/~2", max_items = 1 }\nanonymous = true', "routes.echo.cost_per.pointer", R.OUT_OF_RANGE),
        ("anonymous = true", 'request_headers = { set = { Host = "a" } }\nanonymous = true', "routes.echo.request_headers.set", R.HEADER_NOT_ALLOWED),
        ("anonymous = true", 'request_headers = { remove = ["X-Tier"] }\nanonymous = true', "routes.echo.request_headers.remove", R.HEADER_NOT_ALLOWED),
        ("anonymous = true", 'response_headers = { add = { Proxy-X = "a" } }\nanonymous = true', "routes.echo.response_headers.add", R.HEADER_NOT_ALLOWED),
        ("anonymous = true", 'request_headers = { add = { A = "a\\r\\nB: c" } }\nanonymous = true', "routes.echo.request_headers.add", R.OUT_OF_RANGE),
        ("anonymous = true", 'request_headers = { add = { A_B = "a" } }\nanonymous = true', "routes.echo.request_headers.add", R.OUT_OF_RANGE),
        ("anonymous = true", 'request_headers = { add = { A = "$secret" } }\nanonymous = true', "routes.echo.request_headers.add", R.UNKNOWN_VARIABLE),
        ("[routes.echo]", "[upstreams.b]\ninprocess=true\n[upstreams.c]\ninprocess=true\n[upstreams.d]\ninprocess=true\n[upstreams.e]\ninprocess=true\n[routes.echo]", "upstreams", R.OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(old: str, new: str, path: str, reason: PolicyReason) -> None:
    """GW-103, GW-510, GW-904, GW-905, GW-969: one fixture per error, each with its key and reason."""
    text = policy_text("http://a:1").decode()
    assert old in text
    with pytest.raises(MisuseError) as refusal:
        read_policy(text.replace(old, new, 1).encode(), "f.toml")
    lines = refusal.value.message.split("\n")
    assert any(f": {path}: {reason.value}: " in line for line in lines), lines
