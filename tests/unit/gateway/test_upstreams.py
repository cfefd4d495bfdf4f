"""What a policy says of upstreams."""

import pytest

from veritape.gateway.upstreams import Target, is_link_local


def test_the_host_field_names_a_port_only_when_it_is_not_the_scheme_s() -> None:
    """GW-585: what a target is called; brackets round an IPv6 address."""
    assert Target("a", 80).authority == "a"
    assert Target("a", 443).authority == "a:443"
    assert Target("a", 443, is_tls=True).authority == "a"
    assert Target("::1", 8080).authority == "[::1]:8080"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("169.254.169.254", True),
        ("::ffff:169.254.169.254", True),
        ("fe80::1%eth0", True),
        ("127.0.0.1", False),
        ("fd00::1", False),
        ("metadata.internal", False),
    ],
)
def test_link_local_addresses(address: str, expected: bool) -> None:
    """GW-904: metadata addresses in every spelling."""
    assert is_link_local(address) is expected
