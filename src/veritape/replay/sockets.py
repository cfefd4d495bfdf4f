"""The broker's side of one WebSocket: commands in, acknowledgements out, registry and heartbeat (KIS-100 to 115).

A command runs through the broker's checks in their order; the first that fails names the code. The registry belongs to
the socket and dies with it. All sockets share an ``Exchange``, which knows who holds an appkey.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from veritape.kernel.clock import NANOSECONDS
from veritape.replay.accounts import Account, Accounts
from veritape.replay.control_faults import ControlFaults, Delay
from veritape.replay.faults import Faults
from veritape.replay.notices import key_and_iv, notice_frame
from veritape.wire.kis.codes import WEBSOCKET
from veritape.wire.kis.frames import NOTICE_STREAMS, PRESENT_WIDTHS, SYMBOL

STREAMS: Final = frozenset(PRESENT_WIDTHS)
"""Transaction ids that a command may register."""

IDLE_NS: Final = 10 * NANOSECONDS
"""Without a frame for this long the broker sends a PINGPONG (KIS-109)."""

CUT_NS: Final = 100 * NANOSECONDS
"""An unanswered PINGPONG cuts the connection after this long."""

COMMAND_BYTES: Final = 64 << 10
"""Longest command (KIS-224)."""

ACCEPTED: Final = frozenset({"OPSP0000", "OPSP0001"})
"""Codes of commands that were carried out."""

HTS_ID: Final = r"[0-9A-Za-z@_.-]{1,20}"
"""Pattern of the key of execution notices (KIS-163)."""


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


@dataclass(frozen=True)
class Reply:
    """What a message earns."""

    text: str | None
    """The acknowledgement, None for a heartbeat's echo."""
    code: str | None
    """Code that it carries."""
    place: tuple[str, str] = ("", "")
    """(tr_id, tr_key) of the command."""
    delay: Delay = field(default_factory=Delay)
    """When it leaves."""


class Exchange:
    """Every live socket, and the answers to their commands."""

    def __init__(self, accounts: Accounts, seed: int, trouble: ControlFaults | None = None) -> None:
        self.trouble = trouble or ControlFaults(Faults())
        """What goes wrong on purpose."""
        self._accounts = accounts
        self._seed = seed
        self._opened = 0
        self.sockets: list[Socket] = []
        """Live connections."""

    def connect(self, now_ns: int) -> Socket:
        """Open a connection; it belongs to nobody yet."""
        self._opened += 1
        socket = Socket(self._opened, last_frame_ns=now_ns)
        self.sockets.append(socket)
        return socket

    def disconnect(self, socket: Socket, now_ns: int = 0, tape_ms: int = 0, *, clean: bool = True) -> None:
        """Forget a connection and its registry."""
        self.sockets.remove(socket)
        if socket.account is not None:
            self.trouble.ended(socket.account.appkey, now_ns, tape_ms, clean=clean)

    def skipped(self, duration_ns: int) -> None:
        """Take back a jump of the broker clock: nobody could answer a heartbeat in time that did not pass."""
        for socket in self.sockets:
            socket.last_frame_ns += duration_ns
            if socket.pinged_ns is not None:
                socket.pinged_ns += duration_ns

    def notice(self, place: tuple[str, str], text: str, tape_ms: int) -> str:
        """Return an execution notice as the frame that a registration's key opens (KIS-163)."""
        key, iv = key_and_iv(self._seed, place[0])
        return notice_frame(place[0], text, key, iv, bad=self.trouble.says("bad_cipher", tape_ms))

    def watchers(self, tr_id: str, code: str) -> list[Socket]:
        """Return the sockets that registered a code."""
        return [socket for socket in self.sockets if (tr_id, code) in socket.registered]

    def receive(self, socket: Socket, text: str, now_ns: int, tape_ms: int = 0) -> Reply:
        """Take one message; return what it earns.

        Args:
            socket: where it came from.
            text: as received.
            now_ns: broker clock.
            tape_ms: tape clock, for the windows of faults.
        """
        document = _parsed(text)
        if isinstance(document, dict) and _path(document, "header", "tr_id") == "PINGPONG":
            socket.pinged_ns = None
            return Reply(None, None)
        tr_id, tr_key = "(null)", ""
        if isinstance(document, dict):
            tr_id = _text(_path(document, "body", "input", "tr_id")) or "(null)"
            tr_key = _text(_path(document, "body", "input", "tr_key"))
        ordinal = self.trouble.next_command()
        code = self._decide(socket, document, now_ns, tape_ms)
        if socket.account is not None and code not in ACCEPTED:
            socket.account.report.add("refusals", now_ns)
        return Reply(
            self._acknowledgement(tr_id, tr_key, code),
            code,
            (tr_id, tr_key),
            self.trouble.delay(ordinal, code, tape_ms),
        )

    @staticmethod
    def receive_pong(socket: Socket) -> None:
        """Take a Pong frame: some clients answer a PINGPONG with it, whatever it carries (KIS-108)."""
        socket.pinged_ns = None

    @staticmethod
    def heartbeat(socket: Socket, now_ns: int) -> bool:
        """Tell whether a PINGPONG is due on an idle socket, and count it as sent."""
        if now_ns - socket.last_frame_ns < IDLE_NS:
            return False
        socket.last_frame_ns = now_ns
        if socket.pinged_ns is None:
            socket.pinged_ns = now_ns
        return True

    @staticmethod
    def must_cut(socket: Socket, now_ns: int) -> bool:
        """Tell whether a PINGPONG stayed unanswered for too long."""
        return socket.pinged_ns is not None and now_ns - socket.pinged_ns >= CUT_NS

    def _decide(self, socket: Socket, document: object, now_ns: int, tape_ms: int) -> str:
        header, refusal = self._identify(socket, document, now_ns, tape_ms)
        if refusal or not isinstance(document, dict):
            return refusal or "OPSP9999"
        refusal = _header_refusal(header) or _input_refusal(document) or self.trouble.refusal(tape_ms)
        return refusal or self._register(socket, document, tape_ms)

    def _identify(
        self, socket: Socket, document: object, now_ns: int, tape_ms: int
    ) -> tuple[dict[str, Any], str | None]:
        if not isinstance(document, dict):
            return {}, "OPSP9999"
        header = document.get("header")
        if not isinstance(header, dict):
            return {}, "OPSP9998"
        account = self._accounts.of_approval(_text(header.get("approval_key")), now_ns)
        if account is None or self.trouble.bad_key(tape_ms):
            return header, "OPSP0011"
        account.report.add("commands", now_ns)
        if self._is_elsewhere(account, socket) or self.trouble.in_use(account.appkey, now_ns, tape_ms):
            return header, "OPSP8996"
        if socket.account is None:
            socket.account = account
            account.report.add("connects", now_ns)
        return header, None

    def _is_elsewhere(self, account: Account, socket: Socket) -> bool:
        return any(other.account is account for other in self.sockets if other is not socket)

    def _register(self, socket: Socket, document: dict[str, Any], tape_ms: int) -> str:
        place = (document["body"]["input"]["tr_id"], document["body"]["input"]["tr_key"])
        if document["header"]["tr_type"] == "2":
            if place not in socket.registered:
                return "OPSP0003"
            socket.registered.remove(place)
            return "OPSP0001"
        if place in socket.registered:
            return "OPSP0002"
        usual = socket.account.limits.registrations if socket.account else 0
        if len(socket.registered) >= self.trouble.limit(usual, tape_ms):
            return "OPSP0008"
        socket.registered.add(place)
        return "OPSP0000"

    def _acknowledgement(self, tr_id: str, tr_key: str, code: str) -> str:
        message = WEBSOCKET[code]
        body: dict[str, Any] = {"rt_cd": message.rt_cd, "msg_cd": code, "msg1": message.msg1}
        if code == "OPSP0000":
            key, iv = key_and_iv(self._seed, tr_id)
            body["output"] = {"iv": iv, "key": key}
        header = {"tr_id": tr_id, "tr_key": tr_key, "encrypt": "Y" if tr_id in NOTICE_STREAMS else "N"}
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
    pattern = HTS_ID if given["tr_id"] in NOTICE_STREAMS else SYMBOL
    return None if re.fullmatch(pattern, _text(given["tr_key"])) else "OPSP8993"


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
