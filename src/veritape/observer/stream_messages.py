"""The messages of the live connection as data: what acknowledgements mean for a slot, and commands as they are sent (KIS-101, KIS-103)."""

import json
from typing import Final

from veritape.observer.slots import Command, SlotEvent
from veritape.wire.kis.frames import (
    BOOK_BOTH,
    BOOK_KRX,
    BOOK_NXT,
    TRADES_BOTH,
    TRADES_KRX,
    TRADES_NXT,
)

SLOT_EVENTS: Final = {
    "OPSP0000": SlotEvent.REGISTERED,
    "OPSP0002": SlotEvent.REGISTERED,
    "OPSP0001": SlotEvent.RELEASED,
    "OPSP0003": SlotEvent.RELEASED,
    "OPSP0008": SlotEvent.LIMIT,
    "OPSP0007": SlotEvent.INTERNAL_ERROR,
    "OPSP0009": SlotEvent.INTERNAL_ERROR,
}
"""Acknowledgement code -> slot event; any other refuses the code."""

STREAM_KINDS: Final = {
    **dict.fromkeys((TRADES_KRX, TRADES_NXT, TRADES_BOTH), "trade"),
    **dict.fromkeys((BOOK_KRX, BOOK_NXT, BOOK_BOTH), "book"),
    "H0STANC0": "expected",
    "H0STMKO0": "status",
}
"""Transaction id -> kind of message."""


def command_text(command: Command, approval_key: str) -> str:
    """Return a registration or release as sent (KIS-101)."""
    header = {
        "approval_key": approval_key,
        "custtype": "P",
        "tr_type": "1" if command.register else "2",
        "content-type": "utf-8",
    }
    body = {"input": {"tr_id": command.tr_id, "tr_key": command.code}}
    return json.dumps({"header": header, "body": body}, separators=(",", ":"))
