"""What the middleware says in ASGI's own terms: the names of its types, and a refusal as messages (GW-601)."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from veritape.gateway import problems
from veritape.gateway.adapters.engine import DeniedError
from veritape.gateway.problems import RefusedError
from veritape.gateway.rate_fields import RawField, raw_fields
from veritape.gateway.reasons import PROBLEMS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application."""

SERVER_ERROR: Final = 500
"""From this status on an answer is a failure of the application."""

NO_DECISION: Final = 503
"""Status of an engine that cannot decide."""


def refusal_messages(
    refusal: RefusedError, identifier: str, fields: Sequence[RawField], *, head: bool
) -> tuple[Message, Message]:
    """Return a problem document as start and body of a response.

    Args:
        refusal: why.
        identifier: of the request.
        fields: rate fields, where the refusal brings none of its own.
        head: only the fields are asked for.
    """
    status = PROBLEMS[refusal.reason].status
    decision = refusal.decision if isinstance(refusal, DeniedError) else None
    body = problems.problem_body(refusal.reason, refusal.detail, identifier, decision)
    own = {"Content-Type": problems.CONTENT_TYPE, "Cache-Control": "no-store", "X-Request-Id": identifier}
    if status == NO_DECISION:
        own["Retry-After"] = "1"
    length = ("Content-Length", str(len(body)))
    rate = refusal.rate_fields if isinstance(refusal, DeniedError) else fields
    headers = [*raw_fields([*{**own, **refusal.fields}.items(), length]), *rate]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": b"" if head else body}


def has_own_answer(application: Any) -> bool:
    """Tell whether an application answers its own failures, above us, where our fields do not come."""
    handlers = getattr(application, "exception_handlers", {})
    return bool(getattr(application, "debug", False)) or SERVER_ERROR in handlers or Exception in handlers
