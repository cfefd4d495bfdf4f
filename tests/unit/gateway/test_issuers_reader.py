"""Issuers of tokens in a policy."""

import pytest

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.policy import PolicyReason
from veritape.gateway.policy_reader import read_policy
from veritape.gateway.tokens import Algorithm, TokenIssuer
from veritape.kernel.errors import MisuseError

GOOD = '[[jwt.issuer]]\nissuer = "https://id.example"\naudience = "veritape"\n'
RS = GOOD + 'algorithm = "RS256"\njwks_url = "https://id.example/keys"\n'


def read(text: str) -> tuple[TokenIssuer, ...]:
    return read_policy(shipped_policy() + text.encode(), "policy.toml").issuers


def test_issuers_are_read_with_their_defaults() -> None:
    """GW-431: one algorithm and one key source each; ``sub``, 30 s, a day."""
    second = (
        '[[jwt.issuer]]\nissuer = "b"\naudience = "v"\nalgorithm = "HS256"\nsecret_env = "TOKEN_SECRET"\n'
        'account_claim = "org"\ntier_claim = "tier"\nscope_claim = "scp"\nleeway_s = 0\nmax_age_s = 900\n'
    )
    assert read(RS + second) == (
        TokenIssuer(
            "https://id.example", "veritape", Algorithm.RS256, "jwks_url", "https://id.example/keys", "sub", "", "", 30, 86_400
        ),
        TokenIssuer("b", "v", Algorithm.HS256, "secret_env", "TOKEN_SECRET", "org", "tier", "scp", 0, 900),
    )  # fmt: skip
    assert read("") == ()
    assert read(GOOD + 'algorithm = "HS256"\n')[0].source == ""


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        (RS + RS, PolicyReason.ISSUER_TWICE, "each iss once"),
        (GOOD + 'algorithm = "HS512"\n', PolicyReason.OUT_OF_RANGE, "one of HS256, RS256, ES256"),
        (GOOD + 'algorithm = "none"\n', PolicyReason.OUT_OF_RANGE, "one of HS256, RS256, ES256"),
        (GOOD, PolicyReason.MISSING_KEY, "algorithm"),
        (GOOD + 'algorithm = "ES256"\n', PolicyReason.KEY_SOURCE, "one of pem_file and jwks_url"),
        (RS + 'pem_file = "a.pem"\n', PolicyReason.KEY_SOURCE, "one of pem_file and jwks_url"),
        (RS + 'secret_env = "A"\n', PolicyReason.KEY_SOURCE, "pem_file or jwks_url for RS256"),
        (GOOD + 'algorithm = "HS256"\njwks_url = "https://id.example"\n', PolicyReason.KEY_SOURCE, "secret_env or secret_file for HS256"),
        (RS.replace("https://id.example/keys", "http://id.example/keys"), PolicyReason.DESTINATION_REFUSED, "http on loopback"),
        (RS.replace("https://id.example/keys", "https://169.254.169.254/"), PolicyReason.DESTINATION_REFUSED, "link-local"),
        (RS + "leeway_s = 301\n", PolicyReason.OUT_OF_RANGE, "0 to 300"),
        (RS + "max_age_s = 0\n", PolicyReason.OUT_OF_RANGE, "1 to"),
        (RS + 'secret = "abc"\n', PolicyReason.UNKNOWN_KEY, "secret_"),
        ("[jwt]\nissuers = []\n", PolicyReason.UNKNOWN_KEY, "nearest known key is 'issuer'"),
        ('[jwt]\nissuer = "a"\n', PolicyReason.WRONG_TYPE, "a list of tables"),
    ],
)  # fmt: skip
def test_each_error_of_an_issuer_is_named(text: str, reason: PolicyReason, message: str) -> None:
    """GW-431, GW-969, GW-904: a secret cannot even be written into the policy."""
    with pytest.raises(MisuseError, match=message) as caught:
        read(text)
    assert caught.value.reason is reason
