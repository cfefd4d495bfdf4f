"""A real Envoy on free ports, from the repository's example configuration."""

import contextlib
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.waiting import waited

ROOT = Path(__file__).parents[2]
ENVOY = ROOT / ".tools/servers/envoy/bin/envoy"
EXAMPLE = ROOT / "examples/envoy.yaml"
ANSWER_S = 60
"""How long Envoy waits for our answer here: a busy machine is late; whom nobody answers is refused at once."""


def configured(folder: Path, text: str, *, upstream: int, veritape: int, public: int) -> Path:
    """Write a configuration with other ports than the example's, and patience."""
    for before, after in ((10_000, public), (8_080, upstream), (8_003, veritape)):
        text = re.sub(rf"port_value: {before}\b", f"port_value: {after}", text)
    text = text.replace("timeout: 0.05s", f"timeout: {ANSWER_S}s")
    path = folder / "envoy.yaml"
    path.write_text(text)
    return path


@contextmanager
def envoy_process(config: Path, public: int) -> Iterator[str]:
    """Run Envoy until the context ends; yield its address."""
    command = [
        str(ENVOY),
        "-c",
        str(config),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]
    with subprocess.Popen(command) as process:
        try:
            waited(lambda: _listens(public, process), lambda: "Envoy does not listen")
            yield f"http://127.0.0.1:{public}"
        finally:
            process.kill()


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "Envoy ended"
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
