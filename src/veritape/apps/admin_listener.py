"""The admin API of a running gateway: its token, its listener, what it acts upon (GW-701)."""

import contextlib
import os
import secrets
import socket
import stat
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from veritape.apps.key_access import open_keys
from veritape.apps.usage_ledger import opened_usage
from veritape.gateway.adapters.admin_api import AdminApi
from veritape.gateway.adapters.admin_audit import AuditLog
from veritape.gateway.adapters.admin_calls import AdminWorld
from veritape.gateway.adapters.application import Gateway
from veritape.gateway.adapters.line_writer import LineWriter
from veritape.gateway.adapters.peppers import PRIVATE_MODE
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.admin import TOKEN_BYTES
from veritape.gateway.process_metrics import ADMIN_SECONDS
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.addresses import Address, parse_address
from veritape.kernel.clock import Clock
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.kernel.files import write_atomically
from veritape.kernel.listeners import bind
from veritape.telemetry import Registry

TOKEN_FILE: Final = "admin-token"  # noqa: S105 - a name
"""The bootstrap token's file in the data directory."""


def bind_admin(text: str, *, any_port: bool, shared: bool) -> socket.socket | None:
    """Return the admin API's bound listener, None when it is off or another worker has the unix socket.

    Args:
        text: setting ``listen.admin``.
        any_port: take a free port in place of the one that is set.
        shared: other workers of the gateway serve it too.

    Raises:
        MisuseError: no address, or ``admin_exposed``: an address that others reach, without TLS.
        UnavailableError: the address is taken or forbidden.
    """
    if not text:
        return None
    if text.startswith(("/", "./")):
        return None if shared and _answers(Path(text)) else _bind_unix(Path(text))
    address = parse_address(text, "listen.admin")
    if not _is_loopback(address.host):
        raise MisuseError(
            f"admin_exposed: listen.admin: {address.host} is no loopback address, and there is no TLS: use 127.0.0.1 or a unix socket"
        )
    try:
        return bind(Address(address.host, 0 if any_port else address.port), shared=shared)
    except UnavailableError as error:
        raise UnavailableError(error.message.replace("--port", "listen.admin")) from error


def load_token(data_dir: Path, configured: Path | None) -> bytes:
    """Return the bootstrap token: the first line of the configured file, or one made once in the data directory.

    Raises:
        MisuseError: ``admin_token_missing``, ``admin_token_short`` or ``admin_token_mode``.
    """
    path = configured or data_dir / TOKEN_FILE
    if configured is None and not path.exists():
        write_atomically(path, secrets.token_urlsafe(TOKEN_BYTES).encode() + b"\n", PRIVATE_MODE)
    try:
        mode, token = path.stat().st_mode, path.read_bytes().partition(b"\n")[0].strip()
    except OSError as error:
        raise MisuseError(f"admin_token_missing: admin.token_file: {path}: {error.strerror}") from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise MisuseError(f"admin_token_mode: admin.token_file: {path} is readable by others: chmod 600 it")
    if len(token) < TOKEN_BYTES:
        raise MisuseError(
            f"admin_token_short: admin.token_file: {path}: {TOKEN_BYTES} characters are the least"
        )
    return token


@contextlib.contextmanager
def admin_api(
    settings: GatewaySettings, gateway: Gateway, audit: AuditLog, policy_file: PolicyFile, lines: LineWriter,
    registry: Registry, clock: Clock, peppers: Callable[[], tuple[bytes, ...]],
) -> Iterator[AdminApi]:  # fmt: skip
    """Return the admin API of a gateway; it has a connection to the key store of its own.

    Raises:
        MisuseError: the bootstrap token's file is wrong.
        UnavailableError: the key store cannot be opened.
    """
    token = load_token(settings.data_dir, settings.admin.token_file)
    observe = registry.observer(ADMIN_SECONDS)
    with contextlib.closing(open_keys(settings)[0]) as keys:
        world = AdminWorld(
            gateway, keys, audit, policy_file,
            lambda: opened_usage(settings), lambda: lines.dropped, clock, peppers,
        )  # fmt: skip
        yield AdminApi(world, token, observe)


def shown_address(listener: socket.socket) -> str:
    """Return where a listener listens, as clients name it."""
    name = listener.getsockname()
    return f"unix:{name}" if isinstance(name, str) else f"http://{name[0]}:{name[1]}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bind_unix(path: Path) -> socket.socket:
    """Return a socket of mode 0600 at a path; one that nobody listens on any more is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        before = os.umask(0o177)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UnavailableError(f"cannot listen on {path}: {error.strerror}; choose listen.admin") from error
    listener.setblocking(False)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
