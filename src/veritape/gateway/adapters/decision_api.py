"""The decision API on its own listener: check, status, reset, health, and Envoy's ext_authz over HTTP (GW-612, GW-621, GW-622).

For callers that hold a key with the scope ``decide``, in ``Authorization: Bearer``; a key that is asked about stands in the
body of a check or in ``X-API-Key`` of a status. ``/authz/`` asks for no key of its own: there the request's own credential is
the one that is decided, and the listener stands on the loopback for the proxy beside it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs

from veritape.gateway import decision_calls as calls
from veritape.gateway import keys
from veritape.gateway.adapters.client import Receive, Scope, Send
from veritape.gateway.adapters.decision_desk import SERVICE_UNAVAILABLE, Desk, Ruled
from veritape.gateway.adapters.departure import ClientLeftError
from veritape.gateway.adapters.gate import peer_address
from veritape.gateway.adapters.proxy import whole_body
from veritape.gateway.answers import Answer, Headers
from veritape.gateway.decision_calls import CHECK_SCOPE, RESET_SCOPE, Check, Reset
from veritape.gateway.identity import Identity, Refusal
from veritape.gateway.keys import Environment, KeyRecord
from veritape.gateway.policy import Route
from veritape.gateway.problems import AUTHENTICATE, CONTENT_TYPE, RefusedError, problem_body
from veritape.gateway.rate_fields import raw_fields
from veritape.gateway.reasons import PROBLEMS, Reason
from veritape.kernel.canonical import canonical_json
from veritape.kernel.errors import UnavailableError

BASE: Final = "/api/v1/rate-limit/"
"""Where the calls stand."""

AUTHZ: Final = "/authz"
"""Prefix of requests that a proxy asks about."""

OK: Final = 200
NO_CONTENT: Final = 204
TOO_MANY: Final = 429
UNAUTHORIZED: Final = 401

Audit = Callable[[KeyRecord, Reset], None]
"""Told of each reset before it is done: who, and whose."""


class DecisionApi:
    """The application of the decision listener."""

    def __init__(self, desk: Desk, audit: Audit) -> None:
        self._desk, self._audit = desk, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers: Headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
        path, query = scope["path"], scope.get("query_string", b"")
        try:
            if path.startswith(f"{AUTHZ}/"):
                answer = await self._authorize(scope, headers, query)
            else:
                answer = await self._call(scope["method"], path, query, headers, receive)
        except ClientLeftError:  # half of a call is never acted upon
            return
        except RefusedError as refusal:
            answer = self._problem(refusal)
        fields = [*answer.fields, ("Cache-Control", "no-store")]
        if answer.status != NO_CONTENT:
            fields.append(("Content-Length", str(len(answer.body))))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw_fields(fields)})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _authorize(self, scope: Scope, headers: Headers, query: bytes) -> Answer:
        client = scope.get("client")
        peer = peer_address(client[0] if client else None)
        raw = bytes(scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0]
        path = raw.decode("latin-1").removeprefix(AUTHZ)
        return await self._desk.authorize(scope["method"], path, query, headers, peer)

    async def _call(self, method: str, path: str, query: bytes, headers: Headers, receive: Receive) -> Answer:
        name = path.removeprefix(BASE) if path.startswith(BASE) else path
        wanted = {"check": "POST", "reset": "POST", "status": "GET", "/api/v1/health": "GET"}.get(name)
        if wanted is None:
            raise RefusedError(Reason.NO_ROUTE)
        if method != wanted:
            raise RefusedError(Reason.METHOD_NOT_ALLOWED, fields={"Allow": wanted})
        if name == "/api/v1/health":
            gate = self._desk.gate
            return _json(OK, {"quota": gate.store.state.value, "policy_version": gate.policy.version})
        caller = await self._caller(headers, query, RESET_SCOPE if name == "reset" else CHECK_SCOPE)
        if name == "status":
            return await self._status(query, headers)
        body = await whole_body(receive, calls.BODY_LIMIT_BYTES)
        if name == "reset":
            return await self._reset(caller, calls.read_reset(body))
        return await self._check(calls.read_check(body), soft=b"soft=1" in query.split(b"&"))

    async def _check(self, asked: Check, *, soft: bool) -> Answer:
        route = self._desk.route_at(asked.method, asked.endpoint)
        if route is None:
            raise RefusedError(Reason.NO_ROUTE, "no route of the policy has this endpoint and method")
        who = await self._who(asked, route)
        if isinstance(who, Refusal):
            status = PROBLEMS[who.reason].status
            if status == SERVICE_UNAVAILABLE:
                raise RefusedError(who.reason)
            return _json(OK if soft else status, calls.refusal(who.reason))
        cost_mu = route.cost_mu * asked.items
        if asked.dry_run or not cost_mu:
            ruled = await self._desk.probe(who, cost_mu)
        else:
            ruled = await self._desk.charge(who, route, cost_mu)
        return self._ruling(ruled, soft=soft)

    async def _who(self, asked: Check, route: Route) -> Identity | Refusal:
        if asked.api_key:
            return await self._desk.of_key(asked.api_key, route, asked.client_ip)
        if asked.account:
            return await self._desk.of_account(asked.account, asked.environment)
        return (
            self._desk.of_address(asked.client_ip) if route.anonymous else Refusal(Reason.MISSING_CREDENTIALS)
        )

    async def _status(self, query: bytes, headers: Headers) -> Answer:
        asked = parse_qs(query.decode("latin-1"))
        if set(asked) - {"account", "environment"} or any(len(values) > 1 for values in asked.values()):
            raise RefusedError(Reason.BAD_PARAMETER, "account and environment, once, or the key in X-API-Key")
        account = asked.get("account", [""])[0]
        key = _field(headers, b"x-api-key")
        if bool(account) == bool(key):
            raise RefusedError(
                Reason.BAD_PARAMETER, "account=, or the key in X-API-Key beside your own in Authorization"
            )
        if account:
            environment = asked.get("environment", [Environment.LIVE.value])[0]
            if environment not in set(Environment):
                raise RefusedError(Reason.BAD_PARAMETER, "environment: live or test")
            who = await self._desk.of_account(account, Environment(environment))
        else:
            who = await self._desk.of_key(key, NO_SCOPE, None)
        if isinstance(who, Refusal):
            return _json(PROBLEMS[who.reason].status, calls.refusal(who.reason))
        return self._ruling(await self._desk.probe(who, 0), soft=True)

    async def _reset(self, caller: KeyRecord, asked: Reset) -> Answer:
        who = await self._desk.of_account(asked.account, asked.environment)
        if isinstance(who, Refusal) and who.reason is not Reason.ACCOUNT_SUSPENDED:
            raise RefusedError(who.reason)
        try:
            await asyncio.to_thread(self._audit, caller, asked)
            await self._desk.gate.store.reset(f"{asked.account}:{asked.environment}", asked.limit)
        except UnavailableError as error:
            raise RefusedError(Reason.QUOTA_UNAVAILABLE) from error
        return Answer(NO_CONTENT, [])

    async def _caller(self, headers: Headers, query: bytes, scope: str) -> KeyRecord:
        """Return the key of who asks.

        Raises:
            RefusedError: 401 or 403: this is about the caller, not about whom he asks about.
        """
        bearer = [(name, value) for name, value in headers if name == b"authorization"]
        credential = keys.find_credential(bearer or headers, query)
        if isinstance(credential, Reason) or credential is None:
            raise _unauthorized(credential or Reason.MISSING_CREDENTIALS)
        if isinstance(credential, keys.Bearer):  # tokens are for the API: their issuers give no scope of ours
            raise _unauthorized(Reason.INVALID_KEY)
        try:
            record = await self._desk.gate.key_store.find(credential)
        except UnavailableError as error:
            raise RefusedError(Reason.IDENTITY_UNAVAILABLE) from error
        reason = (
            Reason.INVALID_KEY if record is None else keys.refusal(record, self._desk.gate.wall_us(), None)
        )
        if record is None or reason is not None:
            raise _unauthorized(reason or Reason.INVALID_KEY)
        if scope not in record.scopes:
            raise RefusedError(Reason.MISSING_SCOPE, f"the key lacks the scope {scope}")
        return record

    def _ruling(self, ruled: Ruled, *, soft: bool) -> Answer:
        body = calls.standing(ruled.decision, ruled.tier, self._desk.gate.wall_us())
        reason = ruled.decision.reason
        status = OK if reason is None or soft else PROBLEMS[reason].status
        answer = _json(status, body)
        return answer._replace(fields=[*answer.fields, *self._desk.fields_of(ruled)])

    def _problem(self, refusal: RefusedError) -> Answer:
        body = problem_body(refusal.reason, refusal.detail, self._desk.new_id(), None)
        status = PROBLEMS[refusal.reason].status
        retry = [("Retry-After", "1")] if status == SERVICE_UNAVAILABLE else []
        return Answer(status, [("Content-Type", CONTENT_TYPE), *retry, *refusal.fields.items()], body)


NO_SCOPE: Final = Route(
    name="status", paths=(), methods=(), upstream="", cost_mu=0, anonymous=False, scope=None, body_max_bytes=0, timeout_s=60,
    refund="none", mode="call", lost=None, features=frozenset(),
)  # fmt: skip
"""Of a status: it asks for no scope of the key that is asked about."""


def _json(status: int, body: dict[str, Any]) -> Answer:
    return Answer(status, [("Content-Type", "application/json")], canonical_json(body))


def _field(headers: Headers, wanted: bytes) -> str:
    return next((value.decode("latin-1").strip() for name, value in headers if name == wanted), "")


def _unauthorized(reason: Reason) -> RefusedError:
    challenge = PROBLEMS[reason].status == UNAUTHORIZED
    return RefusedError(reason, fields={"WWW-Authenticate": AUTHENTICATE} if challenge else None)
