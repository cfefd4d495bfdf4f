"""How many connections there may be."""

from ipaddress import ip_address, ip_network

from veritape.gateway.addresses import AddressPolicy
from veritape.gateway.doors import Doors

POLICY = AddressPolicy(trusted=(ip_network("10.0.0.0/8"),))


def test_a_group_has_its_bound_and_a_proxy_has_none() -> None:
    """GW-553: an IPv6 /64 is one group; trusted proxies are exempt; who leaves makes room."""
    doors = Doors(lambda: POLICY, limit=100, per_group=2)
    one, two, other = (ip_address(f"2001:db8::{n}") for n in (1, 2, 3))
    assert doors.enter(one) == doors.enter(two) == "2001:db8::/64"
    assert doors.enter(other) is None
    assert doors.enter(ip_address("2001:db8:0:1::1")) is not None
    doors.leave("2001:db8::/64")
    assert doors.enter(other) == "2001:db8::/64"
    assert [doors.enter(ip_address("10.0.0.1")) for _ in range(5)] == [""] * 5
    assert doors.enter(None) == ""
    assert doors.inside == 9


def test_a_worker_has_its_bound() -> None:
    """GW-553: beyond it nobody enters, a proxy neither."""
    doors = Doors(lambda: POLICY, limit=1, per_group=2)
    group = doors.enter(ip_address("10.0.0.1"))
    assert (group, doors.enter(ip_address("10.0.0.1"))) == ("", None)
    doors.leave("")
    assert doors.enter(ip_address("10.0.0.1")) == ""
