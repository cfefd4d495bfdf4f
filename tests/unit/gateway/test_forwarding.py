"""Header fields there and back."""

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.forwarding import (
    MARK,
    answer_fields,
    head_pattern,
    is_loop,
    is_writable,
    request_fields,
)
from veritape.gateway.upstreams import FieldRule

WHO = {
    "request_id": "r",
    "account": "acme",
    "tier": "free",
    "key_id": "k",
    "client_ip": "192.0.2.1",
    "scheme": "http",
    "route": "e",
}
NAMES = st.sampled_from([b"connection", b"te", b"trailer", b"upgrade", b"keep-alive", b"proxy-authorization", b"proxy-x", b"transfer-encoding",
                         b"x-tier", b"x-account-id", b"x-key-id", b"authorization", b"x-api-key", b"x-client-ja4", b"x-real-ip", b"forwarded",
                         b"x_tier", b"x-forwarded-for", b"content-length", b"expect", b"host", b"accept"])  # fmt: skip


def test_a_worked_request() -> None:
    """GW-407, GW-556: every field of a request for an upstream, in order."""
    headers = [
        (b"host", b"api.example"),
        (b"accept", b"*/*"),
        (b"connection", b"close, X-Hop"),
        (b"x-hop", b"1"),
        (b"via", b"1.0 edge"),
    ]
    assert request_fields(headers, FieldRule(), WHO, b"192.0.2.1", "back:1") == [
        (b"host", b"back:1"),
        (b"accept", b"*/*"),
        (b"x-request-id", b"r"),
        (b"x-account-id", b"acme"),
        (b"x-tier", b"free"),
        (b"x-key-id", b"k"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"api.example"),
        (b"via", b"1.0 edge, 1.1 veritape"),
    ]


@given(st.lists(st.tuples(NAMES, st.sampled_from([b"root", b"accept", b"x-tier", b"chunked"])), max_size=12))
def test_nothing_of_a_client_speaks_for_us(headers: list[tuple[bytes, bytes]]) -> None:
    """GW-407, GW-556: whatever a client sends, framing, identity and forwarding are ours, each once."""
    sent = request_fields(headers, FieldRule(), WHO, b"192.0.2.1", "back:1")
    names = [name for name, _ in sent]
    for name, value in (
        (b"x-tier", b"free"),
        (b"x-account-id", b"acme"),
        (b"x-key-id", b"k"),
        (b"x-forwarded-for", b"192.0.2.1"),
        (b"host", b"back:1"),
    ):
        assert [found for key, found in sent if key == name] == [value]
    assert not {
        b"authorization",
        b"x-api-key",
        b"x-client-ja4",
        b"x-real-ip",
        b"forwarded",
        b"x_tier",
        b"expect",
        b"te",
    } & set(names)
    assert not any(
        name.startswith(b"proxy-") or name in {b"connection", b"transfer-encoding", b"content-length"}
        for name in names
    )


def test_answers_lose_what_is_ours_to_say() -> None:
    """GW-556, GW-503: hop-by-hop and rate fields of an upstream end here; the route's changes are laid over."""
    headers = [(b"connection", b"X-Hop"), (b"x-hop", b"1"), (b"transfer-encoding", b"chunked"), (b"ratelimit", b"x"), (b"x-request-id", b"y"),
               (b"access-control-allow-origin", b"*"), (b"etag", b"e"), (b"server", b"s")]  # fmt: skip
    rule = FieldRule((("Server", "$route"),), (), ("etag",))
    assert answer_fields(headers, rule, WHO) == [(b"server", b"e"), (b"via", b"1.1 veritape")]


def test_a_loop_is_our_name_twice() -> None:
    """GW-556: in one field or two, with or without a protocol's name; another's similar name is none."""
    assert not is_loop([(b"via", b"1.1 veritape")])
    assert is_loop([(b"via", b"1.1 veritape, 1.1 veritape")])
    assert is_loop([(b"via", b"1.1 VeriTape (x)"), (b"via", b"1.0 a, HTTP/1.1 veritape")])
    assert not is_loop([(b"via", b"1.1 veritape, 1.1 veritape2, 1.1 not.veritape")])


def test_control_characters_of_an_upstream_are_found() -> None:
    """GW-905: CR, LF, NUL and their kind; a tab and bytes above 0x7F may stay."""
    assert is_writable([(b"a", b"x\ty\xe4")])
    for octet in (0, 10, 13, 27, 127):
        assert not is_writable([(b"a", b"x" + bytes([octet]))])


def test_a_pattern_becomes_the_head_of_each_request() -> None:
    """GW-407, GW-510: the id stands wherever the policy names it, and nothing else changes."""
    rule = FieldRule(set=(("X-Trace", "a-$request_id-b"),))
    marked = request_fields([(b"accept", b"*/*")], rule, {**WHO, "request_id": MARK}, b"", "back:1")
    pieces = head_pattern("GET /a HTTP/1.1", marked)
    for name in (b"r1", b"r2"):
        fields = request_fields(
            [(b"accept", b"*/*")], rule, {**WHO, "request_id": name.decode()}, b"", "back:1"
        )
        lines = [b"GET /a HTTP/1.1", *(b"%b: %b" % field for field in fields), b"", b""]
        assert name.join(pieces) == b"\r\n".join(lines)
    assert len(pieces) == 3
