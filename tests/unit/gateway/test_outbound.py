"""Where the gateway may call."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.outbound import Destination, is_refused, may_call, read_destination


@pytest.mark.parametrize(
    ("url", "destination"),
    [
        ("https://id.example/keys?a=1", Destination(True, "id.example", 443, "/keys?a=1")),
        ("https://id.example:8443", Destination(True, "id.example", 8_443, "/")),
        ("https://[2001:db8::1]/k", Destination(True, "2001:db8::1", 443, "/k")),
        ("http://127.0.0.1:8010/keys", Destination(False, "127.0.0.1", 8_010, "/keys")),
        ("http://localhost/keys", Destination(False, "localhost", 80, "/keys")),
        ("http://[::1]:80/keys", Destination(False, "::1", 80, "/keys")),
    ],
)
def test_https_anywhere_and_http_on_this_machine(url: str, destination: Destination) -> None:
    """GW-433, GW-904: https, or http for loopback."""
    assert read_destination(url) == destination


@pytest.mark.parametrize(
    "url",
    [
        "", "id.example", "ftp://id.example/", "file:///etc/passwd", "http://id.example/keys", "http://10.0.0.1/keys",
        "https://", "https://user:word@id.example/", "https://id.example/#a", "https://id.example:99999/",
        "https://169.254.169.254/latest", "http://169.254.169.254/latest", "https://[fe80::1]/", "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/", "https://id.example/a b", "https://id.example/\r\nX: 1", "https://exämple/", "https://[::1",
    ],
)  # fmt: skip
def test_everything_else_is_refused(url: str) -> None:
    """GW-904: link-local and metadata addresses, users, other schemes, plain http elsewhere."""
    with pytest.raises(ValueError, match="http"):
        read_destination(url)


@pytest.mark.parametrize(
    ("address", "secure", "plain"),
    [
        ("192.0.2.1", True, False),
        ("10.0.0.1", True, False),
        ("127.0.0.1", True, True),
        ("::1", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("169.254.0.1", False, False),
        ("fe80::1", False, False),
        ("febf::1", False, False),
        ("::ffff:169.254.169.254", False, False),
        ("100.100.100.200", False, False),
    ],
)
def test_a_name_is_judged_by_what_it_leads_to(address: str, secure: bool, plain: bool) -> None:
    """GW-904: with TLS anywhere but link-local; without it loopback alone."""
    assert may_call(ip_address(address), is_secure=True) is secure
    assert may_call(ip_address(address), is_secure=False) is plain


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"https://{text}"))
def test_any_text_is_a_destination_or_refused(url: str) -> None:
    """GW-904: what is accepted can stand in a request line."""
    try:
        place = read_destination(url)
    except ValueError:
        return
    assert place.target.isascii()
    assert place.target.startswith("/")
    assert " " not in place.target


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
def test_refused_addresses_in_every_spelling(address: str, expected: bool) -> None:
    """GW-904: metadata addresses in every spelling."""
    assert is_refused(address) is expected
