"""Receive ticks with mojito2 0.1.6 as its users do, and write down what it hands over.

usage: python mojito2.py OUTPUT CODE...    APPKEY and APPSECRET in the environment; ends when its input closes

Run it in an empty folder: the client leaves its token there. One JSON line each: {"rest": {...}} for a REST quote,
{"tick": [symbol, price, ACML_VOL, ACML_TR_PBMN]} for an item of its queue, as the texts that it hands over.
"""

import json
import os
import sys
import threading
from pathlib import Path

from mojito import KoreaInvestment, KoreaInvestmentWS

NAMES = ("유가증권단축종목코드", "주식현재가", "누적거래량", "누적거래대금")


def main() -> None:
    """Register every code and write until the input closes."""
    output, *codes = sys.argv[1:]
    appkey, appsecret = os.environ["APPKEY"], os.environ["APPSECRET"]  # noqa: TID251 - a program of its own
    with Path(output).open("w", buffering=1) as target:
        client = KoreaInvestment(api_key=appkey, api_secret=appsecret, acc_no="00000000-01")
        quote = client.fetch_price(codes[0])["output"]
        target.write(json.dumps({"rest": {"symbol": codes[0], "price": int(quote["stck_prpr"])}}) + "\n")
        stream = KoreaInvestmentWS(appkey, appsecret, ["H0STCNT0"], codes)

        def copy() -> None:
            while True:
                _, record = stream.get()
                target.write(json.dumps({"tick": [record.get(name) for name in NAMES]}) + "\n")

        stream.start()
        threading.Thread(target=copy, daemon=True).start()
        sys.stdin.read()
        stream.terminate()
        os._exit(0)  # its queue's thread is not ours to join


if __name__ == "__main__":
    main()
