"""``veritape run``: execute a guest over an input, without a proof."""

import json
from pathlib import Path
from typing import Any

import click

from veritape.apps.compiled_kernels import compiled_simulator
from veritape.executor.adapters.compiler import build
from veritape.executor.adapters.guest_files import guest_image, guests_folder, manifest
from veritape.executor.elf import MAX_FILE_BYTES, load
from veritape.executor.image import DEFAULT_MEMORY_BYTES, Image
from veritape.executor.receipts import CALLED, SimulatedReceipt
from veritape.executor.vm.execution import CYCLE_CLASSES, MAX_CYCLES, MAX_INPUT_BYTES, Limits
from veritape.kernel.errors import MisuseError
from veritape.kernel.files import write_atomically

ZIG_CACHE = Path(".cache") / "veritape" / "zig"
"""The compiler's cache below the user's home directory."""


@click.command(context_settings={"show_default": True})
@click.argument("program")
@click.option(
    "--input",
    "input_file",
    type=click.Path(path_type=Path),
    required=True,
    help="File with the private input.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the receipt here.")
@click.option(
    "--max-cycles", type=click.IntRange(1, 1 << 40), default=MAX_CYCLES, help="Instructions that may retire."
)
@click.option(
    "--memory",
    "memory_bytes",
    type=int,
    default=DEFAULT_MEMORY_BYTES,
    help="RAM in bytes, for your own program.",
)
@click.option("--debug", is_flag=True, help="Show what the guest says with vt_debug, on stderr.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def run(
    program: str,
    input_file: Path,
    output: Path | None,
    max_cycles: int,
    memory_bytes: int,
    debug: bool,
    as_json: bool,
) -> int:
    """Execute PROGRAM (a bundled guest, an ELF or a .c file) over an input: executed, not proven.

    Exit 1: the guest trapped or halted with a code that is not 0.
    """
    image = program_image(program, memory_bytes)
    data = _read(input_file, MAX_INPUT_BYTES)
    sink = _show if debug else None
    receipt = compiled_simulator().run(image, data, Limits(cycles=max_cycles), sink)
    if output is not None:
        _write(output, receipt)
    document = describe(receipt)
    click.echo(json.dumps(document) if as_json else text(document))
    return int(receipt.claim.exit_code != 0)


def program_image(program: str, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> Image:
    """Return the image of a bundled guest, an ELF file or a C file.

    Raises:
        VeritapeError: no such program, or not one for this machine.
    """
    if program in manifest()["guests"]:
        return guest_image(program)
    path = Path(program)
    if not path.exists():
        known = ", ".join(sorted(manifest()["guests"]))
        raise MisuseError(f"no program {program!r}: give a file, or one of {known}")
    if path.suffix == ".c":
        return load(
            build(path, Path(str(guests_folder())) / "sources", Path.home() / ZIG_CACHE), memory_bytes
        )
    return load(_read(path, MAX_FILE_BYTES), memory_bytes)


def describe(receipt: SimulatedReceipt) -> dict[str, Any]:
    """Return the document that ``--json`` prints."""
    claim, detail = receipt.claim, receipt.detail
    return {
        "kind": "simulated",
        "label": CALLED,
        "program_id": claim.program_id.hex(),
        "input_digest": claim.input_digest.hex(),
        "journal_digest": claim.journal_digest.hex(),
        "journal": receipt.journal.hex(),
        "exit_code": claim.exit_code,
        "cycles": claim.cycles,
        "unproven_detail": {
            "cycles_by_class": dict(zip(CYCLE_CLASSES, detail.cycles_by_class, strict=True)),
            "poseidon2_permutations": detail.poseidon2_permutations,
            "sha256_blocks": detail.sha256_blocks,
            "words_touched": detail.words_touched,
            "input_words_read": detail.input_words_read,
        },
    }


def text(document: dict[str, Any]) -> str:
    """Return the same for a person."""
    return "\n".join(
        (
            f"{document['label']}: exit code {document['exit_code']} after {document['cycles']:,} cycles",
            f"program  {document['program_id']}",
            f"input    {document['input_digest']}",
            f"journal  {document['journal'] or '(empty)'}",
        )
    )


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise MisuseError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > limit:
        raise MisuseError(f"{path}: too_large: over {limit} bytes")
    return data


def _write(path: Path, receipt: SimulatedReceipt) -> None:
    try:
        write_atomically(path, receipt.to_bytes())
    except OSError as error:
        raise MisuseError(f"cannot write {path}: {error.strerror}") from error


def _show(said: bytes) -> None:
    click.echo(f"guest: {said.decode('ascii', 'backslashreplace')!r}", err=True)
