"""Who calls: one decision over a record, or an address."""

from collections.abc import Container
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from veritape.gateway import identity
from veritape.gateway.accounts import Account
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.policy import Route
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.quota import Limits, make_rule
from veritape.gateway.reasons import Reason
from veritape.gateway.tokens import Token, TokenReason
from veritape.gateway.usage import Caller

POLICY = read_policy(shipped_policy(), "policy.toml")
TRADES = next(route for route in POLICY.routes if route.name == "trades")
RECORD = KeyRecord(
    "key_a", "acme", "free", False, Environment.LIVE, "vt_live_012345", ("trades:read",), "", (), 0, 10, 100, 0, "", 0,
    b"",
)  # fmt: skip
HERE = ip_address("192.0.2.1")


def decided(record: KeyRecord | None, route: Route = TRADES) -> Identity | Refusal:
    return identity.of_key(record, POLICY, route, 50, HERE)


def test_a_key_gives_its_account_environment_and_tier() -> None:
    """GW-419: the tier comes from the account in the key store."""
    caller = Caller("acme", "live", "key_a", "acme:live")
    assert decided(RECORD) == Identity(caller, "free", POLICY.tiers["free"].limits)
    pro = decided(RECORD._replace(tier="pro"))
    assert isinstance(pro, Identity)
    assert (pro.tier, pro.limits) == ("pro", POLICY.tiers["pro"].limits)


def test_a_test_key_has_a_subject_of_its_own() -> None:
    """GW-147: the tier's limits, in buckets of their own."""
    found = decided(RECORD._replace(environment=Environment.TEST))
    assert found == Identity(
        Caller("acme", "test", "key_a", "acme:test"), "free", POLICY.tiers["free"].limits
    )


def test_a_subject_names_the_account_and_environment_or_the_class_and_prefix() -> None:
    """GW-003: live and test apart; callers without a credential by what counts as one caller of their class."""
    live, test = (decided(RECORD._replace(environment=one)) for one in (Environment.LIVE, Environment.TEST))
    unknown = [
        identity.of_address(ip_address(text), POLICY)
        for text in ("203.0.113.9", "10.1.2.3", "2001:db8:0:1::9")
    ]
    assert [one.caller.subject for one in (live, test, *unknown) if isinstance(one, Identity)] == [
        "acme:live", "acme:test", "ip:anonymous:203.0.113.9/32", "ip:lan-10:10.1.2.3/32", "ip:anonymous:2001:db8:0:1::/64",
    ]  # fmt: skip


def test_own_limits_go_before_the_tiers() -> None:
    """GW-146: an Enterprise contract's own minute; the tier's concurrency stays."""
    own = Limits(minute=make_rule(5_000, 60, 8_000))
    found = decided(RECORD._replace(tier="enterprise", own_limits=own))
    assert isinstance(found, Identity)
    assert found.limits == Limits(minute=own.minute, concurrency=1_000)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (None, Reason.INVALID_KEY),
        (RECORD._replace(expires_us=50), Reason.EXPIRED_KEY),
        (RECORD._replace(not_before_us=51), Reason.EXPIRED_KEY),
        (RECORD._replace(revoked_us=50), Reason.REVOKED_KEY),
        (RECORD._replace(suspended=True), Reason.ACCOUNT_SUSPENDED),
        (RECORD._replace(cidrs=(ip_network("10.0.0.0/8"),)), Reason.KEY_NOT_ALLOWED_HERE),
        (RECORD._replace(scopes=("bars:read",)), Reason.MISSING_SCOPE),
        (RECORD._replace(scopes=()), Reason.MISSING_SCOPE),
        (RECORD._replace(tier="gone"), Reason.ACCOUNT_SUSPENDED),
    ],
)
def test_each_refusal_has_its_reason(record: KeyRecord | None, reason: Reason) -> None:
    """GW-404, GW-420: unknown, expired, not begun, revoked, suspended, bound elsewhere, without scope, without tier."""
    found = decided(record)
    assert isinstance(found, Refusal)
    assert found.reason is reason


def test_a_route_without_scope_asks_for_none() -> None:
    """GW-404: scopes narrow only routes that ask for one."""
    assert isinstance(decided(RECORD._replace(scopes=()), TRADES._replace(scope=None)), Identity)


def test_an_address_gives_class_and_group() -> None:
    """GW-442, GW-443: subject = class and group; a unix socket is local and unlimited."""
    found = identity.of_address(ip_address("10.1.2.3"), POLICY)
    assert isinstance(found, Identity)
    assert found.caller == Caller("ip:lan-10", "", "", "ip:lan-10:10.1.2.3/32")
    assert found.limits.minute == make_rule(1_000, 60, 1_500)
    assert identity.of_address(None, POLICY) == Identity(identity.LOCAL, "local", Limits())
    bare = POLICY._replace(addresses=POLICY.addresses._replace(classes=()))
    assert identity.of_address(HERE, bare) == Refusal(Reason.MISSING_CREDENTIALS)


TOKEN = Token("https://id.example", "acme", "", frozenset({"trades:read"}), "j1", 100)
ACCOUNT = Account("acme", "pro", False, Limits(), 1)
NOBODY: frozenset[tuple[str, str]] = frozenset()


def decided_token(
    token: Token, account: Account | None = ACCOUNT, revoked: Container[tuple[str, str]] = NOBODY
) -> Identity | Refusal:
    return identity.of_token(token, account, revoked, POLICY, TRADES)


def test_a_token_gives_its_accounts_tier_and_limits() -> None:
    """GW-419, GW-146: an issuer that sets the tier goes before; the account's own limits stay."""
    caller = Caller("acme", "live", "jwt:https://id.example", "acme:live")
    assert decided_token(TOKEN) == Identity(caller, "pro", POLICY.tiers["pro"].limits)
    set_tier, own = TOKEN._replace(tier="free"), Limits(concurrency=7)
    found = decided_token(set_tier, ACCOUNT._replace(own_limits=own))
    assert found == Identity(caller, "free", POLICY.tiers["free"].limits._replace(concurrency=7))
    assert decided_token(set_tier, None) == Identity(caller, "free", POLICY.tiers["free"].limits)


@pytest.mark.parametrize(
    ("token", "account", "revoked", "reason", "detail"),
    [
        (TOKEN, None, NOBODY, Reason.INVALID_TOKEN, "the token is refused: wrong_subject"),
        (TOKEN, ACCOUNT, {("https://id.example", "j1")}, Reason.INVALID_TOKEN, "the token is refused: revoked"),
        (TOKEN, ACCOUNT._replace(suspended=True), NOBODY, Reason.ACCOUNT_SUSPENDED, ""),
        (TOKEN._replace(scopes=frozenset()), ACCOUNT, NOBODY, Reason.MISSING_SCOPE, "the token lacks the scope trades:read"),
        (TOKEN, ACCOUNT._replace(tier="gone"), NOBODY, Reason.ACCOUNT_SUSPENDED, "the account's tier is no longer in the policy"),
    ],
)  # fmt: skip
def test_each_refusal_of_a_token_has_its_reason(
    token: Token, account: Account | None, revoked: Container[tuple[str, str]], reason: Reason, detail: str
) -> None:
    """GW-419, GW-432, GW-434: unknown account, revoked, suspended, without scope, without tier."""
    assert decided_token(token, account, revoked) == Refusal(reason, detail)


def test_only_the_same_jti_of_the_same_issuer_is_revoked() -> None:
    """GW-434: a token without a name cannot be revoked."""
    revoked = {("https://id.example", "j2"), ("https://other.example", "j1"), ("https://id.example", "")}
    assert isinstance(decided_token(TOKEN, ACCOUNT, revoked), Identity)
    assert isinstance(decided_token(TOKEN._replace(jti=""), ACCOUNT, revoked), Identity)


@pytest.mark.parametrize("reason", TokenReason)
def test_an_expired_token_has_an_answer_of_its_own(reason: TokenReason) -> None:
    """GW-432, GW-507: all others are ``invalid_token``; the detail names the reason, which the guide explains."""
    expected = Reason.EXPIRED_TOKEN if reason is TokenReason.EXPIRED else Reason.INVALID_TOKEN
    assert identity.of_refused_token(reason) == Refusal(expected, f"the token is refused: {reason}")
    guide = (Path(__file__).resolve().parents[3] / "docs/guides/gateway.md").read_text()
    assert f"| `{reason}` | " in guide
