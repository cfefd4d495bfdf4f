"""Every rule that the replayed broker can break on demand, as one table (OB-851, KIS-220).

``--fault name=value@HH:MM:SS-HH:MM:SS``: the window is tape time, without one the fault lasts all day, and with a
beginning alone it lasts to the end. The form says what the value is; the meaning is what ``--help`` and a refusal print.
"""

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from veritape.wire.kis.codes import REST, WEBSOCKET
from veritape.wire.kis.frames import SYMBOL


class Form(StrEnum):
    """What a fault's value is."""

    SHARE = "0..1"
    """Share of the frames, commands or calls that suffer it; without a value all of them."""
    COUNT = "n"
    """A whole number."""
    MILLISECONDS = "ms"
    """Whole milliseconds, negative ones where that has a meaning."""
    SECONDS = "s"
    """Seconds, fractions allowed."""
    MOMENT = "HH:MM:SS"
    """A time on the tape."""
    SHARE_OR_MOMENT = "0..1 or HH:MM:SS"
    """A share, or a time on the tape from which the next call suffers it once."""
    WORD = "text"
    """A word of the kind's own pattern."""


class Kind(NamedTuple):
    """One fault."""

    form: Form
    """What its value is."""
    meaning: str
    """What it does, in a line."""
    pattern: str = ""
    """What a ``WORD`` looks like."""


def _one_of(codes: tuple[str, ...]) -> str:
    return "|".join(codes)


DAY: Final = "[0-9]{8}"
"""A date as YYYYMMDD."""

MASTER_KINDS: Final = (
    "bad_length", "bad_encoding", "bad_isin", "bad_number", "bad_date", "bad_flag", "duplicate_code", "bad_zip",
)  # fmt: skip
"""What ``master_bad`` may be (KIS-088)."""

FRAME_KINDS: Final = MappingProxyType(
    {
        "drop": Kind(Form.SHARE, "the frame is not sent"),
        "duplicate": Kind(Form.SHARE, "the frame is sent twice"),
        "reorder": Kind(Form.SHARE, "the frame is swapped with its successor on the session"),
        "split": Kind(Form.SHARE, "the frame's records travel in two frames"),
        "merge": Kind(Form.SHARE, "the frame travels together with the code's next one, at most 20 records"),
        "truncate": Kind(Form.SHARE, "the frame is cut at a random byte"),
        "garble": Kind(Form.SHARE, "one byte of the frame is another"),
        "width": Kind(Form.COUNT, "trade records have this many fields"),
        "insert": Kind(Form.COUNT, "one field more in every trade record, at this place from 0"),
        "delay": Kind(Form.MILLISECONDS, "frames leave this much later"),
        "silence": Kind(Form.SECONDS, "nothing is sent for so long, the socket stays open"),
        "fragment": Kind(Form.SHARE, "the frame travels as two WebSocket fragments, cut inside a field"),
        "drop_record": Kind(Form.SHARE, "one record of the frame is missing"),
        "mix": Kind(Form.SHARE, "the frame travels together with another code's next one"),
        "count_bad": Kind(Form.SHARE, "the frame's count is not the number of its records"),
    }
)
"""What happens to data frames; the draws go by the frame's ordinal on the tape."""

SOCKET_KINDS: Final = MappingProxyType(
    {
        "close": Kind(Form.MOMENT, "every socket is closed with a close frame"),
        "reset": Kind(Form.MOMENT, "every socket is reset"),
        "half_close": Kind(Form.MOMENT, "the broker ends its direction of every socket and goes on reading"),
        "ban": Kind(Form.SECONDS, "after 10 connects in 60 s further ones are refused for so long"),
        "no_ack": Kind(Form.SHARE, "the command is carried out and not acknowledged"),
        "late_ack": Kind(Form.MILLISECONDS, "acknowledgements come so much later"),
        "ack_after_data": Kind(Form.SHARE, "the acknowledgement follows the code's first data frame"),
        "ack_shuffle": Kind(Form.SHARE, "the acknowledgement follows the next one"),
        "limit": Kind(Form.COUNT, "OPSP0008 from the registration after this many"),
        "opsp0011": Kind(Form.COUNT, "so many commands are told that their approval key is bad"),
        "opsp8996": Kind(Form.SECONDS, "the appkey is said to be in use for so long"),
        "opsp": Kind(Form.WORD, "every command is refused with this code", _one_of(tuple(WEBSOCKET))),
        "mute": Kind(Form.SHARE, "a bad approval key meets silence in place of OPSP0011"),
        "linger": Kind(Form.SECONDS, "after an unclean end the appkey stays in use for so long"),
        "no_pingpong": Kind(Form.SHARE, "idle sockets hear no PINGPONG"),
        "pingpong_flood": Kind(Form.SHARE, "PINGPONGs come without a pause"),
        "no_pong": Kind(Form.SHARE, "a Ping frame is not answered"),
        "bad_cipher": Kind(Form.SHARE, "an encrypted frame does not decrypt"),
        "key_late": Kind(Form.SHARE, "an encrypted frame comes before the key that opens it"),
    }
)
"""What happens to connections and commands; the draws go by the command's ordinal."""

REST_KINDS: Final = MappingProxyType(
    {
        "egw00201": Kind(Form.SHARE_OR_MOMENT, "the call is refused: calls per second exceeded"),
        "egw00121": Kind(Form.SHARE_OR_MOMENT, "the call is refused: token invalid"),
        "egw00123": Kind(Form.SHARE_OR_MOMENT, "the call is refused: token expired"),
        "egw00133": Kind(Form.SHARE_OR_MOMENT, "the token request is refused: asked again within a minute"),
        "rest": Kind(Form.WORD, "every call is refused with this code", _one_of(tuple(REST))),
        "status": Kind(Form.WORD, "HTTP status of refusals made by faults", "200|403|429|500|502|503"),
        "http_5xx": Kind(Form.SHARE, "the call is answered with 503 and no JSON"),
        "html": Kind(Form.SHARE, "the call is answered with 200 and a page of HTML"),
        "timeout": Kind(Form.SHARE, "the call is never answered"),
        "slow": Kind(Form.SECONDS, "answers come so much later"),
        "token_expiry": Kind(Form.MOMENT, "every token dies"),
        "token_life": Kind(Form.SECONDS, "tokens issued from then on live so long"),
        "kill_old": Kind(Form.SHARE, "a token request gives a new token and kills the old one"),
        "approval_limit": Kind(Form.SECONDS, "one approval key in so long, else EGW00201"),
        "window": Kind(Form.COUNT, "calls of a sliding second"),
        "bad_code": Kind(Form.WORD, "a multi-price call that holds this code is refused", SYMBOL),
        "row_missing": Kind(Form.SHARE, "one row of a multi-price answer is missing"),
        "row_extra": Kind(Form.SHARE, "a multi-price answer has a row that nobody asked for"),
        "shuffle": Kind(Form.SHARE, "rows of a multi-price answer come in another order"),
        "pbpr": Kind(Form.SHARE, "by-time rows call the price stck_pbpr"),
        "page_hole": Kind(Form.SHARE, "one inner row of a by-time page is missing"),
        "pad_future": Kind(Form.SHARE, "minute bars after now are padded with the current price"),
        "label_end": Kind(Form.SHARE, "a minute bar is labelled with the end of its minute"),
        "holiday": Kind(Form.WORD, "the calendar calls this date closed", DAY),
        "master_collapse": Kind(Form.SHARE, "this share of the master files' lines is missing"),
        "master_add": Kind(Form.COUNT, "the master files have so many invented codes more"),
        "master_bad": Kind(
            Form.WORD, "one line of each master file, or the file, is bad", _one_of(MASTER_KINDS)
        ),
    }
)
"""What happens to calls; the draws go by the call's ordinal."""

DAY_KINDS: Final = MappingProxyType(
    {
        "clock_skew": Kind(Form.MILLISECONDS, "stamps of trades, PINGPONG and Date are so far ahead"),
        "late_open": Kind(Form.COUNT, "the whole day happens so many minutes later"),
        "midnight": Kind(Form.MOMENT, "the day happens later: this time of the tape is midnight"),
        "restart": Kind(Form.MOMENT, "the day's running totals start again at zero"),
        "after_market": Kind(Form.WORD, "the running totals start again at 15:30:00", "restart"),
        "auction": Kind(
            Form.SHARE, "opening and closing auction: silence, then prints that nobody initiated"
        ),
        "vi": Kind(
            Form.WORD, "two minutes of call auction for a code from the window's beginning on", SYMBOL
        ),
        "halt": Kind(Form.WORD, "a code is halted within the window", SYMBOL),
    }
)
"""What happens to the day itself."""

KINDS: Final = MappingProxyType({**FRAME_KINDS, **SOCKET_KINDS, **REST_KINDS, **DAY_KINDS})
"""Every fault by its name."""
