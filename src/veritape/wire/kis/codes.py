"""Message codes of the broker, with the words that go with them (KIS-040, KIS-044)."""

from types import MappingProxyType
from typing import Final, NamedTuple


class Message(NamedTuple):
    """How the broker says a WebSocket code."""

    rt_cd: str
    """``0`` success, ``1`` and ``9`` refusals."""
    msg1: str
    """Words for people; nothing compares them."""


SUCCESS: Final = "MCA00000"
"""REST: ok."""

WEBSOCKET: Final = MappingProxyType(
    {
        "OPSP0000": Message("0", "SUBSCRIBE SUCCESS"),
        "OPSP0001": Message("0", "UNSUBSCRIBE SUCCESS"),
        "OPSP0002": Message("1", "ALREADY IN SUBSCRIBE"),
        "OPSP0003": Message("1", "UNSUBSCRIBE ERROR(not found!)"),
        "OPSP0007": Message("1", "SUBSCRIBE INTERNAL ERROR"),
        "OPSP0008": Message("1", "MAX SUBSCRIBE OVER"),
        "OPSP0009": Message("1", "SUBSCRIBE ERROR : mci send failed"),
        "OPSP0010": Message("1", "invalid appkey"),
        "OPSP0011": Message("1", "invalid approval : NOT FOUND"),
        "OPSP8991": Message("9", "invalid tr_id"),
        "OPSP8992": Message("9", "invalid tr_key"),
        "OPSP8993": Message("9", "JSON PARSING ERROR : tr_key is invalid"),
        "OPSP8994": Message("9", "invalid personalseckey"),
        "OPSP8995": Message("9", "invalid appsecret"),
        "OPSP8996": Message("9", "ALREADY IN USE appkey"),
        "OPSP8997": Message("9", "invalid tr_type"),
        "OPSP8998": Message("9", "invalid custtype"),
        "OPSP8999": Message("9", "resource not available"),
        "OPSP9990": Message("9", "JSON PARSING ERROR : tr_key not found"),
        "OPSP9991": Message("9", "JSON PARSING ERROR : input not found"),
        "OPSP9992": Message("9", "JSON PARSING ERROR : body not found"),
        "OPSP9993": Message("9", "internal error"),
        "OPSP9994": Message("9", "invalid appkey"),
        "OPSP9995": Message("9", "internal error"),
        "OPSP9996": Message("9", "invalid appkey"),
        "OPSP9997": Message("9", "JSON PARSING ERROR : custtype not found"),
        "OPSP9998": Message("9", "JSON PARSING ERROR : header not found"),
        "OPSP9999": Message("9", "JSON PARSING ERROR : invalid json format"),
    }
)
"""WebSocket codes that an acknowledgement may carry."""

REST: Final = MappingProxyType(
    {
        "EGW00001": "temporary error",
        "EGW00002": "server error",
        "EGW00003": "access denied",
        "EGW00004": "not authorised",
        "EGW00101": "invalid request",
        "EGW00102": "appkey missing",
        "EGW00103": "appkey invalid",
        "EGW00104": "appsecret missing",
        "EGW00105": "appsecret invalid",
        "EGW00115": "grant_type missing",
        "EGW00116": "grant_type not supported",
        "EGW00121": "token invalid",
        "EGW00122": "token not found",
        "EGW00123": "token expired",
        "EGW00131": "hashkey invalid",
        "EGW00132": "Content-Type invalid",
        "EGW00133": "token asked again within a minute",
        "EGW00201": "calls per second exceeded",
        "EGW00202": "routing error",
        "EGW00203": "routing failed",
        "EGW00205": "credential type invalid",
        "EGW00206": "no right to this API",
        "EGW00207": "IP address not allowed",
        "EGW00208": "custtype invalid",
        "EGW00209": "seq_no invalid",
        "EGW00300": "routing request failed",
        "EGW00301": "connect time-out",
        "EGW00302": "answer time-out",
        "EGW00303": "IP address not allowed",
        "EGW02004": "not available on paper",
        "OPSQ0001": "call failed inside",
        "OPSQ0002": "no such service",
        "OPSQ0003": "call failed inside",
        "OPSQ0004": "call failed inside",
        "OPSQ0005": "call failed inside",
        "OPSQ0006": "call failed inside",
        "OPSQ0007": "call failed inside",
        "OPSQ0008": "call failed inside",
        "OPSQ0009": "call failed inside",
        "OPSQ0010": "call failed inside",
        "OPSQ0011": "call failed inside",
        "OPSQ1002": "session connect error",
        "OPSQ2000": "bad account",
        "OPSQ2001": "bad market code",
        "OPSQ2002": "bad parameter",
        "OPSQ9995": "JSON part missing",
        "OPSQ9996": "JSON part missing",
        "OPSQ9997": "JSON part missing",
        "OPSQ9998": "JSON part missing",
        "OPSQ9999": "tr_id missing",
    }
)
"""REST codes with their meaning; the client's reaction to each is the recorder's own table."""
