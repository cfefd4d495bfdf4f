"""Calls of the decision API as values: what is asked, and what is answered (GW-621, GW-622).

A check, as it comes::

    {"account": "acme", "endpoint": "/v1/trades", "method": "GET", "dry_run": false}

and its answer::

    {"allowed": true, "quota_tier": "free", "limit": 100, "remaining": 149, "reset_at": 1795187046, "monthly_remaining": 49999, "cost": "1"}
"""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from veritape.gateway.addresses import Address, plain_address
from veritape.gateway.keys import Environment
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import Decision, LimitName
from veritape.gateway.rate_fields import rate_fields, units_text
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json

BODY_LIMIT_BYTES: Final = 16_384
"""Longest body of a call (GW-622)."""

TEXT_LIMIT: Final = 2_048
"""Longest text in a body."""

ITEMS_LIMIT: Final = 1_000
"""Most items that one call may count."""

CHECK_SCOPE: Final = "decide"
"""Scope of callers that ask for decisions."""

RESET_SCOPE: Final = "admin:quota"
"""Scope of callers that set counters back."""


class Check(NamedTuple):
    """One question."""

    api_key: str = ""
    account: str = ""
    environment: Environment = Environment.LIVE
    """Of the account."""
    endpoint: str = ""
    """Path that is asked for; its query is not looked at."""
    method: str = "GET"
    client_ip: Address | None = None
    items: int = 1
    dry_run: bool = False
    """Nothing is charged."""


class Reset(NamedTuple):
    """Whose buckets are set back."""

    account: str
    environment: Environment = Environment.LIVE
    limit: LimitName | None = None
    """``minute`` or ``hour``; None: both."""


def read_check(octets: bytes) -> Check:
    """Read the body of a check.

    Raises:
        RefusedError: ``bad_parameter``, with what is wrong.
    """
    body = _Body(_object(octets))
    address = body.text("client_ip")
    found = Check(
        body.text("api_key"), body.text("account"), body.environment(), body.text("endpoint").partition("?")[0],
        body.text("method") or "GET", _address(address) if address else None, body.count("items"), body.flag("dry_run"),
    )  # fmt: skip
    body.finish()
    if not found.endpoint.startswith("/"):
        raise _bad("endpoint: the path that is asked for")
    if bool(found.api_key) == bool(found.account) and (found.api_key or found.client_ip is None):
        raise _bad("one of api_key, account, or client_ip alone")
    return found


def read_reset(octets: bytes) -> Reset:
    """Read the body of a reset.

    Raises:
        RefusedError: ``bad_parameter``, with what is wrong.
    """
    body = _Body(_object(octets))
    account, environment, limit = body.text("account"), body.environment(), body.text("limit")
    body.finish()
    if not account:
        raise _bad("account: whose buckets are set back")
    if limit not in {"", LimitName.MINUTE, LimitName.HOUR}:
        raise _bad("limit: minute or hour, both when left out")
    return Reset(account, environment, LimitName(limit) if limit else None)


def standing(decision: Decision, tier: str, wall_us: int) -> dict[str, Json]:
    """Return what is answered of a decision."""
    fields = dict(rate_fields(decision, tier, wall_us, legacy=True))
    numbers = {
        name: int(fields[field]) if field in fields else None
        for name, field in (
            ("limit", "X-RateLimit-Limit"), ("remaining", "X-RateLimit-Remaining"), ("reset_at", "X-RateLimit-Reset"),
            ("monthly_remaining", "X-Quota-Monthly-Remaining"),
        )
    }  # fmt: skip
    answer: dict[str, Json] = {
        "allowed": decision.admitted,
        "quota_tier": tier,
        "cost": units_text(decision.cost_mu),
    }
    answer |= numbers
    if decision.reason is not None:
        answer["error"] = decision.reason.value
    return answer


def refusal(reason: Reason) -> dict[str, Json]:
    """Return what is answered of a caller that no quota is asked for: an unknown key, a suspended account."""
    return {"allowed": False, "error": reason.value}


class _Body:
    """Reads each member of a body once."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._left = dict(members)

    def text(self, name: str) -> str:
        value = self._left.pop(name, "")
        if not isinstance(value, str) or len(value) > TEXT_LIMIT or not value.isprintable():
            raise _bad(f"{name}: text of at most {TEXT_LIMIT} characters")
        return value

    def flag(self, name: str) -> bool:
        value = self._left.pop(name, False)
        if not isinstance(value, bool):
            raise _bad(f"{name}: true or false")
        return value

    def count(self, name: str) -> int:
        value = self._left.pop(name, 1)
        if type(value) is not int or not 1 <= value <= ITEMS_LIMIT:
            raise _bad(f"{name}: 1 to {ITEMS_LIMIT}")
        return value

    def environment(self) -> Environment:
        value = self.text("environment") or Environment.LIVE.value
        if value not in set(Environment):
            raise _bad("environment: live or test")
        return Environment(value)

    def finish(self) -> None:
        if self._left:
            raise _bad("the body holds a member that is not known")


def _object(octets: bytes) -> dict[str, Any]:
    if len(octets) > BODY_LIMIT_BYTES:
        raise RefusedError(Reason.BODY_TOO_LARGE, fields={"Connection": "close"})
    try:
        found = json.loads(octets.decode(), object_pairs_hook=_members)
    except (ValueError, RecursionError) as error:
        raise _bad("the body is no JSON object with each member once") from error
    if not isinstance(found, dict):
        raise _bad("the body is no JSON object with each member once")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("twice")
    return found


def _address(text: str) -> Address:
    if "%" in text:
        raise _bad("client_ip: an address without a zone")
    try:
        return plain_address(ip_address(text))
    except ValueError as error:
        raise _bad("client_ip: an address") from error


def _bad(detail: str) -> RefusedError:
    return RefusedError(Reason.BAD_PARAMETER, detail)
