"""Calls of commands to an admin API."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from veritape.apps.admin_client import AdminClient
from veritape.kernel.errors import MisuseError, UnavailableError


class Pages(BaseHTTPRequestHandler):
    """Three pages of a list."""

    def do_GET(self) -> None:
        number = int(self.path.partition("cursor=")[2] or 0)
        items = [{"id": str(number)}, {"authorization": self.headers["Authorization"]}]
        body = json.dumps({"items": items, "next": str(number + 1) if number < 2 else None}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Pages) as http:
        thread = Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_every_page_of_a_list(server: str, tmp_path: Path) -> None:
    """GW-702, GW-703: cursors are followed to the end; the credential is in its header alone."""
    token = tmp_path / "token"
    token.write_text("a-token\n")
    items = AdminClient(server, token).items("/accounts")
    assert [item["id"] for item in items[::2]] == ["0", "1", "2"]
    assert {item["authorization"] for item in items[1::2]} == {"Bearer a-token"}


def test_an_address_a_credential_and_somebody_there_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-703, GW-941: each is named with what to do."""
    monkeypatch.delenv("VERITAPE_ADMIN_TOKEN", raising=False)
    with pytest.raises(MisuseError, match="--admin: an address"):
        AdminClient("127.0.0.1:8001", None)
    with pytest.raises(MisuseError, match="needs --admin-token FILE or VERITAPE_ADMIN_TOKEN"):
        AdminClient("http://127.0.0.1:8001", None)
    with pytest.raises(MisuseError, match="cannot read"):
        AdminClient("http://127.0.0.1:8001", tmp_path / "none")
    monkeypatch.setenv("VERITAPE_ADMIN_TOKEN", "a-token")
    with pytest.raises(UnavailableError, match="does not answer"):
        AdminClient(f"unix:{tmp_path / 'none'}", None).call("GET", "/state")
