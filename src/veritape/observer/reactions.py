"""What the client does about each code of the broker, and how an answer is classified (KIS-025, KIS-040, KIS-044).

The code alone decides, whatever the HTTP status: the broker answers errors as 500, 403 or 200.
"""

import json
import re
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

BODY_BYTES: Final = 1 << 20
"""Largest body that is read (KIS-027)."""


class Reaction(StrEnum):
    """What a code asks for."""

    OK = "ok"
    """It worked."""
    RETRY = "retry"
    """Temporary: the same call again, later."""
    SLOW_DOWN = "slow_down"
    """Too many calls."""
    RENEW_TOKEN = "renew_token"  # noqa: S105 - a reaction
    """The access token died."""
    WAIT_ISSUE = "wait_issue"
    """A token was asked for within a minute of the last attempt."""
    RENEW_APPROVAL = "renew_approval"
    """The approval key is not known."""
    STOP_CONFIG = "stop_config"
    """The credentials or rights are wrong: fatal."""
    BUG = "bug"
    """The call itself is wrong."""
    RECONCILE = "reconcile"
    """The broker's state is right, ours follows."""
    FREE_SLOT = "free_slot"
    """The registration limit is reached."""
    OTHER_SESSION = "other_session"
    """Another process uses the account."""
    REFUSED = "refused"
    """An unknown code refuses this one item."""


class AnswerReason(StrEnum):
    """Why a REST answer is none (KIS-043)."""

    UNAVAILABLE = "unavailable"
    """429 or 5xx without a code."""
    TIMEOUT = "timeout"
    """No answer in time."""
    BAD_REQUEST = "bad_request"
    """Another 4xx without a code."""
    BAD_JSON = "bad_json"
    """Not a JSON object."""
    MISSING_OUTPUT = "missing_output"
    """Success without the documented output."""
    BAD_NUMBER = "bad_number"
    """A needed field is empty or no number."""
    TOO_LARGE = "too_large"
    """Above 1 MiB."""
    REFUSED = "refused"
    """A code refuses the call."""
    NOT_ON_PAPER = "not_on_paper"
    """Paper accounts lack the call; it was not sent."""


def _expand(codes: str, reaction: Reaction) -> dict[str, Reaction]:
    table = {}
    for item in codes.split():
        first, _, last = item.partition("..")
        digits = len(first) - len(first.rstrip("0123456789"))
        prefix = first[: len(first) - digits]
        for number in range(int(first[-digits:]), int((last or first)[-digits:]) + 1):
            table[f"{prefix}{number:0{digits}}"] = reaction
    return table


REST: Final = MappingProxyType(
    {
        "MCA00000": Reaction.OK,
        **_expand("EGW00003 EGW00004 EGW00206 EGW00102..EGW00105 EGW00207 EGW00303", Reaction.STOP_CONFIG),
        **_expand(
            "EGW00101 EGW00115 EGW00116 EGW00131 EGW00132 EGW00205 EGW00208 EGW00209 EGW02004", Reaction.BUG
        ),
        **_expand("EGW00121..EGW00123", Reaction.RENEW_TOKEN),
        **_expand("EGW00133", Reaction.WAIT_ISSUE),
        **_expand("EGW00201", Reaction.SLOW_DOWN),
        **_expand("EGW00001 EGW00002 EGW00202 EGW00203 EGW00300..EGW00302", Reaction.RETRY),
        **_expand("OPSQ0001 OPSQ0003..OPSQ0011 OPSQ1002", Reaction.RETRY),
        **_expand("OPSQ0002 OPSQ2000..OPSQ2002 OPSQ9995..OPSQ9999", Reaction.BUG),
    }
)
"""REST code -> reaction; another code refuses its item."""

WEBSOCKET: Final = MappingProxyType(
    {
        **_expand("OPSP0000 OPSP0001", Reaction.OK),
        **_expand("OPSP0002 OPSP0003", Reaction.RECONCILE),
        **_expand("OPSP0007 OPSP0009 OPSP8999 OPSP9993 OPSP9995", Reaction.RETRY),
        **_expand("OPSP0008", Reaction.FREE_SLOT),
        **_expand("OPSP0010 OPSP9994 OPSP9996", Reaction.STOP_CONFIG),
        **_expand("OPSP0011", Reaction.RENEW_APPROVAL),
        **_expand("OPSP8991..OPSP8995 OPSP8997 OPSP8998 OPSP9990..OPSP9992 OPSP9997..OPSP9999", Reaction.BUG),
        **_expand("OPSP8996", Reaction.OTHER_SESSION),
    }
)
"""WebSocket code -> reaction."""

_CODE: Final = re.compile(r"[A-Z]{3,4}[0-9]{4,5}")


class Answer(NamedTuple):
    """A REST answer, classified."""

    reaction: Reaction
    """What to do."""
    code: str
    """The broker's code, empty without one."""
    reason: AnswerReason | None
    """Why there is no output, None on success."""
    document: dict[str, Any]
    """The body; empty unless it is a JSON object."""


def classify(status: int, body: bytes) -> Answer:
    """Classify an answer; total: any status and bytes give a value."""
    if len(body) > BODY_BYTES:
        return Answer(Reaction.REFUSED, "", AnswerReason.TOO_LARGE, {})
    document = _json_object(body)
    if document is None:
        return _without_json(status)
    code = _text(document.get("msg_cd")) or _text(document.get("error_code"))
    rt_cd = _text(document.get("rt_cd"))
    if rt_cd == "7":
        return Answer(Reaction.OK, code, None, document)
    if _CODE.fullmatch(code):
        reaction = REST.get(code, Reaction.OK if rt_cd == "0" else Reaction.REFUSED)
        return Answer(reaction, code, None if reaction is Reaction.OK else AnswerReason.REFUSED, document)
    if status == 200 and rt_cd in {"", "0"}:  # noqa: PLR2004 - HTTP OK
        return Answer(Reaction.OK, "", None, document)
    return (
        _without_json(status) if not rt_cd else Answer(Reaction.REFUSED, "", AnswerReason.REFUSED, document)
    )


def websocket_reaction(msg_cd: str, rt_cd: str) -> Reaction:
    """Return what an acknowledgement asks for; the code decides, rt_cd is the fallback (KIS-045)."""
    return WEBSOCKET.get(msg_cd, Reaction.OK if rt_cd == "0" else Reaction.REFUSED)


def _without_json(status: int) -> Answer:
    if status == 429 or status >= 500:  # noqa: PLR2004 - HTTP statuses
        return Answer(Reaction.RETRY, "", AnswerReason.UNAVAILABLE, {})
    if status >= 400:  # noqa: PLR2004 - HTTP statuses
        return Answer(Reaction.REFUSED, "", AnswerReason.BAD_REQUEST, {})
    return Answer(Reaction.REFUSED, "", AnswerReason.BAD_JSON, {})


def _json_object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
