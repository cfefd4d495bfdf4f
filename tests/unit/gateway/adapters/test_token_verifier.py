"""Tokens as one worker knows them."""

import asyncio
from dataclasses import dataclass, field

import pytest
from tests.key_server import key_server
from tests.tokens import (
    AUDIENCE,
    ISSUER,
    SECRET,
    WALL_S,
    claims,
    ec_key,
    es256,
    hs256,
    jwk,
    key_set,
    rs256,
    rsa_key,
)

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.token_verifier import PUBLISHED, TokenVerifier, Trust
from veritape.gateway.key_sets import RENEW_NS, RETRY_NS, STALE_NS
from veritape.gateway.look_ups import FOUND_NS, SECOND_NS
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.token_keys import secret_key
from veritape.gateway.tokens import Algorithm, TokenIssuer, TokenReason, TokenRefusedError
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import PeerError, UnavailableError

POLICY = read_policy(shipped_policy(), "policy.toml")
STATIC = TokenIssuer(ISSUER, AUDIENCE, Algorithm.HS256, "", "")
PUBLIC = TokenIssuer(ISSUER, AUDIENCE, Algorithm.RS256, PUBLISHED, "https://id.example/keys")


def trusting(*issuers: TokenIssuer) -> Trust:
    keys = {one.issuer: secret_key(SECRET) for one in issuers if one.source != PUBLISHED}
    return Trust({one.issuer: one for one in issuers}, keys)


@dataclass
class Scene:
    """A verifier, what its issuer publishes, and how often that was fetched."""

    issuer: TokenIssuer = PUBLIC
    published: bytes = field(default_factory=lambda: key_set(jwk(rsa_key("a"), "a")))
    is_gone: bool = False
    fetches: int = 0
    clock: ManualClock = field(
        default_factory=lambda: ManualClock(wall_ns=WALL_S * 10**9, monotonic_ns=10**9)
    )
    remembered: list[bool] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.verifier = TokenVerifier(
            self.clock, trust=trusting(self.issuer), fetch=self.fetch, note=self.remembered.append, report=self.lines.append
        )  # fmt: skip

    async def fetch(self, url: str) -> bytes:
        assert url == self.issuer.place
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_gone:
            raise UnavailableError("jwks_unreachable: gone")
        return self.published

    async def account(self, text: str) -> str:
        return (await self.verifier.verify(text, POLICY)).account

    async def refused(self, text: str) -> TokenReason:
        with pytest.raises(TokenRefusedError) as caught:
            await self.verifier.verify(text, POLICY)
        return caught.value.token_reason

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_a_verified_token_is_remembered_until_60_s_or_its_end() -> None:
    """GW-434, GW-773: by its SHA-256, never its text; hits and misses are noted."""
    scene = Scene(STATIC)
    short = hs256(claims(exp=WALL_S + 20))
    assert [await scene.account(short) for _ in range(2)] == ["acme"] * 2
    assert scene.remembered == [False, True]
    assert len(scene.verifier.tokens) == 1
    scene.clock.advance_ns(50 * SECOND_NS)  # 20 s and the leeway of 30 s are over, the 60 s are not
    assert await scene.refused(short) is TokenReason.EXPIRED
    await scene.account(hs256())
    scene.clock.advance_ns(FOUND_NS)
    await scene.account(hs256())
    assert scene.remembered == [False, True, True, False, False]
    assert await scene.refused("x.y.z") is TokenReason.NOT_A_TOKEN
    assert len(scene.verifier.tokens) == 2


async def test_who_is_not_trusted_is_refused() -> None:
    """GW-432: another issuer, another algorithm, another secret; a refusal is not remembered as a token."""
    scene = Scene(STATIC)
    assert await scene.refused(hs256(claims(iss="https://evil.example"))) is TokenReason.WRONG_ISSUER
    assert await scene.refused(rs256()) is TokenReason.WRONG_ALGORITHM
    assert await scene.refused(hs256(secret=b"x" * 32)) is TokenReason.BAD_SIGNATURE
    assert len(scene.verifier.tokens) == 0
    with pytest.raises(TokenRefusedError, match="wrong_issuer"):
        await TokenVerifier(ManualClock()).verify(hs256(), POLICY)


async def test_rotated_keys_are_found_and_withdrawn_ones_refused() -> None:
    """GW-433, GW-970: a new kid is fetched at once, at most each 30 s; what is no longer published verifies nothing."""
    scene = Scene()
    assert await scene.account(rs256("a")) == "acme"
    scene.published = key_set(jwk(rsa_key("b"), "b"))
    assert await scene.refused(rs256("b")) is TokenReason.UNKNOWN_KEY
    scene.clock.advance_ns(RETRY_NS)
    assert await scene.account(rs256("b")) == "acme"
    assert await scene.refused(rs256("a", claims(jti="j2"))) is TokenReason.UNKNOWN_KEY
    assert scene.fetches == 2
    for number in range(50):
        assert await scene.refused(rs256("b", kid=f"made up {number}")) is TokenReason.UNKNOWN_KEY
    assert scene.fetches == 2


async def test_an_old_set_is_renewed_behind_the_requests() -> None:
    """GW-433: after ten minutes; the request that finds it old does not wait."""
    scene = Scene()
    await scene.account(rs256())
    scene.clock.advance_ns(RENEW_NS)
    scene.published = key_set(jwk(rsa_key("a"), "a"), jwk(rsa_key("b"), "b"))
    later = claims(exp=WALL_S + 3_600)
    assert await scene.account(rs256("a", later)) == "acme"
    await scene.settle()
    assert scene.fetches == 2
    assert await scene.account(rs256("b", later)) == "acme"
    assert scene.fetches == 2


async def test_a_stale_set_serves_for_a_day() -> None:
    """GW-433: while the issuer is gone; then the answer is 503's, and the issuer's return ends it."""
    scene = Scene(PUBLIC._replace(max_age_s=10 * 86_400))
    token = rs256("a", claims(exp=WALL_S + 9 * 86_400))
    await scene.account(token)
    scene.is_gone = True
    scene.clock.advance_ns(STALE_NS - 1)
    assert await scene.account(token) == "acme"
    await scene.settle()
    assert scene.lines == [f"key set of {ISSUER} not renewed: jwks_unreachable: gone"]
    scene.clock.advance_ns(FOUND_NS)
    with pytest.raises(UnavailableError, match="cannot be had"):
        await scene.account(token)
    scene.is_gone = False
    scene.clock.advance_ns(SECOND_NS)
    assert await scene.account(token) == "acme"


async def test_many_requests_wait_for_one_fetch() -> None:
    """GW-433: whoever leaves does not stop it for the others."""
    scene = Scene()
    waiting = [asyncio.ensure_future(scene.account(rs256("a", claims(jti=str(n))))) for n in range(8)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert await asyncio.gather(*waiting[1:]) == ["acme"] * 7
    assert scene.fetches == 1


async def test_a_slow_issuer_is_asked_once() -> None:
    """GW-433: who comes while a fetch is under way waits for it, however long it takes."""
    scene, may_answer = Scene(), asyncio.Event()

    async def slow(url: str) -> bytes:
        await may_answer.wait()
        return await scene.fetch(url)

    scene.verifier = TokenVerifier(scene.clock, trust=trusting(PUBLIC), fetch=slow)
    first = asyncio.ensure_future(scene.account(rs256()))
    await asyncio.sleep(0)
    scene.clock.advance_ns(SECOND_NS)
    second = asyncio.ensure_future(scene.account(rs256()))
    await asyncio.sleep(0)
    may_answer.set()
    assert (await first, await second, scene.fetches) == ("acme", "acme", 1)


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (key_set(jwk(rsa_key("weak", 1_024), "a")), TokenReason.WEAK_KEY),
        (key_set(jwk(ec_key("a"), "a")), TokenReason.UNKNOWN_KEY),
        (key_set(jwk(rsa_key("a"), "a", use="enc")), TokenReason.UNKNOWN_KEY),
    ],
)
async def test_a_key_that_must_not_verify_does_not(published: bytes, reason: TokenReason) -> None:
    """GW-432, GW-970: RSA below 2,048 bits, a key of another kind, a key for encryption."""
    assert await Scene(published=published).refused(rs256("a")) is reason


async def test_es256_on_another_curve_is_refused() -> None:
    """GW-432: EC not P-256."""
    issuer = PUBLIC._replace(algorithm=Algorithm.ES256)
    scene = Scene(issuer, key_set(jwk(ec_key("p384", p256=False), "a")))
    assert await scene.refused(es256("a")) is TokenReason.WEAK_KEY
    scene = Scene(issuer, key_set(jwk(ec_key("a"), "a")))
    assert await scene.account(es256("a")) == "acme"


async def test_a_nonsense_set_is_no_set() -> None:
    """GW-433: it is reported, and nobody is let in."""
    scene = Scene(published=b"{")
    with pytest.raises(UnavailableError):
        await scene.account(rs256())
    assert scene.lines == [f"key set of {ISSUER} not renewed: the JWK set is no JSON"]


async def test_a_policy_with_other_issuers_acts_at_once() -> None:
    """GW-105: what was verified under the old one is verified again; an unchanged issuer's keys stay."""
    scene = Scene()
    await scene.account(rs256())
    scene.verifier.believe(trusting(scene.issuer))
    await scene.account(rs256())
    assert scene.fetches == 1
    scene.verifier.believe(trusting(scene.issuer._replace(audience="other")))
    assert await scene.refused(rs256()) is TokenReason.WRONG_AUDIENCE
    scene.verifier.believe(trusting())
    assert await scene.refused(rs256()) is TokenReason.WRONG_ISSUER


async def test_keys_come_from_a_real_server_and_are_rotated() -> None:
    """GW-433, GW-970: the same over HTTP: rotation, a redirect that is not followed, a set that is too large."""
    clock = ManualClock(wall_ns=WALL_S * 10**9, monotonic_ns=10**9)
    async with key_server(key_set(jwk(rsa_key("a"), "a"))) as server:
        verifier = TokenVerifier(clock, trust=trusting(PUBLIC._replace(place=server.url)))
        assert (await verifier.verify(rs256("a"), POLICY)).account == "acme"
        server.body = key_set(jwk(rsa_key("b"), "b"))
        clock.advance_ns(RETRY_NS)
        assert (await verifier.verify(rs256("b"), POLICY)).account == "acme"
        assert len(server.asked) == 2
        for change in ({"status": "302 Found"}, {"body": b" " * 70_000}):
            for name, value in change.items():
                setattr(server, name, value)
            clock.advance_ns(RETRY_NS)
            with pytest.raises(TokenRefusedError, match="unknown_key"):
                await verifier.verify(rs256("c"), POLICY)
        assert (await verifier.verify(rs256("b"), POLICY)).account == "acme"


def test_a_refusal_is_a_peers_error() -> None:
    """GW-432: its message names the reason and nothing of the token."""
    error: PeerError = TokenRefusedError(TokenReason.EXPIRED)
    assert (error.message, error.reason) == ("the token is refused: expired", TokenReason.EXPIRED)
