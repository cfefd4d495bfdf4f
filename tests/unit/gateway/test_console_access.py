"""Who may see the console."""

from ipaddress import ip_address

import pytest

from veritape.gateway.console_access import console_refusal, is_console
from veritape.gateway.overload import SAMPLED_LEVEL
from veritape.gateway.reasons import Reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/console", True),
        (b"/console/", True),
        (b"/console/data", True),
        (b"/consoles", False),
        (b"/", False),
    ],
)
def test_paths_of_the_console(path: bytes, expected: bool) -> None:
    assert is_console(path) is expected


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1"])
@pytest.mark.parametrize(
    "host", [b"localhost", b"localhost:8000", b"127.0.0.1:8000", b"[::1]", b"[::1]:8000"]
)
def test_whoever_sits_at_this_machine_sees_it(peer: str, host: bytes) -> None:
    """TL-780: from a loopback peer with a loopback Host."""
    assert console_refusal(host, ip_address(peer), 0) is None


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("203.0.113.7", b"localhost"),
        (None, b"localhost"),
        ("127.0.0.1", b"rebound.example"),
        ("127.0.0.1", b"localhost.example:8000"),
        ("127.0.0.1", b"rebound.example:localhost"),
        ("127.0.0.1", b"::1"),
        ("127.0.0.1", b""),
        ("127.0.0.1", b"localhost\xff"),
    ],
)
def test_others_and_other_names_do_not(peer: str | None, host: bytes) -> None:
    """TL-780: a page elsewhere whose name leads here (DNS rebinding) has its own name in Host."""
    address = None if peer is None else ip_address(peer)
    assert console_refusal(host, address, 0) is Reason.IP_DENIED


def test_an_overloaded_worker_shows_none() -> None:
    """Requests that are paid for go first; who may not see it learns nothing of the load."""
    here = ip_address("127.0.0.1")
    assert console_refusal(b"localhost", here, SAMPLED_LEVEL - 1) is None
    assert console_refusal(b"localhost", here, SAMPLED_LEVEL) is Reason.OVERLOADED
    assert console_refusal(b"localhost", ip_address("203.0.113.7"), SAMPLED_LEVEL) is Reason.IP_DENIED
