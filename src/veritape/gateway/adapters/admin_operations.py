"""The operations of the admin API, each a function of its world and its call (GW-702)."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from veritape.gateway import admin, billing
from veritape.gateway.accounts import Account, own_or_tier
from veritape.gateway.adapters.admin_audit import audit_page
from veritape.gateway.adapters.admin_calls import AdminCall, AdminWorld, Done
from veritape.gateway.adapters.admin_state import state_document
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.usage_reader import GROUPS, UsageReader
from veritape.gateway.admin import AdminScope
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.problems import RefusedError
from veritape.gateway.quota import MICROSECONDS, MU, Limits, month_of
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json
from veritape.kernel.errors import MisuseError
from veritape.telemetry.audit_log import AuditKind

CREATED: Final = 201

FREE: Final = Limits()
"""No limits of one's own."""

ACCOUNT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""An account's id."""

PERIOD: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
"""A month as the ledger names it."""


async def list_accounts(world: AdminWorld, call: AdminCall) -> Done:
    """Return a page of accounts, by id."""
    call.only("limit", "cursor")
    size = admin.page_size(call.query.get("limit"))
    found = await asyncio.to_thread(world.keys.list_accounts, call.query.get("cursor", ""), size + 1)
    items = [admin.account_document(account, json.loads(text)) for account, text in found]
    return Done(admin.page(items, size, "id"))


async def add_account(world: AdminWorld, call: AdminCall) -> Done:
    """Make an account."""
    call.only()
    asked = admin.read_members(call.body, admin.NEW_ACCOUNT)
    identifier, tier, limits = asked["id"], _tier(world, asked["tier"]), json.dumps(asked.get("limits", {}))
    if not ACCOUNT_ID.fullmatch(identifier):
        raise RefusedError(Reason.INVALID_BODY, "id: 1 to 64 of letters, digits, dot, hyphen, underscore")

    def note() -> None:
        made = Account(identifier, tier, suspended=False, own_limits=FREE, revision=1)
        facts: dict[str, Json] = {"before": None, "after": _facts(made, limits)}
        world.record(call, AuditKind.ACCOUNT_CHANGED, f"account:{identifier}", facts)

    await asyncio.to_thread(world.keys.add_account, identifier, tier, limits, world.wall_us, note)
    return await _account(world, identifier, CREATED)


async def change_account(world: AdminWorld, call: AdminCall) -> Done:
    """Change tier, own limits or suspension; a change of limits clamps what is owed once (GW-211)."""
    call.only()
    before, text = await _known(world, call.parameters["id"])
    admin.check_revision(call.if_match, before.revision)
    asked = admin.read_members(call.body, admin.CHANGED_ACCOUNT)
    tier = _tier(world, asked["tier"]) if "tier" in asked else before.tier
    limits = json.dumps(asked["limits"]) if "limits" in asked else text
    changed = before._replace(tier=tier, suspended=asked.get("suspended", before.suspended))

    def note() -> None:
        facts = {"before": _facts(before, text), "after": _facts(changed, limits)}
        world.record(call, AuditKind.ACCOUNT_CHANGED, f"account:{before.id}", facts)

    after = await asyncio.to_thread(world.keys.change_account, changed, limits, note)
    if (tier, limits) != (before.tier, text):
        for environment in Environment:
            await world.gateway.gate.store.clamp(f"{after.id}:{environment}", _limits(world, after))
    return await _account(world, after.id)


async def show_account(world: AdminWorld, call: AdminCall) -> Done:
    """Return an account with its revision."""
    call.only()
    return await _account(world, call.parameters["id"])


async def list_keys(world: AdminWorld, call: AdminCall) -> Done:
    """Return an account's keys, oldest first."""
    call.only("limit", "cursor")
    account, _ = await _known(world, call.parameters["id"])
    size, after = admin.page_size(call.query.get("limit")), call.query.get("cursor", "")
    records = await asyncio.to_thread(world.keys.list, account.id)
    ids = [record.id for record in records]
    start = ids.index(after) + 1 if after in ids else 0
    items = [admin.key_document(record, world.wall_us) for record in records[start : start + size + 1]]
    return Done(admin.page(items, size, "id"))


async def make_key(world: AdminWorld, call: AdminCall) -> Done:
    """Make a key; it is shown this once."""
    call.only()
    account, _ = await _known(world, call.parameters["id"])
    asked = admin.read_members(call.body, admin.NEW_KEY)
    scopes, cidrs = asked.get("scopes", []), asked.get("cidrs", [])
    known = (*world.gateway.gate.policy.scopes, *admin.SCOPES)
    if set(scopes) - set(known):
        raise RefusedError(Reason.INVALID_BODY, f"scopes: known are {', '.join(known)}")
    for one in cidrs:
        _require_prefix(one)
    now_us = world.wall_us
    expires_us = now_us + asked["expires_s"] * MICROSECONDS if "expires_s" in asked else 0
    scopes = tuple(sorted(set(scopes or world.gateway.gate.policy.scopes)))
    grant = Grant(
        Environment(asked.get("env", "live")), scopes, asked.get("label", ""), tuple(cidrs), expires_us
    )
    with world.keys.noting(_noter(world, call, None)):
        key, record = await asyncio.to_thread(world.keys_to_make().create, account.id, None, grant, now_us)
    return Done({"key": key, **admin.key_document(record, now_us)}, CREATED)


async def rotate_key(world: AdminWorld, call: AdminCall) -> Done:
    """Make a key's successor; it is shown this once."""
    call.only()
    record = await _known_key(world, call.parameters["id"])
    asked = admin.read_members(call.body, admin.ROTATED_KEY)
    overlap_s, now_us = asked.get("overlap_s", 86_400), world.wall_us
    with world.keys.noting(_noter(world, call, record)):
        key, made = await asyncio.to_thread(world.keys_to_make().rotate, record.id, overlap_s, now_us)
    return Done({"key": key, **admin.key_document(made, now_us)}, CREATED)


async def revoke_key(world: AdminWorld, call: AdminCall) -> Done:
    """Revoke a key for ever."""
    call.only()
    record = await _known_key(world, call.parameters["id"])
    reason, now_us = admin.read_members(call.body, admin.REVOKED_KEY).get("reason", ""), world.wall_us
    with world.keys.noting(_noter(world, call, record)):
        revoked = await asyncio.to_thread(world.keys.revoke, record.id, reason, now_us)
    return Done(admin.key_document(revoked, now_us))


async def show_usage(world: AdminWorld, call: AdminCall) -> Done:
    """Return an account's figures of a month."""
    call.only("period", "by")
    account, _ = await _known(world, call.parameters["id"])
    period = _period(call.query.get("period"), world)
    by = call.query.get("by", "route")
    if by not in GROUPS:
        raise RefusedError(Reason.BAD_PARAMETER, f"by: one of {', '.join(GROUPS)}")

    def read() -> list[dict[str, Any]]:
        with world.open_usage() as reader:
            _require_events(reader, period)
            return [billing.figures_document(row, by) for row in reader.figures(period, by, account.id)]

    return Done({"account": account.id, "period": period, "items": await asyncio.to_thread(read)})


async def credit(world: AdminWorld, call: AdminCall) -> Done:
    """Give units back to a month: an event of the ledger, and a lower counter."""
    call.only()
    account, _ = await _known(world, call.parameters["id"])
    asked = admin.read_members(call.body, admin.CREDIT)
    env, units_mu = asked.get("env", "live"), asked["units"] * MU
    period = _period(asked.get("period"), world)
    if "period" in asked:
        await asyncio.to_thread(_require_month, world, period)
    gate = world.gateway.gate
    event = gate.events.credit(
        account.id,
        env,
        units_mu,
        period,
        asked["reason"],
        gate.policy.version,
        world.wall_us,
        call.request_id,
    )
    facts: dict[str, Json] = {
        "env": env,
        "units": asked["units"],
        "period": period,
        "reason": asked["reason"],
    }
    await asyncio.to_thread(world.record, call, AuditKind.USAGE_CREDITED, f"account:{account.id}", facts)
    await gate.ledger.append(event)
    await gate.store.refund(event.subject, period, units_mu)
    return Done({"id": billing.event_id(event.boot, event.seq), "account": account.id, **facts}, CREATED)


async def reset(world: AdminWorld, call: AdminCall) -> Done:
    """Forgive what an account owes; the month stays (GW-212)."""
    call.only()
    account, _ = await _known(world, call.parameters["id"])
    asked = admin.read_members(call.body, admin.RESET)
    env = asked.get("env", "live")
    store, subject = world.gateway.gate.store, f"{account.id}:{env}"
    owed = await store.status(subject, _limits(world, account))
    facts: dict[str, Json] = {
        "env": env, "reason": asked.get("reason", ""), "before": {"minute": owed.minute.debt, "hour": owed.hour.debt},
        "after": {"minute": 0, "hour": 0},
    }  # fmt: skip
    await asyncio.to_thread(world.record, call, AuditKind.QUOTA_RESET, f"account:{account.id}", facts)
    await store.reset(subject)
    return Done({"account": account.id, "env": env})


async def show_state(world: AdminWorld, call: AdminCall) -> Done:
    """Return degradation, its bound, policy, overload."""
    call.only()
    return Done(state_document(world))


async def reload_policy(world: AdminWorld, call: AdminCall) -> Done:
    """Have the policy read again, now."""
    call.only()
    admin.read_members(call.body, admin.NOTHING)
    before = world.gateway.gate.policy
    ended = await world.policy_file.reload()
    after = world.gateway.gate.policy
    kind = AuditKind.POLICY_REFUSED if ended.result == "refused" else AuditKind.POLICY_APPLIED
    facts: dict[str, Json] = {
        "before": before.version, "after": after.version, "sha256": after.sha256, "reload": ended.result,
    }  # fmt: skip
    await asyncio.to_thread(world.record, call, kind, "policy", facts)
    document = {"result": ended.result, "version": after.version, "errors": ended.detail.splitlines()}
    return Done(document, 422 if ended.result == "refused" else 200)


async def show_audit(world: AdminWorld, call: AdminCall) -> Done:
    """Return a page of the audit log, oldest first; with ``verify=1`` the chain is checked."""
    call.only("limit", "cursor", "verify")
    size, cursor = admin.page_size(call.query.get("limit")), call.query.get("cursor", "0")
    if not cursor.isascii() or not cursor.isdigit() or call.query.get("verify", "0") not in {"0", "1"}:
        raise RefusedError(Reason.BAD_PARAMETER, "cursor: a record's number; verify: 0 or 1")
    wanted = call.query.get("verify") == "1"
    return Done(await asyncio.to_thread(audit_page, world.audit, int(cursor[:18]), size, verified=wanted))


class Operation(NamedTuple):
    """One call of the API."""

    method: str
    path: str
    scope: AdminScope
    """What a key has to hold."""
    act: Callable[[AdminWorld, AdminCall], Awaitable[Done]]


OPERATIONS: Final = (
    Operation("GET", "/accounts", AdminScope.READ, list_accounts),
    Operation("POST", "/accounts", AdminScope.KEYS, add_account),
    Operation("GET", "/accounts/{id}", AdminScope.READ, show_account),
    Operation("PATCH", "/accounts/{id}", AdminScope.QUOTA, change_account),
    Operation("GET", "/accounts/{id}/keys", AdminScope.READ, list_keys),
    Operation("POST", "/accounts/{id}/keys", AdminScope.KEYS, make_key),
    Operation("POST", "/keys/{id}/rotate", AdminScope.KEYS, rotate_key),
    Operation("POST", "/keys/{id}/revoke", AdminScope.KEYS, revoke_key),
    Operation("GET", "/accounts/{id}/usage", AdminScope.READ, show_usage),
    Operation("POST", "/accounts/{id}/credit", AdminScope.QUOTA, credit),
    Operation("POST", "/accounts/{id}/reset", AdminScope.QUOTA, reset),
    Operation("GET", "/state", AdminScope.READ, show_state),
    Operation("POST", "/policy/reload", AdminScope.POLICY, reload_policy),
    Operation("GET", "/audit", AdminScope.READ, show_audit),
)
"""Every call: what it needs and what it does."""


async def _account(world: AdminWorld, identifier: str, status: int = 200) -> Done:
    account, text = await _known(world, identifier)
    document = admin.account_document(account, json.loads(text))
    return Done(document, status, (("ETag", f'"{account.revision}"'),))


async def _known(world: AdminWorld, identifier: str) -> tuple[Account, str]:
    """Return an account and its own limits as JSON.

    Raises:
        RefusedError: ``not_found``.
    """
    found = await asyncio.to_thread(world.keys.account_row, identifier)
    if found is None:
        raise RefusedError(Reason.NOT_FOUND)
    return found


async def _known_key(world: AdminWorld, identifier: str) -> KeyRecord:
    try:
        return await asyncio.to_thread(world.keys.get, identifier)
    except MisuseError as error:
        raise RefusedError(Reason.NOT_FOUND) from error


def _noter(
    world: AdminWorld, call: AdminCall, before: KeyRecord | None
) -> Callable[[AuditKind, KeyRecord, str], None]:
    """Return what writes a key's change into the audit log: before, after, why."""
    shown = admin.key_document(before, world.wall_us) if before else None

    def note(kind: AuditKind, record: KeyRecord, reason: str) -> None:
        after = admin.key_document(record, world.wall_us)
        world.record(call, kind, f"key:{record.id}", {"before": shown, "after": after, "reason": reason})

    return note


def _tier(world: AdminWorld, name: str) -> str:
    tiers = world.gateway.gate.policy.tiers
    if name not in tiers:
        raise RefusedError(Reason.INVALID_BODY, f"tier: known are {', '.join(tiers)}")
    return name


def _limits(world: AdminWorld, account: Account) -> Limits:
    tier = world.gateway.gate.policy.tiers.get(account.tier)
    return own_or_tier(account.own_limits, tier.limits if tier else Limits())


def _facts(account: Account, limits: str) -> dict[str, Json]:
    return {"tier": account.tier, "suspended": account.suspended, "limits": limits}


def _period(given: str | None, world: AdminWorld) -> str:
    if given is None:
        return month_of(world.wall_us).period
    if not PERIOD.fullmatch(given):
        raise RefusedError(Reason.BAD_PARAMETER, "period: a month as 2026-11")
    return given


def _require_month(world: AdminWorld, period: str) -> None:
    with world.open_usage() as reader:
        _require_events(reader, period)


def _require_events(reader: UsageReader, period: str) -> None:
    """Refuse a month that retention has ended.

    Raises:
        RefusedError: ``bad_parameter``.
    """
    if reader.is_retired(period):
        raise RefusedError(
            Reason.BAD_PARAMETER, f"period: the events of {period} were deleted because of their age"
        )


def _require_prefix(one: str) -> None:
    try:
        ip_network(one)
    except ValueError as error:
        raise RefusedError(Reason.INVALID_BODY, "cidrs: address prefixes as 10.0.0.0/8") from error
