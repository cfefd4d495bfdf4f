"""Take secrets out of log records, before anything is written (TL-640, TL-650).

By key: the value of a field with one of the names becomes ``***``. By shape: keys of ours, bearer values, JWTs, user
information in URLs, PEM blocks and query strings go wherever they stand in a text; addresses of peers are cut to /24 or
/64. Redaction is the last step before the writer, so no caller has to remember it.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence

STARS = "***"
"""What stands in place of a secret."""

SECRET_KEYS = frozenset(
    [
        "authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "apikey",
        "api_key",
        "x-admin-key",
        "appkey",
        "appsecret",
        "secretkey",
        "access_token",
        "approval_key",
        "token",
        "password",
        "passwd",
        "secret",
        "pepper",
        "private_key",
        "dsn",
        "account_number",
    ]
)
"""Names whose values are never written, compared in lower case with ``-`` as ``_``."""

_KEYS = frozenset(name.replace("-", "_") for name in SECRET_KEYS)

SHAPES = (
    (re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL), STARS),
    (re.compile(r"\b(Bearer|Basic)\s+(?:(?:Bearer|Basic)\s+)*[^\s\"']+", re.IGNORECASE), rf"\1 {STARS}"),
    (re.compile(r"\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*"), STARS),
    (re.compile(r"\bvt_[A-Za-z0-9]+_[A-Za-z0-9_-]{6,}"), STARS),
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/\s@]+@"), rf"\1{STARS}@"),
    (re.compile(r"((?:https?|wss?)://[^\s?\"']*|(?<=\s)/[^\s?\"']*|^/[^\s?\"']*)\?[^\s\"']*"), r"\1"),
    (
        re.compile(
            r"(\"?(?:approval_key|appkey|appsecret|access_token|secretkey|password)\"?\s*[:=]\s*\"?)[^\s\",}&]+",
            re.IGNORECASE,
        ),
        rf"\1{STARS}",
    ),
)
"""Pattern and replacement, in the order of application."""

IPV4 = re.compile(r"(?<![\d.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![\d.])(?:/24(?!\d))?")
"""An address in dotted form, cut already or not."""


def redact(name: str, value: object) -> object:
    """Return a field's value without secrets; containers are walked, other types pass."""
    if name.lower().replace("-", "_") in _KEYS and value is not None:
        return STARS
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        return {str(key): redact(str(key), member) for key, member in value.items()}
    if isinstance(value, Sequence):
        return [redact(name, member) for member in value]
    return value


def redact_text(text: str) -> str:
    """Return a text without what looks like a secret."""
    for pattern, replacement in SHAPES:
        text = pattern.sub(replacement, text)
    return IPV4.sub(_cut_ipv4, _cut_ipv6(text))


def _cut_ipv4(match: re.Match[str]) -> str:
    if match[1] == "127" or match[0] == "0.0.0.0":  # noqa: S104 - compared, not bound
        return match[0]
    return f"{match[1]}.{match[2]}.{match[3]}.0/24"


def _cut_ipv6(text: str) -> str:
    """Cut a text that is an IPv6 address as a whole."""
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return text
    if address.is_loopback or address.is_unspecified:
        return text
    return str(ipaddress.IPv6Network((address, 64), strict=False))
