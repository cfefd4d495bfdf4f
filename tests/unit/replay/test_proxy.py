"""What the proxy opens and what it refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.replay.proxy import STATUSES, TARGETS, Listener, ProxyReason, refusal, route


@pytest.mark.parametrize(
    ("target", "listener"),
    [
        ("openapi.koreainvestment.com:9443", Listener.REST),
        ("openapivts.koreainvestment.com:29443", Listener.REST),
        ("ops.koreainvestment.com:21000", Listener.WEBSOCKET),
        ("OPS.koreainvestment.com:31000", Listener.WEBSOCKET),
    ],
)
def test_the_four_addresses_of_the_broker_are_tunnelled(target: str, listener: Listener) -> None:
    """KIS-203: exactly four targets, to the replay's own listeners."""
    assert route(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()) is listener
    assert len(TARGETS) == 4


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"CONNECT example.com:443 HTTP/1.1\r\n\r\n", ProxyReason.FOREIGN_TARGET),
        (b"CONNECT openapi.koreainvestment.com:443 HTTP/1.1\r\n\r\n", ProxyReason.FOREIGN_TARGET),
        (b"CONNECT openapi.koreainvestment.com HTTP/1.1\r\n\r\n", ProxyReason.FOREIGN_TARGET),
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n\r\n", ProxyReason.FOREIGN_TARGET),
        (b"GET http://openapi.koreainvestment.com:9443/ HTTP/1.1\r\n\r\n", ProxyReason.NOT_CONNECT),
        (b"", ProxyReason.MALFORMED),
        (b"CONNECT a b HTTP/1.1\r\n\r\n", ProxyReason.MALFORMED),
        (b"CONNECT ops.koreainvestment.com:21000 HTTP/2\r\n\r\n", ProxyReason.MALFORMED),
        (b"CONNECT \xff:1 HTTP/1.1\r\n\r\n", ProxyReason.MALFORMED),
    ],
)
def test_anything_else_is_refused_with_its_reason(head: bytes, reason: ProxyReason) -> None:
    """KIS-203: other targets and methods open nothing."""
    assert route(head) is reason


def test_every_reason_has_a_status() -> None:
    """KIS-203: another target is 403."""
    assert set(STATUSES) == set(ProxyReason)
    assert refusal(ProxyReason.FOREIGN_TARGET).startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert all(refusal(reason).endswith(b"\r\n\r\n") for reason in ProxyReason)


@given(
    st.binary(max_size=300)
    | st.binary(max_size=80).map(lambda tail: b"CONNECT " + tail + b" HTTP/1.1\r\n\r\n")
)
def test_any_head_gives_a_listener_or_a_reason(head: bytes) -> None:
    """OB-992, KIS-224: total for any bytes; nothing random is tunnelled."""
    assert isinstance(route(head), ProxyReason)
