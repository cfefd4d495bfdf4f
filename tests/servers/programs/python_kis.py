"""Receive ticks with python-kis 2.1.6 as its users do, and write down what it hands over.

usage: python python_kis.py OUTPUT CODE...    APPKEY and APPSECRET in the environment; ends when its input closes

One JSON line each: {"rest": {...}} for a REST quote, {"tick": [symbol, price, ACML_VOL, ACML_TR_PBMN]} for an event,
{"rejected": text} for a message that the client refused.
"""

import json
import logging
import os
import sys
import threading
from pathlib import Path
from typing import Any

from pykis import PyKis
from pykis.api.websocket.price import on_price


class Rejections(logging.Handler):
    """Write down the messages that the client reports as not handled."""

    def __init__(self, write: Any) -> None:
        super().__init__(logging.ERROR)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the ones of its frame parser."""
        if "Failed to parse message" in record.msg:
            self._write({"rejected": record.getMessage()})


def main() -> None:
    """Register every code and write until the input closes."""
    output, *codes = sys.argv[1:]
    lock = threading.Lock()
    with Path(output).open("w", buffering=1) as target:

        def write(document: dict[str, Any]) -> None:
            with lock:
                target.write(json.dumps(document) + "\n")

        logging.getLogger("pykis").addHandler(Rejections(write))
        kis = PyKis(
            id="replay",
            account="00000000-01",
            appkey=os.environ["APPKEY"],  # noqa: TID251 - a program of its own
            secretkey=os.environ["APPSECRET"],  # noqa: TID251 - as above
        )
        quote = kis.stock(codes[0]).quote()
        write({"rest": {"symbol": quote.symbol, "price": int(quote.price)}})

        def on_tick(sender: Any, event: Any) -> None:
            tick = event.response
            write({"tick": [tick.symbol, int(tick.price), int(tick.volume), int(tick.amount)]})

        # Registered while it connects, a code is lost in the client: the connection comes first.
        kis.websocket.ensure_connected(30)
        # A ticket that nobody holds unsubscribes when it is collected.
        tickets = [on_price(kis.websocket, "KRX", code, on_tick) for code in codes]
        sys.stdin.read()
        assert len(tickets) == len(codes)
        os._exit(0)  # its threads are not ours to join


if __name__ == "__main__":
    main()
