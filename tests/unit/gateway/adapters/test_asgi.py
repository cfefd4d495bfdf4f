"""The middleware around applications of several kinds."""

import asyncio
import contextlib
import runpy
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.websockets import WebSocket
from tests import limited
from tests.servers.redis_process import RedisProcess, redis_process
from tests.servers.redis_stand import no_sums
from tests.waiting import PATIENCE_S, until

from veritape.gateway.adapters import asgi as module
from veritape.gateway.adapters.asgi import Lane, Limit
from veritape.gateway.adapters.callers import Account
from veritape.gateway.adapters.degrading_store import DegradingStore
from veritape.gateway.adapters.engine import Engine
from veritape.gateway.adapters.marks import PATH_CHARACTERS
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.redis_address import parse_redis_url
from veritape.gateway.adapters.redis_link import RedisLink
from veritape.gateway.adapters.redis_store import RedisStore
from veritape.gateway.adapters.store_link import Asked
from veritape.gateway.adapters.stores import Straight
from veritape.gateway.degradation import StoreState
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError

ANONYMOUS = '"minute";q=30;w=60;veritape-burst=45'


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with redis_process(tmp_path) as process:
        yield process


def asked(scope: Any) -> Account | None:
    """Authenticate by a field: account, tier, scopes."""
    value = dict(scope["headers"]).get(b"x-user", b"").decode()
    name, _, scopes = value.partition("+")
    return Account(name, "free", scopes=frozenset(scopes.split("+"))) if name else None


async def test_the_five_line_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-601, GW-975: the example of the guide, as it stands there, limits an application by the shipped policy."""
    guide = Path(__file__).parents[4] / "docs/guides/middleware.md"
    example = guide.read_text().split("```python\n")[1].split("```")[0]
    assert len(example.splitlines()) <= 5
    monkeypatch.chdir(tmp_path)
    Path("policy.toml").write_bytes(shipped_policy())
    Path("example.py").write_text(example)
    application = runpy.run_path("example.py")["app"]
    async with limited.client_of(application) as client:
        answers = [await client.get("/nothing") for _ in range(46)]
    assert [answer.status_code for answer in answers] == [404] * 45 + [429]
    assert answers[0].headers["ratelimit"].startswith('"minute";r=44;t=')
    assert answers[-1].json()["reason"] == "rate_limited"


async def test_every_answer_of_fastapi_carries_the_fields() -> None:
    """GW-601, GW-975: 200, 404, 405, 422, 418 and an unexpected 500 of a FastAPI application."""
    application = FastAPI()
    application.add_middleware(Limit, engine=limited.engine())

    @application.get("/number/{n}")
    def number(n: int) -> int:
        if n == 5:
            raise HTTPException(418)
        return 1 // n

    left = 45
    async with limited.client_of(application, raises=False) as client:
        for path, status in (("1", 200), ("x", 422), ("5", 418), ("0", 500), ("1/2", 404)):
            answer = await client.get(f"/number/{path}")
            left -= 1
            assert answer.status_code == status
            assert limited.rates(answer) == {
                "ratelimit": f'"minute";r={left};t=2', "ratelimit-policy": ANONYMOUS, "x-request-cost": "1"
            }  # fmt: skip
        answer = await client.post("/number/1")
        assert (answer.status_code, "ratelimit" in answer.headers) == (405, True)
    assert answer.headers["allow"] == "GET"


async def test_starlette_s_own_answer_to_a_failure_stays() -> None:
    """GW-601, GW-975: an application that answers its failures itself, or shows them in debug mode, goes on to do so."""

    def fail(request: Request) -> PlainTextResponse:
        raise RuntimeError("planted")

    def own(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"own": str(error)}, 500)

    routes = [Route("/", fail)]
    with_handler = Starlette(routes=routes, exception_handlers={Exception: own})
    with_handler.add_middleware(Limit, engine=limited.engine())
    async with limited.client_of(with_handler, raises=False) as client:
        assert (await client.get("/")).json() == {"own": "planted"}
    async with limited.client_of(limited.limited(app=Starlette(routes=routes, exception_handlers={Exception: own})), raises=False) as client:  # fmt: skip
        answer = await client.get("/")
        assert (answer.json(), "ratelimit" in answer.headers) == ({"own": "planted"}, True)
    debugged = Starlette(debug=True, routes=routes)
    debugged.add_middleware(Limit, engine=limited.engine())
    async with limited.client_of(debugged, raises=False) as client:
        assert "planted" in (await client.get("/")).text
    plain = Starlette(routes=routes)
    plain.add_middleware(Limit, engine=limited.engine())
    with pytest.raises(RuntimeError, match="planted"):
        async with limited.client_of(plain) as client:
            await client.get("/")


async def test_a_denied_request_never_reaches_the_application() -> None:
    """GW-601, GW-507: the burst of 45 passes; then a problem with Retry-After; two seconds later one more."""
    reached = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await limited.plain(scope, receive, send)

    made = limited.limited(app=counting)
    async with limited.client_of(made) as client:
        for _ in range(45):
            assert (await client.get("/a")).status_code == 200
        denied = await client.get("/a", headers={"X-Request-Id": "mine"})
        assert len(reached) == 45
        body = denied.json()
        assert (denied.status_code, body["reason"], body["request_id"]) == (429, "rate_limited", "mine")
        assert limited.rates(denied) == {
            "ratelimit": '"minute";r=0;t=2', "ratelimit-policy": ANONYMOUS, "retry-after": "2", "x-request-cost": "1"
        }  # fmt: skip
        assert (await client.head("/a")).content == b""
        limited.clock_of(made.engine).advance_ns(2_000_000_000)
        assert (await client.get("/a")).status_code == 200
        assert (await client.get("/a")).status_code == 429
        async with limited.client_of(made, "203.0.113.8") as other:
            assert (await other.get("/a")).status_code == 200


async def test_the_usual_request_is_answered_as_every_other() -> None:
    """GW-601, GW-603: once path and peer are known, fields, failures and the denial are what they were for the first."""
    application = FastAPI()
    application.add_middleware(Limit, engine=limited.engine())
    failing = list[bool]()

    @application.get("/")
    async def one() -> str:
        if failing:
            raise RuntimeError("planted")
        return "one"

    async with limited.client_of(application, raises=False) as client:
        answers = [await client.get("/") for _ in range(43)]
        failing.append(True)
        answers += [await client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 43 + [500] * 2 + [429]
    assert [answer.headers["ratelimit"] for answer in answers] == [
        f'"minute";r={left};t=2' for left in (*range(44, -1, -1), 0)
    ]
    assert answers[44].json()["reason"] == "internal_error"


async def test_the_usual_request_gives_its_slot_back() -> None:
    """GW-210, GW-601: one in progress at a time: requests one after the other pass, failed ones too; a second at once does not."""
    text = limited.POLICY.replace("burst = 45 } }", "burst = 45 }, concurrency = 1 }")
    entered, let, wanted = asyncio.Event(), asyncio.Event(), list[str]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        wanted.append(scope["path"])
        if len(wanted) == 4:
            raise RuntimeError("planted")
        if len(wanted) == 6:
            entered.set()
            await let.wait()
        await limited.plain(scope, receive, send)

    made = Limit(application, engine=limited.engine(policy=limited.policy(text)))
    async with limited.client_of(made, raises=False) as client:
        answers = [await client.get("/a") for _ in range(5)]
        waiting = asyncio.ensure_future(client.get("/a"))
        await asyncio.wait_for(entered.wait(), PATIENCE_S)
        answers.append(await client.get("/a"))
        let.set()
        answers += [await waiting, await client.get("/a")]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 500, 200, 429, 200, 200]
    assert answers[5].json()["reason"] == "concurrency_limited"
    assert answers[-1].headers["ratelimit"].endswith('"concurrency";r=0')


async def test_a_request_that_is_given_up_gives_its_slot_back() -> None:
    """GW-210, GW-603: of a hundred usual requests that are cancelled, or whose client is gone when the answer begins, none keeps the only slot; what was charged stays so."""
    text = limited.POLICY.replace("burst = 45 } }", "burst = 205 }, concurrency = 1 }")
    held, wanted = asyncio.Event(), list[str]()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        wanted.append(scope["path"])
        if len(wanted) > 4:
            held.set()
            await asyncio.Event().wait()
        await limited.plain(scope, receive, send)

    async def nothing() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def gone(message: Any) -> None:
        raise OSError("the client is gone")

    made = Limit(application, engine=limited.engine(policy=limited.policy(text)))
    scope = {"type": "http", "method": "GET", "path": "/a", "root_path": "", "client": ("203.0.113.7", 1), "headers": []}  # fmt: skip
    for _ in range(2):
        assert (await limited.spoken(made, dict(scope)))[0]["status"] == 200
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            await made(dict(scope), nothing, gone)
    for _ in range(100):
        held.clear()
        waiting = asyncio.ensure_future(limited.spoken(made, dict(scope)))
        await asyncio.wait_for(held.wait(), PATIENCE_S)
        assert (await limited.spoken(made, dict(scope)))[0]["status"] == 429
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    _, client, _ = lane_of(made, "/a").paid or pytest.fail("free")
    state = await made.engine.store.status(client.subject, client.group.limits)
    assert (state.slots, state.used_mu, len(wanted)) == (0, 104_000, 104)


async def test_routes_of_the_policy_have_their_price() -> None:
    """GW-601: cost by route and method; another upstream's route, a preflight and cost 0 as the policy says."""
    made = limited.limited()
    async with limited.client_of(made) as client:
        assert (await client.get("/dear/1")).headers["x-request-cost"] == "5"
        assert (await client.head("/dear/1")).headers["x-request-cost"] == "5"
        assert (await client.post("/dear/1")).headers["x-request-cost"] == "1"
        assert (await client.get("/elsewhere")).headers["x-request-cost"] == "1"
        assert limited.rates(await client.get("/free")) == {}
        preflight = {"Access-Control-Request-Method": "GET"}
        assert limited.rates(await client.options("/dear/1", headers=preflight)) == {}
        assert (await client.options("/dear/1")).headers["x-request-cost"] == "1"
        assert (await client.get("/keyed")).json()["reason"] == "missing_credentials"
    async with limited.client_of(made, "192.0.2.9") as client:
        assert (await client.get("/dear/1")).json()["reason"] == "ip_denied"
    async with limited.client_of(limited.limited(others=None)) as client:
        assert limited.rates(await client.get("/other")) == {}
        assert (await client.get("/dear/1")).headers["x-request-cost"] == "5"
    async with limited.client_of(limited.limited(others="0.5", legacy=True)) as client:
        answer = await client.get("/other")
        assert (answer.headers["x-request-cost"], answer.headers["x-ratelimit-remaining"]) == ("0.5", "44")


async def test_a_mounted_application_has_the_paths_that_it_knows() -> None:
    """GW-601: a root path, as a proxy in front sets it, is no part of the policy's paths."""
    async with limited.client_of(limited.limited()) as client:
        transport = client._transport
        transport.root_path = "/api"  # type: ignore[attr-defined]
        assert (await client.get("/api/dear/1")).headers["x-request-cost"] == "5"


async def test_slots_and_month_units_return() -> None:
    """GW-210, GW-216: two requests in progress at most; a failure gives the month's unit back and the slot, no tokens."""
    going = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await going.wait()
        if scope["path"] == "/fail":
            raise RuntimeError("planted")
        await limited.plain(scope, receive, send)

    made = limited.limited(app=slow, identify=asked)
    mine = {"X-User": "acme"}
    async with limited.client_of(made, raises=False) as client:
        waiting = [asyncio.create_task(client.get("/slow", headers=mine)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        while (third := await client.get("/a", headers=mine)).status_code == 200:
            await asyncio.sleep(0)
        assert third.json()["reason"] == "concurrency_limited"
        going.set()
        for answer in await asyncio.gather(*waiting):
            assert answer.status_code == 200
        before = (await client.get("/a", headers=mine)).headers["ratelimit"]
        failed = (await client.get("/fail", headers=mine)).headers["ratelimit"]
        after = (await client.get("/a", headers=mine)).headers["ratelimit"]
    month = [int(text.split('"month";r=')[1].split(";")[0]) for text in (before, failed, after)]
    minute = [int(text.split('"minute";r=')[1].split(";")[0]) for text in (before, failed, after)]
    assert month == [month[0], month[0] - 1, month[0] - 1]
    assert minute == [minute[0], minute[0] - 1, minute[0] - 2]


class Events:
    """Takes usage events, or cannot."""

    def __init__(self) -> None:
        self.taken: list[UsageEvent] = []
        self.broken = False

    async def append(self, event: UsageEvent) -> None:
        if self.broken:
            raise UnavailableError("planted")
        self.taken.append(event)


async def test_charges_of_accounts_become_events_when_asked() -> None:
    """GW-601, GW-502: one event a charge, its refund after a 5xx, none for addresses; 503 when it cannot be written."""
    usage = Events()

    async def failing(scope: Any, receive: Any, send: Any) -> None:
        status = 503 if scope["path"] == "/fail" else 200
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b""})

    made = limited.limited(app=failing, identify=asked, usage=usage)
    mine = {"X-User": "acme+keyed:read"}
    async with limited.client_of(made) as client:
        await client.get("/keyed", headers=mine)
        await client.get("/fail", headers=mine)
        await client.get("/fail")
        events = [(one.kind, one.subject, one.route, one.units_mu) for one in usage.taken]
        assert events == [
            (Kind.CHARGE, "acme:live", "keyed", 1_000), (Kind.CHARGE, "acme:live", "other", 1_000),
            (Kind.REFUND, "acme:live", "other", -1_000),
        ]  # fmt: skip
        usage.broken = True
        for _ in range(3):  # no slot is kept
            answer = await client.get("/keyed", headers=mine)
            assert (answer.json()["reason"], answer.headers["retry-after"]) == ("usage_unavailable", "1")
        assert (await client.get("/keyed", headers={"X-User": "acme"})).json()["reason"] == "missing_scope"
        assert (await client.get("/keyed")).headers["www-authenticate"] == 'Bearer realm="veritape"'


async def test_websockets_and_lifespan_pass_untouched() -> None:
    """GW-601, GW-975: a WebSocket works where no request can pass, and messages of start and end are the application's own."""
    seen = []

    async def live(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                message = await receive()
                seen.append(message["type"])
                await send({"type": f"{message['type']}.complete"})
            return
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    made = limited.limited(app=live, others=10_000)
    start, end = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}
    life = await limited.spoken(made, {"type": "lifespan"}, start, end)
    assert life == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]
    assert seen == ["lifespan.startup", "lifespan.shutdown"]
    hello = {"type": "websocket.receive", "text": "hello"}
    said = await limited.spoken(made, {"type": "websocket"}, {"type": "websocket.connect"}, hello)
    assert [message["type"] for message in said] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert said[1]["text"] == "hello"
    async with limited.client_of(made) as client:
        assert (await client.get("/")).json()["reason"] == "cost_exceeds_burst"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give it a policy"),
        ({"policy": limited.policy(), "redis": "redis://127.0.0.1"}, "belong together"),
        ({"policy": limited.policy(limited.POLICY + "[store]\nkind = 'redis'\n")}, "belong together"),
        ({"policy": limited.policy(), "others": "0.0001"}, "three decimal places"),
        ({"policy": limited.policy(), "engine": limited.engine()}, "already"),
        ({"policy": limited.policy(), "others": "many"}, "three decimal places"),
        ({"policy": limited.policy(), "keys": object(), "identify": asked}, "not both"),
        ({"policy": limited.policy(limited.POLICY.replace('cost = "5"', 'cost = "5", client_fingerprint = true'))}, "not_available"),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    """GW-601: what would be ignored is refused when the middleware is made."""
    with pytest.raises(MisuseError, match=message):
        Limit(limited.plain, **options)


async def test_another_policy_holds_for_paths_and_peers_that_are_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GW-601, GW-908: what is remembered of a path and a peer is found again after a change of policy, and it is bounded."""
    monkeypatch.setattr(module, "REMEMBERED", 3)
    made = limited.limited()
    text = limited.POLICY.replace("version = 3", "version = 4").replace('cost = "5"', 'cost = "6"')
    async with limited.client_of(made) as client:
        costs = [(await client.get("/dear/1")).headers["x-request-cost"] for _ in range(2)]
        made.engine.swap(limited.policy(text))
        costs += [(await client.get("/dear/1")).headers["x-request-cost"] for _ in range(2)]
        assert costs == ["5", "5", "6", "6"]
        for _ in range(
            3
        ):  # the third is charged straight: who is first seen, and the first of a second, go the usual way
            made.engine.swap(limited.policy())
            costs = [(await client.get("/dear/1")).headers["x-request-cost"] for _ in range(2)]
        assert costs == ["5", "5"]
        for path in ("a", "b", "c", "d", "e" * PATH_CHARACTERS):
            await client.get(f"/{path}")
    paths = {key[1] for key in made._lanes}
    assert len(paths) <= 3
    assert all(len(path) <= PATH_CHARACTERS for path in paths)


@contextlib.asynccontextmanager
async def sharing(redis: RedisProcess) -> AsyncIterator[Limit]:
    """Limit an application by a store that it shares; a pause of the machine is no outage."""
    clock, link = SystemClock(), RedisLink(parse_redis_url(redis.url), PATIENCE_S)
    store = DegradingStore(link, RedisStore(link, "b1", no_sums, clock), clock, 300, 1, lambda _: None)
    tasks = [asyncio.create_task(link.run()), asyncio.create_task(store.run())]
    try:
        await until(lambda: store.state is StoreState.HEALTHY)
        yield Limit(limited.plain, engine=Engine(limited.policy(), store, clock))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def units_left(answer: httpx.Response) -> int:
    """Return what a response says is left of the minute."""
    return int(answer.headers["ratelimit"].partition("r=")[2].partition(";")[0])


def lane_of(made: Limit, path: str) -> Lane:
    """Return what a middleware knows of a path."""
    return next(lane for key, lane in made._lanes.items() if key[1] == path)


async def test_the_shared_store_charges_each_request_once(redis: RedisProcess) -> None:
    """GW-603, GW-204, GW-254: of a burst of 45 at once 45 are served and the rest denied, whichever way each was decided; one call each."""
    async with sharing(redis) as made, limited.client_of(made) as client:
        first = await client.get("/one")
        assert limited.rates(first) == {
            "x-request-cost": "1", "ratelimit": '"minute";r=44;t=2', "ratelimit-policy": ANONYMOUS
        }  # fmt: skip
        assert units_left(await client.get("/one")) >= 43
        answers = await asyncio.gather(*(client.get("/one") for _ in range(60)))
        served = sum(answer.status_code == 200 for answer in answers)
        assert 43 <= served <= 43 + PATIENCE_S // 2  # a unit comes back each two seconds
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(limited.rates(answer)["ratelimit-policy"] == ANONYMOUS for answer in answers)
        store, (price, client_of, _) = made.engine.store, lane_of(made, "/one").paid or pytest.fail("free")
        assert isinstance(store, DegradingStore)
        calls = store.facts({}).operations
        assert (
            served + 3 <= calls["decide", "ok"] <= 62
        )  # who was just denied is not asked about again at once
        state = await store.status(client_of.subject, client_of.group.limits)
        assert price.cost_mu == 1_000
        assert state.minute.debt <= 45_000 * state.minute.weight


async def test_an_answer_that_is_not_usual_is_heard_by_the_usual_way(redis: RedisProcess) -> None:
    """GW-603, GW-342: a denial, an answer under another policy and a store that is lost come after the question was sent: nothing is charged twice."""
    async with sharing(redis) as made, limited.client_of(made) as client:
        for _ in range(3):
            assert (await client.get("/dear/1")).status_code == 200
        lane = lane_of(made, "/dear/1")
        assert lane.shared is not None
        ask, hear = lane.shared

        def swapping() -> Asked | None:
            asked = ask()
            made.engine.swap(limited.policy(limited.POLICY.replace('cost = "5"', 'cost = "6"')))
            return asked

        lane.shared = Straight(swapping, lambda _: None)
        answer = await client.get("/dear/1")
        assert answer.headers["x-request-cost"] == "5"
        assert 25 <= units_left(answer) < 30  # a unit comes back each two seconds
        assert (await client.get("/dear/1")).headers["x-request-cost"] == "6"

        lane = lane_of(made, "/dear/1")
        assert lane.shared is not None
        ask, hear = lane.shared

        def losing() -> Asked | None:
            asked = ask()
            redis.kill()
            return asked

        lane.shared = Straight(losing, hear)
        answer = await client.get("/dear/1")
        assert (answer.status_code, answer.headers["quota-state"]) == (200, "local")
        assert len({id(one) for one in made._lanes.values()}) == 1
