"""The decision listener and the services for Envoy in a process."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import grpc
import httpx
import pytest
from tests import deciding

from veritape.apps.serve_decisions import (
    RATE_LIMITS_PAGE,
    bind_decisions,
    decision_api,
    for_rate_limits,
    serve_rate_limits,
)
from veritape.gateway.adapters.envoy.messages_pb2 import RateLimitRequest, RateLimitResponse
from veritape.gateway.adapters.envoy.server import LIMITS_SERVICE
from veritape.gateway.metrics import METRICS
from veritape.gateway.settings import GatewaySettings, ListenSettings, TelemetrySettings
from veritape.gateway.usage_metrics import RARE_EVENTS
from veritape.kernel.addresses import Address
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import MisuseError
from veritape.telemetry import Registry
from veritape.telemetry.adapters.audit_files import AuditFiles, verify_files


def test_the_metrics_page_of_a_process_for_envoy_is_another_one() -> None:
    """TL-900: 9469 beside a gateway's 9466; what is configured stays."""
    assert for_rate_limits(GatewaySettings()).telemetry.listen == RATE_LIMITS_PAGE
    own = GatewaySettings(telemetry=TelemetrySettings(listen="127.0.0.1:1"))
    assert for_rate_limits(own).telemetry.listen == "127.0.0.1:1"


async def test_the_api_notes_each_reset_in_the_audit_log(tmp_path: Path) -> None:
    """GW-621, GW-212: a reset is in the audit log; without an address there is no listener."""
    assert bind_decisions(GatewaySettings(), shared=False) is None
    settings = GatewaySettings(data_dir=tmp_path, listen=ListenSettings(decisions="127.0.0.1:0"))
    listener = bind_decisions(settings, shared=False)
    assert listener is not None
    listener.close()
    world = deciding.world(tmp_path)
    api = decision_api(deciding.desk(world), AuditFiles(tmp_path, SystemClock()))
    deciding.key(world)
    headers = {"X-API-Key": deciding.key(world, "admin:quota", account="edge", tier="partner")}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api), base_url="http://decide", headers=headers
    ) as client:
        answer = await client.post("/api/v1/rate-limit/reset", json={"account": "acme"})
        assert answer.status_code == 204
    assert verify_files(tmp_path).seq == 1
    assert '"quota_reset"' in next((tmp_path / "audit").glob("[!.]*")).read_text()
    world.close()


async def test_a_library_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-611: with the extra that brings it."""
    monkeypatch.setitem(sys.modules, "veritape.gateway.adapters.envoy.server", None)
    world = deciding.world(tmp_path)
    with pytest.raises(MisuseError, match=r"veritape\[grpc\]"):
        await serve_rate_limits(
            deciding.desk(world),
            Address("127.0.0.1", 0),
            GatewaySettings(),
            asyncio.Event().set,
            Registry(METRICS),
            lambda: None,
        )
    world.close()


async def test_what_is_let_through_is_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """GW-611, TL-250: a call of another domain gets OK and moves its figure; before it is said where, a parent is told."""
    world, registry, told = deciding.world(tmp_path), Registry(METRICS, strict=True), list[str]()

    def listening() -> None:
        told.append(capsys.readouterr().out)

    settings, address = GatewaySettings(drain_s=0), Address("127.0.0.1", 0)
    served = asyncio.create_task(
        serve_rate_limits(deciding.desk(world), address, settings, lambda: None, registry, listening)
    )
    printed = ""
    while "on 127.0.0.1:" not in printed:
        await asyncio.sleep(0.01)
        printed += capsys.readouterr().out
    async with grpc.aio.insecure_channel(printed.split()[5].rstrip(",")) as channel:
        limit = channel.unary_unary(
            f"/{LIMITS_SERVICE}/ShouldRateLimit",
            RateLimitRequest.SerializeToString,
            RateLimitResponse.FromString,
        )
        await limit(RateLimitRequest(domain="another"))
    os.kill(os.getpid(), signal.SIGTERM)
    await served
    world.close()
    assert told == [""]
    assert registry.value(RARE_EVENTS, event="unknown_domain") == 1
