"""Other makers' gateways beside ours: nginx with limit_req, Envoy with its local rate limit.

Each is asked for what ours does on the way to the upstream: a key that has to be the right one, a limit by it that refuses nobody here, header
fields that say so, a request id, kept connections on both sides, no access log. One worker each.
"""

import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_server import START_S, Server
from veritape.kernel.clock import NANOSECONDS, Clock
from veritape.kernel.errors import UnavailableError

LIMIT: Final = 1_000_000
"""Requests a minute: nobody is refused."""

INSTALL: Final = "scripts/install-test-servers"
"""What installs the peers."""

TOOLS: Final = Path(__file__).parents[4] / ".tools/servers/envoy/bin/envoy"
"""Envoy as tests of a checkout have it."""

NGINX_HEAD: Final = """\
worker_processes 1;
daemon off;
pid FOLDER/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path FOLDER/body; proxy_temp_path FOLDER/proxy; fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
  keepalive_requests 1000000000;
"""
"""How a configuration of one worker begins: no log of requests, all its files below one folder, connections that stay."""

NGINX: Final = """\
  map_hash_bucket_size 128;
  map $http_x_api_key $known { default 0; "KEY" 1; }
  limit_req_zone $http_x_api_key zone=keys:1m rate=RATEr/s;
  limit_req_status 429;
  upstream one { server 127.0.0.1:UPSTREAM; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:PUBLIC;
    location / {
      if ($known = 0) { return 401; }
      limit_req zone=keys burst=10000 nodelay;
      add_header X-Request-Id $request_id;
      add_header RateLimit-Policy '"second";q=RATE;w=1';
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_pass http://one;
    }
  }
}
"""

ASKED_FIELDS: Final = (
    "x-api-key", "apikey", "authorization", "forwarded", "x-forwarded-for", "x-request-id"
)  # fmt: skip
"""Header fields that Envoy asks us with, as the guide's configuration has them: what a decision reads."""

_HTTP: Final = "type.googleapis.com/envoy.extensions.filters.http"


@contextlib.asynccontextmanager
async def nginx(folder: Path, upstream: int, key: str, clock: Clock) -> AsyncIterator[Server]:
    """Run nginx with limit_req.

    Raises:
        UnavailableError: it is not installed or does not start.
    """
    program, public = nginx_program(), free_port()
    values = {"KEY": key, "RATE": str(LIMIT), "UPSTREAM": str(upstream), "PUBLIC": str(public)}
    async with nginx_server(program, folder, NGINX_HEAD + NGINX, values, public, clock) as server:
        yield server


@contextlib.asynccontextmanager
async def nginx_server(
    program: str, folder: Path, text: str, values: Mapping[str, str], port: int, clock: Clock
) -> AsyncIterator[Server]:
    """Run nginx.

    Args:
        program: its path.
        folder: for its files.
        text: its configuration, in which words stand for values.
        values: word -> value, beside FOLDER.
        port: where it listens by them.
        clock: the machine's.

    Raises:
        UnavailableError: it does not start.
    """
    for word, value in {"FOLDER": str(folder), **values}.items():
        text = text.replace(word, value)
    config = folder / "nginx.conf"
    config.write_text(text)
    command = [program, "-p", str(folder), "-e", "stderr", "-c", str(config)]
    async with running(command, port, clock) as server:
        yield server


@contextlib.asynccontextmanager
async def envoy(folder: Path, upstream: int, key: str, clock: Clock) -> AsyncIterator[Server]:
    """Run Envoy with its local rate limit.

    Raises:
        UnavailableError: it is not installed or does not start.
    """
    public = free_port()
    async with envoy_server(folder, envoy_config(public, upstream, key), public, clock) as server:
        yield server


@contextlib.asynccontextmanager
async def envoy_server(
    folder: Path, config: dict[str, Any], public: int, clock: Clock, threads: int = 1
) -> AsyncIterator[Server]:
    """Run Envoy with a configuration that listens on a port, and so many workers.

    Raises:
        UnavailableError: it is not installed or does not start.
    """
    path = folder / "envoy.json"
    path.write_text(json.dumps(config))
    command = [
        envoy_program(), "-c", str(path), "--concurrency", str(threads), "--disable-hot-restart", "--log-level", "critical"
    ]  # fmt: skip
    async with running(command, public, clock) as server:
        yield server


def nginx_program() -> str:
    """Return nginx' path.

    Raises:
        UnavailableError: it is not installed.
    """
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        raise UnavailableError(f"no nginx: {INSTALL} installs it")
    return found


def envoy_program() -> str:
    """Return Envoy's path.

    Raises:
        UnavailableError: it is not installed.
    """
    found = shutil.which("envoy") or (str(TOOLS) if TOOLS.exists() else None)
    if found is None:
        raise UnavailableError(f"no Envoy: {INSTALL} installs it")
    return found


def envoy_config(public: int, upstream: int, key: str) -> dict[str, Any]:
    """Return Envoy's configuration: only requests with the key have a route."""
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    limit = {
        "@type": f"{_HTTP}.local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "one",
        "token_bucket": {"max_tokens": LIMIT, "tokens_per_fill": LIMIT, "fill_interval": "60s"},
        "filter_enabled": always,
        "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
    }
    route = {
        "match": {"prefix": "/", "headers": [{"name": "x-api-key", "string_match": {"exact": key}}]},
        "route": {"cluster": "one"},
    }
    filters = [{"name": "envoy.filters.http.local_ratelimit", "typed_config": limit}]
    return _envoy_config(public, filters, [route], [_cluster("one", upstream)])


def asking_config(public: int, upstream: int, veritape: int) -> dict[str, Any]:
    """Return the configuration of an Envoy that asks us: below ``/public/`` the rate-limit service, elsewhere ext_authz.

    A decision that fails or is late is an error of the request, not let through as in production: only what was decided counts.
    """
    grpc = {"envoy_grpc": {"cluster_name": "veritape"}, "timeout": "1s"}
    authorize = {
        "@type": f"{_HTTP}.ext_authz.v3.ExtAuthz",
        "transport_api_version": "V3",
        "grpc_service": grpc,
        "encode_raw_headers": True,
        "allowed_headers": {"patterns": [{"exact": name} for name in ASKED_FIELDS]},
    }
    limit = {
        "@type": f"{_HTTP}.ratelimit.v3.RateLimit",
        "domain": "veritape",
        "failure_mode_deny": True,
        "timeout": "1s",
        "rate_limit_service": {"transport_api_version": "V3", "grpc_service": grpc},
    }
    asked = [
        {"remote_address": {}},
        {"request_headers": {"header_name": ":path", "descriptor_key": "route"}},
        {"request_headers": {"header_name": ":method", "descriptor_key": "method"}},
    ]
    by_address = {
        "match": {"prefix": "/public/"},
        "route": {"cluster": "one", "rate_limits": [{"actions": asked}]},
        "typed_per_filter_config": {
            "envoy.filters.http.ext_authz": {
                "@type": f"{_HTTP}.ext_authz.v3.ExtAuthzPerRoute",
                "disabled": True,
            }
        },
    }
    filters: list[dict[str, Any]] = [
        {"name": "envoy.filters.http.ext_authz", "typed_config": authorize},
        {"name": "envoy.filters.http.ratelimit", "typed_config": limit},
    ]
    ours = _cluster("veritape", veritape) | {
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    }
    routes: list[dict[str, Any]] = [by_address, {"match": {"prefix": "/"}, "route": {"cluster": "one"}}]
    return _envoy_config(public, filters, routes, [_cluster("one", upstream), ours])


def _envoy_config(
    public: int, filters: list[dict[str, Any]], routes: list[dict[str, Any]], clusters: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a configuration with one listener; the router is the last filter."""
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{_HTTP}.router.v3.Router"}}
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "one",
        "use_remote_address": True,
        "http_filters": [*filters, router],
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    listener = {"name": "public", "address": _address(public), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": clusters}}


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def free_port() -> int:
    """Return a port of the loopback that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.asynccontextmanager
async def running(command: Sequence[str], port: int, clock: Clock) -> AsyncIterator[Server]:
    """Run a server until it is not needed any more; it listens when it is yielded."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603, ASYNC220 - fixed words
    try:
        for _ in range(START_S * 50):
            if process.poll() is not None:
                raise UnavailableError(f"{Path(command[0]).name} ends at once with {process.returncode}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await clock.sleep_until(clock.monotonic_ns() + NANOSECONDS // 50)
            else:
                writer.close()
                break
        else:
            raise UnavailableError(f"{Path(command[0]).name} does not listen")
        yield Server(Target("127.0.0.1", port), process.pid)
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait)
