"""Rows of parser and ledger, beside plain loops and the public clients' own parsers (OB-1039, OB-1044)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

from veritape.apps.bench.observer_tape import texts
from veritape.apps.bench.results import Row, Size, rates
from veritape.observer.batches import MANY
from veritape.observer.completeness import Line
from veritape.observer.frames import Trade, parse_message
from veritape.observer.trade_columns import read_columns
from veritape.wire.kis.frames import PRESENT_WIDTH

NUMBERS = (2, 12, 13, 14, 15, 16, 33, 36)
"""Fields that the plain loop makes integers of."""

CLIENT_WIDTH = 46
"""Width that the public clients read."""

CLIENT_FRAMES = 5_000
"""Frames that each parser is given."""

CLIENTS = Path(__file__).parents[4] / ".tools" / "clients"
"""Environments of the clients, made by ``make test``; without them their rows have no peer."""

CLIENT_PROGRAM = """
import json, sys, time
texts = sys.stdin.buffer.read().decode().splitlines()
if sys.argv[1] == "python-kis":
    from pykis.responses.websocket import KisWebsocketResponse
    from pykis.api.websocket.price import KisDomesticRealtimePrice as Price
    parse = lambda text: KisWebsocketResponse.parse(text.split("|")[3], count=int(text.split("|")[2]), response_type=Price)
else:
    from mojito import KoreaInvestmentWS
    client = KoreaInvestmentWS.__new__(KoreaInvestmentWS)
    client.queue = type("Queue", (), {"put": lambda self, item: None})()
    parse = lambda text: [client.parse_execution(text.split("|")[2], text.split("|")[3])]
runs = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    for text in texts:
        list(parse(text))
    runs.append(time.perf_counter() - began)
print(json.dumps([len(texts), runs]))
"""
"""Runs in a client's environment; prints the seconds of each run."""


def parts(size: Size) -> Iterator[Row]:
    """Measure parser and ledger."""
    frames = [text for text in texts() if b"|990001^" in text][:CLIENT_FRAMES]
    trades = [one for frame in frames for one in _trades(frame)]

    def parse() -> int:
        return sum(len(_trades(frame)) for frame in frames)

    def split() -> int:
        count = 0
        for frame in frames:
            fields = frame.decode().split("|", 3)[3].split("^")
            for start in range(0, len(fields), PRESENT_WIDTH):
                _ = [int(fields[start + place]) for place in NUMBERS]
                count += 1
        return count

    def ledger() -> int:
        line = Line("990001", "20131007")
        for trade in trades:
            line.receive(trade, 0)
        return len(trades)

    values, peers = rates(size, parse, split)
    yield Row(
        "kis_records_parsed_per_second", values, target=250_000, peer="plain split and int loop", peer_values=peers
    )  # fmt: skip
    values, peers = rates(size, ledger, split)
    yield Row(
        "ledger_updates_per_second", values, target=200_000, goal=1_000_000,
        peer="frame split and 8 ints alone", peer_values=peers,
    )  # fmt: skip
    yield from _clients(size)


def _clients(size: Size) -> Iterator[Row]:
    """Parse the same frames at width 46 with each client; the faster one sets the target.

    Clients leave texts, ours checked numbers: alone, as a client gets them, and in groups, as a busy recorder does.
    """
    narrow = texts(CLIENT_WIDTH)[:CLIENT_FRAMES]
    groups = [narrow[start : start + MANY] for start in range(0, len(narrow), MANY)]
    count = sum(len(_trades(frame)) for frame in narrow)
    values, in_groups = rates(
        size,
        lambda: sum(len(parse_message(frame)) for frame in narrow),
        lambda: sum(len(read_columns(group).record) for group in groups),
    )
    peers = {
        client: [count / seconds for seconds in _client_seconds(client, narrow, size.runs)]
        for client in ("python-kis", "mojito2")
    }
    best = max((sorted(found)[len(found) // 2] for found in peers.values() if found), default=None)
    for client, found in peers.items():
        yield Row(
            f"frames_parsed_into_trades_per_second beside {client}", values, target=best,
            goal=None if best is None else 3 * best, peer=f"{client}'s parser", peer_values=found,
        )  # fmt: skip
        yield Row(
            f"frames_read_in_groups_per_second beside {client}", in_groups, target=best,
            goal=None if best is None else 3 * best, peer=f"{client}'s parser, one at a time", peer_values=found,
        )  # fmt: skip


def _client_seconds(client: str, frames: tuple[bytes, ...], runs: int) -> list[float]:
    python = CLIENTS / client / "bin" / "python"
    if not python.exists():
        return []
    answer = subprocess.run(  # noqa: S603 - a program of ours in an environment of ours
        [python, "-c", CLIENT_PROGRAM, client, str(runs)], input=b"\n".join(frames), capture_output=True, check=True
    )  # fmt: skip
    count, seconds = json.loads(answer.stdout.splitlines()[-1])
    if count != len(frames):
        raise AssertionError(f"{client} parsed {count} frames of {len(frames)}")
    return list(seconds)


def _trades(frame: bytes) -> list[Trade]:
    return [one for one in parse_message(frame) if isinstance(one, Trade)]
