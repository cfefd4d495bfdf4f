"""``veritape usage``: what it prints and refuses."""

import csv
import io
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.usage_events import AT_US, NOVEMBER, event, write_ledger

from veritape.apps.keys import keys
from veritape.apps.usage import usage
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.adapters.retiring import Retiring
from veritape.gateway.retention import DAY_US
from veritape.gateway.usage import Kind
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import CheckFailedError, MisuseError, VeritapeError

OCTOBER = "2025-10"
BILLED = shipped_policy().replace(
    b'month = { quota = 1_000_000, overage = "deny" }',
    b'month = { quota = 1_000_000, overage = "bill", overage_usd_per_1000 = "0.20" }',
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path, policy = tmp_path / "gateway.toml", tmp_path / "policy.toml"
    policy.write_bytes(BILLED)
    path.write_text(f'data_dir = "{tmp_path / "data"}"\npolicy = "{policy}"\n')
    CliRunner().invoke(keys, ["create", "acme", "--tier", "pro", "--config", str(path)])
    events = [
        event(1, 1_234_500_000, period=OCTOBER),
        event(2, 3_000, env="test", subject="acme:test", period=OCTOBER),
        event(3, 0, Kind.DENIED, subject="", items=5, period=OCTOBER),
        event(4, period="9999-12"),
    ]
    write_ledger(tmp_path / "data" / "usage.db", events)
    return path


def call(config: Path, *arguments: str) -> str:
    result = CliRunner().invoke(usage, [*arguments, "--config", str(config)])
    if isinstance(result.exception, VeritapeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_figures_as_table_csv_and_json(config: Path) -> None:
    """GW-681, GW-703: by route, key or day, in three forms that say the same."""
    table = call(config, "--period", OCTOBER).splitlines()
    assert table[0].split() == ["account", "env", "route", "calls", "units", "refunded", "credited", "denied"]
    assert table[1].split() == ["acme", "live", "trades", "1", "1234500", "0", "0", "5"]
    rows = json.loads(call(config, "--period", OCTOBER, "--format", "json", "--by", "key"))["rows"]
    assert [(row["key"], row["env"], row["units"]) for row in rows] == [
        ("key_a", "live", "1234500"),
        ("key_a", "test", "3"),
    ]
    text = call(config, "--period", OCTOBER, "--format", "csv", "--account", "acme", "--by", "day")
    assert [row["day"] for row in csv.DictReader(io.StringIO(text))] == ["2026-11-20", "2026-11-20"]
    assert call(config, "--account", "nobody").count("\n") == 1


def test_the_invoice_of_the_worked_example(config: Path) -> None:
    """GW-682, GW-683: $145.90, as CSV and as JSON."""
    document = json.loads(call(config, "export", "--period", OCTOBER, "--format", "json"))
    assert document["total_usd"] == "145.90"
    text = call(config, "export", "--period", OCTOBER)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["line"], row["amount_usd"]) for row in rows] == [
        ("plan", "99.00"), ("overage", "46.90"), ("test", "0.00"),
    ]  # fmt: skip
    assert rows[0]["sha256"] == document["lines"][0]["sha256"]
    assert call(config, "export", "--period", OCTOBER, "--account", "bolt").count("\n") == 1


def test_events_as_cloud_events(config: Path) -> None:
    """GW-684: one event a line; the counted refusals are none."""
    lines = call(config, "export", "--period", OCTOBER, "--format", "cloudevents").splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["veritape.usage.charge"] * 2


def test_an_open_month_needs_partial(config: Path) -> None:
    """GW-682: an invoice of a month that goes on is asked for by name."""
    with pytest.raises(MisuseError, match="9999-12 has not ended"):
        call(config, "export", "--period", "9999-12")
    assert '"partial":true' in call(config, "export", "--period", "9999-12", "--partial", "--format", "json")
    with pytest.raises(MisuseError, match="no month"):
        call(config, "--period", "2026-13")


def test_a_month_with_a_difference_is_refused(config: Path, tmp_path: Path) -> None:
    """GW-682, GW-968: sums that do not follow from the events are no ground for an invoice."""
    with sqlite3.connect(tmp_path / "data" / "usage.db") as planted:
        planted.execute("UPDATE usage_month SET units_mu = 1 WHERE subject = 'acme:test'")
    planted.close()
    with pytest.raises(CheckFailedError, match=r"acme:test: events 3, month 0\.001"):
        call(config, "export", "--period", OCTOBER)


def test_events_of_an_account_without_a_tier_are_no_invoice(config: Path, tmp_path: Path) -> None:
    """GW-682: who is not known is named and not left out."""
    write_ledger(
        tmp_path / "data" / "usage.db",
        [event(9, account="bolt", subject="bolt:live", period="2025-09"), event(10, period=NOVEMBER)],
    )
    with pytest.raises(CheckFailedError, match="'bolt' has events in 2025-09"):
        call(config, "export", "--period", "2025-09")


def test_a_month_whose_events_went_is_invoiced_as_before(config: Path, tmp_path: Path) -> None:
    """GW-682, GW-684: the same lines to the last digit of the digest; figures and events are refused with the reason."""
    before = call(config, "export", "--period", OCTOBER)
    ledger = Ledger(tmp_path / "data" / "usage.db")
    told: list[str] = []
    Retiring(
        ledger, 62, lambda _: None, ManualClock(wall_ns=(AT_US + 400 * DAY_US) * 1_000), told.append
    ).retire()
    ledger.close()
    assert "of 2025-10 were deleted" in told[0]
    assert call(config, "export", "--period", OCTOBER) == before
    for arguments in (["--period", OCTOBER], ["export", "--period", OCTOBER, "--format", "cloudevents"]):
        with pytest.raises(
            CheckFailedError, match=r"2025-10: its events were deleted after usage\.retention_days"
        ):
            call(config, *arguments)
