"""The usual authorization, straight: from the bytes of a call to those of its answer (GW-612).

What ``straight_way`` is for requests through the gateway. Most calls are like one before them but for the few bytes that
``check_shapes`` tells apart: the same caller, address, path and fields, under the same policy. What follows from those is found
once (``StraightCheck``). What is left of such a call stands in two functions: ``begin`` looks, charges and begins to write the event;
``go_on`` answers once the charge is durable.

What is less plain ``begin`` leaves alone, without a change, and the ordinary way (``Authorization.check``) decides it: another policy,
an overloaded worker, a guarded address, a key that changed, charges that fail, a quota that denies or lives elsewhere. A charge that
fails later, or a policy that changed meanwhile, goes over: a visit is made as the ordinary way would have it at that point. So the
ordinary way says what is right; a test sends the same histories both ways and compares all that is left.
"""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, Protocol

from veritape.gateway import keys
from veritape.gateway.adapters.admission import PLAIN, decider
from veritape.gateway.adapters.decision_desk import Desk, Told
from veritape.gateway.adapters.envoy.admitted_answer import AdmittedAnswer
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.key_finder import KeyFinder
from veritape.gateway.adapters.policy_memory import Origin
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.answers import Headers
from veritape.gateway.fast_quota import Verdict, make_tuple
from veritape.gateway.keys import KeyRecord
from veritape.gateway.policy import Route
from veritape.gateway.request_ids import request_id
from veritape.gateway.usage import Caller, UsageEvent

_ALLOWED: Final = "allowed"


class Caught(Protocol):
    """Who made a call, and waits for its answer."""

    def answer(self, stream: int, message: bytes) -> None:
        """Take the answer."""
        ...

    def answer_later(self, stream: int, answering: Awaitable[bytes]) -> None:
        """Take an answer that has to be waited for."""
        ...

    def fail(self, stream: int) -> None:
        """Take a fault of ours, from within its handler."""
        ...


GoOn = Callable[[Visit], Awaitable[bytes]]
"""The ordinary way's rest: answers for a visit that was admitted."""


class _Known(NamedTuple):
    """What is plain about calls, once it is known to be."""

    caller: Caller
    route: Route
    origin: Origin
    finder: KeyFinder
    key: str
    record: KeyRecord
    from_us: int
    """Wall clock between which the key serves."""
    until_us: int


class StraightCheck:
    """What follows from a call's stable bytes, its key and the policy."""

    def __init__(self, desk: Desk, visit: Visit, known: _Known, go_on: GoOn) -> None:
        """Find what does not change.

        Args:
            desk: decides the ordinary way.
            visit: of a call like those to come, which was admitted.
            known: what is plain about them.
            go_on: answers for what goes over.
        """
        gate = desk.gate
        self.desk, self.gate, self.policy, self.go_on = desk, gate, gate.policy, go_on
        self.caller, self.origin, self.route, self.route_name = (
            known.caller,
            known.origin,
            known.route,
            known.route.name,
        )
        self.tier, self.limits, self.address = visit.tier, visit.limits, visit.address
        self.prepared = gate.memory.prepared(known.route, visit.tier, visit.limits, anonymous=False)
        self.written = AdmittedAnswer(self.prepared.plan, visit.tier)
        self.store_kind = self.policy.store.kind
        self._is_leased = self.store_kind == "redis"
        self._finder, self._key, self._record = known.finder, known.key, known.record
        self._from_us, self._until_us = known.from_us, known.until_us

    def begin(self, asked: bytes | None, caught: Caught, stream: int) -> bool:
        """Begin a call; False when it has to go the ordinary way, and then nothing has changed.

        Args:
            asked: id that the call names.
            caught: takes the answer.
            stream: of the call.
        """
        gate, policy, clock = self.gate, self.policy, self.gate.clock
        began_ns, wall_ns = clock.monotonic_ns(), clock.wall_ns()
        now_us, wall_us = began_ns // 1_000, wall_ns // 1_000
        if (
            gate.policy is not policy or gate.overload.level or not gate.durable()
            or gate.guard.wait_s(self.origin.group, policy.addresses.guard, now_us)
            or not self._from_us <= wall_us < self._until_us
            or self._finder.recall(self._key, began_ns) is not self._record
        ):  # fmt: skip
            return False
        caller, prepared = self.caller, self.prepared
        found = gate.store.admit_at_hand(caller.subject, prepared.plan, prepared.terms, now_us, wall_us)
        if found is None:
            return False
        decided_ns = clock.monotonic_ns()
        verdict, slot = found
        identifier = request_id(asked, wall_ns, self.desk.random.take())
        self._finder.note_recalled()
        gate.used_keys[caller.key_id] = wall_us
        gate.activity.note(
            caller.subject, caller.account, self.tier, verdict, decided_ns // 1_000, leased=self._is_leased
        )
        event = gate.events.charge(caller, self.route_name, verdict, wall_us, identifier)
        receipt = gate.ledger.begin(event)
        passage = Passage(
            self, caught, stream, identifier, verdict, slot, event, receipt, decided_ns - began_ns
        )
        if receipt.is_set:
            passage.go_on()
        else:
            receipt.tell(passage)
        return True


class Passage:
    """One call on the straight way."""

    __slots__ = (
        "_caught", "_charge", "_decision_ns", "_identifier", "_receipt", "_slot", "_stream", "_verdict", "_way",
    )  # fmt: skip

    def __init__(
        self, way: StraightCheck, caught: Caught, stream: int, identifier: str, verdict: Verdict, slot: str, charge: UsageEvent,
        receipt: Receipt, decision_ns: int,
    ) -> None:  # fmt: skip
        """Wait for the receipt of a call that was admitted."""
        self._way, self._caught, self._stream, self._identifier = way, caught, stream, identifier
        self._verdict, self._slot, self._charge, self._receipt = verdict, slot, charge, receipt
        self._decision_ns = decision_ns

    def go_on(self) -> None:
        """Answer: it is known whether the charge is durable."""
        try:
            self._answer()
        except Exception:  # noqa: BLE001 - the top of a call: logged, and an error for whoever asked
            self._caught.fail(self._stream)

    def _answer(self) -> None:
        way, verdict = self._way, self._verdict
        if self._receipt.failure is not None or way.gate.policy is not way.policy:
            self._caught.answer_later(self._stream, way.go_on(self._visit()))
            return
        cost_mu, mode = verdict.plan.cost_mu, verdict.mode
        store = decider(verdict, way.store_kind)
        way.desk.tell(
            make_tuple(Told, (way.tier, False, _ALLOWED, mode, cost_mu, self._decision_ns // 1_000, store))
        )
        self._caught.answer(self._stream, way.written.of(self._identifier, verdict))

    def _visit(self) -> Visit:
        """Return what the ordinary way would have by now."""
        way, verdict = self._way, self._verdict
        return Visit(
            self._identifier, way.address, way.route, way.caller, way.tier, way.limits, verdict, way.prepared.fields, self._slot,
            self._charge, self._receipt, verdict.plan.cost_mu, decision_ns=self._decision_ns, origin=way.origin,
        )  # fmt: skip


def straight_check(
    desk: Desk, visit: Visit, headers: Headers, query: bytes, go_on: GoOn
) -> StraightCheck | None:
    """Return the straight way of calls like one that was just admitted; None where something about all of them is unusual."""
    gate, route = desk.gate, visit.route
    if route is None or route.cost_mu == 0 or visit.caller is None or visit.origin is None:
        return None
    prepared = gate.memory.prepared(route, visit.tier, visit.limits, anonymous=not visit.caller.env)
    is_elsewhere = gate.policy.store.kind == "redis" and prepared.terms.lease is None
    if prepared.how != PLAIN or is_elsewhere:
        return None
    known = _known(desk, visit, visit.caller, route, headers, query)
    return None if known is None else StraightCheck(desk, visit, known, go_on)


def _known(
    desk: Desk, visit: Visit, caller: Caller, route: Route, headers: Headers, query: bytes
) -> _Known | None:
    """Return who asks for what, if that is plain: with a key that is remembered and serves from everywhere."""
    gate, finder, key = desk.gate, desk.gate.key_store, keys.find_credential(headers, query)
    if visit.origin is None or not isinstance(key, str) or not isinstance(finder, KeyFinder):
        return None
    if not caller.key_id.startswith(keys.KEY_ID):
        return None
    wall_us = gate.wall_us()
    record = finder.recall(key, gate.clock.monotonic_ns())
    if record is None or record.cidrs:
        return None
    found = gate.memory.of_key(record, route, wall_us, visit.address)
    if found[:2] != (caller, visit.tier):
        return None
    return _Known(caller, route, visit.origin, finder, key, record, wall_us, record.changes_us(wall_us))
