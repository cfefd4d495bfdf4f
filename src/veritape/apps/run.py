"""``veritape run``: execute a guest over one input or many, without a proof."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.apps.executor_runtime import executor_settings, make_runtime
from veritape.apps.interruption import stoppable
from veritape.apps.output_files import write_output
from veritape.apps.program_input import input_options, many_inputs, one_input, program_image
from veritape.apps.reported_errors import reports
from veritape.apps.run_report import KIND, SCHEMA, batch_document, document_of, text, trap_document
from veritape.apps.trace_file import trace_file
from veritape.executor.adapters.workers.batch import Show
from veritape.executor.backend import Simulator
from veritape.executor.image import Image
from veritape.executor.log_events import LEVELS, LogEvent
from veritape.executor.receipts import SimulatedReceipt, describe_trap
from veritape.executor.runtime.batching import twins
from veritape.executor.runtime.outcomes import Executed, Outcome
from veritape.executor.runtime.progress import Progress
from veritape.executor.settings import ExecutorSettings
from veritape.executor.vm.execution import DebugSink, Limits, Stop
from veritape.executor.vm.machine import Watch
from veritape.executor.vm.machine import execute as readable
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import MisuseError
from veritape.kernel.files import write_atomically


@click.command()
@click.argument("program")
@input_options
@click.option(
    "--inputs", type=click.Path(path_type=Path), help="A batch: a folder of inputs, or one JSON value a line."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the receipt here; of a batch, a folder."
)
@click.option("--journal-out", type=click.Path(path_type=Path), help="Write the journal here.")
@click.option(
    "--trace-out",
    type=click.Path(path_type=Path),
    help="Write each instruction here, a line of JSON each; slow, at most a million of them.",
)
@click.option("--max-cycles", type=click.IntRange(1, 1 << 40), help="Instructions that may retire.")
@click.option("--memory", "memory_bytes", type=int, help="RAM in bytes, for your own program.")
@click.option(
    "--deadline", type=click.FloatRange(0), help="Seconds for a batch; what is not finished is named."
)
@click.option("--config", type=click.Path(path_type=Path), help="Settings of the executor.")
@click.option("--debug", is_flag=True, help="Show what the guest says with vt_debug, on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@reports(SCHEMA, KIND)
def run(
    program: str,
    input_file: str | None,
    input_hex: str | None,
    input_u32: str | None,
    inputs: Path | None,
    output: Path | None,
    journal_out: Path | None,
    trace_out: Path | None,
    max_cycles: int | None,
    memory_bytes: int | None,
    deadline: float | None,
    config: Path | None,
    debug: bool,
    as_json: bool,
) -> int:
    """Execute PROGRAM (a bundled guest, an ELF or a .c file) over an input: executed, not proven.

    A batch (--inputs) goes through the workers and the receipt cache: started again after a kill, it executes only what is
    missing. Exit 1: the guest trapped, halted with a code that is not 0, or some items of the batch failed.

    Example: veritape run fibonacci --input-u32 10,0,1
    """
    settings = executor_settings(config)
    image = program_image(program, memory_bytes or settings.memory_bytes)
    limits = settings.limits()
    if max_cycles is not None:
        limits = Limits(max_cycles, limits.journal_bytes, limits.input_bytes, settings.run.max_work or None)
    if inputs is not None:
        given = [one for one in (input_file, input_hex, input_u32, journal_out, trace_out) if one is not None]
        if given or debug:
            raise MisuseError(
                "--inputs stands alone: a batch has no --input, --debug, --journal-out or --trace-out"
            )
        many = many_inputs(inputs)
        with stoppable() as stop:
            document = _batch(program, image, many, limits, settings, deadline, output, stop)
        click.echo(json.dumps(document) if as_json else text(document))
        return int(not document["ok"])
    data = one_input(input_file, input_hex, input_u32)
    with stoppable() as stop, trace_file(trace_out) as watch:
        document, receipt = _single(program, image, data, limits, _show if debug else None, stop, watch)
    if receipt is not None:
        for path, data, option in (
            (output, receipt.to_bytes(), "-o"),
            (journal_out, receipt.journal, "--journal-out"),
        ):
            if path is not None:
                write_output(path, data, f"run: {option}")
    click.echo(json.dumps(document) if as_json else text(document))
    return int(not document["ok"])


def _single(
    name: str,
    image: Image,
    data: bytes,
    limits: Limits,
    sink: DebugSink | None,
    stop: Stop,
    watch: Watch | None,
) -> tuple[dict[str, Any], SimulatedReceipt | None]:
    """Execute one input in this process."""
    simulator, clock = compiled_simulator(), SystemClock()
    if len(data) > limits.input_bytes:
        raise MisuseError(
            f"input_too_large: {len(data)} bytes, at most {limits.input_bytes}: split the input"
        )
    began_ns = clock.monotonic_ns()
    machine = simulator.machine if watch is None else partial(readable, watch=watch)
    execution = machine(image, data, limits, sink, stop)
    seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    if execution.trap is not None:
        click.echo(f"veritape: {describe_trap(execution)}: no receipt: see docs/guides/guests.md", err=True)
        return trap_document(name, _id(simulator, image), execution, seconds), None
    receipt = simulator.receipt(image, data, execution)
    return document_of(name, receipt, seconds), receipt


def _id(simulator: Simulator, image: Image) -> str:
    return simulator.program_id(image).hex()


def _batch(
    name: str,
    image: Image,
    inputs: list[bytes],
    limits: Limits,
    settings: ExecutorSettings,
    deadline: float | None,
    output: Path | None,
    stop: Stop,
) -> dict[str, Any]:
    clock = SystemClock()
    began_ns = clock.monotonic_ns()
    with make_runtime(settings, note=_note, items=len(inputs)) as runtime:
        outcomes = runtime.run_batch(image, inputs, limits, deadline, stop, _progress())
        counters, used = runtime.cache.counters.shown(), runtime.parallel
        started = runtime.pool.processes() if settings.pool == "process" else used.workers
    seconds = (clock.monotonic_ns() - began_ns) / NANOSECONDS
    if output is not None:
        _write_all(output, outcomes)
    return batch_document(name, outcomes, twins(inputs), seconds, used, started, counters)


def _write_all(folder: Path, outcomes: list[Outcome]) -> None:
    for place, outcome in enumerate(outcomes):
        if isinstance(outcome, Executed):
            _write(folder / f"{place:05}.sim", outcome.receipt.to_bytes())


def _progress() -> Show:
    """Return what shows progress on stderr: a line that changes on a terminal, nothing elsewhere."""
    terminal = sys.stderr.isatty()

    def show(progress: Progress) -> None:
        if terminal:
            left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
            line = f"{progress.phase}: {progress.done} of {progress.total}{left}"
            click.echo(f"\r{line:<60}", err=True, nl=progress.done == progress.total)

    return show


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, data)
    except OSError as error:
        raise MisuseError(f"cannot write {path}: {error.strerror}") from error


def _note(event: LogEvent, /, **fields: object) -> None:
    """Say what was refused, retried or lost."""
    if LEVELS[event] == "info":
        return
    said = ", ".join(f"{name} {value}" for name, value in fields.items() if value is not None)
    click.echo(f"veritape: {event}: {said}", err=True)


def _show(said: bytes) -> None:
    click.echo(f"guest: {said.decode('ascii', 'backslashreplace')!r}", err=True)
