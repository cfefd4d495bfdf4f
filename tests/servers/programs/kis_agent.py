"""Receive ticks with kis-agent 1.6.1 as its users do, and write down what it hands over.

usage: python kis_agent.py OUTPUT CODE...    APPKEY, APPSECRET, REST_URL, WEBSOCKET_URL in the environment; runs until killed

Its addresses are arguments that it offers: base_url and url. Its handlers get all fields of a frame as one list, which its
own parser names 46 at a time. One JSON line each: {"rest": {...}} for a REST quote, {"tick": [symbol, price, ACML_VOL,
ACML_TR_PBMN]} for a record.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from kis_agent import Agent
from kis_agent.websocket import SubscriptionType, WSAgent
from kis_agent.websocket.ws_helpers import RealtimeDataParser

WIDTH = 46
NAMES = ("mksc_shrn_iscd", "stck_prpr", "acml_vol", "acml_tr_pbmn")


async def watch(target: TextIO, codes: list[str], given: Mapping[str, str]) -> None:
    """Register every code and write for ever."""
    agent = Agent(
        app_key=given["APPKEY"], app_secret=given["APPSECRET"], account_no="00000000", account_code="01",
        base_url=given["REST_URL"],
    )  # fmt: skip
    quote = agent.stock_api.get_stock_price(codes[0])["output"]
    target.write(json.dumps({"rest": {"symbol": codes[0], "price": int(quote["stck_prpr"])}}) + "\n")

    def copy(values: list[str], _facts: dict[str, Any]) -> None:
        for start in range(0, len(values), WIDTH):
            record = RealtimeDataParser.parse_stock_trade(values[start : start + WIDTH])
            target.write(json.dumps({"tick": [str(record[name]) for name in NAMES]}) + "\n")

    stream = WSAgent(agent.client.get_ws_approval_key(), url=given["WEBSOCKET_URL"])
    for code in codes:
        stream.subscribe(SubscriptionType.STOCK_TRADE, code, handler=copy)
    await stream.connect()


def main() -> None:
    """Open the output and watch."""
    output, *codes = sys.argv[1:]
    with Path(output).open("w", buffering=1) as target:
        asyncio.run(watch(target, codes, os.environ))  # noqa: TID251 - a program of its own


if __name__ == "__main__":
    main()
