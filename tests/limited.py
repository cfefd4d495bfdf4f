"""Applications that limit themselves, for tests: a policy, a clock that stands still, a client in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from veritape.gateway.adapters.asgi import Limit
from veritape.gateway.adapters.engine import Engine
from veritape.gateway.adapters.stores import ProcessStore
from veritape.gateway.memory_store import MemoryStore
from veritape.gateway.policy import Policy
from veritape.gateway.policy_reader import read_policy
from veritape.kernel.clock import ManualClock

WALL_NS = 1_795_187_045_000_000_000
"""2026-11-20T15:04:05Z."""

POLICY = """
version = 3
engine = 1
[tiers]
free = { minute = { limit = 100, burst = 150 }, hour = { limit = 3000 }, month = { quota = 50000 }, concurrency = 2 }
partner = {}
[ip]
deny = ["192.0.2.0/24"]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 30, burst = 45 } }]
[upstreams]
app = { inprocess = true }
other = { inprocess = true }
[routes]
dear = { path = "/dear/{id}", methods = ["GET"], upstream = "app", cost = "5", anonymous = true }
keyed = { path = "/keyed", methods = ["GET"], upstream = "app", cost = "1", scope = "keyed:read" }
free = { path = "/free", methods = ["GET"], upstream = "app", cost = "0", anonymous = true }
elsewhere = { path = "/elsewhere", methods = ["GET"], upstream = "other", cost = "40", anonymous = true }
"""


def policy(text: str = POLICY) -> Policy:
    """Read a policy."""
    return read_policy(text.encode(), "policy.toml")


def engine(**options: Any) -> Engine:
    """Return an engine in memory with a clock that stands still."""
    clock = ManualClock(wall_ns=WALL_NS, monotonic_ns=5_000_000_000)
    return Engine(options.pop("policy", policy()), ProcessStore(MemoryStore(), clock), clock, **options)


def clock_of(made: Engine) -> ManualClock:
    """Return the clock of such an engine."""
    assert isinstance(made.clock, ManualClock)
    return made.clock


def rates(answer: httpx.Response) -> dict[str, str]:
    """Return what a response says of limits."""
    names = ("ratelimit", "ratelimit-policy", "x-request-cost", "retry-after", "quota-state")
    return {name: answer.headers[name] for name in names if name in answer.headers}


@asynccontextmanager
async def client_of(
    application: Any, host: str = "203.0.113.7", *, raises: bool = True
) -> AsyncIterator[httpx.AsyncClient]:
    """Call an application in this process."""
    transport = httpx.ASGITransport(application, client=(host, 123), raise_app_exceptions=raises)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """Answer everything with 200: the least application."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
    await send({"type": "http.response.body", "body": b"ok"})


def limited(**options: Any) -> Limit:
    """Wrap that application."""
    made = {
        name: options.pop(name) for name in ("policy", "key_store", "identify", "legacy") if name in options
    }
    return Limit(options.pop("app", plain), engine=engine(**made), **options)


async def spoken(application: Any, scope: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Give an application the messages of a scope; return what it sends."""
    sent, waiting = list[dict[str, Any]](), iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent
