"""The admin API's contract: scopes, what a body may hold, revisions, pages (GW-701, GW-702).

Everything here is a function of bytes and values; ``adapters/admin_api.py`` asks and acts.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from veritape.gateway.accounts import Account
from veritape.gateway.keys import KeyRecord
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import MICROSECONDS, MU
from veritape.gateway.reasons import Reason

PREFIX: Final = "/admin/v1"
"""What every path begins with."""

PAGE_LIMIT: Final = 200
"""Most items of a page."""

PAGE_USUAL: Final = 100
"""Items of a page when nobody says."""

BODY_LIMIT_BYTES: Final = 65_536
"""Longest body."""

TOKEN_BYTES: Final = 32
"""Least characters of the bootstrap token."""

CREDIT_LIMIT: Final = 10**12
"""Most units of one credit."""


class AdminScope(StrEnum):
    """What an administrator's key may do."""

    KEYS = "admin:keys"
    """Make accounts; make, rotate and revoke keys."""
    QUOTA = "admin:quota"
    """Change tiers and limits, credit units, reset buckets."""
    POLICY = "admin:policy"
    """Have the policy read again."""
    READ = "admin:read"
    """Look at everything; change nothing."""


SCOPES: Final = tuple(scope.value for scope in AdminScope)
"""Every scope of the admin API; the bootstrap token has them all."""

Check = Callable[[Any], bool]
"""Tells whether a member's value is allowed."""


class Members(NamedTuple):
    """What a body holds."""

    checks: Mapping[str, tuple[Check, str]]
    """Name -> its check, and what is allowed in words."""
    required: tuple[str, ...] = ()
    """Names that must be there."""


def text(least: int, most: int) -> tuple[Check, str]:
    """Return the check of a text."""
    return (
        lambda value: isinstance(value, str) and least <= len(value) <= most
    ), f"a text of {least} to {most} characters"


def flag() -> tuple[Check, str]:
    """Return the check of true or false."""
    return (lambda value: isinstance(value, bool)), "true or false"


def integer(least: int, most: int) -> tuple[Check, str]:
    """Return the check of an integer."""
    return (
        lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    ), f"an integer from {least} to {most}"


def texts(most: int) -> tuple[Check, str]:
    """Return the check of a list of texts."""
    return (
        lambda value: (
            isinstance(value, list) and len(value) <= most and all(isinstance(one, str) for one in value)
        )
    ), f"a list of at most {most} texts"


def table() -> tuple[Check, str]:
    """Return the check of an object."""
    return (lambda value: isinstance(value, dict)), "an object"


def one_of(*names: str) -> tuple[Check, str]:
    """Return the check of a word of a list."""
    return (lambda value: value in names), f"one of {', '.join(names)}"


NEW_ACCOUNT: Final = Members({"id": text(1, 64), "tier": text(1, 64), "limits": table()}, ("id", "tier"))
"""Body of ``POST /accounts``."""

CHANGED_ACCOUNT: Final = Members({"tier": text(1, 64), "limits": table(), "suspended": flag()})
"""Body of ``PATCH /accounts/{id}``."""

NEW_KEY: Final = Members(
    {
        "env": one_of("live", "test"), "scopes": texts(64), "label": text(0, 128), "cidrs": texts(64),
        "expires_s": integer(1, 10**9),
    }
)  # fmt: skip
"""Body of ``POST /accounts/{id}/keys``."""

ROTATED_KEY: Final = Members({"overlap_s": integer(0, 30 * 86_400)})
"""Body of ``POST /keys/{id}/rotate``."""

REVOKED_KEY: Final = Members({"reason": text(0, 256)})
"""Body of ``POST /keys/{id}/revoke``."""

CREDIT: Final = Members(
    {"env": one_of("live", "test"), "units": integer(1, CREDIT_LIMIT), "reason": text(1, 256), "period": text(7, 7)},
    ("units", "reason"),
)  # fmt: skip
"""Body of ``POST /accounts/{id}/credit``."""

RESET: Final = Members({"env": one_of("live", "test"), "reason": text(0, 256)})
"""Body of ``POST /accounts/{id}/reset``."""

NOTHING: Final = Members({})
"""An empty body."""


def read_members(body: bytes, members: Members) -> dict[str, Any]:
    """Return the members of a JSON object; an empty body is an empty object.

    Raises:
        RefusedError: ``bad_json`` or ``invalid_body``; the detail names the member and what is allowed.
    """
    try:
        values = json.loads(body, object_pairs_hook=_unique) if body else {}
    except (ValueError, RecursionError) as error:
        raise RefusedError(Reason.BAD_JSON) from error
    if not isinstance(values, dict):
        raise RefusedError(Reason.INVALID_BODY, "an object is wanted")
    unknown = sorted(values.keys() - members.checks.keys())
    if unknown:
        known = ", ".join(members.checks) or "none"
        raise RefusedError(Reason.INVALID_BODY, f"a member is unknown; known are {known}")
    for name in members.required:
        if name not in values:
            raise RefusedError(Reason.INVALID_BODY, f"{name}: it must be there")
    for name, value in values.items():
        check, allowed = members.checks[name]
        if not check(value):
            raise RefusedError(Reason.INVALID_BODY, f"{name}: {allowed}")
    return values


def check_revision(given: bytes | None, revision: int) -> None:
    """Refuse a change that was not made from the present revision.

    Raises:
        RefusedError: ``revision_required`` or ``revision_changed``.
    """
    if given is None:
        raise RefusedError(Reason.REVISION_REQUIRED)
    if given.decode("latin-1").strip().strip('"') != str(revision):
        raise RefusedError(Reason.REVISION_CHANGED)


def page_size(value: str | None) -> int:
    """Return how many items are asked for.

    Raises:
        RefusedError: no integer from 1 to 200.
    """
    if value is None:
        return PAGE_USUAL
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= PAGE_LIMIT:
        raise RefusedError(Reason.BAD_PARAMETER, f"limit: an integer from 1 to {PAGE_LIMIT}")
    return int(value)


def page(items: Sequence[dict[str, Any]], size: int, cursor: str) -> dict[str, Any]:
    """Return a page of a list that was asked for with one item more than its size.

    Args:
        items: at most ``size + 1``.
        size: items of the page.
        cursor: member of an item whose value is the next page's cursor.
    """
    shown = list(items[:size])
    return {"items": shown, "next": str(shown[-1][cursor]) if len(items) > size else None}


def account_document(account: Account, limits: Mapping[str, Any]) -> dict[str, Any]:
    """Return an account as the API shows it."""
    return {
        "id": account.id, "tier": account.tier, "suspended": account.suspended, "limits": dict(limits),
        "revision": account.revision,
    }  # fmt: skip


def key_document(record: KeyRecord, wall_us: int) -> dict[str, Any]:
    """Return a key as the API shows it: its first characters alone."""
    return {
        "id": record.id, "shown": record.shown, "account": record.account, "tier": record.tier,
        "env": record.environment.value, "scopes": list(record.scopes), "state": record.state(wall_us).value,
        "label": record.label, "cidrs": [str(one) for one in record.cidrs], "created": moment(record.created_us),
        "expires": moment(record.expires_us), "last_used": moment(record.last_used_us),
        "replaced_by": record.replaced_by or None,
    }  # fmt: skip


def moment(wall_us: int) -> str | None:
    """Return a wall clock reading in RFC 3339, None for 0."""
    if not wall_us:
        return None
    return f"{datetime.fromtimestamp(wall_us // MICROSECONDS, UTC):%Y-%m-%dT%H:%M:%SZ}"


def units_of(mu: int) -> int:
    """Return whole units, rounded up: a bound is never told too small."""
    return -(-mu // MU)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says something twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is repeated")
    return found
