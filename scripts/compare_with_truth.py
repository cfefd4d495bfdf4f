#!/usr/bin/env python3
"""Compare an audit with the replay's truth file, trade by trade.

usage: scripts/compare_with_truth.py FOLDER...    FOLDER is a run's folder: it holds truth-*.jsonl and observer/

For each symbol and day the recorded trades, shares and value must equal those of the first n trades that the broker
sent, for the recorded n: nothing is missing before the last acknowledged frame and nothing is doubled. Exit 1 if not.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any


def sent_trades(truth: Path) -> dict[str, list[tuple[int, int]]]:
    """Return code -> (price, shares) of the trades whose frame was sent, in the broker's order."""
    trades: dict[str, list[tuple[int, int, int]]] = {}
    sent: set[int] = set()
    for line in truth.read_bytes().splitlines():
        record = json.loads(line)
        if record["kind"] == "trade":
            trades.setdefault(record["code"], []).append((record["frame"], record["price"], record["shares"]))
        elif record["kind"] == "frame" and record["fate"] == "sent":
            sent.add(record["n"])
    return {
        code: [(price, shares) for frame, price, shares in rows if frame in sent]
        for code, rows in trades.items()
    }


def audit(folder: Path, day: str) -> dict[str, Any]:
    """Return the audit document of a day."""
    command = Path(sys.executable).with_name("veritape")
    answer = subprocess.run(
        [command, "audit", "--data", folder / "observer", "--day", day, "--json"],
        stdout=subprocess.PIPE,
        check=False,
    )
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def differences(folder: Path, truth: Path) -> list[str]:
    """Print one line a symbol and return what does not agree."""
    with truth.open() as lines:
        day = json.loads(next(lines))["day"]
    broker = sent_trades(truth)
    wrong = []
    for line in audit(folder, day)["lines"]:
        recorded = line["recorded"]
        prefix = broker.get(line["code"], [])[: recorded["trades"]]
        expected = {
            "trades": len(prefix),
            "shares": sum(shares for _, shares in prefix),
            "value_krw": sum(price * shares for price, shares in prefix),
        }
        verdict = "equal" if expected == recorded else f"differs: the truth has {expected}"
        print(
            f"{day} {line['code']}: {recorded['trades']} of {len(broker.get(line['code'], []))} trades sent: {verdict}"
        )
        if expected != recorded:
            wrong.append(line["code"])
    return wrong


def main() -> int:
    """Compare every truth file of the folders."""
    files = [
        (Path(name), truth) for name in sys.argv[1:] for truth in sorted(Path(name).glob("truth*.jsonl"))
    ]
    if not files:
        print("no truth file found", file=sys.stderr)
        return 2
    wrong = [code for folder, truth in files for code in differences(folder, truth)]
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
