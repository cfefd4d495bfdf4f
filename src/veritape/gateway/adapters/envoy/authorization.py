"""Envoy's external authorization over gRPC: a request that the proxy holds, decided as the gateway would (GW-612)."""

from typing import Final

from veritape.gateway.adapters.decision_desk import OK, Desk, read_address
from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    OkHttpResponse,
    Status,
)

RPC_CODES: Final = {401: 16, 403: 7, 404: 5, 429: 8, 503: 14}
"""HTTP status -> gRPC's code: UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE."""

INVALID_ARGUMENT: Final = 3
"""gRPC's code of every other denial."""


class Authorization:
    """The service."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Answer a call. A bug here is a gRPC error: Envoy's ``failure_mode_allow`` says what becomes of it."""
        http = request.attributes.request.http
        path, _, query = http.path.partition("?")
        headers = [(name.lower().encode(), value.encode()) for name, value in http.headers.items()]
        peer = read_address(request.attributes.source.address.socket_address.address)
        answer = await self._desk.authorize(http.method, path, query.encode(), headers, peer)
        options = [
            HeaderValueOption(header=HeaderValue(key=name, value=value)) for name, value in answer.fields
        ]
        if answer.status == OK:
            return CheckResponse(status=Status(), ok_response=OkHttpResponse(response_headers_to_add=options))
        denied = DeniedHttpResponse(
            status=HttpStatus(code=answer.status), headers=options, body=answer.body.decode()
        )
        code = RPC_CODES.get(answer.status, INVALID_ARGUMENT)
        return CheckResponse(status=Status(code=code), denied_response=denied)
