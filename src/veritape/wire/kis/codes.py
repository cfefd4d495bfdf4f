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
        "OPSP8996": Message("9", "ALREADY IN USE appkey"),
        "OPSP8997": Message("9", "invalid tr_type"),
        "OPSP8998": Message("9", "invalid custtype"),
        "OPSP9990": Message("9", "JSON PARSING ERROR : tr_key not found"),
        "OPSP9991": Message("9", "JSON PARSING ERROR : input not found"),
        "OPSP9992": Message("9", "JSON PARSING ERROR : body not found"),
        "OPSP9997": Message("9", "JSON PARSING ERROR : custtype not found"),
        "OPSP9998": Message("9", "JSON PARSING ERROR : header not found"),
        "OPSP9999": Message("9", "JSON PARSING ERROR : invalid json format"),
    }
)
"""WebSocket codes that an acknowledgement may carry."""

REST: Final = MappingProxyType(
    {
        "EGW00102": "appkey missing",
        "EGW00103": "appkey invalid",
        "EGW00104": "appsecret missing",
        "EGW00105": "appsecret invalid",
        "EGW00115": "grant_type missing",
        "EGW00116": "grant_type not supported",
        "EGW00121": "token invalid",
        "EGW00122": "token not found",
        "EGW00123": "token expired",
        "EGW00132": "Content-Type invalid",
        "EGW00133": "token asked again within a minute",
        "EGW00201": "calls per second exceeded",
        "EGW00205": "credential type invalid",
        "OPSQ0002": "no such service",
        "OPSQ2001": "bad market code",
        "OPSQ2002": "bad parameter",
        "OPSQ9999": "tr_id missing",
    }
)
"""REST codes with their meaning; the client's reaction to each is the recorder's own table."""
