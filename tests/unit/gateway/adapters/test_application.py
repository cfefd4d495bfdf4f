"""The application: routes, fields, problems, what is reloaded. test_application_refusals.py has what it refuses."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from tests.servers.asked_gateway import get
from tests.servers.gateway_world import DAY, SYMBOL, TRADES, World
from tests.upstream import policy_text

from veritape.gateway.adapters.client import Receive, Scope, Send
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.paths import PathTable
from veritape.gateway.policy import StoreSettings
from veritape.gateway.policy_reader import check_successor, read_policy
from veritape.gateway.product.pages import Handler, Page, Query, Sources
from veritape.gateway.quota import make_rule
from veritape.gateway.reasons import Reason
from veritape.gateway.route_table import Served
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.errors import MisuseError, UnavailableError


async def test_a_charged_page_has_every_field(world: World) -> None:
    """GW-503, GW-504, GW-741: the page, the rate fields, an id, a validator."""
    answer = await get(world, TRADES, world.key(), X_Request_Id="mine", Origin="https://app.example.com")
    assert answer.status_code == 200
    assert [item["price"] for item in answer.json()["items"]] == ["100", "101"]
    assert answer.headers["ratelimit"].startswith(
        '"minute";r=149;t=1,"hour";r=2999;t=2,"month";r=49999;t=896155'
    )
    assert answer.headers["x-request-id"] == "mine"
    assert answer.headers["x-request-cost"] == "1"
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert "RateLimit" in answer.headers["access-control-expose-headers"]
    assert answer.headers["cache-control"] == "private, max-age=60"
    assert world.log[-1][:9] == (
        "mine",
        "GET",
        "trades",
        200,
        "",
        "acme",
        world.log[-1].key_id,
        "free",
        1_000,
    )


@pytest.mark.parametrize(
    "path",
    [
        TRADES,
        f"/v1/bars?symbol={SYMBOL}&day={DAY}",
        f"/v1/completeness?day={DAY}",
        f"/v1/receipts?day={DAY}",
        "/v1/receipts/r1",
    ],
)
async def test_every_product_route_answers(world: World, path: str) -> None:
    """GW-741: the routes of the table."""
    answer = await get(world, path, world.key())
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


async def test_429_says_when_to_come_back(world: World) -> None:
    """GW-504, GW-507, GW-206: after the burst 429 with Retry-After; then admitted again, and only then."""
    key = world.key()
    answers = [await get(world, TRADES, key) for _ in range(151)]
    assert [answer.status_code for answer in answers] == [200] * 150 + [429]
    last = answers[-1]
    assert (last.headers["retry-after"], last.headers["content-type"]) == ("1", "application/problem+json")
    body = last.json()
    assert (body["reason"], body["violated-policies"], body["limit"], body["remaining"]) == (
        "rate_limited",
        ["minute"],
        100,
        0,
    )
    world.clock.advance_ns(599_999_999)
    assert (await get(world, TRADES, key)).status_code == 429
    world.clock.advance_ns(1)
    assert (await get(world, TRADES, key)).status_code == 200


async def test_validators_spare_the_body_and_are_charged(world: World) -> None:
    """GW-741: 304 for a sealed page that the client has; charged like 200."""
    key = world.key()
    tag = (await get(world, TRADES, key)).headers["etag"]
    for known in (tag, f'"x", {tag}', "*"):
        answer = await get(world, TRADES, key, If_None_Match=known)
        assert (answer.status_code, answer.content, answer.headers["x-request-cost"]) == (304, b"", "1")
    assert (await get(world, TRADES, key, If_None_Match='"x"')).status_code == 200
    assert world.memory.months["acme:live", "2026-11"] == 5_000


async def test_built_in_pages_cost_nothing_and_need_no_key(world: World) -> None:
    """GW-144, GW-507, GW-743: health, OpenAPI, docs, a page for every problem type."""
    for path in ("/health", "/openapi.json", "/docs", *(f"/problems/{reason}" for reason in Reason)):
        answer = await get(world, path)
        assert (answer.status_code, "x-request-cost" in answer.headers) == (200, False)
    assert "http://" not in (await get(world, "/docs")).text
    assert (await get(world, "/problems/none")).status_code == 404
    assert world.memory.months == {}


async def test_methods(world: World) -> None:
    """GW-506, GW-508: HEAD as GET without a body, OPTIONS free, others 405 with Allow."""
    key = world.key()
    async with world.client() as client:
        head = await client.head(TRADES, headers={"X-API-Key": key})
        assert (head.status_code, head.content, int(head.headers["content-length"]) > 100) == (200, b"", True)
        for path in (TRADES, "/health"):
            options = await client.options(path)
            assert (options.status_code, options.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
            answer = await client.post(path, headers={"X-API-Key": key})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert world.memory.months["acme:live", "2026-11"] == 1_000


async def test_preflight_and_origins(world: World) -> None:
    """GW-501, GW-503: a preflight costs nothing; a foreign origin gets no permission."""
    async with world.client() as client:
        wanted = {"Access-Control-Request-Method": "GET"}
        good = await client.options(TRADES, headers={**wanted, "Origin": "https://app.example.com"})
        assert good.headers["access-control-allow-methods"] == "GET"
        assert "X-API-Key" in good.headers["access-control-allow-headers"]
        bad = await client.options(TRADES, headers={**wanted, "Origin": "https://evil.example"})
        assert not [name for name in bad.headers if name.startswith("access-control")]
        denied = await client.get(TRADES, headers={"Origin": "https://app.example.com"})
        assert (denied.status_code, denied.headers["access-control-allow-origin"]) == (
            401,
            "https://app.example.com",
        )


async def test_credentials_with_cors_and_without_cors_at_all(world: World) -> None:
    policy = world.gate.policy
    assert policy.cors is not None
    world.gateway.swap(policy._replace(cors=policy.cors._replace(credentials=True)))
    answer = await get(world, "/health", Origin="https://app.example.com")
    assert answer.headers["access-control-allow-credentials"] == "true"
    world.gateway.swap(policy._replace(cors=None))
    assert "vary" not in (await get(world, "/health", Origin="https://app.example.com")).headers


async def test_bad_parameters_and_missing_data_are_charged(world: World) -> None:
    """GW-507: ``bad_parameter`` and ``not_found`` of a route cost as much as an answer."""
    key = world.key()
    for path, reason in (
        ("/v1/trades?symbol=1&x=1", "bad_parameter"),
        ("/v1/bars?symbol=X&day=20131008", "not_found"),
    ):
        answer = await get(world, path, key)
        assert (answer.json()["reason"], answer.headers["x-request-cost"]) == (reason, "1")
    assert world.memory.months["acme:live", "2026-11"] == 2_000


async def test_a_bug_is_500_refunded_and_logged_without_secrets(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """GW-216, GW-507, GW-906: ``internal_error`` gives the units back; no key in log or body."""

    def broken(sources: Sources, query: Query) -> Page:
        raise RuntimeError("a bug")

    plant(world, broken)
    key = world.key()
    with caplog.at_level(logging.ERROR):
        answer = await get(world, TRADES, key)
    assert (answer.status_code, answer.json()["reason"]) == (500, "internal_error")
    assert world.memory.months["acme:live", "2026-11"] == 0
    assert world.log[-1].units_mu == 0
    assert "a bug" in caplog.text
    assert key not in caplog.text + answer.text


def plant(world: World, handler: Handler) -> None:
    """Replace the handler of ``/v1/trades``."""
    found = world.gateway.table.paths.match("/v1/trades")
    assert found is not None
    served = found.value[0]
    assert served.product is not None
    broken: tuple[Served, ...] = (served._replace(product=served.product._replace(handler=handler)),)
    paths = PathTable([("/v1/trades", broken)])
    world.gateway.table = world.gateway.table._replace(paths=paths)


async def test_a_refund_that_cannot_be_written_is_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """GW-661: the answer is still a problem document, and the loss is said; the month keeps what the ledger has."""
    begin = world.usage.begin

    def begun(event: UsageEvent | None) -> Receipt:
        if event is None or event.kind != Kind.REFUND:
            return begin(event)
        receipt = Receipt(event)
        receipt.failure = UnavailableError("disk full")
        receipt.set()
        return receipt

    def broken(sources: Sources, query: Query) -> Page:
        world.usage.begin = begun  # type: ignore[method-assign]
        raise RuntimeError("a bug")

    plant(world, broken)
    with caplog.at_level(logging.ERROR):
        answer = await get(world, TRADES, world.key())
    assert answer.json()["reason"] == "internal_error"
    assert "refund_lost" in caplog.text
    assert list(world.memory.months.values()) == [1_000]


async def test_too_many_at_once_are_503(world: World) -> None:
    """GW-507: ``overloaded`` with Retry-After; health still answers."""
    world.gateway.in_flight = 2_000
    answer = await get(world, TRADES, world.key())
    assert (answer.status_code, answer.json()["reason"]) == (503, "overloaded")
    assert answer.headers["retry-after"] in {"1", "2", "3", "4", "5"}
    assert (await get(world, "/health")).status_code == 200
    assert world.gateway.in_flight == 2_000


async def test_concurrent_requests_hold_slots_until_their_answer(world: World) -> None:
    """GW-210: at most 10 in progress for Free; every slot comes back."""
    key = world.key()
    answers = await asyncio.gather(*(get(world, TRADES, key) for _ in range(30)))
    assert {answer.status_code for answer in answers} <= {200, 429}
    assert sum(answer.status_code == 200 for answer in answers) >= 10
    assert (await get(world, TRADES, key)).status_code == 200
    assert world.gateway.in_flight == 0


async def test_a_swapped_policy_acts_on_the_next_request(world: World) -> None:
    """GW-104: one reference is swapped between two requests."""
    key = world.key()
    text = world.policy_text.replace(b"version = 7", b"version = 8").replace(
        b"limit = 100, burst = 150", b"limit = 1, burst = 5"
    )
    world.gateway.swap(read_policy(text, "f"))
    assert [(await get(world, TRADES, key)).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_what_may_be_reloaded_acts_and_the_store_does_not(world: World) -> None:
    """GW-105: tiers, routes, address classes, CORS and overload; ``store`` needs a restart."""
    key = world.key()
    changed = world.policy_text
    for old, new in (
        (b"version = 7", b"version = 8"),
        (b"minute = { limit = 100, burst = 150 }", b"minute = { limit = 100, burst = 149 }"),
        (b'path = "/v1/completeness"', b'path = "/v1/bars/closed"'),
        (b"minute = { limit = 30, burst = 45 }", b"minute = { limit = 30, burst = 44 }"),
        (b"https://app.example.com", b"https://new.example.com"),
        (b"in_flight_max = 2000", b"in_flight_max = 1"),
    ):
        assert changed.count(old) == 1
        changed = changed.replace(old, new)
    following = read_policy(changed, "f")
    check_successor(world.gate.policy, following, "f")
    world.gateway.swap(following)
    answer = await get(world, TRADES, key, Origin="https://new.example.com")
    assert answer.headers["access-control-allow-origin"] == "https://new.example.com"
    assert "veritape-burst=149" in answer.headers["ratelimit-policy"]
    assert (await get(world, f"/v1/completeness?day={DAY}", key)).status_code == 404
    assert world.gate.policy.addresses.classes[0].limits.minute == make_rule(30, 60, 44)
    world.gateway.in_flight = 1
    assert (await get(world, TRADES, key)).json()["reason"] == "overloaded"
    with pytest.raises(MisuseError, match="restart_needed"):
        check_successor(
            following, following._replace(version=9, sha256="", store=StoreSettings("redis")), "f"
        )


async def page_of_console(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"console"})


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8000", 200),
        ("::1", "localhost", 200),
        ("::1", "[::1]:8000", 200),
        ("127.0.0.1", "evil.example:8000", 403),
        ("192.0.2.1", "127.0.0.1:8000", 403),
    ],
)
async def test_the_console_is_for_loopback_only(world: World, address: str, host: str, status: int) -> None:
    """GW-144, TL-780: another peer or another Host is 403, and the log says so."""
    world.gateway._console = page_of_console
    async with world.client(address) as client:
        answer = await client.get("/console/x", headers={"Host": host})
        assert answer.status_code == status
        assert (await client.get("/consoles")).status_code == 404
    told = world.log[0]
    assert (told.route, told.status, told.reason) == ("console", status, "" if status == 200 else "ip_denied")


async def test_lifespan(world: World) -> None:
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await world.gateway({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.parametrize(("refund", "left"), [("none", 1_000), ("gateway", 0), ("5xx", 0)])
async def test_the_route_says_whether_a_failure_behind_us_is_given_back(
    tmp_path: Path, refund: str, left: int
) -> None:
    """GW-216: a target that cannot be reached, for each policy of a route."""
    world = World(tmp_path, policy_text("http://127.0.0.1:1", route=f'refund = "{refund}"'))
    async with world.client() as client:
        answered = await client.get("/echo", headers={"X-API-Key": world.key()})
    assert (answered.status_code, world.ledger.month_sums("2026-11")) == (502, {"acme:live": left})
    world.gateway.upstreams.close()
    world.close()
