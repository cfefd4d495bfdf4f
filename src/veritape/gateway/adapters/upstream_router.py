"""The upstreams of a policy: requests are prepared for them, answers made fit for the client (GW-501, steps 8 and 11 to 13)."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from veritape.gateway.adapters.client import Client
from veritape.gateway.adapters.proxy import Exchange, Forwarded, Receive, whole_body
from veritape.gateway.adapters.upstream_connection import AnswerHead
from veritape.gateway.adapters.upstream_pool import UpstreamFigures, UpstreamPool
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.addresses import address_text
from veritape.gateway.answers import Call, Headers, PassedOn, header_lines
from veritape.gateway.forwarding import MARK, answer_fields, head_pattern, is_loop, request_fields
from veritape.gateway.item_count import count_items
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason
from veritape.gateway.upstream_metrics import NoFigures
from veritape.gateway.upstreams import FieldRule
from veritape.kernel.clock import Clock

SMALL_BYTES: Final = 65_536
"""Bodies up to this size are counted at once, larger ones in a thread."""


@dataclass
class Passing:
    """An answer of an upstream on its way to the client; it must be closed."""

    status: int
    lines: bytes
    """Its header lines, but for those that frame its body."""
    length: int | None
    """Of its body, as the upstream announced it."""
    exchange: Exchange
    """Where the body comes from."""


class Upstreams:
    """The pools of a policy."""

    def __init__(
        self,
        policy: Policy,
        clock: Clock,
        figures: UpstreamFigures | None = None,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock, self._figures, self._report = clock, figures or NoFigures(), report
        self._pools: dict[str, UpstreamPool] = {}
        self._is_running = False
        self.swap(policy)

    def swap(self, policy: Policy) -> None:
        """Take another policy: pools whose table is the same stay, connections of the others drain (GW-105).

        Raises:
            MisuseError: certificates of an upstream cannot be read; everything stays as it was.
        """
        made = {name: self._pool(name, policy) for name, found in policy.upstreams.items() if found.targets}
        for name, pool in self._pools.items():
            if made.get(name) is not pool:
                pool.close()
        for name, pool in made.items():
            if self._is_running and self._pools.get(name) is not pool:
                pool.start()
        for name in policy.in_process:
            self._figures.healthy(name, 1)
        self._pools = made

    def start(self) -> None:
        """Begin to check targets; needs a running loop."""
        self._is_running = True
        for pool in self._pools.values():
            pool.start()

    def close(self) -> None:
        """Stop the checks and close what is idle."""
        self._is_running = False
        for pool in self._pools.values():
            pool.close()

    def healthy_targets(self) -> dict[str, int]:
        """Return upstream -> targets that get requests; a part of this process is no upstream here."""
        return {name: pool.healthy() for name, pool in self._pools.items()}

    def is_full(self, route: Route) -> bool:
        """Tell whether so many requests wait at each target of a route that one more would find no place; a part of this process is never full."""
        pool = self._pools.get(route.upstream)
        return pool is not None and all(target.is_full for target in pool.targets)

    def pool(self, route: Route) -> UpstreamPool:
        """Return the pool of a route's upstream."""
        return self._pools[route.upstream]

    def exchange(
        self, pool: UpstreamPool, visit: Visit, call: Call, route: Route, client: Client, body: bytes | None = None
    ) -> Exchange:  # fmt: skip
        """Prepare a request for its upstream."""
        scheme = client.scheme

        def head(authority: str) -> bytes:
            cause = cause_of(visit, route, scheme, authority)
            known = call.passed_on
            if known is None or known.cause != cause or body is not None:
                variables = _variables(visit, route, scheme, MARK)
                fields = request_fields(call.headers, route.request_fields, variables, visit.chain, authority)
                framing = _framing(call, body)
                call.passed_on = known = PassedOn(cause, head_pattern(_line(call), [*fields, *framing]))
            return visit.request_id.encode().join(known.pieces)

        request = _forwarded(call, route, head, body)
        return Exchange(pool, request, client.receive, self._clock)

    async def relay(self, exchange: Exchange, visit: Visit, route: Route, client: Client) -> Passing:
        """Send a request to its upstream and return the answer as soon as it begins.

        Raises:
            RefusedError: no target answered, the body is too large or turned out malformed.
            ClientLeftError: the client left meanwhile.
        """
        try:
            with client.departure.cancellable():
                answer = await exchange.answer()
        except BaseException:
            exchange.close()
            raise
        variables = partial(_variables, visit, route, client.scheme, visit.request_id)
        lines = lines_back(answer, route.response_fields, variables)
        return Passing(answer.status, lines, answer.length, exchange)

    def _pool(self, name: str, policy: Policy) -> UpstreamPool:
        upstream, present = policy.upstreams[name], self._pools.get(name)
        if present is not None and present.upstream == upstream:
            return present
        return UpstreamPool(upstream, self._clock, self._figures, self._report)


def refuse_loop(call: Call) -> None:
    """Refuse a request that came through this gateway twice (GW-556).

    Raises:
        RefusedError: ``upstream_unreachable``.
    """
    if b"via" in call.fields and is_loop(call.headers):
        raise RefusedError(
            Reason.UPSTREAM_UNREACHABLE, "the request came through here twice: a target leads back"
        )


async def counted_body(call: Call, route: Route, receive: Receive) -> tuple[Route, bytes | None]:
    """Return the route with what the call costs, and the body if it had to be read for that (step 8).

    Raises:
        RefusedError: the body is encoded, too large, no JSON, or holds too few or too many items.
        ClientLeftError: the body ends too early.
    """
    rule = route.counted
    if rule is None:
        return route, None
    if call.field(b"content-encoding") is not None:
        raise RefusedError(Reason.UNSUPPORTED_MEDIA_TYPE)
    body = await whole_body(receive, route.body_max_bytes)
    if len(body) <= SMALL_BYTES:
        items = count_items(body, rule)
    else:
        items = await asyncio.to_thread(count_items, body, rule)
    return (route if rule.per_call else route._replace(cost_mu=route.cost_mu * items)), body


def _line(call: Call) -> str:
    query = f"?{call.query.decode('latin-1')}" if call.query else ""
    return f"{call.method} {call.path}{query} HTTP/1.1"


def _framing(call: Call, body: bytes | None) -> Headers:
    """Return the field that says where the body ends, for an upstream; none for a request that has no body and needs none."""
    length = call.field(b"content-length")
    if body is not None:
        return [(b"content-length", b"%d" % len(body))]
    if length is None and call.field(b"transfer-encoding") is not None:
        return [(b"transfer-encoding", b"chunked")]
    announced = int(length or 0)
    if announced or call.method in {"POST", "PUT", "PATCH"}:
        return [(b"content-length", b"%d" % announced)]
    return []


def _forwarded(call: Call, route: Route, head: Callable[[str], bytes], body: bytes | None) -> Forwarded:
    length = call.field(b"content-length")
    announced = int(length) if length is not None else None
    streams = body is None and (bool(announced) or call.field(b"transfer-encoding") is not None)
    return Forwarded(
        call.method,
        head,
        body,
        announced,
        streams,
        route.body_max_bytes,
        route.timeout_s,
    )


def cause_of(visit: Visit, route: Route, scheme: str, authority: str) -> tuple[object, ...]:
    """Return what the head for a target follows from, beside the request's own head and id."""
    return route, visit.caller, visit.tier, visit.address, visit.chain, scheme, authority


def lines_back(
    answer: AnswerHead, rule: FieldRule, variables: Callable[[], Mapping[str, str]] = dict
) -> bytes:
    """Return the header lines of an answer for the client; those that no variable changes are written once."""
    known = answer.passed_back
    if known is not None and known[0] is rule:
        return known[1]
    lines = header_lines(answer_fields(answer.fields, rule, variables()))
    if not rule.has_variables:
        answer.passed_back = rule, lines
    return lines


def _variables(visit: Visit, route: Route, scheme: str, request_id: str) -> Mapping[str, str]:
    caller = visit.caller
    is_known = caller is not None and bool(caller.env)
    return {
        "request_id": request_id,
        "account": caller.account if caller is not None and is_known else "",
        "key_id": caller.key_id if caller is not None else "",
        "tier": visit.tier,
        "client_ip": address_text(visit.address) if visit.address else "",
        "scheme": scheme,
        "route": route.name,
    }
