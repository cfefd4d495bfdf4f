"""Ask for one quote after another with python-kis 2.1.6, at the pace that it keeps by itself.

usage: python python_kis_calls.py OUTPUT CODE...    APPKEY, APPSECRET and CALLS in the environment

One JSON line {"rest": {...}} a call.
"""

import json
import os
import sys
from pathlib import Path

from pykis import PyKis


def main() -> None:
    """Make the calls."""
    output, code, *_ = sys.argv[1:]
    given = os.environ  # noqa: TID251 - a program of its own
    kis = PyKis(id="replay", account="00000000-01", appkey=given["APPKEY"], secretkey=given["APPSECRET"])
    stock = kis.stock(code)
    with Path(output).open("w", buffering=1) as target:
        for _ in range(int(given["CALLS"])):
            quote = stock.quote()
            target.write(json.dumps({"rest": {"symbol": quote.symbol, "price": int(quote.price)}}) + "\n")


if __name__ == "__main__":
    main()
