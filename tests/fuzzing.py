"""Runs one target under coverage-guided bytes: python -m MODULE NAME SECONDS CORPUS."""

import sys
from collections.abc import Callable, Mapping

import atheris

Target = Callable[[bytes], None]
"""Takes any bytes; whatever it raises is a crash, which atheris reports with the input."""


def run(targets: Mapping[str, Target]) -> None:
    """Fuzz the target that the arguments name, in bounded time and memory."""
    name, seconds = sys.argv[1], int(sys.argv[2])
    options = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=8192",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, *sys.argv[3:]], targets[name])
    atheris.Fuzz()
