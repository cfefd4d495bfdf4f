"""Suite ``gateway``: what the middleware adds to a request of a FastAPI application, beside slowapi and fastapi-limiter (GW-603).

One application with one route is called as a server would call it, without a socket, with and without each limiter; the figure is
the difference in processor time of this process. The same limit of a minute stands in each, and nobody is denied.
"""

import asyncio
import importlib
import statistics
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, MutableMapping
from typing import Any

import uvloop

from veritape.apps.bench.gateway_decisions import available, best
from veritape.apps.bench.redis_server import RedisServer, redis_server
from veritape.apps.bench.results import Row, Size
from veritape.gateway.adapters.asgi import Limit
from veritape.gateway.policy_reader import read_policy
from veritape.kernel.clock import SystemClock

REQUESTS = 150
"""Requests of a turn: short, so that whatever else the machine does meets everybody alike."""

TURNS = 15
"""Turns of a run; the median of their differences counts."""

IN_FLIGHT = 16
"""Requests at a time, as a server has them."""

HUNG_REQUESTS = 3
"""Requests while Redis hangs, one after another."""

LIMIT = 1_000_000
"""Units a minute: nobody is denied."""

POLICY = f"""
version = 1
engine = 1
[store]
kind = "STORE"
[tiers]
[ip]
class = [{{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = {{ limit = {LIMIT}, burst = {LIMIT} }} }}]
[upstreams]
[routes]
"""

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]


def middleware(size: Size) -> Iterator[Row]:
    """Measure what a limiter adds."""
    yield _run(_added("middleware_added_memory", size, available(_in_memory()), 3.0))
    with redis_server() as url:
        yield _run(_added("middleware_added_redis", size, available(_in_redis(url)), 8.0))
        yield _run(_hung(available(_in_redis(url)), url))


def _run(work: Coroutine[Any, Any, Row]) -> Row:
    """Run on the loop that servers run on."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _in_memory() -> dict[str, Callable[[], Application]]:
    return {"none": _plain, "veritape": _ours, "slowapi": _slowapi, "fastapi-limiter": _fastapi_limiter}


def _in_redis(url: str) -> dict[str, Callable[[], Application]]:
    return {
        "none": _plain,
        "veritape": lambda: _ours(url),
        "slowapi": lambda: _slowapi(url),
        "fastapi-limiter": lambda: _fastapi_limiter(url),
    }


async def _added(name: str, size: Size, applications: dict[str, Application], goal: float) -> Row:
    """Return the processor time that each adds, in turns; the target is a tenth of the better peer."""
    for application in applications.values():
        await _request(application, 300)
    runs: dict[str, list[float]] = {peer: [] for peer in applications}
    for _ in range(size.runs):
        turns: dict[str, list[float]] = {peer: [] for peer in applications}
        for _ in range(TURNS):
            spent = {peer: await _processor_us(application) for peer, application in applications.items()}
            for peer, one in spent.items():
                turns[peer].append(one - spent["none"])
        for peer, differences in turns.items():
            runs[peer].append(statistics.median(differences))
    ours = runs.pop("veritape")
    del runs["none"]
    peer, values = best(runs, most=False)
    target = statistics.median(values) / 10 if values else None
    return Row(name, ours, "us", "lower", target, goal, peer, values)


async def _processor_us(application: Application) -> float:
    before_ns = time.process_time_ns()
    await _request(application, REQUESTS)
    return (time.process_time_ns() - before_ns) / 1_000 / REQUESTS


async def _request(application: Application, times: int) -> list[int]:
    """Call an application; return the statuses."""
    statuses = list[int]()

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def one() -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/one",
            "raw_path": b"/one", "query_string": b"", "root_path": "", "client": ("203.0.113.7", 1234), "server": ("app", 80),
            "headers": [(b"host", b"app"), (b"user-agent", b"benchmark"), (b"accept", b"*/*")],
        }  # fmt: skip
        await application(scope, receive, send)

    for start in range(0, times, IN_FLIGHT):
        await asyncio.gather(*(one() for _ in range(start, min(times, start + IN_FLIGHT))))
    return statuses


async def _hung(applications: dict[str, Application], url: RedisServer) -> Row:
    """Return the longest request while Redis hangs, ours and the peers'; a 5xx of ours would be an error."""
    longest = dict[str, float]()
    for name, application in applications.items():
        if name == "none":
            continue
        await _request(application, 20)
        with url.hung():
            longest[name] = await _longest_ms(application, name)
    ours = longest.pop("veritape")
    peer, values = best({name: [value] for name, value in longest.items()}, most=False)
    return Row("redis_hung_added_max", [ours], "ms", "lower", 50.0, 25.0, peer, values)


async def _longest_ms(application: Application, name: str) -> float:
    clock, longest_ns = SystemClock(), 0
    for _ in range(HUNG_REQUESTS):
        began_ns = clock.monotonic_ns()
        try:
            statuses = await asyncio.wait_for(_request(application, 1), 3)
        except Exception:  # noqa: BLE001 - what a peer does when its store hangs is what is measured
            statuses = [500]
        if name == "veritape" and statuses != [200]:
            raise AssertionError(f"a benchmark's request was answered {statuses}")
        longest_ns = max(longest_ns, clock.monotonic_ns() - began_ns)
    return longest_ns / 1e6


def _plain() -> Application:
    fastapi = importlib.import_module("fastapi")
    application = fastapi.FastAPI()

    @application.get("/one")  # type: ignore[untyped-decorator]  # the library is looked up
    async def one() -> str:
        return "one"

    made: Application = application
    return made


def _ours(url: str = "") -> Application:
    application: Any = _plain()
    policy = read_policy(POLICY.replace("STORE", "redis" if url else "memory").encode(), "benchmark")
    application.add_middleware(Limit, policy=policy, redis=url)
    made: Application = application
    return made


def _slowapi(url: str = "memory://") -> Application:
    fastapi, slowapi = importlib.import_module("fastapi"), importlib.import_module("slowapi")
    limiter = slowapi.Limiter(
        key_func=importlib.import_module("slowapi.util").get_remote_address, storage_uri=url
    )
    application = fastapi.FastAPI()
    application.state.limiter = limiter

    async def one(request: Any) -> str:
        del request
        return "one"

    one.__annotations__["request"] = fastapi.Request
    application.get("/one")(limiter.limit(f"{LIMIT}/minute")(one))
    made: Application = application
    return made


def _fastapi_limiter(url: str = "") -> Application:
    fastapi, pyrate = importlib.import_module("fastapi"), importlib.import_module("pyrate_limiter")
    depends = importlib.import_module("fastapi_limiter.depends")
    rates = [pyrate.Rate(LIMIT, pyrate.Duration.MINUTE)]
    application = fastapi.FastAPI()
    made: dict[str, Any] = {}

    async def limited(request: Any, response: Any) -> None:
        if not made:
            bucket = pyrate.InMemoryBucket(rates)
            if url:
                client = importlib.import_module("redis.asyncio").from_url(url, socket_timeout=2)
                bucket = await pyrate.RedisBucket.init(rates, client, "benchmark")
            made["limiter"] = depends.RateLimiter(limiter=pyrate.Limiter(bucket))
        await made["limiter"](request, response)

    limited.__annotations__ |= {"request": fastapi.Request, "response": fastapi.Response}

    @application.get("/one", dependencies=[fastapi.Depends(limited)])  # type: ignore[untyped-decorator]  # the library is looked up
    async def one() -> str:
        return "one"

    found: Application = application
    return found
