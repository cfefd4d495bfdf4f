"""Envoy's rate-limit service: descriptors to decisions (GW-611).

One descriptor asks about one caller on one route: ``api_key``, ``account`` or ``remote_address`` says who, ``route`` is the name of
a route of the policy or a path, which ``method`` completes. ``hits_addend`` multiplies the route's cost; a descriptor's own 0
only looks. Several descriptors are decided together: when one denies, none is charged. What nobody here knows, a domain, a
route, is not limited and is counted. The service has no words for an error: whoever asks gets OK or OVER_LIMIT.
"""

import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from veritape.gateway.adapters.decision_desk import Desk, Ruled, read_address
from veritape.gateway.adapters.envoy.messages_pb2 import HeaderValue, RateLimitRequest, RateLimitResponse
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Environment
from veritape.gateway.policy import Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import MICROSECONDS, MU, LimitState
from veritape.gateway.usage_metrics import LetThrough

DOMAIN: Final = "veritape"
"""Domain of Envoy's configuration that is ours."""

HITS_LIMIT: Final = 1_000_000
"""Most hits of one descriptor: above it every limit denies as well."""

_UNITS: Final = {
    60: RateLimitResponse.RateLimit.MINUTE, 3_600: RateLimitResponse.RateLimit.HOUR, 0: RateLimitResponse.RateLimit.UNIT_UNKNOWN
}  # fmt: skip
"""Seconds of a window -> unit; a month's seconds vary."""

_log = logging.getLogger("veritape.gateway")


class Asked(NamedTuple):
    """One descriptor, understood."""

    who: Identity | Refusal
    route: Route
    cost_mu: int


class RateLimits:
    """The service; ``count`` hears of what is let through because nobody here can decide it."""

    def __init__(self, desk: Desk, count: Callable[[LetThrough], None], domain: str = DOMAIN) -> None:
        self._desk, self._count, self._domain = desk, count, domain

    async def should_rate_limit(self, request: RateLimitRequest) -> RateLimitResponse:
        """Answer a call; never an error."""
        try:
            return await self._answer(request)
        except Exception:  # noqa: BLE001 - the top of a call: logged, counted, let through
            _log.exception("rate limit not decided")
            self._count(LetThrough.ERROR)
            return self._response([None] * len(request.descriptors))

    async def _answer(self, request: RateLimitRequest) -> RateLimitResponse:
        if request.domain != self._domain:
            self._count(LetThrough.DOMAIN)
            return self._response([None] * len(request.descriptors))
        asked = [await self._read(descriptor, request.hits_addend or 1) for descriptor in request.descriptors]
        known = [one for one in asked if one is not None]
        if len(known) > 1:  # all or nothing: nobody is charged before all would admit
            looked = [await self._decide(one, charge=False) if one else None for one in asked]
            if not all(found is None or _admits(found) for found in looked):
                self._note_denials(asked, looked)
                return self._response(looked)
        return self._response([await self._decide(one, charge=True) if one else None for one in asked])

    def _note_denials(self, asked: list[Asked | None], looked: list[Ruled | Refusal | None]) -> None:
        for one, found in zip(asked, looked, strict=True):
            if (
                one
                and isinstance(one.who, Identity)
                and isinstance(found, Ruled)
                and not found.decision.admitted
            ):
                self._desk.note_denial(one.who, found)

    async def _read(self, descriptor: Any, hits: int) -> Asked | None:
        """Understand a descriptor; None for one that nothing limits."""
        entries = {entry.key: entry.value for entry in descriptor.entries}
        route = self._route(entries)
        if route is None:
            self._count(LetThrough.ROUTE)
            return None
        if descriptor.HasField("hits_addend"):
            hits = descriptor.hits_addend.value
        who = await self._who(entries, route)
        if who is None:
            self._count(LetThrough.CALLER)
            return None
        return Asked(who, route, route.cost_mu * min(hits, HITS_LIMIT))

    async def _who(self, entries: dict[str, str], route: Route) -> Identity | Refusal | None:
        address = entries.get("remote_address", "")
        if entries.get("api_key"):
            return await self._desk.of_key(entries["api_key"], route, read_address(address))
        if entries.get("account"):
            return await self._desk.of_account(entries["account"], Environment.LIVE)
        return self._desk.at_address(address)

    def _route(self, entries: dict[str, str]) -> Route | None:
        text = entries.get("route", "")
        if text.startswith("/"):
            return self._desk.route_at(entries.get("method", "GET"), text.partition("?")[0])
        return self._desk.route_named(text)

    async def _decide(self, asked: Asked, *, charge: bool) -> Ruled | Refusal:
        if isinstance(asked.who, Refusal):
            return asked.who
        try:
            if charge and asked.cost_mu:
                return await self._desk.charge(asked.who, asked.route, asked.cost_mu)
            return await self._desk.probe(asked.who, asked.cost_mu)
        except (
            RefusedError
        ) as refusal:  # the store is lost and the route is closed then, or the ledger is away
            return Refusal(refusal.reason, refusal.detail)

    def _response(self, found: list[Ruled | Refusal | None]) -> RateLimitResponse:
        admitted = all(one is None or _admits(one) for one in found)
        response = RateLimitResponse(
            overall_code=RateLimitResponse.OK if admitted else RateLimitResponse.OVER_LIMIT,
            statuses=[_status(one) for one in found],
        )
        ruled = [one for one in found if isinstance(one, Ruled)]
        shown = next((one for one in ruled if not one.decision.admitted), ruled[0] if ruled else None)
        if shown is not None:
            fields = self._desk.fields_of(shown)
            response.response_headers_to_add.extend(
                HeaderValue(key=name, value=value) for name, value in fields
            )
        return response


def _admits(found: Ruled | Refusal) -> bool:
    return isinstance(found, Ruled) and found.decision.admitted


def _status(found: Ruled | Refusal | None) -> RateLimitResponse.DescriptorStatus:
    code = RateLimitResponse.OK if found is None or _admits(found) else RateLimitResponse.OVER_LIMIT
    status = RateLimitResponse.DescriptorStatus(code=code)
    if not isinstance(found, Ruled) or not found.decision.limits:
        return status
    part = min(found.decision.limits, key=_room)
    limit = RateLimitResponse.RateLimit(
        requests_per_unit=min(part.quota, 2**32 - 1),
        unit=_UNITS.get(part.window_s, RateLimitResponse.RateLimit.MONTH),
        name=part.name.value,
    )
    status.current_limit.CopyFrom(limit)
    status.limit_remaining = min(part.remaining_mu // MU, 2**32 - 1)
    until_us = part.wait_us or part.next_us
    status.duration_until_reset.seconds, rest_us = divmod(until_us, MICROSECONDS)
    status.duration_until_reset.nanos = rest_us * 1_000
    return status


def _room(part: LimitState) -> tuple[int, int]:
    """Order limits by how soon they deny: those that deny now, by the longest wait, then by what is left."""
    return -part.wait_us, part.remaining_mu
