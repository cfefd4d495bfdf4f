"""Envoy's external authorization over gRPC: a request that the proxy holds, decided as the gateway would (GW-612)."""

from typing import Final

from veritape.gateway.adapters.decision_desk import OK, Authorized, Desk, read_address
from veritape.gateway.adapters.envoy.known_checks import KnownChecks
from veritape.gateway.adapters.envoy.messages_pb2 import (
    AttributeContext,
    CheckRequest,
    CheckResponse,
    DeniedHttpResponse,
    HeaderValue,
    HeaderValueOption,
    HttpStatus,
    OkHttpResponse,
    Status,
)
from veritape.gateway.adapters.envoy.straight_check import Caught, straight_check
from veritape.gateway.adapters.visit import Visit
from veritape.gateway.answers import Answer, Headers

RPC_CODES: Final = {401: 16, 403: 7, 404: 5, 429: 8, 503: 14}
"""HTTP status -> gRPC's code: UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE."""

INVALID_ARGUMENT: Final = 3
"""gRPC's code of every other denial."""


class Authorization:
    """The service."""

    def __init__(self, desk: Desk) -> None:
        self._desk, self._known = desk, KnownChecks()

    def begin(self, message: bytes, caught: Caught, stream: int) -> bool:
        """Begin a call that is like one before it; False when it has to be decided by ``decide``."""
        found = self._known.find(message)
        return found is not None and found.check.begin(found.asked, caught, stream)

    async def decide(self, message: bytes) -> bytes:
        """Answer a call, and remember what follows from its bytes.

        Raises:
            DecodeError: the message cannot be read.
        """
        request = CheckRequest.FromString(message)
        found = await self._authorized(request)
        if found.answer.status == OK and self._known.wants(request.attributes.request.http.path):
            headers, _, query = _fields(request.attributes.request.http)
            check = straight_check(self._desk, found.visit, headers, query, self._go_on)
            if check is not None:
                self._known.keep(message, check)
        return _response(found.answer).SerializeToString()

    async def check(self, request: CheckRequest) -> CheckResponse:
        """Answer a call. A bug here is a gRPC error: Envoy's ``failure_mode_allow`` says what becomes of it."""
        return _response((await self._authorized(request)).answer)

    async def _authorized(self, request: CheckRequest) -> Authorized:
        http = request.attributes.request.http
        headers, path, query = _fields(http)
        peer = read_address(request.attributes.source.address.socket_address.address)
        return await self._desk.authorized(http.method, path, query, headers, peer)

    async def _go_on(self, visit: Visit) -> bytes:
        return _response(await self._desk.go_on(visit)).SerializeToString()


def _fields(http: AttributeContext.HttpRequest) -> tuple[Headers, str, bytes]:
    """Return header fields, path and query; the fields come as a map, or raw and in their order (``encode_raw_headers``)."""
    path, _, query = http.path.partition("?")
    headers = [(name.lower().encode(), value.encode()) for name, value in http.headers.items()]
    raw = [(one.key.lower().encode(), one.raw_value or one.value.encode()) for one in http.header_map.headers]
    return headers + raw, path, query.encode()


def _response(answer: Answer) -> CheckResponse:
    options = [HeaderValueOption(header=HeaderValue(key=name, value=value)) for name, value in answer.fields]
    if answer.status == OK:
        return CheckResponse(status=Status(), ok_response=OkHttpResponse(response_headers_to_add=options))
    denied = DeniedHttpResponse(
        status=HttpStatus(code=answer.status), headers=options, body=answer.body.decode()
    )
    code = RPC_CODES.get(answer.status, INVALID_ARGUMENT)
    return CheckResponse(status=Status(code=code), denied_response=denied)
