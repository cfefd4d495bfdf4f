"""Load scenarios as a command: a real gateway, a real Redis, an upstream."""

import asyncio
import json
import os

import pytest
from click.testing import CliRunner

from veritape.apps.bench import gateway_stand as module
from veritape.apps.bench.command import bench
from veritape.apps.bench.gateway_load import SCENARIOS, Outcome, Stand
from veritape.apps.bench.gateway_stand import load_line, run_load
from veritape.kernel.errors import MisuseError

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the two sizes of one test
SHORT = ["free", "burst", "compare", "anonymous", "health", "refill", "open10k"]


def test_scenarios_on_redis_and_a_proxied_route() -> None:
    """GW-851, GW-852: own gateway, Redis, upstream; each expectation exact; the ledger has what was answered."""
    rows = run_load(list(SCENARIOS), 60.0) if SOAK else run_load(SHORT, 6.0, open_rate=200)
    assert [row for row in rows if not row["ok"]] == []
    assert SOAK or (rows[1]["statuses"]["200"] >= 150 and rows[1]["statuses"]["429"] == 1)
    assert SOAK or sum(rows[-1]["statuses"].values()) == 1_200


def test_the_command_names_what_it_knows() -> None:
    """GW-851: an unknown scenario, and a suite that has none, end with 2."""
    with pytest.raises(MisuseError, match="known are free, pro, enterprise"):
        run_load(["planted"], 1.0)
    wrong = CliRunner().invoke(bench, ["executor", "--load", "free"])
    assert isinstance(wrong.exception, MisuseError)


ROW = {
    "name": "free",
    "ok": True,
    "statuses": {"200": 99},
    "problems": [],
    "seconds": 1.0,
    "figures": "",
    "overloaded": "",
}


def test_a_failed_expectation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-851: exit 1 and the expectation that failed."""
    row = ROW | {"ok": False, "problems": ["99 admitted"]}
    monkeypatch.setattr("veritape.apps.bench.command.run_load", lambda _names, _seconds: [row])
    result = CliRunner().invoke(bench, ["gateway", "--load", "free", "--json"], standalone_mode=False)
    assert result.return_value == 1
    assert json.loads(result.stdout)["ok"] is False
    assert load_line(row) == "free          1.00 s  99 x 200: FAILED: 99 admitted"


def test_the_line_says_what_was_not_judged() -> None:
    """GW-851: a machine that was too busy is named; right and wrong are told apart all the same."""
    busy = ROW | {"figures": "P95 9 ms", "overloaded": "50% of it worked for others"}
    unjudged = "not all is judged, the machine was overloaded (50% of it worked for others)"
    assert load_line(ROW) == "free          1.00 s  99 x 200: as expected"
    assert load_line(busy) == f"free          1.00 s  99 x 200 (P95 9 ms): as expected; {unjudged}"
    assert load_line(busy | {"ok": False, "problems": ["no"]}).endswith(f": FAILED: no; {unjudged}")


def test_all_scenarios_end_with_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-851: one line a scenario, counts in columns, and how many came out as expected; exit 1 for one that did not."""
    rows = [
        ROW | {"statuses": {"200": 1_542, "429": 2_458}},
        ROW | {"name": "mixed", "figures": "P95 9 ms", "overloaded": "busy", "statuses": {"0": 1, "503": 2}},
        ROW | {"name": "open10k", "ok": False, "problems": ["slow"], "seconds": 62.34},
    ]
    monkeypatch.setattr("veritape.apps.bench.command.run_load", lambda _names, _seconds: rows)
    result = CliRunner().invoke(bench, ["gateway", "--load", "all"], standalone_mode=False)
    assert result.return_value == 1
    assert result.stdout.splitlines() == [
        "scenario    seconds      200      429    other  verdict",
        "free            1.0    1,542    2,458        0  as expected",
        "mixed           1.0        0        0        3  as expected; not all is judged, the machine was overloaded (busy) (P95 9 ms)",
        "open10k        62.3       99        0        0  FAILED: slow",
        "3 scenarios in 64 s: 2 as expected (1 of them judged in part), 1 failed",
    ]


def test_a_scenario_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-851: bounded: the next one begins a minute after its time at the latest."""

    async def forever(_stand: Stand) -> Outcome:
        await asyncio.Event().wait()
        raise AssertionError("never")

    monkeypatch.setattr(module, "SCENARIOS", {"free": forever})
    monkeypatch.setattr(module, "MARGIN_S", 0.0)
    [row] = run_load(["free"], 0.01)
    assert (row["ok"], row["problems"], row["statuses"]) == (False, ["not over after 0 s"], {})
