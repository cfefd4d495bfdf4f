"""Schemathesis, unmodified, against the gateway by its own OpenAPI document."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.servers.gateway_world import DAY, SYMBOL, World, sample_sources

from veritape.gateway.adapters.server import bind, serve
from veritape.gateway.readers import MemoryTape
from veritape.kernel.addresses import Address

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".tools" / "clients" / "schemathesis" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth",
)  # fmt: skip
"""Every check of its documents but one: a valid request may be refused, since no schema says what a signed cursor is."""


async def verdict(world: World, config: str, folder: Path) -> tuple[int, str]:
    """Serve the world, let Schemathesis loose on it, return its exit status and what it printed."""
    (folder / "schemathesis.toml").write_text(config)
    listener = bind(Address("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(world.gateway, listener, 1, lambda: None))
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "--config-file", folder / "schemathesis.toml", "run", f"{base}/openapi.json", "--header",
        f"X-API-Key: {world.key('partner')}", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
        "--max-examples", "15", "--seed", "1", "--no-color", "--generation-database", "none",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    listener.close()
    assert process.returncode is not None
    return process.returncode, printed.decode()


KNOWN = f'[parameters]\nsymbol = "{SYMBOL}"\nday = "{DAY}"\n'
"""Values that reach the data, which random ones do not."""


@pytest.mark.parametrize("config", ["", KNOWN])
async def test_every_answer_is_one_that_the_document_promises(config: str, tmp_path: Path) -> None:
    """GW-743: statuses, headers and bodies of every route are as written, for good and for bad requests."""
    world = World(tmp_path)
    status, printed = await verdict(world, config, tmp_path)
    operations = len(json.loads(world.gateway.table.openapi)["paths"])
    world.close()
    assert (status, f"{operations} passed" in printed) == (0, True), printed


class Broken(MemoryTape):
    """A tape whose completeness cannot be read."""

    def completeness(self, day: str) -> None:
        raise ValueError(day)


async def test_a_planted_server_error_is_found(tmp_path: Path) -> None:
    """GW-743: the check can fail."""
    world = World(tmp_path, sources=sample_sources()._replace(tape=Broken({}, {}, frozenset({DAY}))))
    status, printed = await verdict(world, KNOWN, tmp_path)
    world.close()
    assert (status, "Server error" in printed) == (1, True), printed
