"""Build guests with the compiler from PyPI, in an environment that holds nothing else (EX-231 to 235)."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from veritape.executor.adapters.scratch import temporary_folder
from veritape.kernel.errors import CheckFailedError, MisuseError, UnavailableError

FLAGS = (
    "-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m", "-std=c11", "-O2", "-g0", "-ffreestanding",
    "-fno-pic", "-fno-sanitize=all", "-fno-stack-protector", "-fomit-frame-pointer", "-static", "-Wl,-T,guest.ld",
    "-Wl,--build-id=none", "-Wl,--strip-all", "-Wl,-z,max-page-size=16",
)  # fmt: skip
"""The exact command that gives 4-byte instructions and no ABI flags (EX-232, 233)."""

SUPPORT = ("guest.ld", "start.S", "veritape.h", "tape.h")
"""Files beside a guest's source."""

BUILD_SECONDS = 300
"""Longest build: the first one prepares the compiler's own library."""


def compiler_version() -> str:
    """Return the compiler's package and version.

    Raises:
        UnavailableError: it is not installed.
    """
    try:
        return f"ziglang {metadata.version('ziglang')}"
    except metadata.PackageNotFoundError as error:
        raise UnavailableError(
            "guests are built with the package ziglang: install veritape[guests]"
        ) from error


def build(source: Path, support: Path, cache: Path) -> bytes:
    """Return the ELF of one C file.

    Args:
        source: the guest's .c file.
        support: folder with linker script, start code and SDK header.
        cache: the compiler's cache directory; an empty one makes the build independent of everything before.

    Raises:
        MisuseError: the source cannot be read.
        UnavailableError: the compiler is not installed.
        CheckFailedError: it does not compile; the message is the compiler's first error.
    """
    compiler_version()
    with temporary_folder("guest") as place:
        try:
            for name in SUPPORT:
                shutil.copyfile(support / name, place / name)
            shutil.copyfile(source, place / "guest.c")
        except OSError as error:
            raise MisuseError(f"cannot read {source}: {error.strerror}") from error
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "-o", "guest.elf", "start.S", "guest.c"]
        _run(command, place, cache, source)
        return (place / "guest.elf").read_bytes()


def _run(command: Sequence[str], place: Path, cache: Path, source: Path) -> None:
    environment = {
        "PATH": os.defpath,
        "ZIG_GLOBAL_CACHE_DIR": str(cache / "global"),
        "ZIG_LOCAL_CACHE_DIR": str(cache / "local"),
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own command, no shell
            command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(
            f"{source}: the compiler took over {BUILD_SECONDS} s: try again on an idle machine"
        ) from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise CheckFailedError(
            f"{source} does not compile: {lines[0].replace('guest.c', source.name) if lines else 'no message'}"
        )
