"""The gateway as an ASGI application: one request from its first byte to its log record (GW-501 to 507).

The order of steps is fixed: request id, route, CORS, identity, scope, quota, usage event, handler, fields. Every answer that
is not the route's own is a problem document. A response to a charged request is not begun before its charge is durable.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.admission import decider, outcome
from veritape.gateway.adapters.client import Application, AsgiClient, Client, Receive, Scope, Send, live
from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.gate import Gate, Visit, peer_address
from veritape.gateway.adapters.proxy import LEFT
from veritape.gateway.adapters.random_bytes import RandomBytes
from veritape.gateway.adapters.upstream_router import Passing, Upstreams, counted_body, refuse_loop
from veritape.gateway.adapters.way import in_task
from veritape.gateway.answers import (
    Answer,
    Call,
    allowed,
    check_length,
    checked_path,
    cors_fields,
    header_lines,
    options_answer,
    page_answer,
    problem_answer,
)
from veritape.gateway.builtin_pages import builtin_page, is_builtin
from veritape.gateway.overload import SAMPLED_LEVEL, retry_after_s
from veritape.gateway.parameters import read_query
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.product import ProductRoute, Query, Sources
from veritape.gateway.reasons import CHARGED, Reason
from veritape.gateway.request_ids import request_id
from veritape.gateway.route_table import Served, make_table
from veritape.gateway.upstream_failures import FAILURES as UPSTREAM_FAILURES
from veritape.kernel.errors import UnavailableError

UPSTREAM_5XX = "upstream_5xx"
"""Reason of the refund after an upstream's own failure."""

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Host fields with which the console is served: any other name is a rebinding attack."""

BEHIND = frozenset({*UPSTREAM_FAILURES, Reason.INTERNAL_ERROR, UPSTREAM_5XX})
"""Failures of ours or of an upstream: the policy says whether they give the month's units back (GW-216)."""

FAILURES = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND})
"""Answers that count against an address group."""

_log = logging.getLogger("veritape.gateway")


class Gateway:
    """The application. ``swap`` puts another policy in place between two requests."""

    def __init__(
        self, gate: Gate, sources: Sources, report: Callable[[Access], None], *,
        console: Application | None = None, upstreams: Upstreams | None = None,
    ) -> None:  # fmt: skip
        self.gate = gate
        self.upstreams = upstreams or Upstreams(gate.policy, gate.clock)
        self._sources, self._report, self._console = sources, report, console
        self.table = make_table(gate.policy, sources)
        self._random = RandomBytes()
        self.in_flight = 0
        """Requests in progress."""
        self.is_draining = False
        """The process ends soon: ``/ready`` says so."""

    def swap(self, policy: Policy) -> None:
        """Use another policy from the next request on.

        Raises:
            MisuseError: it asks for something that this version does not have; the old one stays.
        """
        table = make_table(policy, self._sources)
        self.upstreams.swap(policy)
        self.table, self.gate.policy = table, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of an ASGI server; our own connections call ``serve``."""
        if scope["type"] == "lifespan":
            await live(receive, send)
        else:
            await self.serve(AsgiClient(scope, receive, send))

    async def serve(self, client: Client) -> None:
        """Answer one request and tell of it."""
        started_ns = self.gate.clock.monotonic_ns()
        call = client.call
        visit = self._visit(call, client.host)
        name, reason, status = "none", "", HTTPStatus.INTERNAL_SERVER_ERROR.value
        self.in_flight += 1
        answer: Answer | Passing | None = None
        try:
            if self._console is not None and _is_console(call.raw_path):
                name, status = "console", HTTPStatus.OK.value
                await self._serve_console(visit, call, client)
                return
            name, reason, answer = await self._answer(visit, call, client)
            status = answer.status
            if isinstance(answer, Passing):
                await self._pass_on(visit, call, answer, client)
                return
            if status in FAILURES:
                self.gate.note_failure(visit)
            if reason == Reason.OVERLOADED:
                client.shed()
            await self._send(visit, call, answer, client)
        except ClientLeftError:
            status = LEFT
        finally:
            if isinstance(answer, Passing):
                answer.exchange.close()
                visit.upstream_ns = self.gate.clock.monotonic_ns() - answer.exchange.began_ns
            self.in_flight -= 1
            self.gate.release(visit)
            self._report(self._access(visit, call, name, status, reason, started_ns))

    def drain(self) -> None:
        """Say by ``/ready`` that the process ends soon."""
        self.is_draining = True

    def refuse_bytes(self, refusal: RefusedError, host: str | None) -> Answer:
        """Return the answer to bytes that are no request; it is counted and logged like any other (GW-551)."""
        now_ns = self.gate.clock.monotonic_ns()
        call = Call("", "", b"", [])
        visit = self._visit(call, host)
        answer = _problem(visit, refusal)
        if answer.status in FAILURES:
            self.gate.note_failure(visit)
        self._report(self._access(visit, call, "none", answer.status, refusal.reason, now_ns))
        return answer._replace(fields=[*answer.fields, ("X-Request-Id", visit.request_id)])

    def _visit(self, call: Call, host: str | None) -> Visit:
        identifier = request_id(call.field(b"x-request-id"), self.gate.clock.wall_ns(), self._random.take())
        return self.gate.visit(identifier, peer_address(host), call.headers)

    async def _answer(self, visit: Visit, call: Call, client: Client) -> tuple[str, str, Answer | Passing]:
        """Return route name, reason and answer; every refusal and every bug ends here as a problem."""
        served: Served | None = None
        name = "none"
        try:
            client.departure.check()
            self.gate.bar(visit)
            if not call.path:
                call.path = checked_path(call, call.raw_path)
            builtin = self._builtin(call)
            if builtin is not None:
                return "builtin", "", builtin
            served, rest = self._route(call)
            name = served.route.name
            self._check_room(visit, served.route)
            return name, "", await self._ask(visit, call, served, rest, client)
        except ClientLeftError:
            raise
        except RefusedError as refusal:
            if served is not None and refusal.reason not in CHARGED:
                await self._give_back(visit, served.route, refusal.reason)
            return name, refusal.reason, _problem(visit, refusal)
        except asyncio.CancelledError:
            if served is None or not self._is_cut():
                raise
            await self._give_back(visit, served.route, Reason.DRAINING)
            return name, Reason.DRAINING, _problem(visit, RefusedError(Reason.DRAINING))
        except Exception:  # noqa: BLE001 - the top of a request: counted, logged, refunded, answered
            _log.exception("internal_error request_id=%s", visit.request_id)
            if served is not None:
                await self._give_back(visit, served.route, Reason.INTERNAL_ERROR)
            return name, Reason.INTERNAL_ERROR, _problem(visit, RefusedError(Reason.INTERNAL_ERROR))
        finally:
            await self._settle(visit)

    async def _settle(self, visit: Visit) -> None:
        """Wait for the charge of a refusal that stays charged, as any answer does (GW-661); one that is lost costs nothing."""
        if visit.receipt is not None:
            with contextlib.suppress(RefusedError):
                await self.gate.settle(visit)

    async def _ask(
        self, visit: Visit, call: Call, served: Served, rest: str, client: Client
    ) -> Answer | Passing:
        """Return a route's answer, unless the rest of the request turned out to be none meanwhile."""
        try:
            if served.product is None:
                return await self._relay(visit, call, served, client)
            answer = await self._page(visit, call, served, served.product, rest)
        except ClientLeftError:
            client.departure.check()
            raise
        client.departure.check()
        return answer

    def _is_cut(self) -> bool:
        """Tell whether the present task was cancelled because the time to drain is over; then it goes on to say so."""
        task = asyncio.current_task()
        if not self.is_draining or task is None:
            return False
        task.uncancel()
        return True

    async def _give_back(self, visit: Visit, route: Route, reason: str) -> None:
        """Take a charge back: always for a request that was refused, as the route says for a failure behind us."""
        if route.refund == "none" and reason in BEHIND:
            return
        try:
            await self.gate.refund(visit, reason)
        except UnavailableError as error:
            _log.error("refund_lost request_id=%s: %s", visit.request_id, error.message)

    def _builtin(self, call: Call) -> Answer | None:
        """Answer what costs nothing and needs no key."""
        if not is_builtin(call.path):
            return None
        table = self.table
        page = builtin_page(
            call.path,
            table.openapi,
            table.docs,
            self.gate.store.state,
            is_draining=self.is_draining,
            can_charge=self.gate.can_charge(),
        )
        if page is None:
            return None
        if call.method == "OPTIONS":
            return options_answer(self.table.policy.cors, call, ("GET",))
        if call.method not in {"GET", "HEAD"}:
            raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": "GET, HEAD, OPTIONS"})
        return Answer(page.status, [("Content-Type", page.media)], page.body)

    def _route(self, call: Call) -> tuple[Served, str]:
        found = self.table.paths.match(call.path)
        if found is None:
            raise RefusedError(Reason.NO_ROUTE)
        return _by_method(found.value, call.method), found.parameters.get("rest", "")

    def _check_room(self, visit: Visit, route: Route) -> None:
        """Refuse what we have no room for (GW-381).

        Raises:
            RefusedError: ``overloaded``.
        """
        most = self.table.policy.in_flight_max
        if self.gate.overload.sheds(self.in_flight, most, essential=route.essential):
            seconds = str(retry_after_s(visit.request_id))
            raise RefusedError(Reason.OVERLOADED, fields={"Retry-After": seconds})

    async def _relay(self, visit: Visit, call: Call, served: Served, client: Client) -> Answer | Passing:
        """Serve a request by its upstream; a failing answer gives the month's units back (GW-216)."""
        route = served.route
        if call.method == "OPTIONS":
            return options_answer(self.table.policy.cors, call, route.methods)
        refuse_loop(call)
        await self.gate.recognise(visit, route, call.credential)
        check_length(call, route)
        priced, body = route, None
        if route.counted is not None:
            priced, body = await counted_body(call, route, client.receive)
        await self.gate.admit(visit, priced)
        passing = await self.upstreams.relay(visit, call, route, client, body)
        try:
            await self.gate.settle(visit)
            if passing.status >= HTTPStatus.INTERNAL_SERVER_ERROR and route.refund == "5xx":
                await self._give_back(visit, route, UPSTREAM_5XX)
            client.departure.check()
        except BaseException:
            passing.exchange.close()
            raise
        return passing

    async def _page(
        self, visit: Visit, call: Call, served: Served, product: ProductRoute, rest: str
    ) -> Answer:
        route = served.route
        if call.method == "OPTIONS":
            return options_answer(self.table.policy.cors, call, route.methods)
        await self.gate.recognise(visit, route, call.credential)
        check_length(call, route)
        await self.gate.admit(visit, route)
        values = read_query(call.query, product.parameters)
        query = Query(call.path, {**values, "rest": rest} if rest else values)
        asked_ns = self.gate.clock.monotonic_ns()
        try:
            page = await asyncio.to_thread(product.handler, self._sources, query)
        finally:
            visit.upstream_ns = self.gate.clock.monotonic_ns() - asked_ns
        await self.gate.settle(visit)
        return page_answer(call, page)

    async def _pass_on(self, visit: Visit, call: Call, passing: Passing, client: Client) -> None:
        """Send an upstream's answer: at once if it is whole, else as it comes; the slower side sets the pace (GW-554)."""
        lines = passing.lines + self._own_lines(visit, call)
        body = None if call.method == "HEAD" else passing.exchange.rest()
        if body is not None:
            await client.whole(passing.status, lines, body)
            return
        with client.departure.cancellable():
            await client.begin(passing.status, lines, passing.length)
            while piece := await passing.exchange.read():
                await client.write(piece)
            await client.end()

    def _own_lines(self, visit: Visit, call: Call) -> bytes:
        """Return the lines that every answer has, those of the rate from the decision on."""
        lines = b"x-request-id: %b\r\n%b" % (visit.request_id.encode(), self.gate.rate_lines(visit))
        cors = self.table.policy.cors
        return lines if cors is None else lines + _lines(cors_fields(cors, call.field(b"origin")))

    async def _send(self, visit: Visit, call: Call, answer: Answer, client: Client) -> None:
        lines = _lines(answer.fields) + self._own_lines(visit, call)
        await client.whole(answer.status, lines, answer.body)

    async def _serve_console(self, visit: Visit, call: Call, client: Client) -> None:
        """Hand a request to the console: from a loopback peer with a loopback Host only (TL-780)."""
        host = (call.field(b"host") or b"").decode("latin-1").rpartition(":")
        name = host[0] if host[2].isdigit() else (call.field(b"host") or b"").decode("latin-1")
        peer = peer_address(client.host)
        if self._console is None or peer is None or not peer.is_loopback or name not in LOOPBACK_HOSTS:
            await self._send(visit, call, _problem(visit, RefusedError(Reason.IP_DENIED)), client)
            return
        if self.gate.overload.level >= SAMPLED_LEVEL:
            await self._send(visit, call, _problem(visit, RefusedError(Reason.OVERLOADED)), client)
            return
        await in_task()  # it may ask which task runs
        await self._console(client.scope, client.receive, client.send)

    def _access(
        self, visit: Visit, call: Call, name: str, status: int, reason: str, started_ns: int
    ) -> Access:
        caller, judged = visit.caller, visit.judged
        return Access(
            visit.request_id, call.method, name, status, reason, caller.account if caller else "",
            caller.key_id if caller else "", visit.tier, visit.units_mu, judged.mode if judged else "",
            (self.gate.clock.monotonic_ns() - started_ns) // 1_000, outcome(judged, reason),
            visit.units_mu + visit.refunded_mu, visit.refunded_mu, caller is not None and not caller.env,
            visit.would_deny, visit.decision_ns // 1_000, visit.upstream_ns // 1_000,
            decider(judged, self.table.policy),
        )  # fmt: skip


def _problem(visit: Visit, refusal: RefusedError) -> Answer:
    return problem_answer(refusal, visit.request_id, visit.decision)


def _by_method(found: Sequence[Served], method: str) -> Served:
    """Return the route of a path that takes a method; any of them answers OPTIONS.

    Raises:
        RefusedError: ``method_not_allowed``.
    """
    wanted = "GET" if method == "HEAD" else method
    for one in found:
        if wanted in one.route.methods:
            return one
    methods = tuple(dict.fromkeys(name for one in found for name in one.route.methods))
    if method == "OPTIONS":
        return found[0]._replace(route=found[0].route._replace(methods=methods))
    raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": allowed(methods)})


def _lines(fields: list[tuple[str, str]]) -> bytes:
    return header_lines([(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields])


def _is_console(raw: bytes) -> bool:
    return raw == b"/console" or raw.startswith(b"/console/")
