"""The console as an ASGI application: three files and one document, read-only (TL-750, TL-780).

The gateway lets only loopback peers with a loopback Host come here.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib.resources import files
from typing import Any

from veritape.apps.console.figures import ReadFigures, ReadTables, Snapshot
from veritape.kernel.clock import Clock

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
"""An ASGI application."""

POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline."""

SECURITY = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Fields of every answer (TL-780)."""

FILES = {
    "/console": ("console.html", b"text/html; charset=utf-8"),
    "/console/": ("console.html", b"text/html; charset=utf-8"),
    "/console/console.css": ("console.css", b"text/css; charset=utf-8"),
    "/console/console.js": ("console.js", b"text/javascript; charset=utf-8"),
}
"""Path -> file beside this module, media type."""

DATA = "/console/data"
"""Path of the live document."""

METHODS = ("GET", "HEAD")
"""Nothing on the page changes anything."""


def create_console(figures: ReadFigures, tables: ReadTables, clock: Clock) -> Application:
    """Return the console.

    Args:
        figures: reads the metrics page's document.
        tables: reads symbols, segments and receipts, which metrics never hold.
        clock: for the age of what was read.
    """
    snapshot = Snapshot(figures, tables, clock)
    contents = {
        path: (files(__package__).joinpath(name).read_bytes(), kind) for path, (name, kind) in FILES.items()
    }

    async def console(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        del receive
        path, method = scope["path"], scope["method"]
        if path not in contents and path != DATA:
            status, body, kind = 404, b"not found\n", b"text/plain; charset=utf-8"
        elif method not in METHODS:
            status, body, kind = 405, b"method not allowed\n", b"text/plain; charset=utf-8"
        elif path == DATA:
            status, body, kind = 200, await snapshot.body(), b"application/json"
        else:
            status, (body, kind) = 200, contents[path]
        await _answer(send, status, kind, body, whole=method != "HEAD")

    return console


async def _answer(send: Send, status: int, kind: bytes, body: bytes, *, whole: bool) -> None:
    fields = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *SECURITY]
    if status == 405:  # noqa: PLR2004 - HTTP's own number
        fields.append((b"allow", ", ".join(METHODS).encode()))
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body if whole else b""})
