"""Schemathesis, unmodified, against the gateway by its own OpenAPI document."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest
from tests.servers.gateway_process import gateway_process, made_key
from tests.servers.gateway_world import DAY, SYMBOL, World, sample_sources
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.server import serve
from veritape.gateway.readers import MemoryTape
from veritape.kernel.addresses import Address
from veritape.kernel.listeners import bind

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / ".tools" / "clients" / "schemathesis" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "negative_data_rejection", "unsupported_method", "ignored_auth",
)  # fmt: skip
"""Every check of its documents but one: a valid request may be refused, since no schema says what a signed cursor is."""


ONE_CREDENTIAL = "[generation]\nwith-security-parameters = false\n"
"""Credentials are the header that it is given: with one of each scheme beside it every request would be 400."""


async def verdict(base: str, key: str, config: str, folder: Path) -> tuple[int, str]:
    """Let Schemathesis loose on a gateway; return its exit status and what it printed."""
    (folder / "schemathesis.toml").write_text(f"{ONE_CREDENTIAL}{config}")
    process = await asyncio.create_subprocess_exec(
        PROGRAM, "--config-file", folder / "schemathesis.toml", "run", f"{base}/openapi.json", "--header",
        f"X-API-Key: {key}", "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing",
        "--max-examples", "15", "--seed", "1", "--no-color", "--generation-database", "none",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode()


async def verdict_on(world: World, config: str, folder: Path) -> tuple[int, str]:
    """Serve a world and judge it."""
    listener = bind(Address("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.create_task(serve(world.gateway, listener, 1, lambda: None))
    found = await verdict(base, world.key("partner"), config, folder)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    listener.close()
    return found


KNOWN = f'[parameters]\nsymbol = "{SYMBOL}"\nday = "{DAY}"\n'
"""Values that reach the data, which random ones do not."""


@pytest.mark.parametrize("config", ["", KNOWN])
async def test_every_answer_is_one_that_the_document_promises(config: str, tmp_path: Path) -> None:
    """GW-743: statuses, headers and bodies of every route are as written, for good and for bad requests."""
    world = World(tmp_path)
    status, printed = await verdict_on(world, config, tmp_path)
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
    status, printed = await verdict_on(world, KNOWN, tmp_path)
    world.close()
    assert (status, "Server error" in printed) == (1, True), printed


BATCH = """body_max_kib = 64
[routes.batch]
path = "/batch"
methods = ["POST"]
upstream = "back"
scope = "batch:write"
cost = "0.001"
cost_per = { pointer = "/items", max_items = 5 }
body_max_kib = 64
"""


async def moody(peer: Peer) -> None:
    """Answer as an upstream may: with statuses and bodies that the gateway does not know of."""
    kinds = [
        answer(),
        answer(201, b"made", b"Content-Type: text/plain"),
        answer(404, b"<p>", b"Content-Type: text/html"),
    ]
    peer.writer.write(kinds[len(peer.body) % len(kinds)])


async def test_routes_of_an_upstream_keep_the_documents_promise_in_a_real_process(tmp_path: Path) -> None:
    """GW-743, GW-973: ``veritape serve`` before an upstream: counted bodies, any bodies, credentials; no 5xx of ours."""
    async with upstream(moody) as back:
        policy, config = tmp_path / "policy.toml", tmp_path / "gateway.toml"
        policy.write_bytes(
            policy_text(back.url, route=BATCH).replace(b"limit = 1000 }", b"limit = 1000000 }")
        )
        config.write_text(
            f'policy = "{policy}"\ndata_dir = "{tmp_path / "data"}"\n[log]\naccess = false\n[telemetry]\nlisten = ""\n'
            '[listen]\nadmin = ""\n'
        )
        key = made_key(config, "acme", "--scope", "batch:write")
        with gateway_process(config) as gateway:
            status, printed = await verdict(gateway.base, key, "", tmp_path)
            document = httpx.get(f"{gateway.base}/openapi.json", timeout=PATIENCE_S).json()  # noqa: ASYNC210 - nothing else runs now
        operations = sum(len(methods) for methods in document["paths"].values())
        assert (status, f"{operations} passed" in printed) == (0, True), printed
        seen = [peer.head.split()[:2] for peer in back.requests]
        assert {b"GET", b"POST"} <= {method for method, _ in seen}
        assert sum(target == b"/batch" for _, target in seen) > 10
