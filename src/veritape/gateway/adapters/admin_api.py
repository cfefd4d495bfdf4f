"""The admin API (GW-701, GW-702, GW-704): accounts, keys, usage, quotas, policy, audit, on a listener of its own.

A table of operations says which scope each needs. Whatever changes something has its record in the audit log, durable,
before it is kept and so before the answer; what was refused has one too. Changes are made one after another.
"""

import asyncio
import hmac
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

from veritape.gateway import admin, keys
from veritape.gateway.adapters.admin_calls import AdminCall, AdminWorld, Done
from veritape.gateway.adapters.admin_operations import OPERATIONS, Operation
from veritape.gateway.adapters.client import Receive, Scope, Send
from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.gate import peer_address
from veritape.gateway.adapters.proxy import whole_body
from veritape.gateway.answers import Call, checked_path, problem_answer
from veritape.gateway.keys import KEY_SCANNER
from veritape.gateway.paths import PathTable
from veritape.gateway.problems import AUTHENTICATE, RefusedError
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.gateway.request_ids import RANDOM_BYTES, request_id
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.telemetry.audit_log import AuditKind, Entry

_log = logging.getLogger("veritape.gateway.admin")

BOOTSTRAP: Final = "bootstrap"
"""Who has the token of the file."""


class Actor(NamedTuple):
    """Who asks."""

    name: str
    """Key id, or ``bootstrap``."""
    scopes: frozenset[str]


class AdminApi:
    """The ASGI application of the admin listener."""

    def __init__(self, world: AdminWorld, token: bytes, note: Callable[[float], object]) -> None:
        """Serve.

        Args:
            world: what it acts upon.
            token: the bootstrap token.
            note: told of each request's seconds.
        """
        self._world, self._token, self._note = world, token, note
        by_path: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            by_path.setdefault(admin.PREFIX + operation.path, {})[operation.method] = operation
        self._table = PathTable(by_path.items())
        self._turn = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        clock = self._world.clock
        began_ns = clock.monotonic_ns()
        headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        call = Call(scope["method"], "", scope.get("query_string", b""), headers)
        identifier = request_id(
            call.field(b"x-request-id"), clock.wall_ns(), secrets.token_bytes(RANDOM_BYTES)
        )
        try:
            done = await self._answer(scope, call, identifier, receive)
            body = b"" if done.document is None else json.dumps(done.document, separators=(",", ":")).encode()
            status, fields = done.status, [("Content-Type", "application/json"), *done.fields]
        except ClientLeftError:  # half of a change is never made
            return
        except RefusedError as refusal:
            answer = problem_answer(refusal, identifier, None)
            status, fields, body = answer.status, answer.fields, answer.body
        fields = [*fields, ("X-Request-Id", identifier), ("Content-Length", str(len(body)))]
        raw = [(name.lower().encode("ascii"), value.encode("ascii")) for name, value in fields]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else body})
        self._note((clock.monotonic_ns() - began_ns) / 1_000_000_000)

    async def _answer(self, scope: Scope, call: Call, identifier: str, receive: Receive) -> Done:
        """Answer a call; what is refused is recorded first."""
        actor = None
        try:
            raw = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
            call.path = checked_path(call, raw)
            actor = await self._actor(scope, call)
            return await self._act(call, actor, identifier, receive)
        except RefusedError as refusal:
            await self._record_refusal(call, actor, identifier, refusal)
            raise

    async def _act(self, call: Call, actor: Actor, identifier: str, receive: Receive) -> Done:
        operation, parameters = self._operation(call)
        _require(operation, actor)
        query, if_match = _query(call.query), call.field(b"if-match")
        asked = AdminCall(
            actor.name,
            identifier,
            parameters,
            query,
            if_match,
            await whole_body(receive, admin.BODY_LIMIT_BYTES),
        )
        try:
            return await self._do(operation, asked)
        except MisuseError as error:
            raise RefusedError(Reason.INVALID_BODY, error.message) from error
        except UnavailableError as error:
            _log.error("admin_unavailable request_id=%s: %s", identifier, error.message)
            raise RefusedError(Reason.IDENTITY_UNAVAILABLE) from error
        except RefusedError:
            raise
        except Exception as error:
            _log.exception("internal_error request_id=%s", identifier)
            raise RefusedError(Reason.INTERNAL_ERROR) from error

    async def _do(self, operation: Operation, asked: AdminCall) -> Done:
        act: Callable[[AdminWorld, AdminCall], Awaitable[Done]] = operation.act
        if operation.method == "GET":
            return await act(self._world, asked)
        async with self._turn:
            return await act(self._world, asked)

    def _operation(self, call: Call) -> tuple[Operation, Mapping[str, str]]:
        found = self._table.match(call.path)
        if found is None:
            raise RefusedError(Reason.NO_ROUTE)
        method = "GET" if call.method == "HEAD" else call.method
        if method not in found.value:
            allowed = ", ".join(sorted(found.value))
            raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": allowed})
        return found.value[method], found.parameters

    async def _actor(self, scope: Scope, call: Call) -> Actor:
        """Return who asks.

        Raises:
            RefusedError: no credential, two, or one that does not serve.
        """
        credential = _credential(call)
        if hmac.compare_digest(credential.encode("latin-1"), self._token):
            return Actor(BOOTSTRAP, frozenset(admin.SCOPES))
        record = None
        if keys.is_well_formed(credential):
            record = await asyncio.to_thread(self._world.keys.find, credential)
        client = scope.get("client")
        wall_us = self._world.clock.wall_ns() // 1_000
        refused = (
            Reason.INVALID_KEY
            if record is None
            else keys.refusal(record, wall_us, peer_address(client[0] if client else None))
        )
        if record is None or refused is not None:
            raise _unauthorized(refused or Reason.INVALID_KEY)
        return Actor(record.id, frozenset(record.scopes) & frozenset(admin.SCOPES))

    async def _record_refusal(
        self, call: Call, actor: Actor | None, identifier: str, refusal: RefusedError
    ) -> None:
        """Write that a call was refused; lists and look-ups that fail say nothing of an administrator's doings."""
        if (
            actor is not None
            and call.method in {"GET", "HEAD"}
            and refusal.reason is not Reason.MISSING_SCOPE
        ):
            return
        detail = {"method": call.method, "reason": refusal.reason.value, "request_id": identifier}
        who = f"admin:{actor.name}" if actor else "admin:unknown"
        entry = Entry(AuditKind.ADMIN_DENIED, who, _shown_path(call.path), detail)
        try:
            await asyncio.to_thread(self._world.audit.append, entry)
        except UnavailableError as error:  # the refusal stands all the same
            _log.error("refusal_not_recorded request_id=%s: %s", identifier, error.message)


def _require(operation: Operation, actor: Actor) -> None:
    if operation.scope.value not in actor.scopes:
        raise RefusedError(Reason.MISSING_SCOPE, f"the key lacks the scope {operation.scope}")


def _credential(call: Call) -> str:
    found = []
    for name, value in call.headers:
        if name in {b"x-api-key", b"apikey"}:
            found.append(value.strip())
        elif name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            found.append(token.strip() if scheme.lower() == b"bearer" else b"")
    if not found:
        raise _unauthorized(Reason.MISSING_CREDENTIALS)
    if len(found) > 1:
        raise RefusedError(Reason.AMBIGUOUS_CREDENTIALS)
    return found[0].decode("latin-1")


def _unauthorized(reason: Reason) -> RefusedError:
    challenge = PROBLEMS[reason].status == HTTPStatus.UNAUTHORIZED
    return RefusedError(reason, fields={"WWW-Authenticate": AUTHENTICATE} if challenge else None)


def _query(raw: bytes) -> dict[str, str]:
    if KEY_SCANNER.search(raw.decode("latin-1")):
        raise RefusedError(Reason.KEY_IN_QUERY)
    try:
        pairs = parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), max_num_fields=16
        )
    except ValueError as error:
        raise RefusedError(Reason.BAD_PARAMETER) from error
    if len({name for name, _ in pairs}) != len(pairs):
        raise RefusedError(Reason.BAD_PARAMETER, "a parameter is repeated")
    return dict(pairs)


def _shown_path(path: str) -> str:
    """Return a path for the audit log: what could be a secret is no path of ours."""
    return path[:256] if path.startswith(admin.PREFIX) else "elsewhere"
