"""Say what commands earned: acknowledgements, as late and in whatever order their faults want them (KIS-102, KIS-103).

The player plays a market; what a client asked and is told stands here. Both write into the same outboxes.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from veritape.replay.adapters.outbox import Outbox
from veritape.replay.control_faults import SHUFFLE_SECONDS, When
from veritape.replay.delivery import Packet
from veritape.replay.market import Market
from veritape.replay.notices import notice_text
from veritape.replay.rendering import clock_text
from veritape.replay.rules import rule_of
from veritape.replay.schedule import TapeClock
from veritape.replay.sockets import ACCEPTED, Exchange, Reply, Socket
from veritape.wire.kis.frames import NOTICE_STREAMS


class Stage(Protocol):
    """What is played at present."""

    market: Market
    """The day's."""
    tape: TapeClock
    """Its time."""
    outboxes: dict[Socket, Outbox]
    """Connections."""

    def is_silent(self) -> bool:
        """Tell whether nothing is sent now (``silence``)."""
        ...

    def clock_document(self) -> Mapping[str, Any]:
        """Return what the clock says."""
        ...

    def note(self, kind: str, detail: dict[str, Any]) -> None:
        """Write an event to the truth file."""
        ...


class Answers:
    """What clients are told of their commands."""

    def __init__(self, stage: Stage, exchange: Exchange) -> None:
        self._stage = stage
        self._exchange = exchange

    def acknowledge(self, outbox: Outbox, reply: Reply) -> None:
        """Say what a command earned, when its faults let it be said."""
        if reply.code:
            self._note(outbox.socket, reply)
        if reply.text is None or reply.delay.when is When.NEVER:
            return
        notice = self._notice(reply)
        if notice and self._exchange.trouble.says("key_late", self._stage.tape.now_ms):
            self.say(outbox, notice)
            notice = ""
        self._say_when(outbox, reply, reply.text)
        if notice:
            self.say(outbox, notice)

    def say(self, outbox: Outbox, text: str) -> None:
        """Send an acknowledgement or a heartbeat, unless the broker is silent."""
        if not self._stage.is_silent():
            outbox.put(text)

    def say_after_data(self, packet: Packet) -> None:
        """Send the acknowledgements that wait for a code's first data frame."""
        for socket in packet.sockets:
            box = self._stage.outboxes.get(socket)
            if box and (text := box.after_data.pop((packet.tr_id, packet.code), None)):
                self.say(box, text)

    def _say_when(self, outbox: Outbox, reply: Reply, text: str) -> None:
        if reply.delay.when is When.LATE:
            delay_s = reply.delay.delay_ms / 1000 / (self._stage.clock_document()["speed"] or 1.0)
            asyncio.get_running_loop().call_later(delay_s, self.say, outbox, text)
        elif reply.delay.when is When.AFTER_DATA:
            outbox.after_data[reply.place] = text
        elif reply.delay.when is When.AFTER_NEXT and not outbox.after_next:
            outbox.after_next.append(text)
            asyncio.get_running_loop().call_later(SHUFFLE_SECONDS, self._say_next, outbox)
        else:
            self.say(outbox, text)
            self._say_next(outbox)

    def _say_next(self, outbox: Outbox) -> None:
        for text in outbox.after_next:
            self.say(outbox, text)
        outbox.after_next.clear()

    def _notice(self, reply: Reply) -> str:
        """Return the one execution notice that a registration earns, empty for other commands."""
        tr_id, hts_id = reply.place
        if reply.code != "OPSP0000" or tr_id not in NOTICE_STREAMS:
            return ""
        market, now_ms = self._stage.market, self._stage.tape.now_ms
        code = market.codes[0]
        last, listing = market.last(code, now_ms), market.quoted[code].listing
        price = last.price if last else listing.open_price
        text = notice_text(hts_id, code, listing.symbol.name, price, clock_text(now_ms))
        return self._exchange.notice(reply.place, text, now_ms)

    def _note(self, socket: Socket, reply: Reply) -> None:
        detail: dict[str, Any] = {
            "connection": socket.number,
            "code": reply.code,
            "tr_id": reply.place[0],
            "tr_key": reply.place[1],
        }
        if reply.delay.fault:
            detail["faults"] = [reply.delay.fault]
        accepted = reply.code in ACCEPTED
        if not accepted:
            detail["rule"] = rule_of(str(reply.code))
        self._stage.note("acknowledged" if accepted else "refused", detail)
