"""Load scenarios of the gateway: a demand, and what must come of it exactly (GW-851).

Every scenario has accounts of its own. T is the time from the first to the last decision; only its bounds can be seen from
outside, and an expectation holds for every T between them: decisions lie between the first send and the last answer, and
the first is made before the first answer, the last after the last send.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple

from veritape.apps.bench.gateway_client import Hit, Shot, Target, closed_loops
from veritape.kernel.clock import NANOSECONDS, Clock

OK: Final = 200
TOO_MANY: Final = 429

THINK_S: Final = 0.05
"""Pause of the mixed scenario's users between an answer and the next request."""

ERRORS_PER_THOUSAND: Final = 1
"""Answers that are neither 200 nor 429, of the mixed scenario."""

P95_S: Final = 0.05
"""Seconds within which 95 of 100 answers of the mixed scenario come."""


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


class Outcome(NamedTuple):
    """What came of a scenario."""

    hits: Sequence[Hit]
    problems: list[str]
    """Expectations that failed."""


Scenario = Callable[[Stand], Awaitable[Outcome]]


def spans_s(hits: Sequence[Hit]) -> tuple[float, float]:
    """Return the least and the most that T can be."""
    first_sent, last_sent = min(hit.sent_ns for hit in hits), max(hit.sent_ns for hit in hits)
    first_done, last_done = min(hit.done_ns for hit in hits), max(hit.done_ns for hit in hits)
    return max(0, last_sent - first_done) / NANOSECONDS, (last_done - first_sent) / NANOSECONDS


def bucket_problems(hits: Sequence[Hit], burst: int, per_minute: int, cost: int = 1) -> list[str]:
    """Return what contradicts a bucket that always had demand: at most its bound, at least one unit's calls less."""
    statuses = Counter(hit.status for hit in hits)
    least_s, most_s = spans_s(hits)
    most = int((burst + most_s * per_minute / 60) / cost)
    least = int((burst + least_s * per_minute / 60) / cost) - 1
    problems = []
    if statuses[OK] > most:
        problems.append(f"{statuses[OK]} admitted, at most {most} in {most_s:.3f} s")
    if statuses[OK] < least:
        problems.append(f"{statuses[OK]} admitted, at least {least} in {least_s:.3f} s")
    if set(statuses) - {OK, TOO_MANY}:
        problems.append(f"other answers than 200 and 429: {dict(statuses)}")
    return problems


async def _bucket(
    stand: Stand, tier: str, requests: int, connections: int, burst: int, per_minute: int, what: str = "identify", cost: int = 1
) -> Outcome:  # fmt: skip
    label = await stand.account(tier) if tier else ""
    shots = iter([stand.shot(what, label)] * requests)
    hits = await closed_loops(stand.target, [shots] * connections, stand.clock)
    return Outcome(hits, bucket_problems(hits, burst, per_minute, cost))


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
    return Outcome(hits, _only(hits, {OK: len(hits)}))


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
    return Outcome([*emptied, *hits], problems)


async def burst(stand: Stand) -> Outcome:
    """Scenario 5: the whole burst from idle, then 429 at once; a slow machine may see a refilled unit before."""
    label = await stand.account("free")
    one = stand.shot("identify", label)
    hits = await closed_loops(stand.target, [iter([one] * 150)] * 10, stand.clock)
    problems = _only(hits, {OK: 150})
    while hits[-1].status == OK and len(hits) < 2 * 150:
        hits += await closed_loops(stand.target, [iter([one])], stand.clock)
    most = int(150 + spans_s(hits)[1] * 100 / 60)
    admitted, last = sum(hit.status == OK for hit in hits), hits[-1]
    if admitted > most:
        problems.append(f"{admitted} admitted, at most {most}")
    if (last.status, last.retry_after) != (TOO_MANY, "1"):
        problems.append(f"then {last.status} with Retry-After {last.retry_after!r} in place of 429 with 1")
    return Outcome(hits, problems)


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
    return Outcome(hits, problems)


async def users(stand: Stand) -> Outcome:
    """Scenario 9: ten Free accounts below their bursts do not hinder each other."""
    labels = [await stand.account("free") for _ in range(10)]
    loops = [repeat(stand.shot("identify", label), 120) for label in labels]
    hits = await closed_loops(stand.target, [iter(shots) for shots in loops], stand.clock)
    return Outcome(hits, _only(hits, {OK: 1_200}))


async def mixed(stand: Stand) -> Outcome:
    """Scenario 10: a hundred users of three tiers, each account within its bound, few errors, quick answers."""
    tiers = {await stand.account("free"): (150, 100) for _ in range(7)}
    tiers |= {await stand.account("pro"): (1_500, 1_000)}
    labels = [label for label, (size, _) in tiers.items() for _ in range(10 if size == 150 else 25)]  # noqa: PLR2004 - Free
    labels += [await stand.account("enterprise")] * 5
    loops = [_until(stand, [stand.shot("identify", label)], stand.seconds) for label in labels]
    hits = await closed_loops(stand.target, loops, stand.clock, THINK_S)
    problems = []
    for label, (size, per_minute) in tiers.items():
        own = [hit for hit in hits if hit.label == label]
        most = int(size + spans_s(own)[1] * per_minute / 60)
        admitted = sum(hit.status == OK for hit in own)
        if admitted > most:
            problems.append(f"{label}: {admitted} admitted, at most {most}")
    errors = sum(hit.status not in {OK, TOO_MANY} for hit in hits)
    if errors * 1_000 >= ERRORS_PER_THOUSAND * len(hits):
        problems.append(f"{errors} errors of {len(hits)}")
    slow_s = sorted(hit.seconds for hit in hits)[len(hits) * 95 // 100]
    if slow_s >= P95_S:
        problems.append(f"P95 is {slow_s * 1_000:.1f} ms, below {P95_S * 1_000:.0f} ms expected")
    return Outcome(hits, problems)


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "free": free, "pro": pro, "enterprise": enterprise, "refill": refill, "burst": burst, "compare": compare,
    "anonymous": anonymous, "health": health, "users": users, "mixed": mixed,
}  # fmt: skip
"""Name -> scenario, in the specification's order."""


async def usage_problems(stand: Stand, hits: Sequence[Hit], per_call: int = 1) -> list[str]:
    """Return the accounts whose charged calls in the ledger are not those that were answered with 200."""
    answered = Counter(hit.label for hit in hits if hit.label and hit.status == OK)
    counted = await stand.counted()
    return [
        f"{label}: {count * per_call} answered, {counted.get(label, 0)} in the ledger"
        for label, count in sorted(answered.items())
        if counted.get(label, 0) != count * per_call
    ]


def _until(stand: Stand, shots: Sequence[Shot], seconds: float) -> Iterator[Shot]:
    end_ns = stand.clock.monotonic_ns() + int(seconds * NANOSECONDS)
    while stand.clock.monotonic_ns() < end_ns:
        yield from shots


def _only(hits: Sequence[Hit], expected: Mapping[int, int]) -> list[str]:
    found = Counter(hit.status for hit in hits)
    return [] if found == expected else [f"{dict(found)} in place of {dict(expected)}"]
