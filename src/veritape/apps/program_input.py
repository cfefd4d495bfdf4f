"""What ``veritape run`` is given: a program, and one input or many (EX-631)."""

import json
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from veritape.executor.adapters.compiler import build
from veritape.executor.adapters.guest_files import guest_image, guests_folder, manifest
from veritape.executor.elf import MAX_FILE_BYTES, load
from veritape.executor.image import DEFAULT_MEMORY_BYTES, Image
from veritape.executor.vm.execution import HARD_MAX_INPUT_BYTES
from veritape.kernel.errors import MisuseError

ZIG_CACHE = Path(".cache") / "veritape" / "zig"
"""The compiler's cache below the user's home directory."""

STDIN = "-"
"""Names standard input in place of a file."""

Command = Callable[..., Any]
"""A function that becomes a command."""


def input_options(function: Command) -> Command:
    """Add the ways in which one input is given; exactly one of them is used."""
    options = (
        click.option(
            "--input", "input_file", metavar="F", help="File with the private input; - is standard input."
        ),
        click.option("--input-hex", metavar="HEX", help="The input as hexadecimal digits."),
        click.option("--input-u32", metavar="A,B,C", help="The input as 32-bit words, decimal or 0x."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def one_input(input_file: str | None, input_hex: str | None, input_u32: str | None) -> bytes:
    """Return the input that the options give.

    Raises:
        MisuseError: none or several, or text that is no input.
    """
    given = [one for one in (input_file, input_hex, input_u32) if one is not None]
    if len(given) != 1:
        raise MisuseError(
            "give exactly one of --input, --input-hex and --input-u32 (or --inputs for a batch)"
        )
    if input_hex is not None:
        return _hex(input_hex, "--input-hex")
    if input_u32 is not None:
        return _words(input_u32.split(","), "--input-u32")
    if input_file == STDIN:
        return sys.stdin.buffer.read(HARD_MAX_INPUT_BYTES + 1)
    return read_file(Path(str(input_file)), HARD_MAX_INPUT_BYTES)


def many_inputs(path: Path) -> list[bytes]:
    """Return the inputs of a folder (its files by name) or of a file with one JSON value a line.

    A line is a text of hexadecimal digits, or a list of 32-bit words.

    Raises:
        MisuseError: neither, none at all, or a line that is no input; the message names file and line.
    """
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.is_file())
        inputs = [read_file(one, HARD_MAX_INPUT_BYTES) for one in files]
    else:
        lines = read_file(path, HARD_MAX_INPUT_BYTES).decode(errors="replace").splitlines()
        inputs = [_line(line, f"{path}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not inputs:
        raise MisuseError(f"--inputs {path}: no input: give a folder of files, or a file with a value a line")
    return inputs


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
        sources = Path(str(guests_folder())) / "sources"
        return load(build(path, sources, Path.home() / ZIG_CACHE), memory_bytes)
    return load(read_file(path, MAX_FILE_BYTES), memory_bytes)


def read_file(path: Path, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        MisuseError: it cannot be read, or is too large; the message names it.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise MisuseError(f"cannot read {path}: {error.strerror}: name a file that can be read") from error
    if len(data) > limit:
        raise MisuseError(f"{path}: too_large: over {limit} bytes")
    return data


def _line(line: str, place: str) -> bytes:
    try:
        value = json.loads(line)
    except ValueError:
        value = line.strip()
    if isinstance(value, list):
        return _words([str(one) for one in value], place)
    return _hex(str(value), place)


def _hex(text: str, place: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MisuseError(f"{place}: {text[:20]!r} are no hexadecimal digits") from error


def _words(words: Sequence[str], place: str) -> bytes:
    try:
        return struct.pack(f"<{len(words)}I", *(int(word, 0) for word in words))
    except (ValueError, struct.error) as error:
        raise MisuseError(
            f"{place}: {','.join(words)[:40]!r}: 32-bit words are whole numbers from 0 to 4294967295, with commas between"
        ) from error
