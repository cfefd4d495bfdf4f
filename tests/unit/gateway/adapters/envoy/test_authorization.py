"""Envoy's external authorization over a whole gateway."""

from pathlib import Path

from tests import deciding

from veritape.gateway.adapters.envoy.authorization import Authorization
from veritape.gateway.adapters.envoy.messages_pb2 import (
    Address,
    AttributeContext,
    CheckRequest,
    SocketAddress,
)


def request(path: str, address: str = "203.0.113.9", method: str = "GET", **headers: str) -> CheckRequest:
    """Return a request that the proxy holds."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    http = AttributeContext.HttpRequest(method=method, path=path, headers={":path": path, **named})
    peer = AttributeContext.Peer(address=Address(socket_address=SocketAddress(address=address)))
    return CheckRequest(attributes=AttributeContext(source=peer, request=AttributeContext.Request(http=http)))


async def test_a_request_is_decided_as_the_gateway_would(tmp_path: Path) -> None:
    """GW-612: fields on an admitted one; status, fields and body of a denial; a socket's path is no address."""
    world = deciding.world(tmp_path)
    service, key = Authorization(deciding.desk(world)), deciding.key(world)
    found = await service.check(request("/v1/trades?symbol=x", x_api_key=key, x_request_id="mine"))
    fields = {
        option.header.key.lower(): option.header.value for option in found.ok_response.response_headers_to_add
    }
    assert (found.status.code, fields["x-request-id"], fields["x-request-cost"]) == (0, "mine", "1")
    for path, headers, status, code in (
        ("/v1/trades", {}, 401, 16), ("/nowhere", {}, 404, 5), ("/v1/trades", {"x_api_key": key, "apikey": key}, 400, 3),
        ("/v1/trades", {"x_api_key": deciding.key(world, "bars:read")}, 403, 7),
    ):  # fmt: skip
        denied = await service.check(request(path, **headers))
        assert (denied.status.code, denied.denied_response.status.code) == (code, status)
        assert '"reason"' in denied.denied_response.body
    local = await service.check(request("/identify", "/run/envoy.sock", "POST"))
    assert local.status.code == 0
    for _ in range(149):
        await service.check(request("/v1/trades", x_api_key=key))
    denied = await service.check(request("/v1/trades", x_api_key=key))
    fields = {option.header.key: option.header.value for option in denied.denied_response.headers}
    assert (denied.status.code, denied.denied_response.status.code, fields["Retry-After"]) == (8, 429, "1")
    world.close()
