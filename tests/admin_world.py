"""A gateway with its admin API in one process, for tests."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.servers.gateway_world import World

from veritape.gateway.adapters.admin_api import AdminApi
from veritape.gateway.adapters.admin_calls import AdminWorld
from veritape.gateway.adapters.key_store import Grant
from veritape.gateway.adapters.policy_file import PolicyFile
from veritape.gateway.adapters.usage_reader import sqlite_usage
from veritape.gateway.keys import Environment
from veritape.telemetry.adapters.audit_files import AuditFiles, log_files

TOKEN = b"bootstrap-token-of-a-test-with-enough-characters"


@dataclass
class AdminTest:
    """The API and its client."""

    folder: Path
    world: World
    policy_file: PolicyFile = field(default_factory=lambda: PolicyFile(None))
    seconds: list[float] = field(default_factory=list)
    peppers: tuple[bytes, ...] = ()
    """Those of the worker; the key store's own when empty."""

    def __post_init__(self) -> None:
        """Build the API on the world's own key store."""
        admin = AdminWorld(
            self.world.gateway, self.world.keys, AuditFiles(self.folder, self.world.clock),
            self.policy_file, lambda: sqlite_usage(self.folder / "usage.db"), lambda: 3, self.world.clock,
            lambda: self.peppers or self.world.keys.peppers,
        )  # fmt: skip
        self.api = AdminApi(admin, TOKEN, self.seconds.append)

    async def call(
        self, method: str, path: str, body: object = None, *, credential: str = TOKEN.decode(), **headers: str
    ) -> httpx.Response:
        """Make one call."""
        transport = httpx.ASGITransport(self.api, raise_app_exceptions=False)
        fields = {"Authorization": f"Bearer {credential}"} if credential else {}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(transport=transport, base_url="http://admin") as client:
            content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            return await client.request(method, f"/admin/v1{path}", content=content, headers=fields)

    def key(self, *scopes: str) -> str:
        """Return an administrator's key."""
        grant = Grant(Environment.LIVE, scopes)
        return self.world.keys.create("operators", "partner", grant, self.world.gate.wall_us())[0]

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit log's records."""
        return [
            json.loads(line)
            for path in log_files(self.folder / "audit")
            for line in path.read_text().splitlines()
        ]
