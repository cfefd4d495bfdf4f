"""The policy file: the shipped default, every error of the schema, the version rule."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.policy import PolicyReason
from veritape.gateway.policy_reader import check_successor, read_policy
from veritape.kernel.errors import MisuseError

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = (ROOT / "ops" / "policy.toml").read_bytes()
SMALL = """version = 1
engine = 1
[tiers.free]
minute = { limit = 10 }
[upstreams]
veritape = { inprocess = true }
[routes.trades]
path = "/v1/trades"
methods = ["GET"]
upstream = "veritape"
"""


def test_the_shipped_policy_holds_the_table_of_tiers() -> None:
    """GW-141, GW-144: Free, Pro, Enterprise, Partner and anonymous callers as in the table; costs 1, 2 and 5."""
    policy = read_policy(SHIPPED, "policy.toml")
    figures = {
        name: (
            tier.limits.minute and (tier.limits.minute.limit, tier.limits.minute.burst_mu // 1_000),
            tier.limits.hour and tier.limits.hour.limit,
            tier.limits.month_mu and tier.limits.month_mu // 1_000,
            tier.limits.concurrency,
            tier.price_usd_month,
        )
        for name, tier in policy.tiers.items()
    }
    assert figures == {
        "free": ((100, 150), 3_000, 50_000, 10, "0"),
        "enterprise": (None, None, None, 1_000, "custom"),
        "partner": (None, None, None, None, "0"),
        "pro": ((1_000, 1_500), 30_000, 1_000_000, 100, "99"),
    }
    anonymous = policy.addresses.classes[0].limits
    assert anonymous.minute is not None
    assert (anonymous.minute.limit, anonymous.minute.burst_mu, anonymous.concurrency) == (30, 45_000, 5)
    costs = {route.name: route.cost_mu for route in policy.routes}
    assert (costs["identify"], costs["compare"], costs["verify"], costs["fp_health"]) == (
        1_000,
        2_000,
        5_000,
        0,
    )
    assert policy.scopes == ("bars:read", "completeness:read", "receipts:read", "trades:read")


def test_ops_and_the_package_hold_one_file() -> None:
    """GW-101: ``ops/policy.toml`` is the file that the wheel ships."""
    assert (ROOT / "src/veritape/gateway/policy.toml").read_bytes() == SHIPPED


R = PolicyReason


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "reason"),
    [
        ("engine = 1", "", 1, "engine", R.MISSING_KEY),
        ("engine = 1", "engine = 2", 2, "engine", R.ENGINE_UNSUPPORTED),
        ("version = 1", 'version = "1"', 1, "version", R.WRONG_TYPE),
        ("version = 1", "version = 0", 1, "version", R.OUT_OF_RANGE),
        ("version = 1", "version = true", 1, "version", R.WRONG_TYPE),
        ("engine = 1", "engine = 1\nstore = 3", 3, "store", R.WRONG_TYPE),
        ("engine = 1", 'engine = 1\nstore = { lost = "open_door" }', 3, "store.lost", R.OUT_OF_RANGE),
        ("engine = 1", 'engine = 1\nstore = { kind = "disk" }', 3, "store.kind", R.OUT_OF_RANGE),
        ("engine = 1", "engine = 1\nstore = { workers_min = 2 }", 3, "store.workers_min", R.MEMORY_STORE_NEEDS_ONE_WORKER),
        ("engine = 1", "engine = 1\noverload = { in_flight_max = 0 }", 3, "overload.in_flight_max", R.OUT_OF_RANGE),
        ("engine = 1", 'engine = 1\ncors = { origins = ["*"], credentials = true }', 3, "cors.origins", R.CORS_WILDCARD_CREDENTIALS),
        ("engine = 1", "engine = 1\ncors = { origins = [] }", 3, "cors.origins", R.OUT_OF_RANGE),
        ("engine = 1", "engine = 1\ncors = { origins = [1] }", 3, "cors.origins", R.WRONG_TYPE),
        ("engine = 1", 'engine = 1\ncors = { origins = ["a"], credentials = 1 }', 3, "cors.credentials", R.WRONG_TYPE),
        ("[tiers.free]", "[tires.free]", 3, "tires", R.UNKNOWN_KEY),
        ("{ limit = 10 }", "{ limitt = 10 }", 4, "tiers.free.minute.limitt", R.UNKNOWN_KEY),
        ("{ limit = 10 }", "3", 4, "tiers.free.minute", R.WRONG_TYPE),
        ("{ limit = 10 }", "{ limit = 999999999, burst = 999999999999 }", 4, "tiers.free.minute", R.RULE_OUT_OF_RANGE),
        ("{ limit = 10 }", "{ limit = 10 }\nshadow = 1", 5, "tiers.free.shadow", R.WRONG_TYPE),
        ("{ limit = 10 }", '{ limit = 10 }\nmonth = { quota = 1, overage = "bill" }', 5, "tiers.free.month", R.OVERAGE_PRICE_MISSING),
        ("{ limit = 10 }", '{ limit = 10 }\nmonth = { quota = 1, overage_usd_per_1000 = "x" }', 5, "tiers.free.month.overage_usd_per_1000", R.WRONG_TYPE),
        ("{ limit = 10 }", "{ limit = 10 }\nlease = { max = 9, ttl_ms = 100, fraction = 0.5 }", 5, "tiers.free.lease.max", R.LEASE_EXCEEDS_FRACTION),
        ("{ limit = 10 }", "{ limit = 10 }\nlease = { max = 1, ttl_ms = 100, fraction = 0.6 }", 5, "tiers.free.lease.fraction", R.OUT_OF_RANGE),
        ("{ limit = 10 }", "{ limit = 10 }\nconcurrency = 0", 5, "tiers.free.concurrency", R.OUT_OF_RANGE),
        ("{ limit = 10 }", "{ limit = 10 }\nprice_usd_month = 3", 5, "tiers.free.price_usd_month", R.WRONG_TYPE),
        ("[upstreams]", '[ip]\ntrusted_proxies = ["0.0.0.0/0"]\n[upstreams]', 6, "ip.trusted_proxies", R.TRUSTS_EVERYONE),
        ("[upstreams]", '[ip]\nforwarded = "via"\n[upstreams]', 6, "ip.forwarded", R.OUT_OF_RANGE),
        ("[upstreams]", '[ip]\ndeny = ["x"]\n[upstreams]', 6, "ip.deny", R.WRONG_TYPE),
        ("[upstreams]", "[ip]\nguard = { limit = 0 }\n[upstreams]", 6, "ip.guard.limit", R.OUT_OF_RANGE),
        ("[upstreams]", "[ip]\nclass = 3\n[upstreams]", 6, "ip.class", R.WRONG_TYPE),
        ("[upstreams]", '[ip]\nclass = [{ name = "a", cidrs = ["10.0.0.0/8"] }, { name = "b", cidrs = ["10.0.0.0/8"] }]\n[upstreams]', 6, "ip.class", R.CIDR_TWICE),
        ("inprocess = true", "inprocess = false", 6, "upstreams.veritape.inprocess", R.MISSING_KEY),
        ("inprocess = true", "targets = []", 6, "upstreams.veritape.targets", R.OUT_OF_RANGE),
        ("inprocess = true", 'targets = [{ url = "http://a/b" }]', 6, "upstreams.veritape.targets.0.url", R.OUT_OF_RANGE),
        ('"/v1/trades"', '"v1"', 8, "routes.trades.path", R.OUT_OF_RANGE),
        ('["GET"]', '["HEAD"]', 9, "routes.trades.methods", R.OUT_OF_RANGE),
        ('upstream = "veritape"', 'upstream = "x"', 10, "routes.trades.upstream", R.UNKNOWN_UPSTREAM),
        ('upstream = "veritape"', 'upstream = "veritape"\ncost = "0.0001"', 11, "routes.trades.cost", R.WRONG_TYPE),
        ('upstream = "veritape"', 'upstream = "veritape"\ncost = 16', 11, "routes.trades.cost", R.COST_EXCEEDS_BURST),
        ('upstream = "veritape"', 'upstream = "veritape"\nrequest_headers = { set = { A = "$secret" } }', 11, "routes.trades.request_headers.set", R.UNKNOWN_VARIABLE),
        ('upstream = "veritape"', 'upstream = "veritape"\n[routes.b]\npath = "/v1/{x}"\nmethods = ["GET"]\nupstream = "veritape"\n[routes.c]\npath = "/v1/{y}"\nmethods = ["GET"]\nupstream = "veritape"', 15, "routes.c", R.ROUTE_TWICE),
        ("version = 1", "version = 1\njwt = { issuer = 3 }", 2, "jwt.issuer", R.WRONG_TYPE),
        ("engine = 1", "engine = ", 2, "", R.NOT_TOML),
    ],
)  # fmt: skip
def test_every_error_names_line_key_reason_and_what_is_allowed(
    old: str, new: str, line: int, path: str, reason: PolicyReason
) -> None:
    """GW-103, GW-969: one fixture per error of the schema table."""
    with pytest.raises(MisuseError) as refusal:
        read_policy(SMALL.replace(old, new).encode(), "f.toml")
    assert refusal.value.reason is not None
    lines = refusal.value.message.split("\n")
    start = f"f.toml:{line}: {path}: {reason.value}: " if path else f"f.toml:{line}: {reason.value}: "
    assert any(one.startswith(start) for one in lines), lines


def test_all_errors_are_told_at_once_with_the_nearest_key() -> None:
    """GW-103: nothing stops at the first error."""
    text = SMALL.replace("limit = 10", "limitt = 10").replace("methods", "method")
    with pytest.raises(MisuseError) as refusal:
        read_policy(text.encode(), "f.toml")
    assert len(refusal.value.message.split("\n")) == 4
    assert "the nearest known key is 'limit'" in refusal.value.message


@pytest.mark.parametrize("octets", [b"\xff", b"# " + b"a" * 1_048_577, b"a = " + b"[" * 2_000])
def test_bytes_that_are_no_policy(octets: bytes) -> None:
    """GW-941: not UTF-8, too large, too deep."""
    with pytest.raises(MisuseError) as refusal:
        read_policy(octets, "f.toml")
    assert refusal.value.reason is PolicyReason.NOT_TOML


def test_a_full_policy_without_a_store_table_is_read() -> None:
    policy = read_policy(SMALL.encode(), "f.toml")
    assert (policy.version, policy.in_flight_max, policy.cors, policy.addresses.classes) == (
        1,
        2_000,
        None,
        (),
    )
    assert policy.tiers["free"].limits.minute is not None
    assert policy.tiers["free"].limits.minute.burst_mu == 15_000


def test_changed_content_needs_a_higher_version() -> None:
    """GW-102: the same or a lower version is refused; unchanged content is not."""
    running = read_policy(SMALL.encode(), "f")
    check_successor(running, running, "f")
    check_successor(running, read_policy(SMALL.replace("version = 1", "version = 2").encode(), "f"), "f")
    with pytest.raises(MisuseError) as refusal:
        check_successor(running, read_policy(SMALL.replace("limit = 10", "limit = 11").encode(), "f"), "f")
    assert refusal.value.reason is PolicyReason.POLICY_VERSION_NOT_RAISED


@given(st.data())
def test_a_damaged_policy_is_refused_or_read(data: st.DataObject) -> None:
    """GW-973: cut, doubled and changed bytes never raise anything but the refusal."""
    octets = bytearray(SHIPPED)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(octets) - 1))
        octets[place : place + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(MisuseError):
        read_policy(bytes(octets), "f.toml")
