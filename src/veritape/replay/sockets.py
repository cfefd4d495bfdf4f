"""The broker's side of one WebSocket: commands in, acknowledgements out, registry and heartbeat (KIS-100 to 115).

A command runs through the broker's checks in their order; the first that fails names the code. The registry belongs to
the socket and dies with it. All sockets share an ``Exchange``, which knows who holds an appkey.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from blake3 import blake3

from veritape.kernel.clock import NANOSECONDS
from veritape.replay.accounts import Account, Accounts
from veritape.wire.kis.codes import WEBSOCKET
from veritape.wire.kis.frames import SYMBOL, TRADES_BOTH, TRADES_KRX, TRADES_NXT
from veritape.wire.kis.rest import REGISTRATIONS

STREAMS: Final = frozenset({TRADES_KRX, TRADES_NXT, TRADES_BOTH})
"""Transaction ids that a command may register."""

IDLE_NS: Final = 10 * NANOSECONDS
"""Without a frame for this long the broker sends a PINGPONG (KIS-109)."""

CUT_NS: Final = 100 * NANOSECONDS
"""An unanswered PINGPONG cuts the connection after this long."""

COMMAND_BYTES: Final = 64 << 10
"""Longest command (KIS-224)."""

KEY_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
"""Alphabet of the encryption key in an acknowledgement."""


@dataclass(eq=False)
class Socket:
    """One connection."""

    number: int
    """Ordinal of the connection, from 1."""
    account: Account | None = None
    """Whose it is: known with the first good command."""
    registered: set[tuple[str, str]] = field(default_factory=set)
    """(tr_id, tr_key) pairs."""
    last_frame_ns: int = 0
    """Broker clock of the last message that was sent."""
    pinged_ns: int | None = None
    """Broker clock of the oldest unanswered PINGPONG."""


class Exchange:
    """Every live socket, and the answers to their commands."""

    def __init__(self, accounts: Accounts, seed: int, limit: int = REGISTRATIONS) -> None:
        self._accounts = accounts
        self._seed = seed
        self._limit = limit
        self._opened = 0
        self.sockets: list[Socket] = []
        """Live connections."""

    def connect(self, now_ns: int) -> Socket:
        """Open a connection; it belongs to nobody yet."""
        self._opened += 1
        socket = Socket(self._opened, last_frame_ns=now_ns)
        self.sockets.append(socket)
        return socket

    def disconnect(self, socket: Socket) -> None:
        """Forget a connection and its registry."""
        self.sockets.remove(socket)

    def watchers(self, tr_id: str, code: str) -> list[Socket]:
        """Return the sockets that registered a code."""
        return [socket for socket in self.sockets if (tr_id, code) in socket.registered]

    def receive(self, socket: Socket, text: str, now_ns: int) -> tuple[str | None, str | None]:
        """Take one message; return the acknowledgement, if any, and the code that it carries."""
        document = _parsed(text)
        if isinstance(document, dict) and _path(document, "header", "tr_id") == "PINGPONG":
            socket.pinged_ns = None
            return None, None
        tr_id, tr_key = "(null)", ""
        if isinstance(document, dict):
            tr_id = _text(_path(document, "body", "input", "tr_id")) or "(null)"
            tr_key = _text(_path(document, "body", "input", "tr_key"))
        code = self._decide(socket, document, now_ns)
        return self._acknowledgement(tr_id, tr_key, code), code

    @staticmethod
    def receive_pong(socket: Socket) -> None:
        """Take a Pong frame: some clients answer a PINGPONG with it, whatever it carries (KIS-108)."""
        socket.pinged_ns = None

    def heartbeat(self, socket: Socket, now_ns: int, kst_text: str) -> str | None:
        """Return a PINGPONG when the socket was idle; ``must_cut`` tells when its silence lasted too long."""
        if now_ns - socket.last_frame_ns < IDLE_NS:
            return None
        socket.last_frame_ns = now_ns
        if socket.pinged_ns is None:
            socket.pinged_ns = now_ns
        return f'{{"header":{{"tr_id":"PINGPONG","datetime":"{kst_text}"}}}}'

    @staticmethod
    def must_cut(socket: Socket, now_ns: int) -> bool:
        """Tell whether a PINGPONG stayed unanswered for too long."""
        return socket.pinged_ns is not None and now_ns - socket.pinged_ns >= CUT_NS

    def _decide(self, socket: Socket, document: object, now_ns: int) -> str:
        header, refusal = self._identify(socket, document, now_ns)
        if refusal or not isinstance(document, dict):
            return refusal or "OPSP9999"
        return _header_refusal(header) or _input_refusal(document) or self._register(socket, document)

    def _identify(self, socket: Socket, document: object, now_ns: int) -> tuple[dict[str, Any], str | None]:
        if not isinstance(document, dict):
            return {}, "OPSP9999"
        header = document.get("header")
        if not isinstance(header, dict):
            return {}, "OPSP9998"
        account = self._accounts.of_approval(_text(header.get("approval_key")), now_ns)
        if account is None:
            return header, "OPSP0011"
        account.report.commands += 1
        if any(other.account is account for other in self.sockets if other is not socket):
            return header, "OPSP8996"
        if socket.account is None:
            socket.account = account
            account.report.connects += 1
        return header, None

    def _register(self, socket: Socket, document: dict[str, Any]) -> str:
        place = (document["body"]["input"]["tr_id"], document["body"]["input"]["tr_key"])
        if document["header"]["tr_type"] == "2":
            if place not in socket.registered:
                return "OPSP0003"
            socket.registered.remove(place)
            return "OPSP0001"
        if place in socket.registered:
            return "OPSP0002"
        if len(socket.registered) >= self._limit:
            return "OPSP0008"
        socket.registered.add(place)
        return "OPSP0000"

    def _acknowledgement(self, tr_id: str, tr_key: str, code: str) -> str:
        message = WEBSOCKET[code]
        body: dict[str, Any] = {"rt_cd": message.rt_cd, "msg_cd": code, "msg1": message.msg1}
        if code == "OPSP0000":
            digest = blake3(f"{self._seed}:{tr_id}".encode()).digest(32)
            body["output"] = {
                "iv": digest[:8].hex(),
                "key": "".join(KEY_LETTERS[byte % 26] for byte in digest),
            }
        header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "N"}
        return json.dumps({"header": header, "body": body}, separators=(",", ":"))


def _header_refusal(header: dict[str, Any]) -> str | None:
    if "custtype" not in header:
        return "OPSP9997"
    if header["custtype"] not in {"P", "B"}:
        return "OPSP8998"
    return None if header.get("tr_type") in {"1", "2"} else "OPSP8997"


def _input_refusal(document: dict[str, Any]) -> str | None:
    body = document.get("body")
    if not isinstance(body, dict):
        return "OPSP9992"
    given = body.get("input")
    if not isinstance(given, dict):
        return "OPSP9991"
    if _text(given.get("tr_id")) not in STREAMS:
        return "OPSP8991"
    if "tr_key" not in given:
        return "OPSP9990"
    return None if re.fullmatch(SYMBOL, _text(given["tr_key"])) else "OPSP8993"


def _parsed(text: str) -> object:
    if len(text) > COMMAND_BYTES:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _path(document: Any, *names: str) -> object:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return document


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
