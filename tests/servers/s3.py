"""An S3 server of another maker (moto), in an environment of its own, on a free port."""

import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / ".tools" / "servers" / "moto" / "bin" / "moto_server"


@contextmanager
def s3_server() -> Iterator[str]:
    """Yield the address of an empty S3 server; it ends with the block."""
    assert SERVER.exists(), "scripts/install-test-servers installs the S3 server"
    process = subprocess.Popen(
        [SERVER, "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    with process.stderr as lines:
        drained = threading.Thread(target=lines.read, daemon=True)
        try:
            found = next(
                (match for line in lines if (match := re.search(r"http://127\.0\.0\.1:\d+", line))), None
            )
            assert found is not None, "the S3 server ended"
            drained.start()
            yield found.group()
        finally:
            process.terminate()
            process.wait()
            if drained.ident is not None:
                drained.join()


def environment(address: str) -> dict[str, str]:
    """Return what a client of the server needs in its environment."""
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "planted-access-key",
        "AWS_SECRET_ACCESS_KEY": "planted-secret-key",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
