"""``veritape aggregate``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.compiled import SIMULATOR
from tests.costs import COSTS
from tests.receipt_caches import ECHO

from veritape.apps.aggregate import aggregate
from veritape.apps.executor_runtime import cost_file
from veritape.executor.aggregation.cost_samples import Measured
from veritape.executor.aggregation.costs import Figure
from veritape.kernel.errors import MisuseError


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(
        aggregate, [str(one) for one in arguments], standalone_mode=False, catch_exceptions=False
    )


def test_a_decision_is_explained_and_nothing_runs() -> None:
    """EX-445, EX-450: label, plan, why, constraints, the estimates under their name and their known faults."""
    text = invoke("--explain", "--count", 50).output
    assert "50 claims: single (thresholds); nothing was run and nothing is proven" in text
    assert "why: 50 claims are at most 50" in text
    assert "estimate, from the source documents:" in text
    assert "estimate_tps 408.2" in text
    assert text.count("known fault:") == 4
    shown = json.loads(invoke("--explain", "--count", 200, "--others", "--json").output)
    assert (shown["label"], shown["plan"]["levels"]) == ("two_level", [20, 2, 1])
    assert shown["estimate"]["estimate_gas_saved_percent"] == 96.0
    assert json.loads(invoke("--explain", "--count", 0, "--json").output)["estimate"] is None


def test_the_measured_mode_names_what_is_missing(tmp_path: Path) -> None:
    """EX-446: without samples it answers by thresholds and names the missing figures."""
    config = tmp_path / "executor.toml"
    config.write_text('[executor.aggregation]\nmode = "measured"\n')
    assert "why: no measured t_leaf, t_node" in invoke("--explain", "--count", 50, "--config", config).output


def test_the_measured_mode_reads_this_machines_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EX-446: three samples of each needed figure in the file of this machine, and it decides by them."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    runs = [
        Measured(figure, number, line.at(number)) for figure, line in COSTS.items() for number in (1, 10, 100)
    ]
    bytes_too = [Measured(figure, 1, 1000.0) for figure in Figure if figure.endswith("peak_bytes")] * 3
    cost_file().add([*runs, *bytes_too])
    shown = json.loads(invoke("--explain", "--count", 50, "--mode", "measured", "--json").output)
    assert (shown["mode"], shown["label"]) == ("measured", "batch")
    assert shown["why"].startswith("50 claims: batch 16.1 s")


def test_mode_and_arity_are_chosen_on_the_line(tmp_path: Path) -> None:
    """EX-631, EX-723: they win over the settings; what is out of range is bad usage that names the key."""
    config = tmp_path / "executor.toml"
    config.write_text('[executor.aggregation]\nmode = "measured"\narity = 10\n')
    options = ("--explain", "--count", 200, "--others", "--config", config, "--json")
    shown = json.loads(invoke(*options, "--mode", "thresholds", "--arity", 4).output)
    assert (shown["plan"]["levels"], shown["why"].startswith("no measured")) == ([50, 13, 4, 1], False)
    assert "no measured" in json.loads(invoke(*options).output)["why"]
    with pytest.raises(MisuseError, match="arity"):
        invoke(*options, "--arity", 11)


def test_simulated_files_are_refused(tmp_path: Path) -> None:
    """EX-716, EX-718: executed, not proven: exit 1 and the file's name; fewer than two files are bad usage."""
    path = tmp_path / "r.sim"
    path.write_bytes(SIMULATOR.run(ECHO, b"abcd").to_bytes())
    done = invoke(path, path, "-o", tmp_path / "a")
    assert done.return_value == 1
    assert done.output.startswith(f"refused: {path}: simulated_not_proven")
    assert json.loads(invoke(path, path, "--json").output)["reason"] == "simulated_not_proven"
    assert not (tmp_path / "a").exists()
    for arguments in ((), (path,), ("--count", 5), (path, path, "--count", 5)):
        with pytest.raises(MisuseError, match="too_few_proofs"):
            invoke(*arguments)
