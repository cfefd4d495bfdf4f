"""Answers of the gateway as values: pages, problems, preflights and the fields that every answer has (GW-503, GW-507)."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from veritape.gateway.keys import Credential, find_credential
from veritape.gateway.paths import BadPathError, normal_path
from veritape.gateway.policy import Cors, Route
from veritape.gateway.problems import CONTENT_TYPE, RefusedError, problem_body
from veritape.gateway.product.pages import Page
from veritape.gateway.quota import Decision
from veritape.gateway.reasons import PROBLEMS, Reason

Headers = list[tuple[bytes, bytes]]
"""Header fields as they come: lower-case names."""

EXPOSED: Final = "RateLimit, RateLimit-Policy, Retry-After, X-Request-Id, Quota-State, X-Request-Cost"
"""Fields that pages of other origins may read."""

ONCE: Final = (b"host", b"content-length", b"x-request-id", b"origin", b"if-none-match")
"""Fields that the gateway reads and that must not be repeated."""

SEALED_CACHE: Final = "private, max-age=60"
"""How long a page of a sealed day may be kept."""

CREDENTIALS: Final = "Authorization, X-API-Key, apikey"
"""Fields that an answer depends on: whoever changes them asks again."""

OK: Final = 200
NO_CONTENT: Final = 204
NOT_MODIFIED: Final = 304
SERVICE_UNAVAILABLE: Final = 503
"""Statuses of answers that are made here."""

BODILESS: Final = frozenset({NO_CONTENT, NOT_MODIFIED})
"""Statuses without a body and its length (GW-508)."""


def header_lines(fields: Headers) -> bytes:
    """Return header fields as they are written, each with its line end.

    A field that holds the end of a line itself raises RuntimeError: a bug of ours, which ends before it is written (GW-905).
    """
    lines = b"".join([b"%b: %b\r\n" % field for field in fields])
    if not lines.count(b"\n") == lines.count(b"\r") == len(fields) or b"\0" in lines:
        raise RuntimeError("a field holds the end of a line")
    return lines


class Answer(NamedTuple):
    """A response before the fields that every response has."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes = b""


@dataclass(slots=True, eq=False)
class Call:
    """The parts of a request that the steps need. Requests with the same head share one: it holds what follows from that head."""

    method: str
    path: str
    """Normal path; empty until it was checked."""
    query: bytes
    headers: Headers
    raw_path: bytes = b""
    """The path as it came."""
    fields: dict[bytes, bytes] = field(init=False)
    """Header fields by name; of repeated ones the first."""
    credential: Credential = field(init=False)
    """What says who calls."""
    passed_on: "PassedOn | None" = None
    """The head that an upstream got last."""

    def __post_init__(self) -> None:
        """Look at the header fields once."""
        self.fields = dict(reversed(self.headers))
        self.credential = find_credential(self.headers, self.query)

    def field(self, name: bytes) -> bytes | None:
        """Return a header field, None when absent."""
        return self.fields.get(name)


class PassedOn(NamedTuple):
    """A request's head as an upstream gets it."""

    cause: tuple[object, ...]
    """What it follows from beside the request's own head."""
    pieces: list[bytes]
    """The head, cut where the request's id stands."""


def checked_path(call: Call, raw: bytes) -> str:
    """Return the path of a request whose framing fields are sound.

    Raises:
        RefusedError: ``bad_path``, ``bad_header`` or ``upgrade_not_supported``.
    """
    if len(call.fields) < len(call.headers):
        names = [name for name, _ in call.headers]
        if any(names.count(name) > 1 for name in ONCE):
            raise RefusedError(Reason.BAD_HEADER, "a header field that must stand once is repeated")
    if b"upgrade" in call.fields:
        raise RefusedError(Reason.UPGRADE_NOT_SUPPORTED)
    try:
        return normal_path(raw)
    except BadPathError as error:
        raise RefusedError(Reason.BAD_PATH, str(error)) from error


def check_length(call: Call, route: Route) -> None:
    """Refuse a body that is announced as too large for its route.

    Raises:
        RefusedError: ``bad_header`` or ``body_too_large``.
    """
    length = call.field(b"content-length")
    if length is None:
        return
    if not length.isdigit():
        raise RefusedError(Reason.BAD_HEADER, "Content-Length is not a number")
    if int(length[:20]) > route.body_max_bytes:
        raise RefusedError(Reason.BODY_TOO_LARGE, fields={"Connection": "close"})


def page_answer(call: Call, page: Page) -> Answer:
    """Return a product's page, or that the client has it."""
    fields = [("Content-Type", "application/json")]
    if not page.etag:
        return Answer(OK, [*fields, ("Cache-Control", "no-store")], page.body)
    validators = [("ETag", page.etag), ("Cache-Control", SEALED_CACHE), ("Vary", CREDENTIALS)]
    known = (call.field(b"if-none-match") or b"").decode("latin-1")
    if page.etag in {one.strip() for one in known.split(",")} or known.strip() == "*":
        return Answer(NOT_MODIFIED, validators)
    return Answer(OK, [*fields, *validators], page.body)


def problem_answer(refusal: RefusedError, request_id: str, decision: Decision | None) -> Answer:
    """Return the problem document of a refusal; a 503 says when to come back."""
    status = PROBLEMS[refusal.reason].status
    fields = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store"), *refusal.fields.items()]
    if status == SERVICE_UNAVAILABLE and "Retry-After" not in refusal.fields:
        fields.append(("Retry-After", "1"))
    return Answer(status, fields, problem_body(refusal.reason, refusal.detail, request_id, decision))


def options_answer(cors: Cors | None, call: Call, methods: tuple[str, ...]) -> Answer:
    """Answer a preflight, or a plain OPTIONS; both cost nothing."""
    allow = [("Allow", allowed(methods))]
    origin = call.field(b"origin")
    if cors is None or origin is None or call.field(b"access-control-request-method") is None:
        return Answer(NO_CONTENT, allow)
    if not cors.allows(origin.decode("latin-1")):
        return Answer(NO_CONTENT, allow)
    return Answer(
        NO_CONTENT,
        [
            ("Access-Control-Allow-Methods", ", ".join(name for name in methods if name in cors.methods)),
            ("Access-Control-Allow-Headers", ", ".join(cors.headers)),
            ("Access-Control-Max-Age", str(cors.max_age_s)),
        ],
    )


def allowed(methods: tuple[str, ...]) -> str:
    """Return the ``Allow`` field of a path that takes these methods."""
    head = ("HEAD",) if "GET" in methods else ()
    return ", ".join((*methods, *head, "OPTIONS"))


def cors_fields(cors: Cors | None, origin: bytes | None) -> list[tuple[str, str]]:
    """Return what lets a page of an allowed origin read an answer."""
    if cors is None:
        return []
    fields = [("Vary", "Origin")]
    text = origin.decode("latin-1") if origin else ""
    if text and cors.allows(text) and text.isascii() and text.isprintable():
        fields.append(("Access-Control-Allow-Origin", "*" if "*" in cors.origins else text))
        fields.append(("Access-Control-Expose-Headers", EXPOSED))
        if cors.credentials:
            fields.append(("Access-Control-Allow-Credentials", "true"))
    return fields
