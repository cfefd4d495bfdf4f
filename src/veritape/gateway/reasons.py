"""Why a request was answered with a problem: the enum that is at once error code, label, log field and test (GW-507)."""

from enum import StrEnum
from typing import Final, NamedTuple


class Reason(StrEnum):
    """Reasons of the gateway's own problem answers."""

    BAD_REQUEST = "bad_request"
    """The bytes are not HTTP/1.1."""
    BAD_PATH = "bad_path"
    """The path holds an empty or dot segment, a backslash, an encoded slash or bytes that are not UTF-8."""
    BAD_HEADER = "bad_header"
    """A header field that the gateway reads is repeated or is not plain ASCII."""
    AMBIGUOUS_LENGTH = "ambiguous_length"
    """The length of the body could be read in two ways."""
    BAD_JSON = "bad_json"
    """The body is no JSON, is nested too deep, or holds a member twice."""
    INVALID_BODY = "invalid_body"
    """The body lacks the list whose items are counted; in the admin API a member is unknown, missing or out of range."""
    BATCH_EMPTY = "batch_empty"
    """The batch holds no item."""
    BATCH_TOO_LARGE = "batch_too_large"
    """The batch holds more items than the route takes."""
    REQUEST_TIMEOUT = "request_timeout"
    """The request came too slowly."""
    URI_TOO_LONG = "uri_too_long"
    """The request line is above 8 KiB."""
    HEADERS_TOO_LARGE = "headers_too_large"
    """A header field, the block or the number of fields is above its limit."""
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    """The body whose items are counted has a Content-Encoding."""
    EXPECTATION_FAILED = "expectation_failed"
    """``Expect`` asks for something other than ``100-continue``."""
    AMBIGUOUS_CREDENTIALS = "ambiguous_credentials"
    """More than one credential."""
    KEY_IN_QUERY = "key_in_query"
    """A key stands in the query, which logs keep."""
    UPGRADE_NOT_SUPPORTED = "upgrade_not_supported"
    """A change of protocol was asked for."""
    BAD_PARAMETER = "bad_parameter"
    """A parameter is unknown, repeated, missing or out of range."""
    MISSING_CREDENTIALS = "missing_credentials"
    """The route needs a key."""
    INVALID_KEY = "invalid_key"
    """No such key."""
    EXPIRED_KEY = "expired_key"
    """The key's time is over, or has not begun."""
    REVOKED_KEY = "revoked_key"
    """The key was revoked."""
    INVALID_TOKEN = "invalid_token"  # noqa: S105 - a reason
    """The token is refused; the detail names the cause."""
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a reason
    """The token's time is over."""
    KEY_NOT_ALLOWED_HERE = "key_not_allowed_here"
    """The key is bound to other addresses."""
    MISSING_SCOPE = "missing_scope"
    """The key lacks the route's scope."""
    ACCOUNT_SUSPENDED = "account_suspended"
    """The account is suspended."""
    IP_DENIED = "ip_denied"
    """The policy denies the address."""
    NO_ROUTE = "no_route"
    """No route has this path."""
    NOT_FOUND = "not_found"
    """The route exists, what was asked for does not."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    """The path exists for other methods."""
    REVISION_CHANGED = "revision_changed"
    """The account was changed since it was read (admin API)."""
    REVISION_REQUIRED = "revision_required"
    """A change without the revision that it was made from (admin API)."""
    BODY_TOO_LARGE = "body_too_large"
    """The body is above the route's limit."""
    COST_EXCEEDS_BURST = "cost_exceeds_burst"
    """The cost is above the burst: no wait can help."""
    RATE_LIMITED = "rate_limited"
    """The minute's or the hour's bucket is empty."""
    MONTH_QUOTA_EXHAUSTED = "month_quota_exhausted"
    """The month's units are used."""
    CONCURRENCY_LIMITED = "concurrency_limited"
    """Too many requests in progress."""
    TOO_MANY_FAILURES = "too_many_failures"
    """The address group failed too often: bad credentials, unknown paths, malformed requests."""
    INTERNAL_ERROR = "internal_error"
    """A bug."""
    QUOTA_UNAVAILABLE = "quota_unavailable"
    """The quota store is lost, and the route is closed then."""
    IDENTITY_UNAVAILABLE = "identity_unavailable"
    """The key store does not answer."""
    USAGE_UNAVAILABLE = "usage_unavailable"
    """The usage ledger cannot be written."""
    OVERLOADED = "overloaded"
    """The gateway sheds load: only essential routes are served, or this caller has half its rate for now."""
    NO_HEALTHY_UPSTREAM = "no_healthy_upstream"
    """No target of the upstream is in, or all their queues are full."""
    DRAINING = "draining"
    """The gateway ends: this request could not be finished in its time to drain, or had not come whole when it began to end."""
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    """No connection to a target could be made, or a target leads back here."""
    UPSTREAM_PROTOCOL_ERROR = "upstream_protocol_error"
    """The target's answer is not HTTP/1.1."""
    UPSTREAM_CLOSED = "upstream_closed"
    """The target closed before its answer was complete."""
    UPSTREAM_TIMEOUT = "upstream_timeout"
    """The target did not answer in time."""


class Problem(NamedTuple):
    """What a problem answer says of its reason."""

    status: int
    """HTTP status."""
    title: str
    """Short, the same for every occurrence."""
    advice: str
    """What the caller should do."""


QUOTA_TYPE: Final = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""Problem type of quota denials (draft-ietf-httpapi-ratelimit-headers-11)."""

CAPACITY_TYPE: Final = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
"""Problem type of refusals by the overload ladder (the same draft)."""

CHARGED: Final = frozenset({Reason.BAD_PARAMETER, Reason.NOT_FOUND})
"""Answers of a route itself: they cost what any answer of it costs. Every other refusal costs nothing (GW-507)."""

QUOTA_REASONS: Final = frozenset(
    {Reason.RATE_LIMITED, Reason.MONTH_QUOTA_EXHAUSTED, Reason.CONCURRENCY_LIMITED}
)
"""Denials by a quota."""


PROBLEMS: Final[dict[Reason, Problem]] = {
    Reason.BAD_REQUEST: Problem(400, "Bad request", "Send a request that conforms to HTTP/1.1."),
    Reason.BAD_PATH: Problem(400, "Bad path", "Send the path without empty or dot segments, backslashes or encoded slashes."),
    Reason.BAD_HEADER: Problem(400, "Bad header", "Send each header once, in printable ASCII."),
    Reason.AMBIGUOUS_LENGTH: Problem(400, "Ambiguous length", "Send either Content-Length or Transfer-Encoding: chunked alone."),
    Reason.BAD_JSON: Problem(400, "Bad JSON", "Send JSON of at most 32 levels, each member once."),
    Reason.REQUEST_TIMEOUT: Problem(408, "Request too slow", "Send the request without pauses."),
    Reason.URI_TOO_LONG: Problem(414, "Request line too long", "Send a request line of at most 8 KiB."),
    Reason.UNSUPPORTED_MEDIA_TYPE: Problem(415, "Unsupported media type", "Send plain JSON without Content-Encoding."),
    Reason.EXPECTATION_FAILED: Problem(417, "Expectation failed", "Expect nothing but 100-continue."),
    Reason.INVALID_BODY: Problem(422, "Invalid body", "Send the list that the route counts."),
    Reason.BATCH_EMPTY: Problem(422, "Empty batch", "Send at least one item."),
    Reason.BATCH_TOO_LARGE: Problem(422, "Batch too large", "Send fewer items."),
    Reason.HEADERS_TOO_LARGE: Problem(431, "Header fields too large", "Send at most 100 fields, 16 KiB each, 32 KiB in all."),
    Reason.AMBIGUOUS_CREDENTIALS: Problem(400, "More than one credential", "Send exactly one key, in one header."),
    Reason.KEY_IN_QUERY: Problem(400, "Key in the query", "Send the key in the header X-API-Key and rotate it: logs keep queries."),
    Reason.UPGRADE_NOT_SUPPORTED: Problem(400, "Upgrade not supported", "Use plain HTTP/1.1 requests."),
    Reason.BAD_PARAMETER: Problem(400, "Bad parameter", "Compare the query with /openapi.json."),
    Reason.REVISION_CHANGED: Problem(412, "Revision changed", "Read the account again and repeat the change from what it says now."),
    Reason.REVISION_REQUIRED: Problem(428, "Revision required", "Send the account's revision in If-Match."),
    Reason.MISSING_CREDENTIALS: Problem(401, "No credentials", "Send a key in the header X-API-Key."),
    Reason.INVALID_KEY: Problem(401, "Invalid key", "Check the key for a copying error, or ask for a new one."),
    Reason.EXPIRED_KEY: Problem(401, "Key not valid now", "Use the key that replaced it, or ask for a new one."),
    Reason.REVOKED_KEY: Problem(401, "Key revoked", "Ask for a new key."),
    Reason.INVALID_TOKEN: Problem(401, "Invalid token", "Ask the issuer for a token that this gateway accepts."),
    Reason.EXPIRED_TOKEN: Problem(401, "Token expired", "Ask the issuer for a new token."),
    Reason.KEY_NOT_ALLOWED_HERE: Problem(403, "Key not allowed from this address", "Call from an address that the key is bound to."),
    Reason.MISSING_SCOPE: Problem(403, "Scope missing", "Use a key that has the scope of this route."),
    Reason.ACCOUNT_SUSPENDED: Problem(403, "Account suspended", "Ask the operator."),
    Reason.IP_DENIED: Problem(403, "Address denied", "Ask the operator."),
    Reason.NO_ROUTE: Problem(404, "No such route", "Compare the path with /openapi.json."),
    Reason.NOT_FOUND: Problem(404, "Not found", "Ask for a symbol, day or id that exists."),
    Reason.METHOD_NOT_ALLOWED: Problem(405, "Method not allowed", "Use a method that the Allow header names."),
    Reason.BODY_TOO_LARGE: Problem(413, "Body too large", "Send a smaller body."),
    Reason.COST_EXCEEDS_BURST: Problem(422, "Cost above the burst", "Send fewer items: this request can never pass."),
    Reason.RATE_LIMITED: Problem(429, "Rate limit reached", "Wait as long as Retry-After says."),
    Reason.MONTH_QUOTA_EXHAUSTED: Problem(429, "Month's quota used", "Wait for the next month (UTC) or ask for a larger tier."),
    Reason.CONCURRENCY_LIMITED: Problem(429, "Too many requests in progress", "Wait for an answer before the next request."),
    Reason.TOO_MANY_FAILURES: Problem(429, "Too many failures", "Correct key and path, then wait as long as Retry-After says."),
    Reason.INTERNAL_ERROR: Problem(500, "Internal error", "Report the request id; the request was not charged."),
    Reason.QUOTA_UNAVAILABLE: Problem(503, "Quota store unavailable", "Try again; the request was not charged."),
    Reason.IDENTITY_UNAVAILABLE: Problem(503, "Key store unavailable", "Try again."),
    Reason.USAGE_UNAVAILABLE: Problem(503, "Usage ledger unavailable", "Try again; the request was not charged."),
    Reason.OVERLOADED: Problem(503, "Overloaded", "Try again."),
    Reason.NO_HEALTHY_UPSTREAM: Problem(503, "No healthy upstream", "Try again."),
    Reason.DRAINING: Problem(503, "Ending", "Try again; the request was not charged."),
    Reason.UPSTREAM_UNREACHABLE: Problem(502, "Upstream unreachable", "Try again; the month's units were given back."),
    Reason.UPSTREAM_PROTOCOL_ERROR: Problem(502, "Upstream's answer is not HTTP", "Report the request id; the month's units were given back."),
    Reason.UPSTREAM_CLOSED: Problem(502, "Upstream closed", "Try again; the month's units were given back."),
    Reason.UPSTREAM_TIMEOUT: Problem(504, "Upstream too slow", "Try again later; the month's units were given back."),
}  # fmt: skip
"""Every reason's status, title and advice: the pages under ``/problems/`` are made from it."""


def problem_type(reason: Reason) -> str:
    """Return the ``type`` of a problem body."""
    if reason is Reason.OVERLOADED:
        return CAPACITY_TYPE
    return QUOTA_TYPE if reason in QUOTA_REASONS else f"/problems/{reason}"
