"""The corpus of hostile tokens, and connections closed by halves, against a real gateway in front of a recording upstream."""

import asyncio
import contextlib
import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from tests import tokens
from tests.key_server import KeyServer, key_server
from tests.servers.gateway_process import gateway_process, made_key
from tests.upstream import Peer, Upstream, answer, policy_text, upstream
from tests.waiting import PATIENCE_S, until

from veritape.kernel.clock import NANOSECONDS, SystemClock

ROWS: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parents[1] / "vectors" / "hostile" / "tokens" / "rows.toml").read_text()
)["case"]
SECRET = b"a secret of the issuer, 32 bytes or more"
KEYS: dict[str, tokens.SigningKey] = {
    "rsa": tokens.rsa_key("a"),
    "small_rsa": tokens.rsa_key("small", 1_024),
    "strange_rsa": tokens.rsa_key("strange"),
    "rsa_public_pem": tokens.pem(tokens.rsa_key("a")),
    "ec": tokens.ec_key("b"),
    "p384": tokens.ec_key("p384", p256=False),
    "secret": SECRET,
    "strange_secret": b"x" * 40,
}
ISSUERS = """[jwt]
issuer = [
  {{ issuer = "https://rs.example", audience = "veritape", algorithm = "RS256", jwks_url = "{url}" }},
  {{ issuer = "https://es.example", audience = "veritape", algorithm = "ES256", jwks_url = "{url}" }},
  {{ issuer = "https://hs.example", audience = "veritape", algorithm = "HS256", secret_file = "{secret}" }},
]
"""


class Stage(NamedTuple):
    """A running gateway and what stands around it."""

    base: str
    back: Upstream
    trap: KeyServer
    """Nobody may ask it."""


async def take(peer: Peer) -> None:
    peer.writer.write(answer(200, b"%d" % len(peer.body)))


@contextlib.asynccontextmanager
async def stage(folder: Path, script: Any = take) -> AsyncIterator[Stage]:
    """Run a gateway that believes three issuers, with an account ``acme``."""
    published = tokens.key_set(
        tokens.jwk(tokens.rsa_key("a"), "a"), tokens.jwk(tokens.rsa_key("small", 1_024), "small"),
        tokens.jwk(tokens.ec_key("b"), "b"), tokens.jwk(tokens.ec_key("p384", p256=False), "p384"),
    )  # fmt: skip
    async with upstream(script) as back, key_server(published) as keys, key_server(b"{}") as trap:
        secret, config = folder / "secret", folder / "gateway.toml"
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
        issuers = ISSUERS.format(url=keys.url, secret=secret)
        (folder / "policy.toml").write_bytes(policy_text(back.url, extra=issuers))
        config.write_text(
            f'policy = "{folder}/policy.toml"\ndata_dir = "{folder}/data"\n[log]\naccess = false\n[telemetry]\nlisten = ""\n'
            '[listen]\nadmin = ""\n'
        )
        made_key(config, "acme")
        with gateway_process(config) as gateway:
            yield Stage(gateway.base, back, trap)


def token_of(case: dict[str, Any], trap: str, now_s: int) -> str:
    """Return a case's token."""
    if "text" in case:
        return str(case["text"])
    strange = json.dumps(tokens.jwk(tokens.rsa_key("strange"), "a"))
    header = case["header"].replace("{trap}", trap).replace("{strange_jwk}", strange)
    if "body" in case:
        return tokens.signed(KEYS[case["key"]], case["body"].encode(), header.encode())
    changes = {name: _moment(value, now_s) for name, value in json.loads(case.get("claims", "{}")).items()}
    sound = {
        "iss": f"https://{case['issuer']}.example", "aud": "veritape", "sub": "acme", "iat": now_s, "exp": now_s + 600,
        **({"pad": "x" * case["pad"]} if "pad" in case else {}),
    }  # fmt: skip
    claims = {name: value for name, value in (sound | changes).items() if value is not None}
    return tokens.signed(KEYS[case["key"]], claims, header.encode())


def _moment(value: Any, now_s: int) -> Any:
    is_moment = isinstance(value, str) and value.startswith("now")
    return now_s + int(value.removeprefix("now")) if is_moment else value


async def test_every_token_that_must_not_be_believed_is_401(tmp_path: Path) -> None:
    """GW-901, GW-432, GW-443, GW-973: status, reason and detail of every row; nothing reaches the upstream, no address of a token is asked."""
    now_s = SystemClock().wall_ns() // NANOSECONDS
    expected = {
        case["name"]: (401, case.get("reason", "invalid_token"), f"the token is refused: {case['detail']}")
        for case in ROWS
    }
    assert len(expected) == len(ROWS)
    found = {}
    async with (
        stage(tmp_path) as running,
        httpx.AsyncClient(base_url=running.base, timeout=PATIENCE_S) as client,
    ):
        for case in ROWS:
            text = token_of(case, running.trap.url, now_s)
            refused = await client.get("/echo", headers={"Authorization": f"Bearer {text}"})
            assert refused.headers["www-authenticate"] == 'Bearer realm="veritape"'
            body = refused.json()
            found[case["name"]] = (refused.status_code, body["reason"], body["detail"])
            assert text[-20:] not in refused.text
        assert found == expected
        assert (running.back.requests, running.trap.asked) == ([], [])
        for issuer, key, header in (
            ("rs", "rsa", '{"alg":"RS256","kid":"a"}'),
            ("es", "ec", '{"alg":"ES256","kid":"b"}'),
            ("hs", "secret", '{"alg":"HS256"}'),
        ):
            text = token_of({"issuer": issuer, "key": key, "header": header}, "", now_s)
            assert (await client.get("/echo", headers={"Authorization": f"Bearer {text}"})).status_code == 200
        assert [peer.field(b"x-account-id") for peer in running.back.requests] == [[b"acme"]] * 3


HALVES = [
    # what is sent before the client closes its sending side, requests that the upstream may see whole
    (b"", 0),
    (b"GET /ec", 0),
    (b"GET /echo HTTP/1.1\r\nHost: a\r\nX-Half", 0),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", 0),
    (b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", 0),
    (b"GET /echo/slow HTTP/1.1\r\nHost: a\r\n\r\n", 1),
    (b"GET /echo/slow HTTP/1.1\r\nHost: a\r\n\r\nGET /echo/smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 1),
]


async def reached(running: Stage, requests: int) -> None:
    """Wait until so many requests have reached the upstream."""
    await until(lambda: len(running.back.requests) >= requests)


async def test_a_half_closed_connection_ends_and_leaves_nothing(tmp_path: Path) -> None:
    """GW-901, GW-554: a client that sends no more has left: no hang, no 5xx, no half request made whole, its upstream request cancelled."""
    cancelled = 0

    async def slow(peer: Peer) -> None:
        nonlocal cancelled
        if b"/slow" not in peer.head:
            await take(peer)
            return
        assert await peer.reader.read() == b""
        cancelled += 1

    async with stage(tmp_path, slow) as running:
        port = int(running.base.rpartition(":")[2])
        for octets, whole in HALVES:
            before = len(running.back.requests)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(octets)
            await reached(running, before + whole)
            writer.write_eof()
            async with asyncio.timeout(PATIENCE_S):
                received = await reader.read()
            assert not received.startswith(b"HTTP/1.1 5"), received
            assert len(running.back.requests) - before == whole
            writer.close()
        await until(lambda: cancelled >= 2)
        assert not any(b"smuggled" in peer.head for peer in running.back.requests)
        async with httpx.AsyncClient(base_url=running.base, timeout=PATIENCE_S) as client:
            assert (await client.get("/echo")).status_code == 200
