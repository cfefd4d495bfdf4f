"""Address classes, deny list, groups, CORS."""

from ipaddress import ip_address, ip_network
from pathlib import Path

from veritape.gateway.policy import Cors, plain_address
from veritape.gateway.policy_reader import read_policy

POLICY = read_policy((Path(__file__).resolve().parents[3] / "ops/policy.toml").read_bytes(), "policy.toml")


def test_the_longest_prefix_wins() -> None:
    """GW-443: a class is found by the longest prefix."""
    names = []
    for text in ("8.8.8.8", "10.1.2.3", "192.168.9.9", "2001:db8::1"):
        found = POLICY.class_of(ip_address(text))
        names.append(found and found.name)
    assert names == ["anonymous", "lan-10", "lan-192", "anonymous"]
    assert POLICY._replace(classes=()).class_of(ip_address("8.8.8.8")) is None


def test_an_ipv6_caller_is_a_64_and_a_mapped_address_is_ipv4() -> None:
    """GW-442: rotating inside a /64 gains nothing."""
    assert POLICY.group_of(ip_address("2001:db8::1")) == "2001:db8::/64"
    assert POLICY.group_of(ip_address("8.8.8.8")) == "8.8.8.8/32"
    assert plain_address(ip_address("::ffff:8.8.8.8")) == ip_address("8.8.8.8")
    assert plain_address(ip_address("::1")) == ip_address("::1")


def test_denied_addresses() -> None:
    denied = POLICY._replace(denied=(ip_network("10.0.0.0/8"),))
    assert denied.is_denied(ip_address("10.1.1.1"))
    assert not denied.is_denied(ip_address("::1"))


def test_origins() -> None:
    """GW-503: named origins, or any."""
    cors = Cors(("https://a",), (), (), credentials=False, max_age_s=1)
    assert cors.allows("https://a")
    assert not cors.allows("https://b")
    assert cors._replace(origins=("*",)).allows("https://b")
