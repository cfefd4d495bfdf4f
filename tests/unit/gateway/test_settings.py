"""Settings of the gateway."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from veritape.gateway.policy import PolicyReason
from veritape.gateway.reasons import PROBLEMS
from veritape.gateway.settings import GatewaySettings
from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import load_settings


def test_an_unknown_key_is_named() -> None:
    """GW-706: an unknown key is an error that names it."""
    with pytest.raises(MisuseError, match=r"unknown key 'listen\.pubic'"):
        load_settings(GatewaySettings, b'listen = { pubic = "x" }', {}, "VERITAPE_GATEWAY")


def test_another_client_of_upstreams_is_refused_with_what_to_do() -> None:
    """GW-581, GW-706: the one client is named, and what serves an HTTP proxy or unusual TLS."""
    assert (
        load_settings(
            GatewaySettings, b'upstream = { client = "own" }', {}, "VERITAPE_GATEWAY"
        ).upstream.client
        == "own"
    )
    with pytest.raises(
        MisuseError, match=r"'upstream\.client': .*own is the only one: .* name a forwarder beside it"
    ):
        load_settings(GatewaySettings, b'upstream = { client = "aiohttp" }', {}, "VERITAPE_GATEWAY")


def test_the_environment_wins() -> None:
    """GW-706: ``VERITAPE_GATEWAY_<KEY>`` overrides the file."""
    environment = {"VERITAPE_GATEWAY_LISTEN__PUBLIC": "127.0.0.1:1"}
    found = load_settings(GatewaySettings, b'listen = { public = "x" }', environment, "VERITAPE_GATEWAY")
    assert found.listen.public == "127.0.0.1:1"
    assert found.headers.legacy


def leaves(settings: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in settings.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_setting_reason_and_problem_is_in_the_guide() -> None:
    """GW-706, GW-507, GW-103: the guide names each of them, and each setting has a description."""
    guide = (Path(__file__).resolve().parents[3] / "docs/guides/gateway.md").read_text()
    for name in leaves(GatewaySettings):
        assert f"| `{name}` |" in guide
    for reason, problem in PROBLEMS.items():
        assert f"| `{reason}` | {problem.status} | {problem.advice} |" in guide
    for policy_reason in PolicyReason:
        assert f"| `{policy_reason}` |" in guide
    for field in (
        "X-Request-Id",
        "RateLimit-Policy",
        "X-Request-Cost",
        "Retry-After",
        "X-Quota-Tier",
        "ETag",
    ):
        assert f"`{field}`" in guide
