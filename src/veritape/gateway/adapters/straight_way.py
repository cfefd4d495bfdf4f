"""The usual request, straight: to the upstream in one step and back in another (GW-501, GW-502, GW-504).

Almost every request is like one before it: the same head, byte for byte, of a key that is remembered, to a route with nothing unusual,
under the same policy; the quota at hand holds enough, a connection to its only target idles, and the answer's head is known too.
Whatever follows from head, address, key, route and policy is found once (``StraightWay``). What is left of such a request stands in
two functions: ``StraightWay.begin`` looks, charges and writes to the target, ``Passage`` writes the answer once it is here as a whole and
the charge is durable.

Where the target's connections are all in use, it waits for one in turn with all others, where it is (GW-581). Where there is no room for
it at all, it is refused here (``straight_refusal``).

What is less plain ``begin`` leaves alone, without a change, and the ordinary way (``Gateway.serve``) takes it: another policy, a
caller whose limits are halved for load, a worker that ends, a guarded address, a key that changed, charges that fail, a target that stands badly, a quota that denies or
lives elsewhere. What turns out to be unusual later (an answer that is in pieces, cut or late, a failure of target or disk, a client that
leaves, another policy) goes over: visit and exchange are made as the ordinary way would have them at that point, and it goes on with
them. So the ordinary way says what is right; a test sends the same histories both ways and compares all that is left.
"""

import asyncio
import logging
from functools import partial
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol

from veritape.gateway.access_lines import Access
from veritape.gateway.adapters.admission import PLAIN
from veritape.gateway.adapters.client import Client
from veritape.gateway.adapters.client_line import Head, Line
from veritape.gateway.adapters.gate import Gate
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.policy_memory import Origin
from veritape.gateway.adapters.proxy import Begun
from veritape.gateway.adapters.straight_refusal import Refusable, Refusing, StraightRefusal
from veritape.gateway.adapters.target_pool import Waiting
from veritape.gateway.adapters.turn import STATUS_LINES, Turn
from veritape.gateway.adapters.upstream_connection import FIRST_BYTE_S, AnswerHead, UpstreamConnection
from veritape.gateway.adapters.upstream_pool import UpstreamPool
from veritape.gateway.adapters.upstream_router import cause_of, lines_back
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.answers import BODILESS
from veritape.gateway.fast_quota import Verdict, make_tuple
from veritape.gateway.keys import KeyRecord
from veritape.gateway.overload import is_halved
from veritape.gateway.policy import Route
from veritape.gateway.request_ids import request_id
from veritape.gateway.target_health import Standing, standing
from veritape.gateway.usage import Caller, UsageEvent

_log = logging.getLogger("veritape.gateway")

_IN: Final = Standing.IN
"""A member of an enum is looked up in its class each time."""

_FIRST_LINES: Final = {
    status: line for status, line in STATUS_LINES.items()
    if status not in BODILESS and HTTPStatus.OK <= status < HTTPStatus.INTERNAL_SERVER_ERROR
}  # fmt: skip
"""Status -> first line of the answers that are plain: with a body, and with nothing to give back."""


class WentOver(NamedTuple):
    """A request that left the straight way."""

    visit: Visit
    route: Route
    pool: UpstreamPool
    begun: Begun


class Ordinary(Refusing, Protocol):
    """The ordinary way: what a request on the straight one needs of it."""

    is_draining: bool

    async def go_on(self, over: WentOver, client: Client) -> None:
        """Answer a request that left the straight way."""
        ...


class _Known(NamedTuple):
    """What is plain about requests, once it is known to be."""

    caller: Caller
    origin: Origin
    finder: KeyFinder
    key: str
    record: KeyRecord
    from_us: int
    """Wall clock between which the key serves."""
    until_us: int
    pieces: list[bytes]
    """The head that the upstream gets, cut where the id stands."""


class StraightWay:
    """What follows from a request's head, its address, its key, its route and the policy."""

    def __init__(
        self, ordinary: Ordinary, visit: Visit, route: Route, head: Head, pool: UpstreamPool, own_lines: bytes, known: _Known
    ) -> None:  # fmt: skip
        """Find what does not change.

        Args:
            ordinary: the way that defines this one.
            visit: a request like those to come, which was admitted.
            route: where it was led.
            head: of all of them.
            pool: of the route's upstream, with one target.
            own_lines: that their answers have beside those of id and rate.
            known: what is plain about them.
        """
        gate = ordinary.gate
        self.ordinary, self.gate, self.policy = ordinary, gate, gate.policy
        self.head, self.route, self.pool, self.target = head, route, pool, pool.targets[0]
        self.method, self.route_name = head.call.method, route.name
        self.rule, self.own_lines = route.response_fields, own_lines
        self.caller, self.tier, self.limits = known.caller, visit.tier, visit.limits
        self.address, self.origin, self.chain = visit.address, known.origin, visit.chain
        self.prepared = gate.memory.prepared(route, visit.tier, visit.limits, anonymous=False)
        self._is_leased = self.policy.store.kind == "redis"
        self.store_name = "lease" if self._is_leased else self.policy.store.kind
        """What decides, as logs call it."""
        self._finder, self._key, self._record = known.finder, known.key, known.record
        self._from_us, self._until_us = known.from_us, known.until_us
        self.pieces = known.pieces
        self._always = gate.overload.always(self.policy.in_flight_max)
        self.loop = asyncio.get_running_loop()
        one = Refusable(self.method, route, visit.address, known.origin, own_lines)
        self._refusal = StraightRefusal(ordinary, self.policy, self.target, one)

    @property
    def is_old(self) -> bool:
        """Tell whether it has to be found anew: policy or key are others now."""
        is_remembered = self._finder.recall(self._key, self.gate.clock.monotonic_ns()) is self._record
        return self.gate.policy is not self.policy or not is_remembered

    def _is_held_back(self) -> bool:
        """Tell whether the ladder halves the limits of such a request, or has no room for one more."""
        return self._refusal.is_shed or is_halved(self.gate.overload.level, self.tier, anonymous=False)

    def begin(self, line: Line) -> "Passage | None":
        """Begin a request; None when it has to go the ordinary way, and then nothing has changed."""
        ordinary, gate, policy = self.ordinary, self.gate, self.policy
        clock, target = gate.clock, self.target
        began_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
        now_us, wall_us = began_ns // 1_000, wall_ns // 1_000
        if (
            gate.policy is not policy or ordinary.is_draining or not gate.durable()
            or ((gate.overload.level or ordinary.in_flight >= self._always) and self._is_held_back())
            or gate.guard.wait_s(self.origin.group, policy.addresses.guard, now_us)
            or not self._from_us <= wall_us < self._until_us
            or self._finder.recall(self._key, began_ns) is not self._record
            or standing(target.health, began_ns) is not _IN
        ):  # fmt: skip
            return None
        connection = target.take_idle()
        if connection is None and not target.may_wait:
            return None
        caller, prepared = self.caller, self.prepared
        found = gate.store.admit_at_hand(caller.subject, prepared.plan, prepared.terms, now_us, wall_us)
        if found is None:
            if connection is not None:
                target.put_back(connection)
            return None
        decided_ns = clock.monotonic_ns()
        ordinary.in_flight += 1
        target.in_flight += 1
        verdict, slot = found
        identifier = request_id(None, wall_ns, ordinary.random.take())
        self._finder.note_recalled()
        gate.used_keys[caller.key_id] = wall_us
        gate.activity.note(
            caller.subject, caller.account, self.tier, verdict, decided_ns // 1_000, leased=self._is_leased
        )
        event = gate.events.charge(caller, self.route_name, verdict, wall_us, identifier)
        receipt, asked_s = gate.ledger.begin(event), self.loop.time()
        passage = Passage(
            self, line, identifier, verdict, slot, event, receipt, began_ns, decided_ns, asked_s
        )
        self.pool.begin()
        if connection is None:
            passage.wait(self.loop.call_at(asked_s + self.route.timeout_s, passage.go_over))
        else:
            passage.send(connection, asked_s)
        return passage

    def refuse(self, line: Line) -> bool:
        """Refuse a request if there is no room for it, as the ordinary way would."""
        return self._refusal.give(line)


class Passage:
    """One request on the straight way."""

    __slots__ = (
        "_answer",
        "_asked_s",
        "_began_ns",
        "_charge",
        "_connection",
        "_decided_ns",
        "_handed",
        "_identifier",
        "_line",
        "_receipt",
        "_slot",
        "_timer",
        "_verdict",
        "_way",
        "heir",
    )  # fmt: skip

    def __init__(
        self, way: StraightWay, line: Line, identifier: str, verdict: Verdict, slot: str, charge: UsageEvent, receipt: Receipt,
        began_ns: int, decided_ns: int, asked_s: float,
    ) -> None:  # fmt: skip
        """Take a request that was admitted; ``send`` or ``wait`` follows."""
        self._way, self._line, self._identifier = way, line, identifier
        self._verdict, self._slot, self._charge, self._receipt = verdict, slot, charge, receipt
        self._connection: UpstreamConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        """Of who waits for a connection."""
        self._handed: UpstreamConnection | None = None
        """What was handed to it; the request goes out in the loop's next turn, when it has shown whether the connection has ended."""
        self.heir: Waiting | None = None
        """Who waits in its place, once it has gone over."""
        self._began_ns, self._decided_ns, self._asked_s = began_ns, decided_ns, asked_s
        self._answer: AnswerHead | None = None
        """Once it is here as a whole and was noted."""

    def send(self, connection: UpstreamConnection, now_s: float) -> None:
        """Send the request."""
        way, self._connection = self._way, connection
        connection.begin(way.method, self._identifier.encode().join(way.pieces), has_body=False)
        connection.tell(self, min(now_s + FIRST_BYTE_S, self._asked_s + way.route.timeout_s))

    def wait(self, timer: asyncio.TimerHandle) -> None:
        """Wait for a connection, until a timer rings."""
        self._timer = timer
        self._way.target.wait(self)

    def take(self, connection: UpstreamConnection | None) -> bool:
        """Send the request on a connection that became free; where one has to be made, the ordinary way does it."""
        timer, self._timer = self._timer, None
        if timer is None:
            return self.heir is not None and self.heir.take(connection)
        timer.cancel()
        if connection is None:
            self.go_over()
        else:
            self._handed = connection
            self._way.loop.call_soon(self._send_handed)
        return True

    def _send_handed(self) -> None:
        connection, self._handed = self._handed, None
        if connection is None:
            return
        if connection.is_reusable:
            self.send(connection, self._way.loop.time())
        else:
            self.go_over()

    def set(self) -> None:
        """Look what came of the upstream: what is plain is its whole answer."""
        way, connection = self._way, self._connection
        answer = None if connection is None else connection.whole()
        if answer is None or answer.status not in _FIRST_LINES:
            self.go_over()
            return
        self._answer = answer
        way.pool.ended(way.target, self._decided_ns, answer.status)
        if self._receipt.is_set:
            self.go_on()
        else:
            self._receipt.tell(self)

    def go_on(self) -> None:
        """Answer: the upstream has, and it is known whether the charge is durable."""
        way, answer, connection = self._way, self._answer, self._connection
        if (
            answer is None
            or connection is None
            or self._receipt.failure is not None
            or way.gate.policy is not way.policy
        ):
            self.go_over()
            return
        line, body = self._line, connection.rest() or b""
        try:
            line.transport.write(b"".join((
                _FIRST_LINES[answer.status], line.dated(), lines_back(answer, way.rule), b"x-request-id: ", self._identifier.encode(),
                b"\r\n", way.prepared.fields.lines(self._verdict), way.own_lines, b"content-length: %d\r\n\r\n" % len(body), body,
            )))  # fmt: skip
            line.passage_over()
        except Exception:  # noqa: BLE001 - the top of a request: logged, and the end of its connection tells the client
            _log.exception("a request failed")
            line.transport.abort()
        self._end(answer.status, connection)

    def go_over(self) -> None:
        """Leave the straight way: make what the ordinary way would have by now, and let it go on."""
        way, verdict = self._way, self._verdict
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        handed, self._handed = self._handed, None
        if handed is not None:
            way.target.release(handed)
        visit = Visit(
            self._identifier, way.address, way.route, way.caller, way.tier, way.limits, verdict, way.prepared.fields, self._slot, self._charge,
            self._receipt, verdict.plan.cost_mu, began_ns=self._began_ns, decision_ns=self._decided_ns - self._began_ns,
            origin=way.origin, chain=way.chain,
        )  # fmt: skip
        place = None if timer is None else self
        begun = Begun(way.target, self._connection, place, self._decided_ns, self._asked_s, self._answer)
        over = WentOver(visit, way.route, way.pool, begun)
        self._line.take_over(way.head, partial(way.ordinary.go_on, over))

    def _end(self, status: int, connection: UpstreamConnection) -> None:
        """Give back what the request had, and tell of it."""
        way, verdict = self._way, self._verdict
        ordinary, gate, caller, target = way.ordinary, way.gate, way.caller, way.target
        target.in_flight -= 1
        target.release(connection)
        ordinary.in_flight -= 1
        if self._slot:
            gate.store.release_slot(caller.subject, self._slot)
        now_ns, units_mu = gate.clock.monotonic_ns(), verdict.plan.cost_mu
        access = (
            self._identifier, way.method, way.route_name, status, "", caller.account, caller.key_id, way.tier, units_mu, verdict.mode,
            (now_ns - self._began_ns) // 1_000, "allowed", units_mu, 0, False, "", (self._decided_ns - self._began_ns) // 1_000,
            (now_ns - self._decided_ns) // 1_000, way.store_name,
        )  # fmt: skip
        ordinary.report(make_tuple(Access, access))


def straight_way(
    ordinary: Ordinary, visit: Visit, route: Route, turn: Turn, pool: UpstreamPool, own_lines: bytes
) -> StraightWay | None:
    """Return the straight way of requests like one that was just admitted; None where something about all of them is unusual."""
    gate, head = ordinary.gate, turn.head
    is_kept = head.version == "1.1" and head.keeps and not head.asks and head.length == 0
    if not is_kept or head.call.method == "HEAD" or route.cost_mu == 0 or route.counted is not None:
        return None
    prepared = gate.memory.prepared(route, visit.tier, visit.limits, anonymous=False)
    is_elsewhere = gate.policy.store.kind == "redis" and prepared.terms.lease is None
    if prepared.how != PLAIN or is_elsewhere or route.response_fields.has_variables:
        return None
    known = _known(gate, visit, route, turn, pool)
    return None if known is None else StraightWay(ordinary, visit, route, head, pool, own_lines, known)


def _known(gate: Gate, visit: Visit, route: Route, turn: Turn, pool: UpstreamPool) -> _Known | None:
    """Return who asks for what, if that is plain: with a key that is remembered, of one target, with an id of ours."""
    caller, key, finder, passed_on = visit.caller, turn.call.credential, gate.key_store, turn.call.passed_on
    if (
        caller is None
        or visit.origin is None
        or not isinstance(key, str)
        or not isinstance(finder, KeyFinder)
    ):
        return None
    if passed_on is None or len(pool.targets) != 1 or turn.call.field(b"x-request-id") is not None:
        return None
    if passed_on.cause != cause_of(visit, route, turn.scheme, pool.targets[0].authority):
        return None
    wall_us = gate.wall_us()
    record = finder.recall(key, gate.clock.monotonic_ns())
    if record is None or record.cidrs:
        return None
    if gate.memory.of_key(record, route, wall_us, visit.address) != (caller, visit.tier, visit.limits):
        return None
    return _Known(
        caller, visit.origin, finder, key, record, wall_us, record.changes_us(wall_us), passed_on.pieces
    )
