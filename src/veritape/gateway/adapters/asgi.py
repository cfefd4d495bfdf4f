"""Middleware that limits an ASGI application: FastAPI, Starlette, Quart, Django, or a plain function (GW-601).

.. code-block:: python

    from fastapi import FastAPI
    from veritape.gateway.adapters.asgi import Limit
    app = FastAPI()
    app.add_middleware(Limit, policy="policy.toml")

Who calls is decided by key, by the application's own authentication, or by address; the policy says what each may do. Every
answer carries the rate fields, also those that the framework makes: 404, 422, 500. Denials are problem documents and cost
nothing. Lifespan and WebSockets pass untouched.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from veritape.gateway.adapters.asgi_messages import (
    SERVER_ERROR,
    Application,
    Message,
    Receive,
    Scope,
    Send,
    has_own_answer,
    refusal_messages,
)  # fmt: skip
from veritape.gateway.adapters.callers import Client, Identify, require
from veritape.gateway.adapters.engine import Decide, Engine, Ruling
from veritape.gateway.adapters.gate import Keys, UsageLedger
from veritape.gateway.adapters.marks import PATH_CHARACTERS, Found, MarkedRoutes
from veritape.gateway.adapters.middleware_store import open_store
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.server_link import StoreError
from veritape.gateway.adapters.store_link import Asked
from veritape.gateway.adapters.stores import Straight
from veritape.gateway.fast_quota import make_tuple
from veritape.gateway.openapi_limits import describe_limits
from veritape.gateway.policy import Policy
from veritape.gateway.prices import Price, units_of
from veritape.gateway.problems import RefusedError
from veritape.gateway.rate_fields import RawField
from veritape.gateway.reasons import Reason
from veritape.gateway.request_ids import RANDOM_BYTES, request_id
from veritape.gateway.straight_quota import Charge
from veritape.gateway.straight_slots import Take
from veritape.gateway.usage import BOOT_BYTES, EventSource, UsageEvent
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError, UnavailableError

KEY: Final = "veritape"
"""Where a request's scope holds its ``Seen``; the usual one, of a route without marks, has none: nobody asks."""

REMEMBERED: Final = 65_536
"""Lanes that are kept; at the bound all are forgotten."""

LaneKey = tuple[str, str, str | None, str]
"""Method, path, root path and peer's address of a request."""


@dataclass(slots=True, eq=False)
class Lane:
    """What is known of such requests."""

    found: Found | None
    """The marks of their route."""
    paid: tuple[Price, Client, Decide | None] | None = None
    """What they cost whom, and what decides it in memory; None: nothing."""
    charge: Charge | None = None
    """Charges in memory in the usual case, where nobody asks for the ruling."""
    shared: Straight | None = None
    """The same in the shared store."""
    take: Take | None = None
    """The same in memory where more than a minute's bucket limits, with a slot."""


class Seen(NamedTuple):
    """What the middleware did with a request."""

    ruling: Ruling | None
    """None: the request cost nothing."""
    found: Found | None
    """The marks of its route."""


class Limit:
    """The middleware; one for each process that serves the application."""

    def __init__(
        self, app: Application, policy: str | Path | Policy = "", *, engine: Engine | None = None, redis: str = "",
        keys: Keys | None = None, identify: Identify | None = None, usage: UsageLedger | None = None,
        others: str | int | None = 1, legacy: bool = False,
    ) -> None:  # fmt: skip
        """Wrap an application.

        Args:
            app: what is limited.
            policy: policy file; its routes with the upstream ``app`` are the application's.
            engine: a ready engine in place of a policy.
            redis: address of the shared store when the policy's store is ``redis``.
            keys: finds API keys; None: nobody has one.
            identify: the application's own authentication, in place of keys.
            usage: takes an event for each charge of an account before its response begins; None: no events.
            others: units of a request that no route of the policy and no dependency names; None: it is not limited.
            legacy: also write ``X-RateLimit-*``.

        Raises:
            MisuseError: the policy is refused, or the arguments do not fit together.
        """
        self.app = app
        if engine is not None and (policy or redis or keys or identify or legacy):
            raise MisuseError("Limit: an engine has its policy, store, keys and fields already")
        self._background: list[Coroutine[Any, Any, None]] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.engine = engine or self._open(policy, redis, keys, identify, legacy=legacy)
        self._monotonic_ns = self.engine.clock.monotonic_ns
        self._others = None if others is None else Price("other", units_of(others))
        self._usage, self._events = usage, EventSource(secrets.token_bytes(BOOT_BYTES))
        self._lanes: dict[LaneKey, Lane] = {}
        self.engine.forget_on_swap(self._lanes.clear)
        self._ready = self._begun = False
        self._application: Any = None
        self._marked: MarkedRoutes | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; the usual one in this body alone."""
        try:  # who has no method, peer or root path is served the usual way
            lane = self._lanes[scope["method"], scope["path"], scope["root_path"], scope["client"][0]]
        except (KeyError, TypeError):
            await self._serve(scope, receive, send)
            return
        fields = asked = None
        if lane.charge is not None:
            fields = lane.charge(self._monotonic_ns() // 1_000)
        elif lane.shared is not None and (asked := lane.shared.ask()) is not None:
            try:  # noqa: SIM105 - a context manager for each request
                fields = lane.shared.hear(await asked)
            except StoreError:
                pass  # the usual way hears it again
        if fields is None:
            await (self._serve if lane.take is None else self._hold)(scope, receive, send, lane, asked)
            return

        def respond(message: "Message") -> "Awaitable[None]":
            nonlocal fields
            if fields and message["type"] == "http.response.start":
                try:
                    own = message["headers"]
                except KeyError:
                    own = ()
                message["headers"] = [*own, *fields]
                fields = ()
            return send(message)

        try:
            await self.app(scope, receive, respond)
        except Exception:
            await self._fail(scope, send, fields)
            raise

    async def _hold(
        self, scope: Scope, receive: Receive, send: Send, lane: Lane, asked: Asked | None = None
    ) -> None:
        """Serve a usual request that may be one of so many in progress: what it takes is released when its response has ended."""
        held = None if lane.take is None else lane.take(self._monotonic_ns() // 1_000)
        if held is None or lane.paid is None:
            await self._serve(scope, receive, send, lane, asked)
            return
        fields, slot = held

        def respond(message: "Message") -> "Awaitable[None]":
            nonlocal fields
            if fields and message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *fields]
                fields = ()
            return send(message)

        try:
            await self.app(scope, receive, respond)
        except Exception:
            await self._fail(scope, send, fields)
            raise
        finally:
            if slot:
                self.engine.release(lane.paid[1].subject, slot)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, lane: Lane | None = None, asked: Asked | None = None
    ) -> None:
        """Serve what is not the usual request; what is known of it, and the question that was sent about it, come with it."""
        if scope["type"] != "http":
            await self._pass(scope, receive, send)
            return
        if not self._ready:
            await self._get_ready(scope)
        ruling = charge = None
        try:
            lane = lane or await self._lane(scope)
            if lane.paid is not None:
                price, client, decide = lane.paid
                ruling = await self.engine.decide(client, price, asked) if decide is None else decide()
                if self._usage is not None:
                    charge = await self._charge(scope, client, price, ruling)
        except RefusedError as refusal:
            await self._refuse(scope, send, refusal)
            return
        scope[KEY] = make_tuple(Seen, (ruling, lane.found))
        if ruling is None:
            await self.app(scope, receive, send)
        else:
            await self._answer(scope, receive, send, price, ruling, charge)

    async def _lane(self, scope: Scope) -> Lane:
        """Find what a request costs and who pays; it is remembered where method, path and peer alone say so.

        Raises:
            RefusedError: nobody may ask for this from there, or the key does not serve.
        """
        peer = scope.get("client")
        key = (scope["method"], scope["path"], scope.get("root_path", ""), peer[0] if peer else "")
        known = self._lanes.get(key)
        if known is not None:
            return known
        callers = self.engine.callers
        found, price = self._price(scope)
        if price is None:
            lane = Lane(found)
        else:
            client = callers.client_of(scope) or await callers.client_by_key(scope)
            if client.scopes is None or price.scope is not None:
                require(client, price)
            lane = self._paid_lane(found, price, client)
        if callers.by_address_alone and scope["method"] != "OPTIONS" and len(key[1]) <= PATH_CHARACTERS:
            if len(self._lanes) >= REMEMBERED:
                self._lanes.clear()
            self._lanes[key] = lane
        return lane

    def _paid_lane(self, found: Found | None, price: Price, client: Client) -> Lane:
        if not price.cost_mu:
            return Lane(found)
        engine, paid = self.engine, (price, client, self.engine.decider(client, price))
        if found is not None or self._usage is not None or not engine.callers.by_address_alone:
            return Lane(found, paid)
        charge, take = engine.straight(client, price), engine.straight_slots(client, price)
        return Lane(None, paid, charge, engine.straight_shared(client, price), take)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, price: Price, ruling: Ruling, charge: UsageEvent | None
    ) -> None:  # fmt: skip
        """Let the application answer an admitted request, with the rate fields, and end what was begun for it."""
        status, fields = 0, ruling.fields

        def respond(message: "Message") -> "Awaitable[None]":
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *fields]
            return send(message)

        try:
            await self.app(scope, receive, respond)
        except Exception:
            await self._fail(scope, send, () if status else fields)
            status = SERVER_ERROR
            raise
        finally:
            if ruling.slot:
                self.engine.release(ruling.subject, ruling.slot)
            if status >= SERVER_ERROR and price.refunded:
                await self._refund(ruling, charge)

    async def _fail(self, scope: Scope, send: Send, fields: Sequence[RawField]) -> None:
        """Answer for an application that failed before it answered, where nobody above us does; it has when no fields are left."""
        if fields and not has_own_answer(self._application):
            await self._refuse(scope, send, RefusedError(Reason.INTERNAL_ERROR), fields)

    def _price(self, scope: Scope) -> tuple[Found | None, Price | None]:
        """Return the marks of a request's route and what it costs: the mark's price, the policy's, or that of others."""
        method, path = scope["method"], scope["path"]
        root = scope.get("root_path")
        if root and path.startswith(root):
            path = path[len(root) :] or "/"
        if self._marked is not None:
            found = self._marked.find(method, path)
            if found is not None:
                return found, found.marks[-1].price
        if method == "OPTIONS" and any(
            name == b"access-control-request-method" for name, _ in scope["headers"]
        ):
            return None, None
        return None, self.engine.price_of(method, path) or self._others

    async def _charge(self, scope: Scope, client: Client, price: Price, ruling: Ruling) -> UsageEvent | None:
        """Make the charge of an account durable before anything of its response is sent (GW-502).

        Raises:
            RefusedError: the ledger cannot be written; the month's units are given back.
        """
        if self._usage is None or not client.caller.env:
            return None
        wall_us = self.engine.clock.wall_ns() // 1_000
        identifier = self._request_id(scope)
        event = self._events.charge(client.caller, price.name, ruling.decision, wall_us, identifier)
        try:
            await self._usage.append(event)
        except UnavailableError as error:
            await self.engine.store.refund(ruling.subject, event.period, event.units_mu)
            if ruling.slot:
                self.engine.release(ruling.subject, ruling.slot)
            raise RefusedError(Reason.USAGE_UNAVAILABLE) from error
        return event

    async def _refund(self, ruling: Ruling, charge: UsageEvent | None) -> None:
        """Give the month's units back: the application failed (GW-216)."""
        decision = ruling.decision
        if charge is not None or any(part.name == "month" for part in decision.limits):
            await self.engine.store.refund(ruling.subject, decision.period, decision.cost_mu)
        if charge is not None and self._usage is not None:
            wall_us = self.engine.clock.wall_ns() // 1_000
            await self._usage.append(self._events.refund(charge, Reason.INTERNAL_ERROR, wall_us))

    async def _refuse(
        self, scope: Scope, send: Send, refusal: RefusedError, fields: Sequence[RawField] = ()
    ) -> None:
        """Answer with a problem document."""
        for message in refusal_messages(
            refusal, self._request_id(scope), fields, head=scope["method"] == "HEAD"
        ):
            await send(message)

    def _request_id(self, scope: Scope) -> str:
        asked = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        return request_id(asked, self.engine.clock.wall_ns(), secrets.token_bytes(RANDOM_BYTES))

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leave lifespan and WebSockets alone; when the application's life ends, so does what we run beside it."""
        if scope["type"] == "lifespan":
            self._begin(scope)
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "lifespan":
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _get_ready(self, scope: Scope) -> None:
        """Begin, and wait until the shared store has answered or is taken for lost: 2 s at most, once in a process' life."""
        self._begin(scope)
        if self._tasks:
            await self.engine.store.begun()
        self._ready = True

    def _begin(self, scope: Scope) -> None:
        """Look at the application's routes, complete its OpenAPI document, and run what the store needs; once."""
        if self._begun:
            return
        self._begun = True
        self._tasks = [asyncio.get_running_loop().create_task(one) for one in self._background]
        application = self._application = scope.get("app", self.app)
        marked = MarkedRoutes(application)
        self._marked = marked if marked.any else None
        if callable(getattr(application, "openapi", None)):
            application.openapi = self._describing(application.openapi, marked)

    def _describing(
        self, original: Callable[[], dict[str, Any]], marked: MarkedRoutes
    ) -> Callable[[], dict[str, Any]]:
        def price_of(method: str, template: str) -> Price | None:
            found = marked.of_template(method, template)
            return found.marks[-1].price if found else self.engine.price_of(method, template) or self._others

        def openapi() -> dict[str, Any]:
            document = original()
            describe_limits(document, price_of, credentials=self.engine.knows_accounts)
            return document

        return openapi

    def _open(
        self,
        policy: str | Path | Policy,
        redis: str,
        keys: Keys | None,
        identify: Identify | None,
        *,
        legacy: bool,
    ) -> Engine:
        if not policy:
            raise MisuseError('Limit: give it a policy: app.add_middleware(Limit, policy="policy.toml")')
        read = policy if isinstance(policy, Policy) else PolicyFile(Path(policy)).read()
        clock = SystemClock()
        store, self._background = open_store(read, redis, clock)
        return Engine(read, store, clock, key_store=keys, identify=identify, legacy=legacy)
