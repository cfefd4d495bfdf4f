"""Load scenarios as a command: a real gateway, a real Redis, an upstream."""

import json
import os

import pytest
from click.testing import CliRunner

from veritape.apps.bench.command import bench
from veritape.apps.bench.gateway_load import SCENARIOS
from veritape.apps.bench.gateway_stand import load_line, run_load
from veritape.kernel.errors import MisuseError

SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - the two sizes of one test
SHORT = ["free", "burst", "compare", "anonymous", "health", "refill"]


def test_scenarios_on_redis_and_a_proxied_route() -> None:
    """GW-851, GW-852: own gateway, Redis, upstream; each expectation exact; the ledger has what was answered."""
    rows = run_load(list(SCENARIOS) if SOAK else SHORT, 60.0 if SOAK else 6.0)
    assert [row for row in rows if not row["ok"]] == []
    assert SOAK or rows[1]["statuses"] == {"200": 150, "429": 1}


def test_the_command_names_what_it_knows() -> None:
    """GW-851: an unknown scenario, and a suite that has none, end with 2."""
    with pytest.raises(MisuseError, match="known are free, pro, enterprise"):
        run_load(["planted"], 1.0)
    wrong = CliRunner().invoke(bench, ["executor", "--load", "free"])
    assert isinstance(wrong.exception, MisuseError)


def test_a_failed_expectation_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-851: exit 1 and the expectation that failed."""
    row = {"name": "free", "ok": False, "statuses": {"200": 99}, "problems": ["99 admitted"], "seconds": 1.0}
    monkeypatch.setattr("veritape.apps.bench.command.run_load", lambda _names, _seconds: [row])
    result = CliRunner().invoke(bench, ["gateway", "--load", "free", "--json"], standalone_mode=False)
    assert result.return_value == 1
    assert json.loads(result.stdout)["ok"] is False
    assert load_line(row) == "free          1.00 s  99 x 200: FAILED: 99 admitted"
