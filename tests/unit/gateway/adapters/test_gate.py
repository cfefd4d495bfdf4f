"""The gate: identity, scope, quota, usage, in their order."""

import asyncio
import random
import sqlite3
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.servers.gateway_world import SCOPES, World
from tests.tokens import AUDIENCE, ISSUER, SECRET, WALL_S, claims, hs256, rs256
from tests.waiting import until

from veritape.gateway.adapters.gate import peer_address
from veritape.gateway.adapters.group_commit import Receipt
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.token_verifier import TokenVerifier, Trust
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.addresses import GUARD
from veritape.gateway.keys import Environment
from veritape.gateway.policy import Policy, Route
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.token_keys import secret_key
from veritape.gateway.tokens import Algorithm, TokenIssuer
from veritape.gateway.usage import Caller, OnFailure, UsageEvent
from veritape.kernel.errors import UnavailableError

PEER = ip_address("192.0.2.1")


def route(world: World, name: str = "trades", **changes: object) -> Route:
    found = next(one for one in world.gate.policy.routes if one.name == name)
    return found._replace(**changes)  # type: ignore[arg-type]


async def identify(world: World, key: str | None, at: Route) -> Visit:
    visit = world.gate.visit("r1", PEER, [])
    await world.gate.identify(visit, at, [(b"x-api-key", key.encode())] if key else [], b"")
    return visit


async def pass_gate(world: World, key: str, at: Route) -> Visit:
    visit = await identify(world, key, at)
    await world.gate.charge(visit, at)
    return visit


def sums(world: World) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(world.folder / "usage.db")
    try:
        return connection.execute(
            "SELECT kind, sum(units_mu), sum(items) FROM usage_event GROUP BY kind"
        ).fetchall()
    finally:
        connection.close()


async def refused(world: World, key: str | None, at: Route) -> Reason:
    with pytest.raises(RefusedError) as refusal:
        await identify(world, key, at)
    return refusal.value.reason


async def test_each_refusal_of_identity_has_its_reason(world: World) -> None:
    """GW-402, GW-405, GW-406: missing, invalid, revoked, expired, bound elsewhere, without scope."""
    trades = route(world)
    assert await refused(world, None, trades) is Reason.MISSING_CREDENTIALS
    assert await refused(world, "x", trades) is Reason.INVALID_KEY
    assert (
        await refused(world, "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4", trades) is Reason.INVALID_KEY
    )
    key, record = world.new_key()
    await identify(world, key, trades)
    world.keys.revoke(record.id, "", 1)
    await world.finder.follow()
    assert await refused(world, key, trades) is Reason.REVOKED_KEY
    grants = {
        Reason.EXPIRED_KEY: Grant(Environment.LIVE, SCOPES, expires_us=1),
        Reason.KEY_NOT_ALLOWED_HERE: Grant(Environment.LIVE, SCOPES, cidrs=("10.0.0.0/8",)),
        Reason.MISSING_SCOPE: Grant(Environment.LIVE, ("bars:read",)),
    }
    for reason, grant in grants.items():
        assert await refused(world, world.key(grant=grant), trades) is reason


def with_addresses(world: World, **changes: object) -> Policy:
    policy = world.gate.policy
    return policy._replace(addresses=policy.addresses._replace(**changes))  # type: ignore[arg-type]


def test_who_fails_too_often_is_barred_for_a_while(world: World) -> None:
    """GW-444: thirty failures at once or a minute, by group, in process; others and unix sockets are not touched."""
    world.gate.policy = with_addresses(world, guard=GUARD)
    visit = world.gate.visit("r", ip_address("192.0.2.1"), [])
    for _ in range(30):
        world.gate.bar(visit)
        world.gate.note_failure(visit)
    with pytest.raises(RefusedError) as caught:
        world.gate.bar(visit)
    assert (caught.value.reason, caught.value.fields) == (Reason.TOO_MANY_FAILURES, {"Retry-After": "2"})
    world.gate.bar(world.gate.visit("r", ip_address("192.0.2.2"), []))
    world.gate.note_failure(Visit("r", None))
    world.gate.bar(Visit("r", None))
    world.clock.advance_ns(2 * 10**9)
    world.gate.bar(visit)


async def test_a_denied_address_and_a_vanished_tier(world: World) -> None:
    """GW-443: the deny list comes before any key."""
    key = world.key()
    world.gate.policy = world.gate.policy._replace(tiers={})
    assert await refused(world, key, route(world)) is Reason.ACCOUNT_SUSPENDED
    world.gate.policy = with_addresses(world, denied=(world.gate.policy.addresses.classes[0].networks[0],))
    assert await refused(world, key, route(world)) is Reason.IP_DENIED


async def test_a_key_store_that_is_gone_is_503(world: World) -> None:
    """GW-418: 503 ``identity_unavailable``, not 401."""
    key = world.key()
    world.keys.close()
    assert await refused(world, key, route(world)) is Reason.IDENTITY_UNAVAILABLE


async def test_anonymous_callers_are_limited_by_their_class(world: World) -> None:
    """GW-442, GW-651: per address group; admitted and refused calls are counted, not recorded one by one."""
    anonymous = route(world, anonymous=True)
    outcomes = Counter[str]()
    for _ in range(50):
        visit = await identify(world, None, anonymous)
        try:
            await world.gate.charge(visit, anonymous)
            world.gate.release(visit)
            outcomes["admitted"] += 1
        except RefusedError as refusal:
            outcomes[refusal.reason] += 1
    assert outcomes == {"admitted": 45, "rate_limited": 5}
    await world.gate.write_counts(everything=True)
    assert sums(world) == [("anonymous", 0, 45), ("denied", 0, 5)]
    visit = Visit("r", None)
    await world.gate.identify(visit, anonymous, [], b"")
    assert visit.tier == "local"
    world.gate.policy = with_addresses(world, classes=())
    assert await refused(world, None, anonymous) is Reason.MISSING_CREDENTIALS


async def test_a_charge_is_in_the_ledger_when_the_gate_opens(world: World) -> None:
    """GW-502, GW-661: admitted means durable; the month counter and the ledger agree."""
    key = world.key()
    visits = [await pass_gate(world, key, route(world)) for _ in range(3)]
    assert sums(world) == [("charge", 3_000, 3)]
    assert world.memory.months["acme:live", "2026-11"] == 3_000
    assert [visit.units_mu for visit in visits] == [1_000] * 3
    assert world.gate.used_keys


async def test_a_denied_request_is_never_charged(world: World) -> None:
    """GW-208: after the concurrency limit of 10 the eleventh leaves no trace but its count."""
    key = world.key()
    for _ in range(10):
        await pass_gate(world, key, route(world))
    with pytest.raises(RefusedError) as refusal:
        await pass_gate(world, key, route(world))
    assert refusal.value.reason is Reason.CONCURRENCY_LIMITED
    assert sums(world) == [("charge", 10_000, 10)]


async def test_random_histories_reconcile_with_the_ledger(world: World) -> None:
    """GW-204, GW-651: any mixture of admission, denial, failure and refund leaves counter and ledger equal."""
    rng, key = random.Random(651), world.key()
    for _ in range(300):
        world.clock.advance_ns(rng.choice([0, 10**8, 10**9]))
        at = route(world, cost_mu=rng.choice([1_000, 2_500, 5_000]))
        visit = await identify(world, key, at)
        try:
            await world.gate.charge(visit, at)
        except RefusedError:
            continue
        if rng.random() < 0.2:
            await world.gate.refund(visit, Reason.INTERNAL_ERROR)
            await world.gate.refund(visit, Reason.INTERNAL_ERROR)
        world.gate.release(visit)
        world.gate.release(visit)
    ledger = {str(row[0]): int(str(row[1])) for row in sums(world)}
    assert world.memory.months["acme:live", "2026-11"] == ledger["charge"] + ledger["refund"]


async def test_a_charge_names_account_environment_and_boot(tmp_path: Path, world: World) -> None:
    """GW-003: who pays, in which environment, by which run of which worker: 8 random bytes, another run's are others."""
    visit = await pass_gate(world, world.key(grant=Grant(Environment.TEST, SCOPES)), route(world))
    charge = visit.charge
    assert charge is not None
    assert (charge.account, charge.env, charge.subject) == ("acme", "test", "acme:test")
    (tmp_path / "next").mkdir()
    following = World(tmp_path / "next")
    following.close()
    assert len({charge.boot, world.gate.events.boot, following.gate.events.boot}) == 2
    assert len(charge.boot) == len(following.gate.events.boot) == 8


async def test_cost_zero_touches_nothing(world: World) -> None:
    """GW-145: no store call, no counter, no event."""
    key = world.key()
    visit = await pass_gate(world, key, route(world, cost_mu=0))
    assert (visit.decision, visit.charge, world.memory.months) == (None, None, {})
    await world.gate.refund(visit, Reason.INTERNAL_ERROR)
    assert sums(world) == []


class FullDisk:
    def begin(self, event: UsageEvent) -> Receipt:
        receipt = Receipt(event)
        receipt.failure = UnavailableError(f"disk full at {event.seq}")
        receipt.set()
        return receipt

    async def append(self, event: UsageEvent) -> None:
        await self.begin(event).durable()


async def test_a_full_disk_is_503_and_uncharged(world: World) -> None:
    """GW-661: no durable event, no answer: 503 ``usage_unavailable``, the month's units are back."""
    world.gate.ledger = FullDisk()
    with pytest.raises(RefusedError) as refusal:
        await pass_gate(world, world.key(), route(world))
    assert refusal.value.reason is Reason.USAGE_UNAVAILABLE
    assert world.memory.months["acme:live", "2026-11"] == 0


async def test_a_refund_that_cannot_be_written_is_none(world: World) -> None:
    """GW-216, GW-671: the charge stays in counter and ledger alike, and the access log says so."""
    visit = await pass_gate(world, world.key(), route(world))
    world.gate.ledger = FullDisk()
    with pytest.raises(UnavailableError):
        await world.gate.refund(visit, Reason.INTERNAL_ERROR)
    assert (visit.units_mu, visit.refunded_mu) == (1_000, 0)
    assert world.memory.months["acme:live", "2026-11"] == 1_000


async def test_a_refund_that_is_cut_off_is_in_counter_and_ledger(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-216, GW-671: cancelled while the store is slow to answer, as at the end of the time to drain."""
    visit = await pass_gate(world, world.key(), route(world))
    quick = world.gate.store.refund

    async def slow(subject: str, period: str, units_mu: int) -> None:
        await quick(subject, period, units_mu)
        await asyncio.Event().wait()

    monkeypatch.setattr(world.gate.store, "refund", slow)
    refunding = asyncio.create_task(world.gate.refund(visit, Reason.DRAINING))
    await asyncio.sleep(0)
    refunding.cancel()
    await asyncio.gather(refunding, return_exceptions=True)
    await until(lambda: len(sums(world)) > 1)
    assert sums(world) == [("charge", 1_000, 1), ("refund", -1_000, 1)]
    assert world.memory.months["acme:live", "2026-11"] == 0


async def test_a_full_disk_may_be_no_reason_to_stop(world: World) -> None:
    """GW-665: with ``usage.on_failure = "continue"`` the request is admitted, nobody is charged, the month is as before."""
    world.gate.ledger, world.gate.on_failure = FullDisk(), OnFailure.CONTINUE
    visit = await pass_gate(world, world.key(), route(world))
    assert visit.decision is not None
    assert visit.decision.admitted
    assert (visit.charge, visit.units_mu) == (None, 0)
    assert world.memory.months["acme:live", "2026-11"] == 0


def test_who_cannot_charge_is_ready_only_when_that_is_wanted(world: World) -> None:
    """GW-665, GW-348: an outbox that failed makes the gateway unready, unless it goes on without charges."""
    assert world.gate.can_charge()
    world.gate.durable = lambda: False
    assert not world.gate.can_charge()
    world.gate.on_failure = OnFailure.CONTINUE
    assert world.gate.can_charge()


async def test_a_restart_knows_what_was_charged(tmp_path: Path) -> None:
    """GW-253: months and debts come back from the ledger."""
    first = World(tmp_path)
    key = first.key()
    for _ in range(5):
        first.gate.release(await pass_gate(first, key, route(first)))
    first.close()
    second = World(tmp_path)
    visit = await pass_gate(second, key, route(second))
    assert visit.decision is not None
    assert [part.remaining_mu for part in visit.decision.limits][:3] == [49_994_000, 2_994_000, 144_000]
    second.close()


def test_peers() -> None:
    """GW-442: an IPv4-mapped peer is IPv4; a unix socket has none."""
    assert peer_address("::ffff:192.0.2.1") == PEER
    assert peer_address(None) is None


def with_tokens(world: World, **changes: object) -> TokenIssuer:
    """Have a world believe tokens of one issuer."""
    issuer = TokenIssuer(ISSUER, AUDIENCE, Algorithm.HS256, "", "", scope_claim="scope")
    issuer = issuer._replace(**changes)  # type: ignore[arg-type]
    world.gate.tokens = TokenVerifier(
        world.clock, trust=Trust({ISSUER: issuer}, {ISSUER: secret_key(SECRET)})
    )
    return issuer


async def identify_token(world: World, text: str, at: Route) -> Visit:
    visit = world.gate.visit("r1", PEER, [])
    await world.gate.identify(visit, at, [(b"authorization", b"Bearer " + text.encode())], b"")
    return visit


async def refused_token(world: World, text: str, at: Route) -> tuple[Reason, str]:
    with pytest.raises(RefusedError) as refusal:
        await identify_token(world, text, at)
    assert ("WWW-Authenticate" in refusal.value.fields) is (PROBLEMS[refusal.value.reason].status == 401)
    return refusal.value.reason, refusal.value.detail


async def test_a_token_has_its_accounts_tier_and_its_own_scopes(world: World) -> None:
    """GW-419, GW-431: the account of the key store decides, whatever the token claims."""
    world.key("pro", "acme")
    with_tokens(world)
    visit = await identify_token(world, hs256(claims(tier="enterprise")), route(world))
    assert visit.caller == Caller("acme", "live", f"jwt:{ISSUER}", "acme:live")
    assert (visit.tier, visit.limits) == ("pro", world.gate.policy.tiers["pro"].limits)
    assert world.gate.used_keys == {}
    reason, detail = await refused_token(world, hs256(claims(scope="bars:read")), route(world))
    assert (reason, detail) == (Reason.MISSING_SCOPE, "the token lacks the scope trades:read")


async def test_a_tier_claim_counts_only_where_the_policy_says_so(world: World) -> None:
    """GW-419: then it also lets an account in that the key store does not know."""
    unknown = (Reason.INVALID_TOKEN, "the token is refused: wrong_subject")
    with_tokens(world)
    text = hs256(claims(tier="pro"))
    assert await refused_token(world, text, route(world)) == unknown
    with_tokens(world, tier_claim="tier")
    assert (await identify_token(world, text, route(world))).tier == "pro"
    assert await refused_token(world, hs256(), route(world)) == unknown
    reason, detail = await refused_token(world, hs256(claims(tier="platinum")), route(world))
    assert (reason, detail) == (Reason.INVALID_TOKEN, "the token is refused: wrong_tier")


async def test_refused_tokens_are_401_with_their_reason(world: World) -> None:
    """GW-432, GW-434: expired, revoked by jti, of nobody; a suspended account is 403."""
    account = world.new_key("free", "acme")[1].account
    issuer = with_tokens(world)
    await identify_token(world, hs256(), route(world))
    expired = hs256(claims(iat=WALL_S - 900, exp=WALL_S - 100))
    assert await refused_token(world, expired, route(world)) == (
        Reason.EXPIRED_TOKEN, "the token is refused: expired",
    )  # fmt: skip
    wall_us = world.clock.wall_ns() // 1_000
    world.keys.revoke_token(issuer.issuer, "j1", wall_us + 10**9, wall_us)
    await world.finder.follow()
    assert await refused_token(world, hs256(), route(world)) == (
        Reason.INVALID_TOKEN, "the token is refused: revoked",
    )  # fmt: skip
    await identify_token(world, hs256(claims(jti="j2")), route(world))
    found = world.keys.find_account(account)
    assert found is not None
    world.keys.change_account(found._replace(suspended=True), "{}")
    await world.finder.follow()
    assert (await refused_token(world, hs256(claims(jti="j2")), route(world)))[0] is Reason.ACCOUNT_SUSPENDED
    world.gate.tokens = None
    assert await refused_token(world, hs256(), route(world)) == (
        Reason.INVALID_TOKEN, "the token is refused: wrong_issuer",
    )  # fmt: skip


async def test_an_issuer_that_cannot_be_reached_is_503(world: World) -> None:
    """GW-433, GW-418: ``identity_unavailable``, not 401; so is a key store that is gone."""
    published = TokenIssuer(ISSUER, AUDIENCE, Algorithm.RS256, "jwks_url", "http://127.0.0.1:1/")
    world.gate.tokens = TokenVerifier(world.clock, trust=Trust({ISSUER: published}, {}))
    assert (await refused_token(world, rs256(), route(world)))[0] is Reason.IDENTITY_UNAVAILABLE
    with_tokens(world)
    world.keys.close()
    assert (await refused_token(world, hs256(), route(world)))[0] is Reason.IDENTITY_UNAVAILABLE


async def test_test_keys_have_buckets_of_their_own_and_are_marked(world: World) -> None:
    """GW-147: a Free account's live burst is used up; its test key has the same once more, in events that say so."""
    live, test = world.key(), world.key(grant=Grant(Environment.TEST, SCOPES))
    for key in (live, test):
        for _ in range(150):
            world.gate.release(await pass_gate(world, key, route(world)))
        with pytest.raises(RefusedError) as refusal:
            await pass_gate(world, key, route(world))
        assert refusal.value.reason is Reason.RATE_LIMITED
    connection = sqlite3.connect(world.folder / "usage.db")
    kinds = connection.execute("SELECT env, count(*), sum(units_mu) FROM usage_event GROUP BY env").fetchall()
    connection.close()
    assert kinds == [("live", 150, 150_000), ("test", 150, 150_000)]


async def test_own_limits_of_an_account_are_met(world: World) -> None:
    """GW-146: an Enterprise contract with a burst of three; another account of the tier is not touched."""
    key, record = world.new_key("enterprise", "contract")
    account = world.keys.find_account("contract")
    assert account is not None
    world.keys.change_account(account, '{"minute": {"limit": 2, "burst": 3}}')
    await world.finder.follow()
    visits = [await pass_gate(world, key, route(world)) for _ in range(3)]
    assert [visit.limits.concurrency for visit in visits] == [1_000] * 3
    with pytest.raises(RefusedError) as refusal:
        await pass_gate(world, key, route(world))
    assert refusal.value.reason is Reason.RATE_LIMITED
    other = world.key("enterprise", "other")
    for _ in range(5):
        assert (await pass_gate(world, other, route(world))).limits.minute is None
    assert record.account == "contract"
