"""What was only executed never passes for proven: every function, command, endpoint and family that meets a simulated receipt."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, disk_cache, runtime

from veritape.apps.command_line import COMMANDS, veritape
from veritape.executor import claims, inclusion, proven, receipts
from veritape.executor.adapters.http.jobs import Jobs, document
from veritape.executor.metrics import METRICS
from veritape.executor.vm.execution import Limits
from veritape.kernel.errors import PeerError
from veritape.telemetry.registry import Registry

RECEIPT = SIMULATOR.run(ECHO, b"abcd")
SPONGE = SIMULATOR.sponge


@pytest.mark.parametrize(
    "refuses",
    [
        lambda data: proven.read_proven(data, frozenset(), SPONGE),
        lambda data: proven.read_proven(data, frozenset({bytes(32)}), SPONGE),
        proven.refuse_simulated,
    ],
    ids=["nothing accepted", "something accepted", "refuse_simulated"],
)
def test_no_function_takes_a_simulated_file_for_a_proof(refuses: Callable[[bytes], object]) -> None:
    """EX-810: functions that read proofs answer simulated_not_proven, whatever parameters are accepted."""
    with pytest.raises(PeerError) as caught:
        refuses(RECEIPT.to_bytes())
    assert caught.value.reason is proven.VerifyReason.SIMULATED_NOT_PROVEN


def test_no_function_makes_one_kind_of_the_other() -> None:
    """EX-311: no public function takes a simulated receipt and returns a proven one."""
    for module in (claims, inclusion, proven, receipts):
        for _, function in inspect.getmembers(module, inspect.isfunction):
            given = [str(one.annotation) for one in inspect.signature(function).parameters.values()]
            returned = str(inspect.signature(function).return_annotation)
            assert not ("SimulatedReceipt" in " ".join(given) and "ProvenReceipt" in returned)


def test_every_command_that_reads_proofs_refuses(tmp_path: Path) -> None:
    """EX-319, EX-810: verify, aggregate and inclusion, with a file of any name; there is no option that relaxes it."""
    path = tmp_path / "looks-like-a.proof"
    path.write_bytes(RECEIPT.to_bytes())
    lines = {"verify": [str(path)], "aggregate": [str(path)] * 2, "inclusion": [str(path), "0"]}
    for command, arguments in lines.items():
        done = CliRunner().invoke(veritape, [command, *arguments, "--json"], standalone_mode=False)
        shown = json.loads(done.output)
        assert (done.return_value, shown["ok"], shown["reason"]) == (1, False, "simulated_not_proven")
    assert not {"prove", "settle"} & COMMANDS.keys()


def test_a_thousand_executions_leave_no_figure_of_a_proof(tmp_path: Path) -> None:
    """EX-605, EX-823: 1,000 simulated executions count in receipts and cycles alone; families that count proofs are absent."""
    registry = Registry(METRICS, strict=True)
    with runtime(disk_cache(tmp_path), registry=registry) as made:
        made.run_batch(ECHO, [number.to_bytes(4, "little") for number in range(1000)])
    changed = {
        metric.name for metric, values, slot in registry.rows if metric.adds_up and registry.values[slot]
    }
    assert changed == {"l2_receipts_total", "l2_guest_cycles_total"}


def test_a_job_says_what_it_is(tmp_path: Path) -> None:
    """EX-810: the service's answers carry kind simulated and the words executed, not proven, in every state."""
    with runtime(disk_cache(tmp_path)) as made:
        job = Jobs(made, {"echo": ECHO}, Limits()).submit("echo", b"abcd", "trace", None)
        early = document(job)
        job.future.result()
        for shown in (early, document(job)):
            assert (shown["kind"], shown["label"]) == ("simulated", "executed, not proven")
