"""Answers as values: framing fields, preflights, problems, pages."""

import pytest

from veritape.gateway.answers import (
    Call,
    check_length,
    checked_path,
    cors_fields,
    header_lines,
    options_answer,
    page_answer,
    problem_answer,
)
from veritape.gateway.policy import Cors
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import Page
from veritape.gateway.reasons import Reason

ROUTE = read_policy(
    b'version = 1\nengine = 1\n[tiers.free]\n[upstreams]\nveritape = { inprocess = true }\n[routes.a]\npath = "/a"\n'
    b'methods = ["GET"]\nupstream = "veritape"\nbody_max_kib = 1\n',
    "f",
).routes[0]
CORS = Cors(("https://a.example",), ("GET", "POST"), ("X-API-Key",), credentials=True, max_age_s=60)


def call(*headers: tuple[bytes, bytes], method: str = "GET") -> Call:
    return Call(method, "/a", b"", list(headers))


@pytest.mark.parametrize(
    ("headers", "raw", "reason"),
    [
        ([(b"host", b"a"), (b"host", b"b")], b"/a", Reason.BAD_HEADER),
        ([(b"origin", b"a"), (b"origin", b"b")], b"/a", Reason.BAD_HEADER),
        ([(b"upgrade", b"websocket")], b"/a", Reason.UPGRADE_NOT_SUPPORTED),
        ([], b"/a//b", Reason.BAD_PATH),
    ],
)
def test_unsound_requests_are_refused(headers: list[tuple[bytes, bytes]], raw: bytes, reason: Reason) -> None:
    """GW-506, GW-557: repeated framing fields, a change of protocol, paths that read in two ways."""
    with pytest.raises(RefusedError) as refusal:
        checked_path(call(*headers), raw)
    assert refusal.value.reason is reason


def test_an_announced_body_is_measured_against_its_route() -> None:
    """GW-552: 413 as soon as it is known; a number of any length is compared, not trusted."""
    check_length(call(), ROUTE)
    check_length(call((b"content-length", b"1024")), ROUTE)
    for text, reason in (
        (b"1025", Reason.BODY_TOO_LARGE),
        (b"9" * 40, Reason.BODY_TOO_LARGE),
        (b"x", Reason.BAD_HEADER),
    ):
        with pytest.raises(RefusedError) as refusal:
            check_length(call((b"content-length", text)), ROUTE)
        assert refusal.value.reason is reason


def test_a_preflight_names_what_the_route_and_the_policy_allow() -> None:
    """GW-501, GW-506: preflight ends before identity; a foreign origin learns nothing; plain OPTIONS is 204."""
    asked = call((b"origin", b"https://a.example"), (b"access-control-request-method", b"GET"))
    assert options_answer(CORS, asked, ("GET", "PUT")) == (
        204,
        [
            ("Access-Control-Allow-Methods", "GET"),
            ("Access-Control-Allow-Headers", "X-API-Key"),
            ("Access-Control-Max-Age", "60"),
        ],
        b"",
    )
    foreign = call((b"origin", b"https://b.example"), (b"access-control-request-method", b"GET"))
    plain = (204, [("Allow", "POST, OPTIONS")], b"")
    assert options_answer(CORS, foreign, ("POST",)) == options_answer(None, asked, ("POST",)) == plain


def test_only_an_allowed_origin_may_read() -> None:
    """GW-503: CORS fields if the origin is allowed; ``Vary`` in any case."""
    names = [name for name, _ in cors_fields(CORS, b"https://a.example")]
    assert names == [
        "Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Allow-Credentials",
    ]  # fmt: skip
    assert cors_fields(CORS, b"https://b.example") == cors_fields(CORS, None) == [("Vary", "Origin")]
    assert cors_fields(None, b"https://a.example") == []


def test_problems_say_when_to_come_back() -> None:
    """GW-507: 503 has Retry-After 1 unless the refusal knows better."""
    assert ("Retry-After", "1") in problem_answer(RefusedError(Reason.OVERLOADED), "id", None).fields
    known = RefusedError(Reason.OVERLOADED, fields={"Retry-After": "4"})
    assert [value for name, value in problem_answer(known, "id", None).fields if name == "Retry-After"] == [
        "4"
    ]


def test_a_validator_spares_the_page() -> None:
    """GW-741: 304 without a body for who has the page."""
    page = Page(b"{}", '"x"')
    assert page_answer(call((b"if-none-match", b'"y", "x"')), page)[::2] == (304, b"")
    assert page_answer(call((b"if-none-match", b'"y"')), page)[::2] == (200, b"{}")
    assert page_answer(call(), Page(b"{}", "")).fields[1] == ("Cache-Control", "no-store")


@pytest.mark.parametrize("value", [b"1\r\nx-b: 2", b"1\n", b"1\r", b"\0"])
def test_no_field_ends_a_line(value: bytes) -> None:
    """GW-905: such a field is a bug of ours and is never written; others stand each on a line of its own."""
    assert header_lines([(b"x-a", b"1"), (b"x-b", b"2: 3")]) == b"x-a: 1\r\nx-b: 2: 3\r\n"
    with pytest.raises(RuntimeError, match="end of a line"):
        header_lines([(b"x-a", value)])
