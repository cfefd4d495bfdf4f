"""The admin API of a gateway somewhere else, for commands with ``--admin URL`` (GW-703)."""

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import click

from veritape.kernel.errors import MisuseError, UnavailableError

TOKEN_VARIABLE: Final = "VERITAPE_ADMIN_TOKEN"  # noqa: S105 - a name
"""Environment variable with the token or key, for who has no file."""

WAIT_S: Final = 30
"""Seconds that an answer may take."""

BAD_REQUEST: Final = 400

NOT_FOUND: Final = 404

ADMIN = click.option(
    "--admin",
    "admin_url",
    metavar="URL",
    help="Admin API in place of the files here: http://127.0.0.1:8001 or unix:/path.",
)
"""Option of commands that reach a gateway by its admin API too."""

TOKEN = click.option(
    "--admin-token", type=click.Path(path_type=Path), metavar="FILE",
    help=f"File with the token or key for --admin; {TOKEN_VARIABLE} when left out.",
)  # fmt: skip
"""Option with the credential for it."""


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the path."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(self._path)


class AdminClient:
    """Calls of one command."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        """Read the credential.

        Raises:
            MisuseError: no URL as it has to be, or no credential.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "unix"} or not (parts.hostname or parts.scheme == "unix"):
            raise MisuseError("--admin: an address as http://127.0.0.1:8001 or unix:/path")
        self._url, self._parts, self._token = url, parts, _token(token_file)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the document that a call answers.

        Raises:
            MisuseError: the gateway refuses the call; the message is its own.
            UnavailableError: nobody answers.
        """
        status, document = self._asked(method, path, body)
        if status >= BAD_REQUEST:
            detail = document.get("detail", "") if isinstance(document, dict) else ""
            reason = document.get("reason", status) if isinstance(document, dict) else status
            raise MisuseError(f"the admin API refuses it: {reason}: {detail}")
        return document

    def has_account(self, account: str) -> bool:
        """Tell whether there is an account."""
        status, _ = self._asked("GET", f"/accounts/{quote(account, safe='')}", None)
        if status == NOT_FOUND:
            return False
        self.call("GET", f"/accounts/{quote(account, safe='')}")
        return True

    def items(self, path: str) -> list[dict[str, Any]]:
        """Return every item of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.call("GET", f"{path}?limit=200{cursor}")
            found += page["items"]
            if page["next"] is None:
                return found
            cursor = f"&cursor={quote(page['next'], safe='')}"

    def _asked(self, method: str, path: str, body: object) -> tuple[int, Any]:
        if self._parts.scheme == "unix":
            connection: http.client.HTTPConnection = _UnixConnection(self._parts.path)
        else:
            connection = http.client.HTTPConnection(
                self._parts.hostname or "", self._parts.port or 8001, timeout=WAIT_S
            )
        try:
            text = None if body is None else json.dumps(body)
            connection.request(method, f"/admin/v1{path}", text, {"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnavailableError(f"the admin API {self._url} does not answer: {error}") from error
        finally:
            connection.close()


def _token(token_file: Path | None) -> str:
    if token_file is None:
        text = os.environ.get(TOKEN_VARIABLE, "")  # noqa: TID251 - an app
    else:
        try:
            text = token_file.read_text().partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            raise MisuseError(f"--admin-token: cannot read {token_file}: {error}") from error
    if not text.strip() or not text.isascii() or not text.strip().isprintable():
        raise MisuseError(f"--admin needs --admin-token FILE or {TOKEN_VARIABLE}")
    return text.strip()
