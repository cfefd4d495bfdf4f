"""What the broker keeps for each appkey: tokens, approval keys, rate windows and a report (KIS-030 to 037, 170 to 174).

Time arrives as the *broker clock* in nanoseconds: real time, or tape time with ``--virtual``. Tokens and keys are
derived from the seed, so that equal runs give equal bytes (KIS-222).
"""

from dataclasses import dataclass, field
from typing import Final

from blake3 import blake3

from veritape.kernel.clock import NANOSECONDS
from veritape.replay.limits import Limits, SlidingWindow
from veritape.replay.reports import Report
from veritape.wire.kis.rest import SAME_TOKEN_SECONDS, TOKEN_SECONDS

APPKEY: Final = "PSveritapeReplay00000000000000000001"
"""The account that exists when none is given, 36 characters."""

APPSECRET: Final = "veritape-replay-secret-" * 7 + "not-a-real-secret!!"
"""Its secret, 180 characters."""

TOKENS_KEPT: Final = 100
"""Tokens and approval keys that are remembered for an appkey; older ones are forgotten."""


@dataclass(frozen=True)
class Token:
    """An access token or an approval key."""

    text: str
    """What the client presents."""
    issued_ns: int
    """Broker clock at issue."""
    expires_ns: int
    """Broker clock at which it dies."""


class Account:
    """One appkey."""

    def __init__(self, appkey: str, appsecret: str, seed: int, limits: Limits | None = None) -> None:
        self.appkey = appkey
        self.appsecret = appsecret
        self.limits = limits or Limits()
        """What it may do; faults may change it for a while."""
        self.window = SlidingWindow(self.limits.rest_per_s)
        """Its calls."""
        self.report = Report()
        """What the broker counted."""
        self.pages: dict[str, int] = {}
        """Transaction id of a ranking -> the page that was given last (KIS-051)."""
        self._token_seconds: float = TOKEN_SECONDS
        self._kills_old = False
        self._approval_every_s = self.limits.approval_every_s
        self._approved_ns: int | None = None
        self._seed = seed
        self._tokens: dict[str, Token] = {}
        self._approvals: dict[str, Token] = {}
        self._attempt_ns: int | None = None

    def govern(
        self,
        *,
        token_seconds: float | None,
        kills_old: bool,
        rest_per_s: int | None,
        approval_every_s: float | None,
    ) -> None:
        """Set what faults may change; None is the rule's own.

        Args:
            token_seconds: life of tokens from now on.
            kills_old: a token request gives a new token and kills the old one.
            rest_per_s: calls of a sliding second.
            approval_every_s: least seconds between two approval keys.
        """
        self._token_seconds = TOKEN_SECONDS if token_seconds is None else token_seconds
        self._kills_old = kills_old
        self.window.limit = self.limits.rest_per_s if rest_per_s is None else rest_per_s
        self._approval_every_s = approval_every_s or self.limits.approval_every_s

    def kill_tokens(self, now_ns: int) -> None:
        """Let every token expire."""
        self._tokens = {
            text: Token(text, one.issued_ns, min(one.expires_ns, now_ns))
            for text, one in self._tokens.items()
        }

    def issue_token(self, now_ns: int) -> Token | None:
        """Return a token; None within a minute of the last attempt (EGW00133)."""
        attempt, self._attempt_ns = self._attempt_ns, now_ns
        if attempt is not None and now_ns - attempt < self.limits.token_every_s * NANOSECONDS:
            return None
        self.report.add("tokens", now_ns)
        newest = next(reversed(self._tokens.values()), None)
        young = newest and now_ns - newest.issued_ns < SAME_TOKEN_SECONDS * NANOSECONDS
        if newest and young and now_ns < newest.expires_ns and not self._kills_old:
            return newest
        if self._kills_old:
            self.kill_tokens(now_ns)
        token = Token(self._secret("token", 64), now_ns, now_ns + int(self._token_seconds * NANOSECONDS))
        _keep(self._tokens, token)
        return token

    def approves_now(self, now_ns: int) -> bool:
        """Count a request for an approval key; tell whether it is far enough from the last one (``approval_limit``)."""
        before, self._approved_ns = self._approved_ns, now_ns
        return before is None or now_ns - before >= self._approval_every_s * NANOSECONDS

    def issue_approval(self, now_ns: int) -> Token:
        """Return a new approval key, a UUID by its shape."""
        self.report.add("approvals", now_ns)
        text = self._secret("approval", 32)
        uuid = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        key = Token(uuid, now_ns, now_ns + TOKEN_SECONDS * NANOSECONDS)
        _keep(self._approvals, key)
        return key

    def token_refusal(self, text: str, now_ns: int) -> str | None:
        """Return the code that refuses a bearer token, None when it is good."""
        token = self._tokens.get(text)
        if token is None:
            return "EGW00122"
        return "EGW00123" if now_ns >= token.expires_ns else None

    def revoke(self, text: str) -> bool:
        """Forget a token; tell whether there was one."""
        return self._tokens.pop(text, None) is not None

    def approves(self, text: str, now_ns: int) -> bool:
        """Tell whether an approval key is known and alive."""
        key = self._approvals.get(text)
        return key is not None and now_ns < key.expires_ns

    def _secret(self, purpose: str, letters: int) -> str:
        number = self.report.tokens if purpose == "token" else self.report.approvals
        return blake3(f"{self._seed}:{self.appkey}:{purpose}:{number}".encode()).hexdigest()[:letters]


@dataclass
class Accounts:
    """Every appkey that the broker knows."""

    by_appkey: dict[str, Account] = field(default_factory=dict)

    def add(self, account: Account) -> None:
        """Open an account."""
        self.by_appkey[account.appkey] = account

    def token_refusal(self, account: Account, text: str, now_ns: int) -> str | None:
        """Return the code that refuses a bearer token of an account; one of another account is invalid there."""
        code = account.token_refusal(text, now_ns)
        others = (one for one in self.by_appkey.values() if one is not account)
        is_foreign = code == "EGW00122" and any(one.token_refusal(text, now_ns) is None for one in others)
        return "EGW00121" if is_foreign else code

    def of_approval(self, text: str, now_ns: int) -> Account | None:
        """Return the account that an approval key belongs to."""
        return next((one for one in self.by_appkey.values() if one.approves(text, now_ns)), None)


def _keep(held: dict[str, Token], token: Token) -> None:
    held[token.text] = token
    if len(held) > TOKENS_KEPT:
        del held[next(iter(held))]
