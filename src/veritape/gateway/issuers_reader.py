"""Read ``[[jwt.issuer]]`` of a policy: whose tokens are believed (GW-431)."""

from typing import Final

from veritape.gateway.outbound import read_destination
from veritape.gateway.policy import PolicyReason
from veritape.gateway.policy_tables import Table
from veritape.gateway.tokens import Algorithm, TokenIssuer

SOURCES: Final = {
    Algorithm.HS256: ("secret_env", "secret_file"),
    Algorithm.RS256: ("pem_file", "jwks_url"),
    Algorithm.ES256: ("pem_file", "jwks_url"),
}
"""Where the key of an algorithm may be; none for HS256 is the setting ``jwt.secret_file``."""

DAY_S: Final = 86_400
"""Longest life of a token where nothing is said."""


def read_issuers(top: Table) -> tuple[TokenIssuer, ...]:
    """Read all issuers."""
    jwt = top.table("jwt")
    if jwt is None:
        return ()
    issuers: list[TokenIssuer] = []
    for table in jwt.listed("issuer"):
        issuer = _read_issuer(table)
        if any(one.issuer == issuer.issuer for one in issuers):
            table.complain("issuer", PolicyReason.ISSUER_TWICE, "each iss once")
        issuers.append(issuer)
    jwt.finish()
    return tuple(issuers)


def _read_issuer(table: Table) -> TokenIssuer:
    name, audience = table.text("issuer"), table.text("audience")
    chosen = table.text("algorithm", None, tuple(Algorithm))
    algorithm = Algorithm(chosen) if chosen in Algorithm.__members__ else Algorithm.RS256
    source, place = _read_source(table, algorithm)
    issuer = TokenIssuer(
        name,
        audience,
        algorithm,
        source,
        place,
        table.text("account_claim", "sub"),
        table.text("tier_claim", "-") if table.has("tier_claim") else "",
        table.text("scope_claim", "-") if table.has("scope_claim") else "",
        table.integer("leeway_s", 0, 300, 30),
        table.integer("max_age_s", 1, 31 * DAY_S, DAY_S),
    )
    table.finish()
    return issuer


def _read_source(table: Table, algorithm: Algorithm) -> tuple[str, str]:
    """Return where the key is; exactly one place, and one that fits the algorithm."""
    allowed = SOURCES[algorithm]
    every = {name for names in SOURCES.values() for name in names}
    named = [name for name in sorted(every) if table.has(name)]
    for name in named:
        if name not in allowed:
            table.complain(name, PolicyReason.KEY_SOURCE, f"{' or '.join(allowed)} for {algorithm}")
    if len(named) > 1 or (not named and algorithm is not Algorithm.HS256):
        table.complain("", PolicyReason.KEY_SOURCE, f"one of {' and '.join(allowed)}")
    if not named:
        return "", ""
    place = table.text(named[0], "-")
    if named[0] == "jwks_url":
        try:
            read_destination(place)
        except ValueError as error:
            table.complain("jwks_url", PolicyReason.DESTINATION_REFUSED, str(error.args[0]))
    return named[0], place
