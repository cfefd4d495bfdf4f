"""The gRPC server of Envoy's two services, on grpcio's asyncio (GW-611)."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import grpc

from veritape.gateway.adapters.decision_desk import Desk
from veritape.gateway.adapters.envoy.authorization import Authorization
from veritape.gateway.adapters.envoy.limits import RateLimits
from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckRequest,
    CheckResponse,
    RateLimitRequest,
    RateLimitResponse,
)
from veritape.gateway.usage_metrics import LetThrough
from veritape.kernel.errors import UnavailableError

MESSAGE_LIMIT_BYTES: Final = 256 * 1_024
"""Longest message: headers of a request and no body."""

LIMITS_SERVICE: Final = "envoy.service.ratelimit.v3.RateLimitService"
AUTHORIZATION_SERVICE: Final = "envoy.service.auth.v3.Authorization"
"""Names of the services in Envoy's API v3."""


@asynccontextmanager
async def serving(
    desk: Desk, address: str, drain_s: float, count: Callable[[LetThrough], None]
) -> AsyncIterator[int]:
    """Serve while the context lasts; yield the port.

    Args:
        desk: decides.
        address: host:port; port 0 takes a free one.
        drain_s: seconds that calls in progress have at the end.
        count: hears of what is let through undecided.

    Raises:
        UnavailableError: the port is taken or not ours.
    """
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", MESSAGE_LIMIT_BYTES), ("grpc.so_reuseport", 0)]
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                LIMITS_SERVICE,
                {
                    "ShouldRateLimit": grpc.unary_unary_rpc_method_handler(
                        RateLimits(desk, count).should_rate_limit,
                        request_deserializer=RateLimitRequest.FromString,
                        response_serializer=RateLimitResponse.SerializeToString,
                    )
                },
            ),
            grpc.method_handlers_generic_handler(
                AUTHORIZATION_SERVICE,
                {
                    "Check": grpc.unary_unary_rpc_method_handler(
                        Authorization(desk).check,
                        request_deserializer=CheckRequest.FromString,
                        response_serializer=CheckResponse.SerializeToString,
                    )
                },
            ),
        )
    )
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise UnavailableError(f"cannot listen on {address}: in use or not ours; choose --port") from error
    await server.start()
    try:
        yield port
    finally:
        await server.stop(drain_s)
