"""Header fields that tell a caller what is left: the one writer of the rate fields (GW-504, GW-505).

They follow draft-ietf-httpapi-ratelimit-headers-11; for example, after one request of a full Free account::

    RateLimit-Policy: "minute";q=100;w=60;veritape-burst=150,"hour";q=3000;w=3600,...
    RateLimit: "minute";r=149;t=1,"hour";r=2999;t=2,...
"""

from typing import Final

from veritape.gateway import quota
from veritape.gateway.fast_quota import Plan, Verdict, left_units
from veritape.gateway.quota import MICROSECONDS, MU, Decision, LimitName, Limits, LimitState, Mode, ceil_div

Field = tuple[str, str]
"""Name and value of a header field."""

RawField = tuple[bytes, bytes]
"""The same as ASGI wants it: a lower-case name, bytes."""

RawFields = tuple[RawField, ...]
"""Those of a response."""

ORDER: Final = (LimitName.MINUTE, LimitName.HOUR, LimitName.MONTH, LimitName.CONCURRENCY)
"""Order of the limits in the fields."""


LEFT_ITEMS: Final = {
    LimitName.MINUTE: b'"minute";r=%d;t=%d', LimitName.HOUR: b'"hour";r=%d;t=%d',
    LimitName.MONTH: b'"month";r=%d;t=%d', LimitName.CONCURRENCY: b'"concurrency";r=%d',
}  # fmt: skip
"""What ``RateLimit`` says of a limit: units left, and the seconds until one more comes."""


def rate_fields(decision: Decision, tier: str, wall_us: int, *, legacy: bool) -> list[Field]:
    """Return the fields of a response from the quota decision on.

    Args:
        decision: what was decided.
        tier: name of the caller's tier or class.
        wall_us: wall clock, for the older names.
        legacy: also write the older names.
    """
    parts = sorted(decision.limits, key=lambda part: ORDER.index(part.name))
    fields = [("X-Request-Cost", units_text(decision.cost_mu))]
    if parts:
        fields.append(("RateLimit-Policy", ",".join(map(_policy_item, parts))))
        fields.append(("RateLimit", ",".join(map(_left_item, parts))))
    if decision.mode is not Mode.EXACT:
        fields.append(("Quota-State", decision.mode.value))
    if decision.retry_after_s:
        fields.append(("Retry-After", str(decision.retry_after_s)))
    return [*fields, *_legacy(parts, tier, wall_us)] if legacy else fields


def raw_fields(fields: list[Field]) -> list[RawField]:
    """Return fields as ASGI wants them."""
    return [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields]


_EXACT: Final = Mode.EXACT
"""A member of an enum is looked up in its class each time."""

_STATES: Final[dict[Mode, RawField]] = {mode: (b"quota-state", mode.value.encode()) for mode in Mode}
"""What a response says of where its decision came from."""


class AdmittedFields:
    """``rate_fields`` of what one plan admits, with everything written beforehand that does not change (GW-603)."""

    def __init__(self, plan: Plan, tier: str, *, legacy: bool) -> None:
        self._plan, self._tier, self._legacy = plan, tier, legacy
        self._cost = units_field(plan)
        self._limits, self._left = plan.limits, left_template(plan.limits)
        minute = plan.limits.minute
        self._policy: RawField = (b"ratelimit-policy", b"")
        self._older: list[RawField] = [(b"x-quota-tier", tier.encode())]
        """Of the older names those that do not change."""
        self._moving: list[RawField] = []
        """The others, with a place for their number."""
        if minute is not None:
            self._older.append((b"x-ratelimit-limit", b"%d" % minute.limit))
            self._moving += [(b"x-ratelimit-remaining", b"%d"), (b"x-ratelimit-reset", b"%d")]
        self._minute, self._hour = minute, plan.limits.hour
        self._month_mu, self._concurrency = plan.limits.month_mu, plan.limits.concurrency
        self._full_mu = 0 if minute is None else minute.burst_mu // MU * MU
        self._window_mu = 1 if minute is None else minute.limit * MU
        """What comes back to the minute's bucket in its window, mu."""
        self._window_us = 0 if minute is None else minute.window_s * MICROSECONDS
        self._month_place: int | None = None
        if plan.limits.month_mu is not None:
            self._moving.append((b"x-quota-monthly-remaining", b"%d"))
            self._month_place = 2 * ((minute is not None) + (plan.limits.hour is not None))
        self._templates: dict[Mode, bytes] = {}
        self._month_from_us = self._month_end_us = 0

    def of(self, verdict: Verdict) -> list[RawField]:
        """Return the fields of a request that was admitted."""
        if verdict.plan is not self._plan or not self._left:
            return self._unfolded(verdict)
        numbers = self._numbers(verdict)
        fields = [self._cost, self._policy, (b"ratelimit", self._left % numbers)]
        if verdict.mode is not _EXACT:
            fields.append(_STATES[verdict.mode])
        if not self._legacy:
            return fields
        values = self._older_numbers(verdict, numbers)
        older = [(name, b"%d" % value) for (name, _), value in zip(self._moving, values, strict=True)]
        return [*fields, *self._older, *older]

    def lines(self, verdict: Verdict) -> bytes:
        """Return the same fields as they are written, each with its line end."""
        if verdict.plan is not self._plan or not self._left:
            return b"".join([b"%b: %b\r\n" % field for field in self._unfolded(verdict)])
        numbers = self._numbers(verdict)
        template = self._templates.get(verdict.mode) or self._template(verdict.mode)
        return template % (numbers + self._older_numbers(verdict, numbers) if self._legacy else numbers)

    def _unfolded(self, verdict: Verdict) -> list[RawField]:
        return raw_fields(rate_fields(verdict.unfolded(), self._tier, verdict.wall_us, legacy=self._legacy))

    def _template(self, mode: Mode) -> bytes:
        """Write the lines but for their numbers, once for a mode and month."""
        fixed = [self._cost, self._policy]
        after = [] if mode is _EXACT else [_STATES[mode]]
        after += self._older if self._legacy else []
        escaped = [[(name, value.replace(b"%", b"%%")) for name, value in part] for part in (fixed, after)]
        moving = self._moving if self._legacy else []
        lines = [*escaped[0], (b"ratelimit", self._left), *escaped[1], *moving]
        made = self._templates[mode] = b"".join([b"%b: %b\r\n" % field for field in lines])
        return made

    def _numbers(self, verdict: Verdict) -> tuple[int, ...]:
        """Return what is left of each limit, in the order of the fields."""
        _, plan, minute, hour, used_mu, slots, now_us, wall_us, held_mu, _, _ = verdict
        if not self._month_from_us <= wall_us < self._month_end_us:
            self._turn_month(verdict)
        numbers: tuple[int, ...] = ()
        if self._minute is not None:
            numbers = left_units(plan.minute, minute, held_mu, now_us)
        if self._hour is not None:
            numbers += left_units(plan.hour, hour, held_mu, now_us)
        if self._month_mu is not None:
            left_mu, left_us = self._month_mu - used_mu, self._month_end_us - wall_us
            numbers += (left_mu // MU if left_mu > 0 else 0, -(-left_us // MICROSECONDS))
        if self._concurrency is not None:
            numbers += (max(0, self._concurrency - slots),)
        return numbers

    def _older_numbers(self, verdict: Verdict, numbers: tuple[int, ...]) -> tuple[int, ...]:
        """Return the numbers of the older names (GW-505); the minute's numbers stand first, the month's before those of the slots."""
        found, place = tuple[int, ...](), self._month_place
        if self._minute is not None:
            _, plan, (debt, _, _), _, _, _, _, wall_us, held_mu, _, _ = verdict
            side = plan.minute
            free = side.cap - debt - held_mu * side.weight
            left_mu = free // side.weight if free > 0 else 0
            full_us = -((left_mu - self._full_mu) * self._window_us // self._window_mu)
            found = numbers[0], -(-(wall_us + full_us) // MICROSECONDS)
        return found if place is None else (*found, numbers[place])

    def _turn_month(self, verdict: Verdict) -> None:
        """Write what holds for the verdict's month."""
        month = quota.month_of(verdict.wall_us)
        self._month_end_us = verdict.wall_us + month.left_us
        self._month_from_us = self._month_end_us - month.length_s * MICROSECONDS
        self._policy = policy_field(self._plan, verdict.wall_us)
        self._templates.clear()


def units_field(plan: Plan) -> RawField:
    """Return the field that tells what the request costs."""
    return b"x-request-cost", units_text(plan.cost_mu).encode()


def left_template(limits: Limits) -> bytes:
    """Return the value of ``RateLimit`` without its numbers: units left and seconds of each limit, in the order of the fields."""
    there = (limits.minute, limits.hour, limits.month_mu, limits.concurrency)
    return b",".join(LEFT_ITEMS[name] for name, limit in zip(ORDER, there, strict=True) if limit is not None)


def policy_field(plan: Plan, wall_us: int) -> RawField:
    """Return the field that tells the limits, which holds for a calendar month."""
    month = quota.month_of(wall_us)
    told = quota.admission(plan.limits, quota.State(), 0, wall_us, month, plan.policy_version)
    fields = rate_fields(told, "", wall_us, legacy=False)
    return b"ratelimit-policy", dict(fields)["RateLimit-Policy"].encode()


def units_text(units_mu: int) -> str:
    """Return units as a decimal without needless zeros: 1500 mu is ``1.5``."""
    whole, rest = divmod(units_mu, MU)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def _policy_item(part: LimitState) -> str:
    if part.name is LimitName.CONCURRENCY:
        return f'"{part.name}";q={part.quota};qu="concurrent-requests"'
    burst = f";veritape-burst={part.burst}" if part.burst != part.quota else ""
    return f'"{part.name}";q={part.quota};w={part.window_s}{burst}'


def _left_item(part: LimitState) -> str:
    item = f'"{part.name}";r={part.remaining_mu // MU}'
    if part.name is LimitName.CONCURRENCY and not part.wait_us:
        return item
    return f"{item};t={ceil_div(part.wait_us or part.next_us, MICROSECONDS)}"


def _legacy(parts: list[LimitState], tier: str, wall_us: int) -> list[Field]:
    fields = [("X-Quota-Tier", tier)]
    for part in parts:
        if part.name is LimitName.MINUTE:
            missing_mu = part.burst * MU - part.remaining_mu
            full_us = ceil_div(missing_mu * part.window_s * MICROSECONDS, part.quota * MU)
            fields += [
                ("X-RateLimit-Limit", str(part.quota)),
                ("X-RateLimit-Remaining", str(part.remaining_mu // MU)),
                ("X-RateLimit-Reset", str(ceil_div(wall_us + full_us, MICROSECONDS))),
            ]
        elif part.name is LimitName.MONTH:
            fields.append(("X-Quota-Monthly-Remaining", str(part.remaining_mu // MU)))
    return fields
