"""The application refuses: requests before the quota, hostile input, forged fields. test_application.py has what it answers."""

import json
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.servers.asked_gateway import get, raw
from tests.servers.gateway_world import TRADES, World

from veritape.gateway.reasons import PROBLEMS, Reason

K = "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"


@pytest.mark.parametrize(
    ("path", "headers", "query", "reason"),
    [
        (b"/v1/none", [], b"", Reason.NO_ROUTE),
        (b"/admin", [], b"", Reason.NO_ROUTE),
        (b"/v1//trades", [], b"", Reason.BAD_PATH),
        (b"/v1/%2e%2e/x", [], b"", Reason.BAD_PATH),
        (b"/v1/trades", [], b"", Reason.MISSING_CREDENTIALS),
        (b"/v1/trades", [(b"x-api-key", K.encode())], b"", Reason.INVALID_KEY),
        (
            b"/v1/trades",
            [(b"x-api-key", K.encode()), (b"authorization", b"Bearer x")],
            b"",
            Reason.AMBIGUOUS_CREDENTIALS,
        ),
        (b"/v1/trades", [], b"api_key=" + K.encode(), Reason.KEY_IN_QUERY),
        (b"/v1/trades", [(b"upgrade", b"websocket")], b"", Reason.UPGRADE_NOT_SUPPORTED),
        (b"/v1/trades", [(b"host", b"a"), (b"host", b"b")], b"", Reason.BAD_HEADER),
    ],
)
async def test_refusals_before_the_quota(
    world: World, path: bytes, headers: list[tuple[bytes, bytes]], query: bytes, reason: Reason
) -> None:
    """GW-501, GW-507: each with status, reason and problem document; nothing is charged."""
    status, fields, body = await raw(world, path, headers, query)
    assert (status, json.loads(body)["reason"]) == (PROBLEMS[reason].status, reason)
    assert fields[b"content-type"] == b"application/problem+json"
    assert (b"www-authenticate" in fields) == (status == 401)
    assert K.encode() not in body
    assert world.memory.months == {}


@pytest.mark.parametrize(
    ("length", "reason"), [(b"9999999999999999999999", Reason.BODY_TOO_LARGE), (b"-1", Reason.BAD_HEADER)]
)
async def test_bodies_are_bounded(world: World, length: bytes, reason: Reason) -> None:
    """GW-507: 413 as soon as the length is known, uncharged."""
    headers = [(b"x-api-key", world.key().encode()), (b"content-length", length)]
    _, fields, body = await raw(world, b"/v1/trades", headers)
    assert json.loads(body)["reason"] == reason
    assert (fields.get(b"connection") == b"close") == (reason is Reason.BODY_TOO_LARGE)


names = st.sampled_from(
    [
        b"x-api-key",
        b"authorization",
        b"apikey",
        b"origin",
        b"x-request-id",
        b"if-none-match",
        b"content-length",
        b"host",
        b"x-tier",
    ]
)
paths = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"v1/trades", b"v1/bars", b"v1/receipts/", b"health", b"problems/", b"console", b"docs"]
    ),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    paths,
    st.lists(st.tuples(names, st.binary(max_size=60)), max_size=6),
    st.one_of(st.binary(max_size=60), st.text(string.printable, max_size=40).map(str.encode)),
    st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "DELETE", "TRACE"]),
    st.booleans(),
)
async def test_hostile_requests_are_problems_and_never_bugs(
    world: World, path: bytes, headers: list[tuple[bytes, bytes]], query: bytes, method: str, authentic: bool
) -> None:
    """GW-901, GW-973: any path, header and query gives a status below 500 and, if it is an error, a problem document."""
    if authentic:
        if not world.keys.list("fuzz"):
            world.fuzz_key = world.key("partner", "fuzz")
        headers = [*headers, (b"x-api-key", world.fuzz_key.encode())]
    status, fields, body = await raw(world, b"/" + path, headers, query, method)
    assert status < 500
    if status >= 400 and method != "HEAD":
        assert json.loads(body)["status"] == status
        assert fields[b"content-type"] == b"application/problem+json"
    assert not any(b"\n" in value or b"\r" in value for value in fields.values())


async def test_forged_tier_headers_change_nothing(world: World) -> None:
    """GW-407, GW-419: the tier comes from the account alone."""
    answer = await get(
        world, TRADES, world.key(), X_Tier="partner", X_Quota_Tier="enterprise", X_Account_Id="other"
    )
    assert (answer.headers["x-quota-tier"], world.log[-1].account) == ("free", "acme")
