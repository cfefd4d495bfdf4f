"""The command ``veritape bench``."""

import json

import click

from veritape.apps.bench.executor import executor
from veritape.apps.bench.executor_scenarios import run_scenario, scenario_text
from veritape.apps.bench.gateway import gateway
from veritape.apps.bench.gateway_load import SCENARIOS
from veritape.apps.bench.gateway_stand import load_table, run_load
from veritape.apps.bench.observer import observer
from veritape.apps.bench.results import QUICK, Size, Suite, measured, text
from veritape.apps.bench.telemetry import telemetry
from veritape.kernel.errors import MisuseError

SUITES: dict[str, Suite] = {
    "observer": observer,
    "executor": executor,
    "gateway": gateway,
    "telemetry": telemetry,
}
"""Suite -> what measures it."""


@click.command(context_settings={"show_default": True})
@click.argument("suite", type=click.Choice(list(SUITES)), required=False)
@click.option(
    "--quick", is_flag=True, help="Under three minutes a suite: fewer repetitions, 60 s rows take 10 s."
)
@click.option(
    "--scenario",
    type=click.Choice(["integration", "stress"]),
    help="Of the executor: a run of five scenarios.",
)
@click.option(
    "--load",
    metavar="NAME|all",
    help="Of the gateway: a load scenario, or all of them in turn (five minutes).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a suite.")
def bench(suite: str | None, quick: bool, scenario: str | None, load: str | None, as_json: bool) -> int:
    """Measure the parts on this machine, now, beside a peer or a plain loop."""
    if load is not None:
        if suite != "gateway":
            raise MisuseError("--load belongs to the suite gateway: veritape bench gateway --load ...")
        return _load(load, QUICK.seconds if quick else Size().seconds, as_json=as_json)
    if scenario is not None:
        if suite != "executor":
            raise MisuseError(
                "--scenario belongs to the suite executor: veritape bench executor --scenario ..."
            )
        found = run_scenario(scenario)
        click.echo(json.dumps(found) if as_json else scenario_text(found))
        return int(not found["ok"])
    size = QUICK if quick else Size()
    for name in [suite] if suite else SUITES:
        document = measured(name, SUITES[name](size))
        click.echo(json.dumps(document) if as_json else "\n".join(text(document)))
    return 0


def _load(name: str, seconds: float, *, as_json: bool) -> int:
    """Run load scenarios, each told as it ends, all in a table at the end; 1 when an expectation of one failed."""
    rows = run_load(list(SCENARIOS) if name == "all" else [name], seconds)
    ok = all(row["ok"] for row in rows)
    if as_json:
        click.echo(json.dumps({"suite": "gateway", "load": rows, "ok": ok}))
    else:
        click.echo("\n".join(load_table(rows)))
    return int(not ok)
