"""The gateway as an ASGI application: one request from its first byte to its log record (GW-501 to 507).

The order of steps is fixed: request id, route, CORS, identity, scope, quota, usage event, handler, fields. Every answer that
is not the route's own is a problem document. A response to a charged request is not begun before its charge is durable.
"""

import asyncio
import contextlib
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, NamedTuple

from veritape.gateway import openapi, problems
from veritape.gateway.adapters.gate import Gate, Visit, peer_address
from veritape.gateway.addresses import Address
from veritape.gateway.builtin_pages import builtin_page
from veritape.gateway.parameters import read_query
from veritape.gateway.paths import BadPathError, PathTable, normal_path
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.product import Page, ProductRoute, Query, Sources, installed
from veritape.gateway.quota import Decision
from veritape.gateway.rate_fields import rate_fields
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.request_ids import request_id
from veritape.kernel.errors import MisuseError, UnavailableError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

Headers = list[tuple[bytes, bytes]]
"""Header fields as they come: lower-case names."""

EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Quota-State, X-Request-Cost"
"""Fields that pages of other origins may read."""

ONCE = (b"host", b"content-length", b"x-request-id", b"origin", b"if-none-match")
"""Fields that the gateway reads and that must not be repeated."""

SEALED_CACHE = "private, max-age=60"
"""How long a page of a sealed day may be kept."""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Host fields with which the console is served: any other name is a rebinding attack."""

FAILURES = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})
"""Answers that count against an address group."""

_log = logging.getLogger("veritape.gateway")


class Access(NamedTuple):
    """What is said of a finished request, in logs and metrics. No header, no body, no query."""

    request_id: str
    method: str
    route: str
    """Route name, ``builtin``, ``console`` or ``none``."""
    status: int
    reason: str
    account: str
    key_id: str
    tier: str
    units_mu: int
    mode: str
    duration_us: int
    outcome: str
    """``allowed``, the limit that denied, ``cost``, or empty: the quota was not asked."""
    charged_mu: int
    """Units charged, whether given back or not."""
    refunded_mu: int
    anonymous: bool


class Answer(NamedTuple):
    """A response before the fields that every response has."""

    status: HTTPStatus
    fields: list[tuple[str, str]]
    body: bytes = b""


class Call(NamedTuple):
    """The parts of a request that the steps need."""

    method: str
    path: str
    query: bytes
    headers: Headers

    def field(self, name: bytes) -> bytes | None:
        """Return a header field, None when absent."""
        return next((value for key, value in self.headers if key == name), None)


class Served(NamedTuple):
    """Where a path of the policy leads."""

    route: Route
    path: str
    product: ProductRoute


class Table(NamedTuple):
    """Everything that is made from a policy once."""

    policy: Policy
    paths: PathTable[tuple[Served, ...]]
    openapi: bytes
    docs: bytes
    left_out: tuple[str, ...]
    """Routes whose part is not installed here."""


def make_table(policy: Policy, sources: Sources) -> Table:
    """Join the policy's routes with the product's.

    Raises:
        MisuseError: a route that is served here asks for something that this version does not have.
    """
    products, by_path = installed(sources), dict[str, list[Served]]()
    left_out = []
    for route in policy.routes:
        known = [path for path in route.paths if path in products]
        if not known or route.upstream not in policy.in_process:
            left_out.append(route.name)
            continue
        if route.features or set(route.methods) != {"GET"}:
            wrong = ", ".join(sorted(route.features)) or "methods"
            raise MisuseError(
                f"policy: routes.{route.name}: not_available: {wrong}: this route serves plain GET"
            )
        for path in known:
            by_path.setdefault(path, []).append(Served(route, path, products[path]))
    served = [(one.route, one.path, one.product) for found in by_path.values() for one in found]
    api = openapi.document(policy, served, version("veritape"))
    paths = PathTable((path, tuple(found)) for path, found in by_path.items())
    return Table(policy, paths, json.dumps(api).encode(), openapi.page(api), tuple(left_out))


class Gateway:
    """The application. ``swap`` puts another policy in place between two requests."""

    def __init__(
        self, gate: Gate, sources: Sources, report: Callable[[Access], None], *, legacy: bool = True,
        console: Application | None = None,
    ) -> None:  # fmt: skip
        self.gate = gate
        self._sources, self._report, self._legacy, self._console = sources, report, legacy, console
        self.table = make_table(gate.policy, sources)
        self.in_flight = 0
        """Requests in progress."""

    def swap(self, policy: Policy) -> None:
        """Use another policy from the next request on.

        Raises:
            MisuseError: it asks for something that this version does not have; the old one stays.
        """
        self.table = make_table(policy, self._sources)
        self.gate.policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        started_ns = self.gate.clock.monotonic_ns()
        headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        call = Call(scope["method"], "", scope.get("query_string", b""), headers)
        asked = call.field(b"x-request-id")
        identifier = request_id(asked, self.gate.clock.wall_ns(), secrets.token_bytes(10))
        client = scope.get("client")
        peer = peer_address(client[0] if client else None)
        visit = self.gate.visit(identifier, peer, headers)
        name, reason, status = "none", "", HTTPStatus.INTERNAL_SERVER_ERROR
        self.in_flight += 1
        try:
            raw = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
            if self._console is not None and _is_console(raw):
                name, status = "console", HTTPStatus.OK
                await self._serve_console(visit, peer, call, scope, receive, send)
                return
            name, reason, answer = await self._answer(visit, call, raw)
            status = answer.status
            if status in FAILURES:
                self.gate.note_failure(visit)
            await self._send(visit, call, answer, send)
        finally:
            self.in_flight -= 1
            self.gate.release(visit)
            self._report(self._access(visit, call, name, status, reason, started_ns))

    async def _answer(self, visit: Visit, call: Call, raw: bytes) -> tuple[str, str, Answer]:
        """Return route name, reason and answer; every refusal and every bug ends here as a problem."""
        served: Served | None = None
        name = "none"
        try:
            self.gate.bar(visit)
            call = call._replace(path=_checked_path(call, raw))
            builtin = self._builtin(call)
            if builtin is not None:
                return "builtin", "", builtin
            served, rest = self._route(call)
            name = served.route.name
            return name, "", await self._serve(visit, call, served, rest)
        except RefusedError as refusal:
            return name, refusal.reason, _problem(visit, refusal)
        except Exception:  # noqa: BLE001 - the top of a request: counted, logged, refunded, answered
            _log.exception("internal_error request_id=%s", visit.request_id)
            if served is not None:
                await self._give_back(visit, served.route)
            return name, Reason.INTERNAL_ERROR, _problem(visit, RefusedError(Reason.INTERNAL_ERROR))

    async def _give_back(self, visit: Visit, route: Route) -> None:
        try:
            await self.gate.refund(visit, route, Reason.INTERNAL_ERROR)
        except UnavailableError as error:
            _log.error("refund_lost request_id=%s: %s", visit.request_id, error.message)

    def _builtin(self, call: Call) -> Answer | None:
        """Answer what costs nothing and needs no key."""
        table = self.table
        page = builtin_page(call.path, table.openapi, table.docs, self.gate.store.state)
        if page is None:
            return None
        if call.method == "OPTIONS":
            return self._options(call, ("GET",))
        if call.method not in {"GET", "HEAD"}:
            raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": "GET, HEAD, OPTIONS"})
        return Answer(HTTPStatus(page.status), [("Content-Type", page.media)], page.body)

    def _route(self, call: Call) -> tuple[Served, str]:
        if self.in_flight > self.table.policy.in_flight_max:
            raise RefusedError(Reason.OVERLOADED)
        found = self.table.paths.match(call.path)
        if found is None:
            raise RefusedError(Reason.NO_ROUTE)
        served = found.value[0]
        if call.method not in {"GET", "HEAD", "OPTIONS"}:
            raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": "GET, HEAD, OPTIONS"})
        return served, found.parameters.get("rest", "")

    async def _serve(self, visit: Visit, call: Call, served: Served, rest: str) -> Answer:
        route, product = served.route, served.product
        if call.method == "OPTIONS":
            return self._options(call, route.methods)
        await self.gate.identify(visit, route, call.headers, call.query)
        _check_body(call, route)
        await self.gate.charge(visit, route)
        values = read_query(call.query, product.parameters)
        query = Query(call.path, {**values, "rest": rest} if rest else values)
        page = await asyncio.to_thread(product.handler, self._sources, query)
        return _page_answer(call, page)

    def _options(self, call: Call, methods: tuple[str, ...]) -> Answer:
        """Answer a preflight, or a plain OPTIONS; both cost nothing."""
        allow = ", ".join((*methods, "HEAD", "OPTIONS"))
        cors, origin = self.table.policy.cors, call.field(b"origin")
        if cors is None or origin is None or call.field(b"access-control-request-method") is None:
            return Answer(HTTPStatus.NO_CONTENT, [("Allow", allow)])
        if not cors.allows(origin.decode("latin-1")):
            return Answer(HTTPStatus.NO_CONTENT, [("Allow", allow)])
        return Answer(
            HTTPStatus.NO_CONTENT,
            [
                (
                    "Access-Control-Allow-Methods",
                    ", ".join(method for method in methods if method in cors.methods),
                ),
                ("Access-Control-Allow-Headers", ", ".join(cors.headers)),
                ("Access-Control-Max-Age", str(cors.max_age_s)),
            ],
        )

    async def _send(self, visit: Visit, call: Call, answer: Answer, send: Send) -> None:
        fields = [*answer.fields, ("X-Request-Id", visit.request_id), *self._cors(call)]
        if visit.decision is not None:
            fields += rate_fields(visit.decision, visit.tier, self.gate.wall_us(), legacy=self._legacy)
        if answer.status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}:
            fields.append(("Content-Length", str(len(answer.body))))
        raw = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields]
        await send({"type": "http.response.start", "status": answer.status.value, "headers": raw})
        body = b"" if call.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    def _cors(self, call: Call) -> list[tuple[str, str]]:
        cors, origin = self.table.policy.cors, call.field(b"origin")
        if cors is None:
            return []
        fields = [("Vary", "Origin")]
        text = origin.decode("latin-1") if origin else ""
        if text and cors.allows(text) and text.isascii() and text.isprintable():
            fields.append(("Access-Control-Allow-Origin", "*" if "*" in cors.origins else text))
            fields.append(("Access-Control-Expose-Headers", EXPOSED))
            if cors.credentials:
                fields.append(("Access-Control-Allow-Credentials", "true"))
        return fields

    async def _serve_console(
        self, visit: Visit, peer: Address | None, call: Call, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Hand a request to the console: from a loopback peer with a loopback Host only (TL-780)."""
        host = (call.field(b"host") or b"").decode("latin-1").rpartition(":")
        name = host[0] if host[2].isdigit() else (call.field(b"host") or b"").decode("latin-1")
        if self._console is None or peer is None or not peer.is_loopback or name not in LOOPBACK_HOSTS:
            await self._send(visit, call, _problem(visit, RefusedError(Reason.IP_DENIED)), send)
            return
        await self._console(scope, receive, send)

    def _access(
        self, visit: Visit, call: Call, name: str, status: HTTPStatus, reason: str, started_ns: int
    ) -> Access:
        caller, decision = visit.caller, visit.decision
        return Access(
            visit.request_id, call.method, name, status.value, reason, caller.account if caller else "",
            caller.key_id if caller else "", visit.tier, visit.units_mu, decision.mode if decision else "",
            (self.gate.clock.monotonic_ns() - started_ns) // 1_000, _outcome(decision),
            visit.units_mu + visit.refunded_mu, visit.refunded_mu, caller is not None and not caller.env,
        )  # fmt: skip


def _outcome(decision: Decision | None) -> str:
    if decision is None or decision.admitted:
        return "allowed" if decision else ""
    return max(decision.limits, key=lambda part: part.wait_us).name if decision.limits else "cost"


def _checked_path(call: Call, raw: bytes) -> str:
    """Return the path of a request whose framing fields are sound.

    Raises:
        RefusedError: ``bad_path``, ``bad_header`` or ``upgrade_not_supported``.
    """
    names = [name for name, _ in call.headers]
    if any(names.count(name) > 1 for name in ONCE):
        raise RefusedError(Reason.BAD_HEADER, "a header field that must stand once is repeated")
    if b"upgrade" in names:
        raise RefusedError(Reason.UPGRADE_NOT_SUPPORTED)
    try:
        return normal_path(raw)
    except BadPathError as error:
        raise RefusedError(Reason.BAD_PATH, str(error)) from error


def _check_body(call: Call, route: Route) -> None:
    length = call.field(b"content-length")
    if length is None:
        return
    if not length.isdigit():
        raise RefusedError(Reason.BAD_HEADER, "Content-Length is not a number")
    if int(length[:20]) > route.body_max_bytes:
        raise RefusedError(Reason.BODY_TOO_LARGE, fields={"Connection": "close"})


def _page_answer(call: Call, page: Page) -> Answer:
    fields = [("Content-Type", "application/json")]
    if not page.etag:
        return Answer(HTTPStatus.OK, [*fields, ("Cache-Control", "no-store")], page.body)
    validators = [("ETag", page.etag), ("Cache-Control", SEALED_CACHE)]
    known = (call.field(b"if-none-match") or b"").decode("latin-1")
    if page.etag in {one.strip() for one in known.split(",")} or known.strip() == "*":
        return Answer(HTTPStatus.NOT_MODIFIED, validators)
    return Answer(HTTPStatus.OK, [*fields, *validators], page.body)


def _problem(visit: Visit, refusal: RefusedError) -> Answer:
    status = HTTPStatus(PROBLEMS[refusal.reason].status)
    fields = [("Content-Type", problems.CONTENT_TYPE), ("Cache-Control", "no-store"), *refusal.fields.items()]
    if status is HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" not in refusal.fields:
        fields.append(("Retry-After", "1"))
    body = problems.problem_body(refusal.reason, refusal.detail, visit.request_id, visit.decision)
    return Answer(status, fields, body)


def _is_console(raw: bytes) -> bool:
    return raw == b"/console" or raw.startswith(b"/console/")


async def _live(receive: Receive, send: Send) -> None:
    """Answer the server's start and end."""
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
