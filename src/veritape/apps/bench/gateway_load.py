"""Load scenarios of the gateway: a demand, and what must come of it exactly (GW-851).

Correctness is judged always. Speed is judged when the machine was ours: a scenario that shares it with other work, or on which the
gateway had to shed load, says so and judges no times.

Every scenario has accounts of its own. T is the time from the first to the last decision; only its bounds can be seen from
outside, and an expectation holds for every T between them: decisions lie between the first send and the last answer, and
the first is made before the first answer, the last after the last send.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from veritape.apps.bench.gateway_client import UNAVAILABLE, Hit, Shot, Target, closed_loops
from veritape.apps.bench.gateway_flood import CEILING_SHARE, Tally, flood, open_loop
from veritape.apps.bench.machine_load import MachineLoad
from veritape.gateway.reasons import Reason
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError

OK: Final = 200
TOO_MANY: Final = 429

OVERLOADED: Final = Reason.OVERLOADED.value

APART: Final = frozenset({"local", "open"})
"""``Quota-State`` of an answer that was decided without the shared store."""

THINK_S: Final = 0.05
"""Pause of the mixed scenario's users between an answer and the next request."""

ERRORS_PER_THOUSAND: Final = 1
"""Answers that are neither 200 nor 429, of the mixed scenario; those that are not 200, of the open loop."""

P95_S: Final = 0.05
"""Seconds within which 95 of 100 answers of these two come."""

FOREIGN_SHARE: Final = 0.1
"""Part of the machine that may work for others while speed is judged."""

CEILING_S: Final = 1.0
"""Seconds for which the generator's own ceiling is measured."""


class Stand(NamedTuple):
    """What a scenario shoots at, and with whose keys."""

    target: Target
    clock: Clock
    shot: Callable[[str, str], Shot]
    """(what, account) -> a request: ``identify``, ``compare``, ``anonymous`` or ``health``."""
    account: Callable[[str], Awaitable[str]]
    """Tier -> a new account with a key of its own."""
    counted: Callable[[], Awaitable[Mapping[str, int]]]
    """Account -> charged calls in the ledger."""
    seconds: float
    """Length of what lasts a minute."""
    pro_requests: int = 4_000
    """Requests of scenario 2: far above its burst of 1,500."""
    open_rate: int = 10_000
    """Requests a second of scenario 11."""
    upstream: Target = Target("", 0)
    """What the gateway's routes lead to: the generator's ceiling is measured there."""
    machine: Callable[[], MachineLoad] = MachineLoad
    """Begins to measure how busy the machine is with other work."""


class Outcome(NamedTuple):
    """What came of a scenario."""

    statuses: Counter[int]
    """Status -> answers; 0: none came."""
    answered: Counter[str]
    """Account -> answers of 200."""
    problems: list[str]
    """Expectations that failed."""
    unanswered: Mapping[str, int] = {}
    """Account -> requests without an answer: whether they were charged is not known."""
    figures: str = ""
    """What was measured."""
    overloaded: str = ""
    """Why speed was not judged; empty: it was, or it is no matter here."""


Scenario = Callable[[Stand], Awaitable[Outcome]]
"""Makes its accounts, sends its demand and judges what came."""


def outcome(hits: Sequence[Hit], problems: list[str], doubtful: Sequence[str] = ()) -> Outcome:
    """Return what came of answers.

    Args:
        hits: all of them.
        problems: what is wrong whoever decided.
        doubtful: what is wrong when the shared store decided everything: while it did not answer in time a share of this process admits
            beside it, as GW-344 bounds it.
    """
    answered = Counter(hit.label for hit in hits if hit.label and hit.status == OK)
    unanswered = Counter(hit.label for hit in hits if not hit.status)
    apart = sum(hit.quota_state in APART for hit in hits)
    why = f"{apart} answers without the store, which did not answer in its deadline" if apart else ""
    found = problems if apart else [*problems, *doubtful]
    return Outcome(Counter(hit.status for hit in hits), answered, found, unanswered, overloaded=why)


def decided(hits: Sequence[Hit]) -> int:
    """Return how many the shared store admitted: of these the bound holds always, others only come on top of their debts."""
    return sum(hit.status == OK and hit.quota_state not in APART for hit in hits)


def spans_s(hits: Sequence[Hit]) -> tuple[float, float]:
    """Return the least and the most that T can be."""
    first_sent, last_sent = min(hit.sent_ns for hit in hits), max(hit.sent_ns for hit in hits)
    first_done, last_done = min(hit.done_ns for hit in hits), max(hit.done_ns for hit in hits)
    return max(0, last_sent - first_done) / NANOSECONDS, (last_done - first_sent) / NANOSECONDS


def bucket_problems(hits: Sequence[Hit], burst: int, per_minute: int, cost: int = 1) -> list[str]:
    """Return what contradicts a bucket whoever decides: more than its bound by the store, other answers than 200 and 429."""
    most_s = spans_s(hits)[1]
    most, admitted = int((burst + most_s * per_minute / 60) / cost), decided(hits)
    problems = [f"{admitted} admitted, at most {most} in {most_s:.3f} s"] if admitted > most else []
    statuses = Counter(hit.status for hit in hits)
    if set(statuses) - {OK, TOO_MANY}:
        problems.append(f"other answers than 200 and 429: {dict(statuses)}")
    return problems


def too_few(hits: Sequence[Hit], burst: int, per_minute: int, cost: int = 1) -> list[str]:
    """Return what contradicts a bucket that always had demand: one unit's calls less than its bound at least."""
    least_s, admitted = spans_s(hits)[0], sum(hit.status == OK for hit in hits)
    least = int((burst + least_s * per_minute / 60) / cost) - 1
    return [f"{admitted} admitted, at least {least} in {least_s:.3f} s"] if admitted < least else []


async def _bucket(
    stand: Stand, tier: str, requests: int, connections: int, burst: int, per_minute: int, what: str = "identify", cost: int = 1
) -> Outcome:  # fmt: skip
    label = await stand.account(tier) if tier else ""
    shots = iter([stand.shot(what, label)] * requests)
    hits = await closed_loops(stand.target, [shots] * connections, stand.clock)
    doubtful = too_few(hits, burst, per_minute, cost)
    return outcome(hits, bucket_problems(hits, burst, per_minute, cost), doubtful)


async def free(stand: Stand) -> Outcome:
    """Scenario 1: Free, far above its burst, over exactly its ten connections."""
    return await _bucket(stand, "free", 600, 10, 150, 100)


async def pro(stand: Stand) -> Outcome:
    """Scenario 2: Pro, far above its burst."""
    return await _bucket(stand, "pro", stand.pro_requests, 10, 1_500, 1_000)


async def enterprise(stand: Stand) -> Outcome:
    """Scenario 3: no limit, no refusal."""
    label = await stand.account("enterprise")
    shots = _until(stand, [stand.shot("identify", label)], stand.seconds)
    hits = await closed_loops(stand.target, [shots] * 50, stand.clock)
    return outcome(hits, _only(hits, {OK: len(hits)}))


async def refill(stand: Stand) -> Outcome:
    """Scenario 4: an empty Free bucket at five a second gives its hundred a minute."""
    label = await stand.account("free")
    one = stand.shot("identify", label)
    emptied = await closed_loops(stand.target, [iter([one] * 170)] * 5, stand.clock)
    begun_ns, count = stand.clock.monotonic_ns(), int(stand.seconds * 5)
    paced = [one._replace(due_ns=begun_ns + number * NANOSECONDS // 5) for number in range(count)]
    hits = await closed_loops(stand.target, [iter(paced)] * 2, stand.clock)
    expected, admitted = stand.seconds * 100 / 60, sum(hit.status == OK for hit in hits)
    problems = [] if abs(admitted - expected) <= 1 else [f"{admitted} admitted, {expected:.0f} +- 1 expected"]
    return outcome([*emptied, *hits], [], problems)


async def burst(stand: Stand) -> Outcome:
    """Scenario 5: the whole burst from idle, then 429 at once; a slow machine may see a refilled unit before."""
    label = await stand.account("free")
    one = stand.shot("identify", label)
    hits = await closed_loops(stand.target, [iter([one] * 150)] * 10, stand.clock)
    doubtful = _only(hits, {OK: 150})
    while hits[-1].status == OK and len(hits) < 2 * 150:
        hits += await closed_loops(stand.target, [iter([one])], stand.clock)
    most = int(150 + spans_s(hits)[1] * 100 / 60)
    admitted, last = decided(hits), hits[-1]
    problems = [f"{admitted} admitted, at most {most}"] if admitted > most else []
    if (last.status, last.retry_after) != (TOO_MANY, "1"):
        doubtful.append(f"then {last.status} with Retry-After {last.retry_after!r} in place of 429 with 1")
    return outcome(hits, problems, doubtful)


async def compare(stand: Stand) -> Outcome:
    """Scenario 6: a route that costs two units."""
    return await _bucket(stand, "free", 120, 10, 150, 100, "compare", 2)


async def anonymous(stand: Stand) -> Outcome:
    """Scenario 7: no key, limited by address."""
    return await _bucket(stand, "", 60, 5, 45, 30, "anonymous")


async def health(stand: Stand) -> Outcome:
    """Scenario 8: health costs nothing and counts nowhere."""
    before = await stand.counted()
    shots = iter([stand.shot("health", "")] * 1_000)
    hits = await closed_loops(stand.target, [shots] * 10, stand.clock)
    problems = _only(hits, {OK: 1_000})
    if await stand.counted() != before:
        problems.append("a counter moved")
    return outcome(hits, problems)


async def users(stand: Stand) -> Outcome:
    """Scenario 9: ten Free accounts below their bursts do not hinder each other."""
    labels = [await stand.account("free") for _ in range(10)]
    loops = [repeat(stand.shot("identify", label), 120) for label in labels]
    hits = await closed_loops(stand.target, [iter(shots) for shots in loops], stand.clock)
    return outcome(hits, _only(hits, {OK: 1_200}))


async def mixed(stand: Stand) -> Outcome:
    """Scenario 10: a hundred users of three tiers, each account within its bound, few errors, quick answers."""
    tiers = {await stand.account("free"): (150, 100) for _ in range(7)}
    tiers |= {await stand.account("pro"): (1_500, 1_000)}
    labels = [label for label, (size, _) in tiers.items() for _ in range(10 if size == 150 else 25)]  # noqa: PLR2004 - Free
    labels += [await stand.account("enterprise")] * 5
    busy = stand.machine()
    loops = [_until(stand, [stand.shot("identify", label)], stand.seconds) for label in labels]
    hits = await closed_loops(stand.target, loops, stand.clock, THINK_S)
    problems = []
    for label, (size, per_minute) in tiers.items():
        own = [hit for hit in hits if hit.label == label]
        most = int(size + spans_s(own)[1] * per_minute / 60)
        admitted = decided(own)
        if admitted > most:
            problems.append(f"{label}: {admitted} admitted, at most {most}")
    shed = sum(hit.reason == OVERLOADED for hit in hits)
    errors = sum(hit.status not in {OK, TOO_MANY} for hit in hits) - shed
    if errors * 1_000 >= ERRORS_PER_THOUSAND * len(hits):
        problems.append(f"{errors} errors of {len(hits)}")
    slow_ms = sorted(hit.seconds for hit in hits)[len(hits) * 95 // 100] * 1_000
    overloaded = overloaded_by(busy.foreign_share(), shed)
    found = outcome(hits, problems)
    overloaded = ", ".join(filter(None, (overloaded, found.overloaded)))
    if slow_ms >= P95_S * 1_000 and not overloaded:
        problems.append(f"P95 is {slow_ms:.1f} ms, below {P95_S * 1_000:.0f} ms expected")
    return found._replace(problems=problems, figures=f"P95 {slow_ms:.1f} ms", overloaded=overloaded)


async def open10k(stand: Stand) -> Outcome:
    """Scenario 11: ten thousand a second on a fixed schedule, whatever the gateway does; latencies from when each was due.

    Raises:
        UnavailableError: the generator itself does not reach the rate by far enough here.
    """
    label, busy = await stand.account("enterprise"), stand.machine()
    octets = stand.shot("identify", label).octets
    ceiling = await flood(stand.upstream, octets, CEILING_S, stand.clock)
    if stand.open_rate > CEILING_SHARE * ceiling.per_second:
        raise UnavailableError(
            f"the generator reaches {ceiling.per_second:,.0f} requests/s here: {stand.open_rate:,} a second need "
            f"{stand.open_rate / CEILING_SHARE:,.0f}"
        )
    tally = await open_loop(stand.target, octets, stand.open_rate, stand.seconds, stand.clock)
    overloaded = overloaded_by(busy.foreign_share(), 0)
    problems = [] if overloaded else open_loop_problems(tally)
    other = set(tally.statuses) - {0, OK, UNAVAILABLE}
    if other:
        counts = ", ".join(f"{tally.statuses[status]} x {status}" for status in sorted(other))
        problems.append(f"other answers than 200 and 503: {counts}")
    figures = f"{tally.per_second:,.0f}/s, P95 {tally.latency_ms(95):.1f} ms, generator up to {ceiling.per_second:,.0f}/s"
    answered, unanswered = Counter({label: tally.statuses[OK]}), {label: tally.statuses[0]}
    return Outcome(tally.statuses, answered, problems, unanswered, figures, overloaded)


def open_loop_problems(tally: Tally) -> list[str]:
    """Return what was too slow in an open loop."""
    problems, asked = [], tally.statuses.total()
    if (asked - tally.statuses[OK]) * 1_000 > ERRORS_PER_THOUSAND * asked:
        problems.append(f"{tally.statuses[OK]} of {asked} answered 200, 99.9 % expected")
    if tally.latency_ms(95) >= P95_S * 1_000:
        problems.append(f"P95 is {tally.latency_ms(95):.1f} ms, below {P95_S * 1_000:.0f} ms expected")
    return problems


def overloaded_by(foreign: float, shed: int) -> str:
    """Return why speed is not judged, empty when it is: then the machine was ours and could do its work.

    Args:
        foreign: part of the machine that worked for others.
        shed: requests that the gateway refused because it was too busy.
    """
    reasons = [f"{foreign:.0%} of it worked for others"] if foreign >= FOREIGN_SHARE else []
    reasons += [f"{shed} x 503 {OVERLOADED}"] if shed else []
    return ", ".join(reasons)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "free": free, "pro": pro, "enterprise": enterprise, "refill": refill, "burst": burst, "compare": compare,
    "anonymous": anonymous, "health": health, "users": users, "mixed": mixed, "open10k": open10k,
}  # fmt: skip
"""Name -> scenario, in the specification's order."""


async def usage_problems(stand: Stand, found: Outcome) -> list[str]:
    """Return the accounts whose charged calls in the ledger are not those that were answered with 200."""
    counted, problems = await stand.counted(), list[str]()
    for label, count in sorted(found.answered.items()):
        most = count + found.unanswered.get(label, 0)
        if not count <= counted.get(label, 0) <= most:
            expected = f"{count} answered" + (f", {most - count} without an answer" if most > count else "")
            problems.append(f"{label}: {expected}, {counted.get(label, 0)} in the ledger")
    return problems


def _until(stand: Stand, shots: Sequence[Shot], seconds: float) -> Iterator[Shot]:
    end_ns = stand.clock.monotonic_ns() + int(seconds * NANOSECONDS)
    while stand.clock.monotonic_ns() < end_ns:
        yield from shots


def _only(hits: Sequence[Hit], expected: Mapping[int, int]) -> list[str]:
    found = Counter(hit.status for hit in hits)
    return [] if found == expected else [f"{dict(found)} in place of {dict(expected)}"]
