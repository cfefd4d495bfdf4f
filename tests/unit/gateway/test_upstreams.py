"""What a policy says of upstreams."""

from veritape.gateway.upstreams import Target


def test_the_host_field_names_a_port_only_when_it_is_not_the_scheme_s() -> None:
    """GW-585: what a target is called; brackets round an IPv6 address."""
    assert Target("a", 80).authority == "a"
    assert Target("a", 443).authority == "a:443"
    assert Target("a", 443, is_tls=True).authority == "a"
    assert Target("::1", 8080).authority == "[::1]:8080"
