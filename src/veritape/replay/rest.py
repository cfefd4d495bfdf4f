"""The broker's REST answers: envelope, credentials, limits, quotations (KIS-020 to 072).

Pure: a request value in, an answer value out. Header and parameter names come in lower case, because the wire does not
tell their case apart (KIS-022).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from veritape.kernel.clock import NANOSECONDS
from veritape.replay.accounts import Account, Accounts
from veritape.replay.faults import Faults
from veritape.replay.market import Market
from veritape.replay.quotation_calls import Asked, QuotationCalls, RefusedCallError
from veritape.replay.rest_faults import RestFaults, Trouble
from veritape.wire.kis.codes import REST, SUCCESS
from veritape.wire.kis.rest import APPROVAL_PATH, HASHKEY_PATH, REAL_ONLY, REVOKE_PATH, TOKEN_PATH

OK, FORBIDDEN, NOT_FOUND, SERVER_ERROR = 200, 403, 404, 500
"""HTTP statuses of the broker's answers."""


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    """GET or POST."""
    path: str
    """Path without the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    parameters: Mapping[str, str]
    """Query, names in lower case."""
    body: bytes
    """At most what the server reads."""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    """HTTP status."""
    document: Mapping[str, Any]
    """JSON body."""
    tr_id: str = ""
    """Echo of the request's transaction id."""
    reason: str = ""
    """Code of a refusal, for the event log."""
    tr_cont: str = ""
    """Whether more pages follow (KIS-021)."""
    faults: tuple[str, ...] = ()
    """Faults that struck the call."""
    body: bytes = b""
    """What is sent in place of the document, where a fault wants no JSON."""
    hold_s: float = 0.0
    """Real seconds before the answer leaves."""
    never: bool = False
    """No answer leaves."""


class Quotations:
    """The REST side of the broker for one market."""

    def __init__(
        self,
        accounts: Accounts,
        market: Callable[[], Market],
        kst_text: Callable[[int], str],
        faults: RestFaults | None = None,
        *,
        paper: bool = False,
    ) -> None:
        self._faults = faults or RestFaults(Faults())
        self._calls = QuotationCalls(market, self._faults)
        self._accounts = accounts
        self._paper = paper
        self._kst_text = kst_text

    def answer(self, request: Request, broker_ns: int, tape_ms: int) -> Answer:
        """Answer one request.

        Args:
            request: as it arrived.
            broker_ns: broker clock, nanoseconds UTC.
            tape_ms: tape clock, milliseconds since midnight in Seoul.
        """
        self._faults.next_call()
        self._faults.age_tokens(self._accounts, broker_ns, tape_ms)
        trouble = self._faults.before(request.path, tape_ms)
        answer = self._answer(request, trouble, broker_ns, tape_ms)
        if not trouble.faults:
            return answer
        return replace(
            answer,
            status=trouble.status or answer.status,
            faults=(*trouble.faults, *answer.faults),
            body=trouble.body,
            hold_s=trouble.hold_s,
            never=trouble.never,
        )

    def report(self) -> dict[str, Any]:
        """Return what the broker counted for each appkey (KIS-174)."""
        accounts = {one.appkey: one.report.document() for one in self._accounts.by_appkey.values()}
        return {"format": "veritape.report.v1", "accounts": accounts}

    def _answer(self, request: Request, trouble: Trouble, broker_ns: int, tape_ms: int) -> Answer:
        if request.method == "POST" and request.path in {TOKEN_PATH, APPROVAL_PATH, REVOKE_PATH}:
            return _oauth_refusal(trouble.code) if trouble.code else self._oauth(request, broker_ns, tape_ms)
        if not request.path.startswith("/uapi/"):
            return Answer(NOT_FOUND, {"error_code": "404", "error_description": "no such path"}, reason="404")
        account = self._accounts.by_appkey.get(request.headers.get("appkey", ""))
        answer = self._call(request, account, trouble.code, broker_ns, tape_ms)
        if account is not None and answer.reason:
            account.report.add("refusals", broker_ns)
        return answer

    def _call(
        self, request: Request, account: Account | None, code: str, broker_ns: int, tape_ms: int
    ) -> Answer:
        if account is not None:
            self._faults.govern(account, tape_ms)
            account.report.add("calls", broker_ns)
            if not account.window.admits(broker_ns):
                return _refused("EGW00201", request)
        if code:
            return _refused(code, request, OK if code.startswith("OPSQ") else SERVER_ERROR)
        if request.method == "POST" and request.path == HASHKEY_PATH:
            return _hashkey(request)
        refusal = self._credential_refusal(request, account, broker_ns)
        if refusal or account is None:
            return _refused(refusal or "EGW00103", request)
        return self._quotation(request, account, tape_ms)

    def _oauth(self, request: Request, now_ns: int, tape_ms: int) -> Answer:
        if request.path == REVOKE_PATH:
            return self._revoke(request)
        is_token = request.path == TOKEN_PATH
        holder = self._applicant(request, "appsecret" if is_token else "secretkey")
        if isinstance(holder, str):
            return _oauth_refusal(holder)
        self._faults.govern(holder, tape_ms)
        return self._token(holder, now_ns) if is_token else self._approval(holder, now_ns)

    def _applicant(self, request: Request, secret: str) -> Account | str:
        """Return the account that asks for a token or key, or the code that refuses it."""
        body = _json_object(request.body)
        if body is None:
            return "EGW00132"
        if "grant_type" not in body:
            return "EGW00115"
        return self._holder(body, secret) if body["grant_type"] == "client_credentials" else "EGW00116"

    def _revoke(self, request: Request) -> Answer:
        body = _json_object(request.body)
        if body is None:
            return _oauth_refusal("EGW00132")
        account = self._holder(body, "appsecret")
        if isinstance(account, str):
            return _oauth_refusal(account)
        if not account.revoke(str(body.get("token", ""))):
            return _oauth_refusal("EGW00122")
        return Answer(OK, {"code": OK, "message": "access token revoked"})

    def _holder(self, body: Mapping[str, Any], secret: str) -> Account | str:
        """Return the account whose credentials a body holds, or the code that refuses them."""
        if "appkey" not in body:
            return "EGW00102"
        account = self._accounts.by_appkey.get(str(body["appkey"]))
        if account is None:
            return "EGW00103"
        if secret not in body:
            return "EGW00104"
        return account if body[secret] == account.appsecret else "EGW00105"

    def _token(self, account: Account, now_ns: int) -> Answer:
        token = account.issue_token(now_ns)
        if token is None:
            return _oauth_refusal("EGW00133")
        return Answer(
            OK,
            {
                "access_token": token.text,
                "access_token_token_expired": self._kst_text(token.expires_ns),
                "token_type": "Bearer",
                "expires_in": (token.expires_ns - now_ns) // NANOSECONDS,
            },
        )

    @staticmethod
    def _approval(account: Account, now_ns: int) -> Answer:
        if not account.approves_now(now_ns):
            return _oauth_refusal("EGW00201")
        return Answer(OK, {"approval_key": account.issue_approval(now_ns).text})

    def _credential_refusal(self, request: Request, account: Account | None, now_ns: int) -> str | None:
        if not request.headers.get("appkey"):
            return "EGW00102"
        if account is None:
            return "EGW00103"
        if request.headers.get("appsecret") != account.appsecret:
            return "EGW00105" if request.headers.get("appsecret") else "EGW00104"
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        return "EGW00205" if kind != "Bearer" else self._accounts.token_refusal(account, token, now_ns)

    def _quotation(self, request: Request, account: Account, tape_ms: int) -> Answer:
        tr_id = request.headers.get("tr_id")
        if not tr_id:
            return _refused("OPSQ9999", request, OK)
        if self._paper and tr_id in REAL_ONLY:
            return _refused("EGW02004", request)
        continues = request.headers.get("tr_cont") == "N"
        try:
            page = self._calls.answer(
                request.path, tr_id, Asked(request.parameters, tape_ms, continues, account.pages)
            )
        except RefusedCallError as refusal:
            return _refused(str(refusal), request, OK)
        struck = self._faults.alter(request.path, page.rows, tape_ms)
        document = {"rt_cd": "0", "msg_cd": SUCCESS, "msg1": "ok", **page.rows}
        return Answer(OK, document, tr_id, tr_cont=page.tr_cont, faults=tuple(struck))


def _refused(code: str, request: Request, status: int = SERVER_ERROR) -> Answer:
    document = {"rt_cd": "1", "msg_cd": code, "msg1": REST[code]}
    return Answer(status, document, request.headers.get("tr_id", ""), code)


def _oauth_refusal(code: str) -> Answer:
    return Answer(FORBIDDEN, {"error_description": REST[code], "error_code": code}, reason=code)


def _hashkey(request: Request) -> Answer:
    body = _json_object(request.body)
    if body is None:
        return _refused("EGW00132", request)
    return Answer(OK, {"BODY": body, "HASH": hashlib.sha256(request.body).hexdigest()})


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
