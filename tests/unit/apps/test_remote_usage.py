"""Usage through the admin API of a real gateway."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.servers.gateway_process import gateway_process
from tests.waiting import waited

from veritape.apps.keys import keys
from veritape.apps.usage import usage
from veritape.kernel.errors import MisuseError, VeritapeError


def calls_in_ledger(config: Path) -> int:
    shown = CliRunner().invoke(usage, ["--config", str(config), "--format", "json"]).stdout
    return sum(row["calls"] for row in json.loads(shown)["rows"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a gateway that was called three times with one key and once with another."""
    made = tmp_path_factory.mktemp("gateway")
    (made / "observed").mkdir()
    config = made / "gateway.toml"
    config.write_text(
        f'data_dir = "{made / "data"}"\ntelemetry = {{ listen = "" }}\nlisten = {{ admin = "{made / "a.sock"}" }}\n'
        f'log = {{ access = false }}\nread = {{ observer_dir = "{made / "observed"}" }}\n'
    )
    issued = [
        CliRunner().invoke(keys, ["create", name, "--tier", "free", "--config", str(config)]).stdout.strip()
        for name in ("bolt", "acme")
    ]
    with gateway_process(config) as gateway:
        for key in (issued[0], issued[0], issued[1], issued[0]):
            answer = gateway.get("/v1/completeness?day=20131007", {"X-API-Key": key})
            assert answer.status_code == 404
        waited(lambda: calls_in_ledger(config) == 4)
        yield made


def call(folder: Path, *arguments: str) -> str:
    token = folder / "data" / "admin-token"
    options = ["--admin", f"unix:{folder / 'a.sock'}", "--admin-token", str(token)]
    result = CliRunner().invoke(usage, [*options, *arguments])
    if isinstance(result.exception, VeritapeError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_figures_of_a_gateway_elsewhere_are_those_of_its_ledger(folder: Path) -> None:
    """GW-703, GW-681: the same rows as where the ledger is, of all accounts or one, in every form."""
    here = ["--config", str(folder / "gateway.toml"), "--format", "json"]
    for by in ("route", "key", "day"):
        away = json.loads(call(folder, "--by", by, "--format", "json"))
        assert away == json.loads(CliRunner().invoke(usage, [*here, "--by", by]).stdout)
        assert [(row["account"], row["calls"]) for row in away["rows"]] == [("acme", 1), ("bolt", 3)]
    (row,) = json.loads(call(folder, "--account", "bolt", "--format", "json"))["rows"]
    assert (row["account"], row["units"]) == ("bolt", "3")
    assert call(folder, "--account", "bolt").splitlines()[1].split()[:4] == [
        "bolt",
        "live",
        "completeness",
        "3",
    ]


def test_what_the_admin_api_cannot_do_is_told(folder: Path) -> None:
    """GW-703, GW-941: exports and reconciliation need the ledger; an unknown account is the gateway's own refusal."""
    with pytest.raises(MisuseError, match="usage export: run it where the ledger is, without --admin"):
        call(folder, "export", "--period", "2026-11")
    with pytest.raises(MisuseError, match="not_found"):
        call(folder, "--account", "nobody")
