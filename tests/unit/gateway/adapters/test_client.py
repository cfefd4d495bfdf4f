"""A client behind an ASGI server."""

from typing import Any

from veritape.gateway.adapters.client import AsgiClient, live
from veritape.gateway.adapters.departure import departure_of
from veritape.gateway.answers import Headers

SCOPE = {
    "type": "http", "method": "GET", "path": "/a b", "raw_path": b"/a%20b?x", "query_string": b"x", "client": ("192.0.2.1", 5),
    "headers": [(b"Host", b"a"), (b"X-A", b"1")], "scheme": "https",
}  # fmt: skip
FIELDS: Headers = [(b"x-b", b"2: 3")]
LINES = b"x-b: 2: 3\r\n"


class Server:
    """An ASGI server's side."""

    def __init__(self, *parts: str) -> None:
        self.parts, self.sent = list(parts), list[Any]()

    async def receive(self) -> Any:
        return {"type": self.parts.pop(0)}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    def client(self, **changes: Any) -> AsgiClient:
        return AsgiClient({**SCOPE, **changes}, self.receive, self.send)


def test_the_head_is_that_of_the_scope() -> None:
    """GW-501: the path as it came, lower-case names, the peer, its departure."""
    client = Server().client()
    assert (client.call.method, client.call.raw_path, client.call.query) == ("GET", b"/a%20b", b"x")
    assert client.call.headers == [(b"host", b"a"), (b"x-a", b"1")]
    assert (client.host, client.scheme) == ("192.0.2.1", "https")
    assert client.departure is departure_of(client.scope)
    plain = Server().client(client=None, raw_path=None, path="/p")
    assert (plain.host, plain.call.raw_path) == (None, b"/p")


async def test_a_whole_answer_has_its_length_and_one_of_head_no_body() -> None:
    """GW-508, GW-554: a status without a body has neither."""
    start = {"type": "http.response.start", "status": 200, "headers": [*FIELDS, (b"content-length", b"2")]}
    for method, body in (("GET", b"ab"), ("HEAD", b"")):
        server = Server()
        await server.client(method=method).whole(200, LINES, b"ab")
        assert server.sent == [start, {"type": "http.response.body", "body": body}]
    server = Server()
    await server.client().whole(204, LINES, b"")
    assert server.sent[0] == {"type": "http.response.start", "status": 204, "headers": FIELDS}


async def test_an_answer_in_pieces() -> None:
    """GW-554: piece by piece, then its end."""
    server = Server()
    client = server.client()
    await client.begin(200, LINES, None)
    await client.write(b"ab")
    await client.end()
    assert server.sent == [
        {"type": "http.response.start", "status": 200, "headers": FIELDS},
        {"type": "http.response.body", "body": b"ab", "more_body": True},
        {"type": "http.response.body", "body": b""},
    ]


async def test_start_and_end_of_a_server_are_answered() -> None:
    """GW-501: the lifespan of ASGI."""
    server = Server("lifespan.startup", "lifespan.shutdown")
    await live(server.receive, server.send)
    assert [one["type"] for one in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
