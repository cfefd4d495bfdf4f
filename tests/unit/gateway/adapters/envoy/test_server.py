"""The gRPC server, called by grpcio's own client."""

from pathlib import Path

import grpc
import pytest
from tests import deciding

from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckRequest,
    CheckResponse,
    RateLimitRequest,
    RateLimitResponse,
)
from veritape.gateway.adapters.envoy.server import AUTHORIZATION_SERVICE, LIMITS_SERVICE, serving
from veritape.gateway.usage_metrics import LetThrough
from veritape.kernel.errors import UnavailableError


async def test_both_services_answer_under_envoy_s_names(tmp_path: Path) -> None:
    """GW-611, GW-612: on one port; a port that is taken is named."""
    world = deciding.world(tmp_path)
    desk, counted = deciding.desk(world), list[LetThrough]()
    async with (
        serving(desk, "127.0.0.1:0", 0, counted.append) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        limit = channel.unary_unary(
            f"/{LIMITS_SERVICE}/ShouldRateLimit",
            RateLimitRequest.SerializeToString,
            RateLimitResponse.FromString,
        )
        assert (await limit(RateLimitRequest(domain="veritape"))).overall_code == RateLimitResponse.OK
        assert counted == []
        await limit(RateLimitRequest(domain="another"))
        assert counted == [LetThrough.DOMAIN]
        check = channel.unary_unary(
            f"/{AUTHORIZATION_SERVICE}/Check", CheckRequest.SerializeToString, CheckResponse.FromString
        )
        assert (await check(CheckRequest())).denied_response.status.code == 404
        with pytest.raises(UnavailableError, match="cannot listen"):
            async with serving(desk, f"127.0.0.1:{port}", 0, counted.append):
                pass
    world.close()
