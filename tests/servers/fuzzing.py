"""Coverage-guided fuzzing in a process of its own, from seeds."""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOAK = os.environ.get("VERITAPE_SOAK") == "1"  # noqa: TID251 - chooses the length of these tests
SOAK_SECONDS = 600
"""Seconds for each decoder in the long size."""


def fuzz(module: str, name: str, seconds: int, seeds: Sequence[bytes], folder: Path) -> int:
    """Fuzz one decoder; assert that nothing was found, return how many inputs it was given.

    Args:
        module: of the targets, as ``tests.fuzz_decoders``.
        name: of the target.
        seconds: how long.
        seeds: first inputs.
        folder: where its corpus grows, and where it leaves an input that breaks the decoder.
    """
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed)
    done = subprocess.run(
        [sys.executable, "-m", module, name, str(seconds), str(corpus), f"-artifact_prefix={folder}/"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": "src:."},  # noqa: TID251 - the fuzzer is another process
        cwd=ROOT,
    )
    found = max(0, done.stderr.find("Uncaught Python exception"))
    assert done.returncode == 0, done.stderr[found:][-6_000:]
    executed = re.search(r"stat::number_of_executed_units:\s+(\d+)", done.stderr)
    assert executed is not None
    return int(executed[1])
