"""Where a process listens, as it is written."""

import pytest

from veritape.kernel.addresses import Address, parse_address
from veritape.kernel.errors import MisuseError


def test_addresses() -> None:
    """GW-706: host and port, IPv6 in brackets."""
    assert parse_address("127.0.0.1:8000", "listen.public") == Address("127.0.0.1", 8000)
    assert parse_address("[::1]:0", "k") == Address("::1", 0)
    for text in ("", "8000", ":1", "a:b", "a:65536", "a:-1", "a:\u0663"):
        with pytest.raises(MisuseError, match=r"listen\.public"):
            parse_address(text, "listen.public")
