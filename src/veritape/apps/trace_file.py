"""What ``veritape run --trace-out`` writes: a line of JSON for each instruction that retired.

The readable machine runs, because only it shows its steps; it agrees with the compiled one and is some hundred times slower. A trace
is for reading a guest's way; it is evidence of nothing.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from veritape.executor.vm.decoding import decode
from veritape.executor.vm.machine import Watch
from veritape.kernel.errors import MisuseError

LINES = 1_000_000
"""Most instructions of a file, about 100 MB: an endless guest fills no disk."""


@contextmanager
def trace_file(path: Path | None) -> Iterator[Watch | None]:
    """Give what writes each instruction to a file while the context lasts; None without a file.

    Raises:
        MisuseError: the file cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        with path.open("w", encoding="utf-8") as file:
            yield watch_into(file)
    except OSError as error:
        raise MisuseError(f"cannot write {path}: {error.strerror}") from error


def watch_into(file: TextIO, lines: int = LINES) -> Watch:
    """Return what writes each instruction as a line; after the last one a line says that more were executed."""
    before: list[int] = []

    def watch(cycle: int, pc: int, word: int, registers: Sequence[int]) -> None:
        if cycle < lines:
            instruction = decode(word)
            old = before or [0] * len(registers)
            changed = {
                f"x{number}": value
                for number, (value, was) in enumerate(zip(registers, old, strict=True))
                if value != was
            }
            before[:] = registers
            name = instruction.operation.name.lower() if instruction else ""
            shown = {
                "cycle": cycle,
                "pc": f"{pc:#010x}",
                "word": f"{word:#010x}",
                "operation": name,
                "changed": changed,
            }
            file.write(json.dumps(shown) + "\n")
        elif cycle == lines:
            file.write(json.dumps({"cycle": cycle, "cut": True}) + "\n")

    return watch
