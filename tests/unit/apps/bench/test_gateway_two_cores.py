"""Rows of two workers with Redis, in a small size."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from veritape.apps.bench import gateway_open
from veritape.apps.bench import gateway_two_cores as module
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_proxies import Bench
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.gateway_stand import Keys
from veritape.apps.bench.gateway_two_cores import errors_percent, two_cores
from veritape.apps.bench.gateway_wrk import Driven
from veritape.apps.bench.machine_load import Worked
from veritape.apps.bench.results import Size
from veritape.kernel.clock import SystemClock

SHORT = {
    "OPEN_RATE": 50,
    "STEP_S": 0.2,
    "REST_S": 0.0,
    "LAST_SHARE": 0.35,
    "CEILING_S": 0.3,
    "KEPT_S": 0.2,
    "BEYOND": (gateway_open.Beyond("open_loop_kept_2x", 2, 20),),
}


def test_two_workers_with_and_without_leases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Issue 6: both accounts, what each party works for a request, both rows of the open loop; what else the machine did is said."""
    monkeypatch.setattr(module, "FLOOD_S", 1.0)
    monkeypatch.setattr(gateway_open, "CEILING_SHARE", 100.0)  # a busy machine measures all the same
    for setting, value in SHORT.items():
        monkeypatch.setattr(gateway_open, setting, value)
    rows = [row.document() for row in asyncio.run(two_cores(Size(runs=1, seconds=0.5)))]
    parties = [f"us_{party}" for party in ("workers", "parent", "redis", "upstream", "generator")]
    name, asking = "gateway_redis_two_cores", "gateway_redis_two_cores_asking"
    assert [row["name"] for row in rows] == [
        name, f"{name}_errors", f"{name}_capacity", *[f"{name}_{one}" for one in parties],
        asking, f"{asking}_capacity", *[f"{asking}_{one}" for one in parties],
        "open_loop_rate_p95_50ms", "open_loop_10k_p95", "open_loop_kept_2x", "open_loop_kept_2x_p95",
    ]  # fmt: skip
    found = {row["name"]: row["value"] for row in rows}
    assert 0.0 <= found[f"{name}_errors"] < 100.0
    assert min(found[name], found[asking], found[f"{name}_us_workers"]) > 0
    said = capsys.readouterr().err
    assert "of this machine's" in said
    assert said.count("microseconds of processor time a request: workers ") == 2


class Counted(Keys):
    """A planted ledger."""

    async def counted(self) -> dict[str, int]:
        """Return what was planted: 3 calls of one account, none of the other."""
        return {"one": 3}


async def test_an_answer_without_its_charge_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """GW-661: of 10 requests 8 were answered with 200 and 3 of these are in the ledger: 70 % failed."""
    keys = Counted(Path(), SystemClock())
    bench = Bench(Path(), Server(Target("", 0), 0), SystemClock(), keys, "one", "two", "three")
    runs = {
        "one": [Driven(Counter({200: 3}), 1.0, Worked(0, 0)), Driven(Counter({503: 2}), 1.0, Worked(0, 0))],
        "two": [Driven(Counter({200: 5}), 1.0, Worked(0, 0))],
    }
    assert await errors_percent(bench, runs) == pytest.approx(70.0)
    said = capsys.readouterr().err
    assert "one met {503: 2}; only 200 counts" in said
    assert "the ledger has 0 of 5 answered calls" in said
