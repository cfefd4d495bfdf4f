"""The gateway as an ASGI application: one request from its first byte to its log record (GW-501 to 507).

The order of steps is fixed: request id, route, CORS, identity, scope, quota, usage event, handler, fields. Every answer that
is not the route's own is a problem document. A response to a charged request is not begun before its charge is durable.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from http import HTTPStatus

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.client import Application, AsgiClient, Client, Receive, Scope, Send, live
from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.gate import Gate, peer_address
from veritape.gateway.adapters.proxy import LEFT, Exchange
from veritape.gateway.adapters.random_bytes import RandomBytes
from veritape.gateway.adapters.straight_way import WentOver, straight_way
from veritape.gateway.adapters.turn import Turn
from veritape.gateway.adapters.upstream_pool import UpstreamPool
from veritape.gateway.adapters.upstream_router import Passing, Upstreams, counted_body, refuse_loop
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.adapters.way import in_task
from veritape.gateway.answers import (
    Answer,
    Call,
    check_length,
    checked_path,
    cors_fields,
    header_lines,
    options_answer,
    page_answer,
    problem_answer,
)
from veritape.gateway.builtin_pages import builtin_page, is_builtin
from veritape.gateway.console_access import console_refusal, is_console
from veritape.gateway.overload import retry_after_s
from veritape.gateway.parameters import read_query
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import Query, Sources
from veritape.gateway.product.routes import ProductRoute
from veritape.gateway.reasons import CHARGED, Reason
from veritape.gateway.request_ids import request_id
from veritape.gateway.route_table import Served, by_method, make_table
from veritape.gateway.upstream_failures import FAILURES as UPSTREAM_FAILURES
from veritape.kernel.errors import UnavailableError

UPSTREAM_5XX = "upstream_5xx"
"""Reason of the refund after an upstream's own failure."""

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
        self._sources, self._console = sources, console
        self.report = report
        """Takes every finished request."""
        self.table = make_table(gate.policy, sources)
        self.random = RandomBytes()
        """Of the ids of requests."""
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
        self.in_flight += 1
        await self._serve(self._visit(client.call, client.host), client, None)

    async def go_on(self, over: WentOver, client: Client) -> None:
        """Answer a request that left the straight way."""
        await self._serve(over.visit, client, over)

    async def _serve(self, visit: Visit, client: Client, over: WentOver | None) -> None:
        call = client.call
        name, reason, status = "none", "", HTTPStatus.INTERNAL_SERVER_ERROR.value
        answer: Answer | Passing | None = None
        try:
            if self._console is not None and is_console(call.raw_path):
                name = "console"
                status, reason = await self._serve_console(self._console, visit, call, client)
                return
            name, reason, answer = await self._answer(visit, call, client, over)
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
            self._tell(visit, call, name, status, reason)

    def drain(self) -> None:
        """Say by ``/ready`` that the process ends soon."""
        self.is_draining = True

    def refuse_bytes(self, refusal: RefusedError, host: str | None) -> Answer:
        """Return the answer to bytes that are no request; it is counted and logged like any other (GW-551)."""
        call = Call("", "", b"", [])
        visit = self._visit(call, host)
        answer = _problem(visit, refusal)
        if answer.status in FAILURES:
            self.gate.note_failure(visit)
        self._tell(visit, call, "none", answer.status, refusal.reason)
        return answer._replace(fields=[*answer.fields, ("X-Request-Id", visit.request_id)])

    def _tell(self, visit: Visit, call: Call, name: str, status: int, reason: str) -> None:
        """Tell of a finished request."""
        now_ns, kind = self.gate.clock.monotonic_ns(), self.table.policy.store.kind
        self.report(visit.access(call.method, name, status, reason, now_ns, kind))

    def _visit(self, call: Call, host: str | None) -> Visit:
        clock = self.gate.clock
        began_ns = clock.monotonic_ns()
        identifier = request_id(call.field(b"x-request-id"), clock.wall_ns(), self.random.take())
        visit = self.gate.visit(identifier, peer_address(host), call.headers)
        visit.began_ns = began_ns
        return visit

    async def _answer(
        self, visit: Visit, call: Call, client: Client, over: WentOver | None
    ) -> tuple[str, str, Answer | Passing]:
        """Return route name, reason and answer; every refusal and every bug ends here as a problem."""
        try:
            answer = await (self._steps(visit, call, client) if over is None else self._go_on(over, client))
        except ClientLeftError:
            raise
        except RefusedError as refusal:
            if refusal.reason not in CHARGED:
                await self._give_back(visit, refusal.reason)
            return _name(visit), refusal.reason, _problem(visit, refusal)
        except asyncio.CancelledError:
            if visit.route is None or not self._is_cut():
                raise
            await self._give_back(visit, Reason.DRAINING)
            return _name(visit), Reason.DRAINING, _problem(visit, RefusedError(Reason.DRAINING))
        except Exception:  # noqa: BLE001 - the top of a request: counted, logged, refunded, answered
            _log.exception("internal_error request_id=%s", visit.request_id)
            await self._give_back(visit, Reason.INTERNAL_ERROR)
            return _name(visit), Reason.INTERNAL_ERROR, _problem(visit, RefusedError(Reason.INTERNAL_ERROR))
        else:
            return _name(visit, "builtin"), "", answer
        finally:
            await self._settle(visit)

    async def _steps(self, visit: Visit, call: Call, client: Client) -> Answer | Passing:
        """Return the answer to a request: a page of ours, or its route's."""
        client.departure.check()
        self.gate.bar(visit)
        if not call.path:
            call.path = checked_path(call, call.raw_path)
        builtin = self._builtin(call)
        if builtin is not None:
            return builtin
        served, rest = self._route(call)
        visit.route = served.route
        self._check_room(visit, served.route)
        return await self._ask(visit, call, served, rest, client)

    async def _go_on(self, over: WentOver, client: Client) -> Passing:
        """Return the answer to a request that left the straight way."""
        exchange = self.upstreams.exchange(over.pool, over.visit, client.call, over.route, client)
        exchange.adopt(over.begun)
        return await self._passing(over.visit, over.route, client, exchange)

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

    async def _give_back(self, visit: Visit, reason: str) -> None:
        """Take a charge back: always for a request that was refused, as the route says for a failure behind us."""
        route = visit.route
        if route is None or (route.refund == "none" and reason in BEHIND):
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
        return by_method(found.value, call.method), found.parameters.get("rest", "")

    def _check_room(self, visit: Visit, route: Route) -> None:
        """Refuse what we have no room for, or its upstream: before it is charged, so that nothing has to be given back (GW-381).

        Raises:
            RefusedError: ``overloaded``.
        """
        most, is_essential = self.table.policy.in_flight_max, route.essential
        if self.gate.overload.sheds(self.in_flight, most, essential=is_essential) or (
            not is_essential and self.upstreams.is_full(route)
        ):
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
        pool = self.upstreams.pool(route)
        exchange = self.upstreams.exchange(pool, visit, call, route, client, body)
        passing = await self._passing(visit, route, client, exchange)
        if isinstance(client, Turn) and client.head.came_again:
            self._learn(visit, route, client, pool)
        return passing

    def _learn(self, visit: Visit, route: Route, turn: Turn, pool: UpstreamPool) -> None:
        """Find the straight way of requests like this one, if none is known that still holds."""
        straight, place = turn.head.straight, turn.line.origin
        if place not in straight or straight[place].is_old:
            found = straight_way(self, visit, route, turn, pool, self._cors_lines(turn.call))
            if found is not None:
                turn.line.learn_way(turn.head, found)

    async def _passing(self, visit: Visit, route: Route, client: Client, exchange: Exchange) -> Passing:
        """Return an upstream's answer once the charge is durable."""
        passing = await self.upstreams.relay(exchange, visit, route, client)
        try:
            await self.gate.settle(visit)
            if passing.status >= HTTPStatus.INTERNAL_SERVER_ERROR and route.refund == "5xx":
                await self._give_back(visit, UPSTREAM_5XX)
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
        rate_lines = self.gate.rate_lines(visit)
        return b"x-request-id: %b\r\n%b%b" % (visit.request_id.encode(), rate_lines, self._cors_lines(call))

    def _cors_lines(self, call: Call) -> bytes:
        cors = self.table.policy.cors
        return b"" if cors is None else _lines(cors_fields(cors, call.field(b"origin")))

    async def _send(self, visit: Visit, call: Call, answer: Answer, client: Client) -> None:
        lines = _lines(answer.fields) + self._own_lines(visit, call)
        await client.whole(answer.status, lines, answer.body)

    async def _serve_console(
        self, console: Application, visit: Visit, call: Call, client: Client
    ) -> tuple[int, str]:
        """Hand a request to the console, if its caller may see it (TL-780); return status and reason for the log."""
        host, peer = call.field(b"host") or b"", peer_address(client.host)
        reason = console_refusal(host, peer, self.gate.overload.level)
        if reason is not None:
            answer = _problem(visit, RefusedError(reason))
            await self._send(visit, call, answer, client)
            return answer.status, reason
        await in_task()  # it may ask which task runs
        await console(client.scope, client.receive, client.send)
        return HTTPStatus.OK.value, ""


def _name(visit: Visit, unnamed: str = "none") -> str:
    """Return the name of a visit's route, as figures and logs call it."""
    return unnamed if visit.route is None else visit.route.name


def _problem(visit: Visit, refusal: RefusedError) -> Answer:
    return problem_answer(refusal, visit.request_id, visit.decision)


def _lines(fields: list[tuple[str, str]]) -> bytes:
    return header_lines([(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields])
