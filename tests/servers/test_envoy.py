"""A real Envoy that asks a real ``veritape serve --rls``."""

import re
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import grpc
import httpx
import pytest
from tests.ports import kept_port
from tests.servers.envoy_process import ANSWER_S, ENVOY, EXAMPLE, configured, envoy_process
from tests.servers.gateway_process import VERITAPE, made_key, printed
from tests.servers.redis_process import redis_process
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.envoy.messages_pb2 import (
    RateLimitDescriptor,
    RateLimitRequest,
    RateLimitResponse,
)
from veritape.gateway.adapters.envoy.server import LIMITS_SERVICE

pytestmark = pytest.mark.xdist_group("envoy")
"""One worker has them all: they share what is dear to start."""

POLICY = """
version = 1
engine = 1
[tiers]
free = { minute = { limit = 1, burst = 5 } }
[ip]
class = [{ name = "anonymous", cidrs = ["0.0.0.0/0"], minute = { limit = 1, burst = 4 } }]
[upstreams]
elsewhere = { inprocess = true }
[routes]
keyed = { path = "/keyed", methods = ["GET"], upstream = "elsewhere", cost = "1", scope = "keyed:read" }
cheap = { path = "/public/cheap", methods = ["GET"], upstream = "elsewhere", cost = "1", anonymous = true }
dear = { path = "/public/dear", methods = ["GET"], upstream = "elsewhere", cost = "3", anonymous = true }
"""


class Upstream(BaseHTTPRequestHandler):
    """Answers everything and notes what came."""

    seen: list[str] = []  # noqa: RUF012 - each test empties it

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Chain(NamedTuple):
    """Envoy, our process behind it, and a key."""

    base: str
    ours: "subprocess.Popen[str]"
    key: str
    ledger: Path


@contextmanager
def upstream() -> Iterator[int]:
    """Run the upstream; yield its port."""
    Upstream.seen = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def told(process: "subprocess.Popen[str]") -> int:
    """Return the port that ``serve --rls`` says."""
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("rate limits for Envoy on "))
    return int(re.findall(r"127\.0\.0\.1:(\d+)", line)[0])


def limited(port: int) -> int:
    """Ask over a connection of its own for a request of an address; return the answer's code."""
    wanted = RateLimitRequest(domain="veritape", descriptors=[RateLimitDescriptor(entries=[
        RateLimitDescriptor.Entry(key=key, value=value)
        for key, value in (("remote_address", "203.0.113.9"), ("route", "/public/cheap"), ("method", "GET"))
    ])])  # fmt: skip
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        ask = channel.unary_unary(
            f"/{LIMITS_SERVICE}/ShouldRateLimit",
            RateLimitRequest.SerializeToString,
            RateLimitResponse.FromString,
        )
        return int(ask(wanted, timeout=PATIENCE_S).overall_code)


@contextmanager
def rate_limits(folder: Path) -> Iterator[tuple["subprocess.Popen[str]", int, str, int]]:
    """Run ``serve --rls`` with the decision listener beside; yield process, port, a key, the listener's port."""
    (folder / "policy.toml").write_text(POLICY)
    config = folder / "gateway.toml"
    config.write_text(
        f'policy = "{folder / "policy.toml"}"\ndata_dir = "{folder / "data"}"\n'
        '[listen]\ndecisions = "127.0.0.1:0"\n[telemetry]\nlisten = ""\n'
    )
    key = made_key(config, "acme")
    command = [VERITAPE, "serve", "--rls", "--port", "0", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        ports = [int(re.findall(r"127\.0\.0\.1:(\d+)", line)[0]) for line in lines]
        assert lines[1].startswith("rate limits for Envoy on")
        try:
            yield process, ports[1], key, ports[0]
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(PATIENCE_S) == 0


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """Run the example's configuration for all tests, the last of which ends our process."""
    tmp_path = tmp_path_factory.mktemp("chain")
    with kept_port() as public, upstream() as behind, rate_limits(tmp_path) as (process, port, key, _):
        config = configured(tmp_path, EXAMPLE.read_text(), upstream=behind, veritape=port, public=public)
        with envoy_process(config, public) as base:
            yield Chain(base, process, key, tmp_path / "data/usage.db")


def test_the_example_is_valid() -> None:
    """GW-613, GW-832: envoy --version and --mode validate; a planted error is found."""
    version = subprocess.run([ENVOY, "--version"], capture_output=True, text=True, check=True).stdout
    assert "1.40.0/Clean/RELEASE/BoringSSL" in version
    text = EXAMPLE.read_text()
    assert "failure_mode_deny: false" in text
    assert text.count("timeout: 0.05s") == 2
    subprocess.run([ENVOY, "--mode", "validate", "-c", EXAMPLE], check=True, capture_output=True)


def test_a_planted_error_in_a_configuration_is_found(tmp_path: Path) -> None:
    """GW-832: validation would see a field that Envoy does not have."""
    planted = tmp_path / "planted.yaml"
    planted.write_text(EXAMPLE.read_text().replace("failure_mode_deny", "failure_mode_denied"))
    answer = subprocess.run([ENVOY, "--mode", "validate", "-c", planted], capture_output=True, check=False)
    assert answer.returncode != 0


def test_envoy_authorizes_by_our_service(chain: Chain) -> None:
    """GW-612, GW-613, GW-976: admitted with fields; 401, 404 and 429 with our bodies; only what was admitted goes on."""
    Upstream.seen.clear()
    mine = {"X-API-Key": chain.key}
    with httpx.Client(base_url=chain.base, timeout=PATIENCE_S) as client:
        answers = [client.get("/keyed", headers=mine) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert answers[0].text == "ok"
        assert answers[0].headers["ratelimit"].startswith('"minute";r=4')
        assert answers[-1].json()["reason"] == "rate_limited"
        assert 30 < int(answers[-1].headers["retry-after"]) <= 60
        missing = client.get("/keyed")
        assert (missing.status_code, missing.headers["www-authenticate"]) == (401, 'Bearer realm="veritape"')
        assert client.get("/nowhere", headers=mine).json()["reason"] == "no_route"
    assert Upstream.seen == ["/keyed"] * 5


def test_envoy_limits_by_our_service(chain: Chain) -> None:
    """GW-611, GW-613, GW-976: a route's cost by its path and method, for an address; fields on both answers."""
    Upstream.seen.clear()
    with httpx.Client(base_url=chain.base, timeout=PATIENCE_S) as client:
        dear = client.get("/public/dear?x=1")
        assert (dear.status_code, dear.headers["x-request-cost"]) == (200, "3")
        assert dear.headers["ratelimit"].startswith('"minute";r=1;t=')
        denied = client.get("/public/dear")
        assert (denied.status_code, 90 < int(denied.headers["retry-after"]) <= 120) == (429, True)
        assert client.get("/public/cheap").status_code == 200
        assert client.get("/public/cheap").status_code == 429
        assert client.get("/public/elsewhere").status_code == 200  # no route of ours
    assert len(Upstream.seen) == 3


def test_an_address_that_we_leave_alone_when_we_are_gone(chain: Chain) -> None:
    """GW-613, GW-832, GW-976: our process killed: requests pass, none is a 5xx."""
    chain.ours.kill()
    chain.ours.wait()
    with httpx.Client(base_url=chain.base, timeout=PATIENCE_S) as client:
        answers = [client.get(path) for path in ("/keyed", "/public/dear") * 5]
    assert {answer.status_code for answer in answers} == {200}
    assert max(answer.elapsed.total_seconds() for answer in answers) < ANSWER_S / 2


def test_the_decision_listener_stands_beside_and_stops_with_its_process(tmp_path: Path) -> None:
    """GW-612, GW-621, GW-976: ext_authz over HTTP, a check, and the charge in the ledger after the end."""
    with (
        rate_limits(tmp_path) as (_, _, key, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        assert client.get("/api/v1/health").json() == {"policy_version": 1, "quota": "healthy"}
        assert client.get("/authz/keyed", headers={"X-API-Key": key}).status_code == 200
        asked = client.post("/api/v1/rate-limit/check", json={}, headers={"X-API-Key": key})
        assert asked.json()["reason"] == "missing_scope"
    assert '"acme"' in printed("usage", "--config", tmp_path / "gateway.toml", "--format", "json")


def test_workers_for_envoy_share_port_and_quota(tmp_path: Path) -> None:
    """GW-551, GW-611: ``--rls`` with several workers: each answers Envoy's calls, all of one quota."""
    (tmp_path / "policy.toml").write_text(f'{POLICY}\n[store]\nkind = "redis"\n')
    config = tmp_path / "gateway.toml"
    with redis_process(tmp_path) as redis:
        config.write_text(
            f'policy = "{tmp_path / "policy.toml"}"\ndata_dir = "{tmp_path / "data"}"\n[store]\nurl = "{redis.url}"\n'
            '[telemetry]\nlisten = ""\n'
        )
        command = [VERITAPE, "serve", "--rls", "--workers", "2", "--port", "0", "--config", str(config)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            port = told(process)
            codes = Counter(limited(port) for _ in range(20))
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0
    assert codes == {RateLimitResponse.OK: 4, RateLimitResponse.OVER_LIMIT: 16}
