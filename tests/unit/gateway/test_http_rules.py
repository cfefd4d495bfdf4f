"""Heads of requests that the parser lets pass."""

import pytest

from veritape.gateway.http_rules import RequestHead, RequestTarget, body_length, check_head, check_size
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

HOST = (b"host", b"a.example")


def head(*headers: tuple[bytes, bytes], target: bytes = b"/a?b=1", version: str = "1.1") -> RequestHead:
    return RequestHead("GET", target, version, [HOST, *headers])


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (head(version="0.9"), Reason.BAD_REQUEST),
        (RequestHead("GET", b"/", "1.1", []), Reason.BAD_HEADER),
        (head(HOST), Reason.BAD_HEADER),
        (head((b"transfer-encoding", b"gzip, chunked")), Reason.AMBIGUOUS_LENGTH),
        (head((b"transfer-encoding", b"chunked"), version="1.0"), Reason.AMBIGUOUS_LENGTH),
        (head((b"transfer-encoding", b"chunked"), (b"content-length", b"1")), Reason.AMBIGUOUS_LENGTH),
        (head((b"connection", b"close , Host")), Reason.BAD_HEADER),
        (head((b"upgrade", b"h2c")), Reason.UPGRADE_NOT_SUPPORTED),
        (head((b"authorization", b"\xe4")), Reason.BAD_HEADER),
        (head((b"expect", b"100-continue"), (b"expect", b"x")), Reason.EXPECTATION_FAILED),
        (head(target=b"/a#b"), Reason.BAD_PATH),
        (head(target=b"*"), Reason.BAD_PATH),
        (head(target=b"a:443"), Reason.BAD_PATH),
        (head(target=b"http://b.example/"), Reason.BAD_PATH),
        (RequestHead("GET", b"http://a/", "1.0", []), Reason.BAD_PATH),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(given: RequestHead, reason: Reason) -> None:
    """GW-551: every row that httptools leaves open."""
    with pytest.raises(RefusedError) as refusal:
        check_head(given)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (head(), (b"/a", b"b=1")),
        (head(target=b"HTTP://A.example/x?y"), (b"/x", b"y")),
        (head(target=b"http://a.example"), (b"/", b"")),
        (RequestHead("GET", b"/", "1.0", []), (b"/", b"")),
        (
            head((b"transfer-encoding", b"CHUNKED"), (b"expect", b"100-Continue"), (b"x-name", b"\xe4")),
            (b"/a", b"b=1"),
        ),
    ],
)
def test_what_is_plain_passes(given: RequestHead, target: tuple[bytes, bytes]) -> None:
    """GW-551: absolute form of our own name, upper case, bytes above 0x7F where nobody here reads."""
    assert check_head(given) == RequestTarget(*target)


@pytest.mark.parametrize(
    ("target", "headers", "block", "reason"),
    [
        (b"/" + b"a" * 8_179, [], 0, None),
        (b"/" + b"a" * 8_180, [], 0, Reason.URI_TOO_LONG),
        (b"/", [(b"a", b"b")] * 100, 0, None),
        (b"/", [(b"a", b"b")] * 101, 0, Reason.HEADERS_TOO_LARGE),
        (b"/", [(b"a", b"b" * 16_383)], 0, None),
        (b"/", [(b"a", b"b" * 16_384)], 0, Reason.HEADERS_TOO_LARGE),
        (b"/", [(b"a", b"b")], 32_768, None),
        (b"/", [(b"a", b"b")], 32_769, Reason.HEADERS_TOO_LARGE),
    ],
)
def test_limits_of_a_head(
    target: bytes, headers: list[tuple[bytes, bytes]], block: int, reason: Reason | None
) -> None:
    """GW-552: each limit at its edge."""
    if reason is None:
        check_size(target, headers, block)
        return
    with pytest.raises(RefusedError) as refusal:
        check_size(target, headers, block)
    assert refusal.value.reason is reason


def test_the_length_of_a_body() -> None:
    """GW-551: announced, chunked, or none."""
    assert body_length([HOST]) == 0
    assert body_length([HOST, (b"content-length", b"7")]) == 7
    assert body_length([HOST, (b"transfer-encoding", b"chunked")]) is None
