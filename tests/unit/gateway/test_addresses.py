"""Whose address a request has: classes, groups, deny list, trusted proxies."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.addresses import AddressPolicy, client_address, plain_address
from veritape.gateway.policy_reader import read_policy

POLICY = read_policy(
    (Path(__file__).resolve().parents[3] / "ops/policy.toml").read_bytes(), "policy.toml"
).addresses
PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
BEHIND = AddressPolicy(trusted=PROXIES, forwarded="x-forwarded-for")
RFC7239 = BEHIND._replace(forwarded="forwarded")


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
    assert POLICY._replace(group_v4=24).group_of(ip_address("8.8.8.8")) == "8.8.8.0/24"
    assert plain_address(ip_address("::ffff:8.8.8.8")) == ip_address("8.8.8.8")
    assert plain_address(ip_address("::1")) == ip_address("::1")


def test_denied_addresses() -> None:
    """GW-443: by prefix, of their own protocol."""
    denied = POLICY._replace(denied=(ip_network("10.0.0.0/8"),))
    assert denied.is_denied(ip_address("10.1.1.1"))
    assert not denied.is_denied(ip_address("::1"))


CASES = [
    # peer, policy, field lines, client
    ("8.8.8.8", BEHIND, ["1.1.1.1"], "8.8.8.8"),
    ("10.0.0.1", BEHIND, [], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, [" 1.1.1.1 "], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1, 10.0.0.2"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["6.6.6.6, 1.1.1.1, 10.0.0.2, 10.0.0.3"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["10.0.0.9, 10.0.0.2"], "10.0.0.9"),
    ("10.0.0.1", BEHIND, ["1.1.1.1, unknown"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
    ("10.0.0.1", BEHIND, [""], "10.0.0.1"),
    ("10.0.0.1", BEHIND, [","], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1,"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1:4711"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["[2001:db8::7]:4711"], "2001:db8::7"),
    ("10.0.0.1", BEHIND, ["[2001:db8::7]"], "2001:db8::7"),
    ("10.0.0.1", BEHIND, ["2001:db8::7"], "2001:db8::7"),
    ("10.0.0.1", BEHIND, ["::ffff:1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", BEHIND, ["::ffff:10.0.0.2"], "10.0.0.2"),
    ("10.0.0.1", BEHIND, ["fe80::1%eth0"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.256"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["01.1.1.1"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["localhost"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["1.1.1.1 6.6.6.6"], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["9" * 2_049], "10.0.0.1"),
    ("10.0.0.1", BEHIND, ["6.6.6.6," + "10.0.0.2," * 31 + "10.0.0.3"], "10.0.0.2"),
    ("10.0.0.1", BEHIND._replace(forwarded="none"), ["1.1.1.1"], "10.0.0.1"),
    ("fd00::1", BEHIND, ["1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", RFC7239, ["for=1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", RFC7239, ['For="1.1.1.1:80"'], "1.1.1.1"),
    ("10.0.0.1", RFC7239, ['for="[2001:db8::7]:4711"'], "2001:db8::7"),
    ("10.0.0.1", RFC7239, ["proto=https;for=1.1.1.1;by=10.0.0.1"], "1.1.1.1"),
    ("10.0.0.1", RFC7239, ["for=6.6.6.6, for=1.1.1.1"], "1.1.1.1"),
    ("10.0.0.1", RFC7239, ["for=_hidden"], "10.0.0.1"),
    ("10.0.0.1", RFC7239, ["for=unknown, for=10.0.0.2"], "10.0.0.2"),
    ("10.0.0.1", RFC7239, ["for=2001:db8::7"], "10.0.0.1"),
    ("10.0.0.1", RFC7239, ["by=1.1.1.1"], "10.0.0.1"),
    ("10.0.0.1", RFC7239, ["xfor=1.1.1.1"], "10.0.0.1"),
]


@pytest.mark.parametrize(("peer", "policy", "lines", "client"), CASES)
def test_the_first_address_that_nobody_vouches_for(
    peer: str, policy: AddressPolicy, lines: list[str], client: str
) -> None:
    """GW-441, GW-971: forty cases of trusted chains, spoofing, malformed and mapped addresses."""
    name = b"forwarded" if policy.forwarded == "forwarded" else b"x-forwarded-for"
    headers = [(name, line.encode()) for line in lines]
    assert client_address(ip_address(peer), headers, policy) == ip_address(client)


def test_only_the_one_field_is_believed() -> None:
    """GW-441: the other field, X-Real-IP and a field with an underscore say nothing."""
    headers = [(b"forwarded", b"for=6.6.6.6"), (b"x-real-ip", b"6.6.6.6"), (b"x_forwarded_for", b"6.6.6.6")]
    assert client_address(ip_address("10.0.0.1"), headers, BEHIND) == ip_address("10.0.0.1")


@given(st.lists(st.binary(max_size=80), max_size=4), st.sampled_from([BEHIND, RFC7239]))
def test_any_bytes_give_an_address(lines: list[bytes], policy: AddressPolicy) -> None:
    """GW-441, GW-973: reading is total."""
    for name in (b"forwarded", b"x-forwarded-for"):
        client_address(ip_address("10.0.0.1"), [(name, line) for line in lines], policy)
