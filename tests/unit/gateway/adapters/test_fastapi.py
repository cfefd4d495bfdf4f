"""Costs beside FastAPI's routes."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from tests import limited

from veritape.gateway.adapters.asgi import Limit
from veritape.gateway.adapters.callers import Account
from veritape.gateway.adapters.engine import Engine
from veritape.gateway.adapters.fastapi import exempt, limit
from veritape.gateway.quota import Decision
from veritape.kernel.errors import MisuseError


def asked(scope: Any) -> Account | None:
    """Authenticate by a field: tier free, the scopes that it names."""
    value = dict(scope["headers"]).get(b"x-scopes")
    return None if value is None else Account("acme", "free", scopes=frozenset(value.decode().split()))


def application() -> tuple[FastAPI, Engine]:
    """Return routes of each kind behind one engine."""
    made, engine = FastAPI(), limited.engine(identify=asked)
    made.add_middleware(Limit, engine=engine)
    router = APIRouter(dependencies=[Depends(limit(cost=3))])

    @made.post("/compare", dependencies=[Depends(limit(cost=2, scope="compare"))])
    def compare() -> str:
        return "sync"

    @made.get("/async")
    async def asynchronous(decision: Annotated[Decision, Depends(limit(cost="0.5"))]) -> int:
        return decision.cost_mu

    @made.get("/dear/{n}", dependencies=[Depends(limit(cost=4))])
    async def dear(n: int) -> str:
        return f"in the policy too: {n}"

    @made.get("/alive", dependencies=[Depends(exempt)])
    async def alive(decision: Annotated[Decision | None, Depends(exempt)]) -> bool:
        return decision is None

    @router.get("/inherited/{n}")
    async def inherited(n: int) -> int:
        return n

    @router.get("/own", dependencies=[Depends(limit(cost=7))])
    async def own() -> str:
        return "the route's own holds"

    @made.get("/plain")
    async def plain() -> str:
        return "others"

    made.include_router(router, prefix="/router")
    inner = FastAPI()

    @inner.get("/deep/{n}", dependencies=[Depends(limit(cost=9))])
    async def deep(n: int) -> str:
        return f"mounted {n}"

    made.mount("/inner", inner)
    return made, engine


def left(answer: httpx.Response) -> str:
    """Return the minute's units that are left."""
    return answer.headers["ratelimit"].split(";")[1]


async def test_routes_are_charged_once_at_their_own_price() -> None:
    """GW-602, GW-975: async and def, fractions, routers, mounts; a route in the policy too, or with two dependencies, once."""
    made, _ = application()
    async with limited.client_of(made) as client:
        for path, cost, units in (
            ("/async", "0.5", "r=44"), ("/dear/1", "4", "r=40"), ("/router/inherited/5", "3", "r=37"),
            ("/router/own", "7", "r=30"), ("/inner/deep/1", "9", "r=21"), ("/plain", "1", "r=20"),
            ("/router/inherited/x", "3", "r=17"), ("/router/nothing", "1", "r=16"),
        ):  # fmt: skip
            answer = await client.get(path)
            assert (path, answer.headers["x-request-cost"], left(answer)) == (path, cost, units)
        assert (await client.get("/async")).json() == 500
        assert (await client.post("/router/own")).headers["x-request-cost"] == "1"


async def test_an_exempt_route_costs_nothing_and_asks_nobody() -> None:
    """GW-602: also for a caller that is denied elsewhere."""
    made, _ = application()
    async with limited.client_of(made, "192.0.2.1") as client:
        answer = await client.get("/alive")
        assert (answer.json(), limited.rates(answer)) == (True, {})
        assert (await client.get("/plain")).status_code == 403


async def test_a_scope_needs_a_credential_that_holds_it() -> None:
    """GW-602: 401 without a credential, 403 without the scope, else the route and its cost; nothing refused is charged."""
    made, _ = application()
    async with limited.client_of(made) as client:
        missing = await client.post("/compare")
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, 'Bearer realm="veritape"')
        wrong = await client.post("/compare", headers={"X-Scopes": "other"})
        assert (wrong.status_code, wrong.json()["reason"]) == (403, "missing_scope")
        served = await client.post("/compare", headers={"X-Scopes": "other compare"})
        assert (served.json(), served.headers["x-request-cost"], left(served)) == ("sync", "2", "r=148")


async def test_the_openapi_document_says_what_limits_answer() -> None:
    """GW-602, GW-975: 429 and 401 with their fields and the problem's schema; nothing on exempt routes, once only."""
    made, _ = application()
    async with limited.client_of(made) as client:
        first = (await client.get("/openapi.json")).json()
        assert (await client.get("/openapi.json")).json() == first
    compare = first["paths"]["/compare"]["post"]["responses"]
    assert set(compare["429"]["headers"]) == {"RateLimit", "RateLimit-Policy", "Retry-After"}
    assert set(compare["401"]["headers"]) == {"WWW-Authenticate"}
    schema = compare["429"]["content"]["application/problem+json"]["schema"]["$ref"]
    assert "reason" in first["components"]["schemas"][schema.rpartition("/")[2]]["required"]
    for path in ("/async", "/router/inherited/{n}", "/plain"):
        assert {"401", "429"} <= first["paths"][path]["get"]["responses"].keys()
    assert not {"401", "429"} & first["paths"]["/alive"]["get"]["responses"].keys()


async def test_a_dependency_without_its_middleware_says_so() -> None:
    """GW-602: and so does one whose path was changed on the way: nothing passes uncharged."""
    alone = FastAPI()

    @alone.get("/", dependencies=[Depends(limit())])
    def route() -> str:
        return "never"

    async with limited.client_of(alone) as client:
        with pytest.raises(MisuseError, match="needs the middleware"):
            await client.get("/")

    async def rewriting(scope: Any, receive: Any, send: Any) -> None:
        await alone({**scope, "path": "/", "raw_path": b"/"}, receive, send)

    async with limited.client_of(limited.limited(app=rewriting)) as client:
        with pytest.raises(MisuseError, match="the path changed"):
            await client.get("/elsewhere")
