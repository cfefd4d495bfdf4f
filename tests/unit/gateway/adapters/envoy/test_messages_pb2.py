"""The generated messages are current, and their bytes are those of Envoy's API."""

import subprocess
from pathlib import Path

from google.protobuf.wrappers_pb2 import UInt64Value

from veritape.gateway.adapters.envoy.messages_pb2 import (
    CheckResponse,
    DeniedHttpResponse,
    HttpStatus,
    RateLimitDescriptor,
    RateLimitRequest,
    Status,
)

ROOT = Path(__file__).parents[5]
PLACE = Path("veritape/gateway/adapters/envoy")


def test_the_generated_code_is_what_the_command_makes(tmp_path: Path) -> None:
    """GW-611: scripts/compile-protocols changes nothing."""
    subprocess.run([ROOT / "scripts/compile-protocols", tmp_path], check=True)
    for name in ("messages_pb2.py", "messages_pb2.pyi"):
        assert (tmp_path / PLACE / name).read_text() == (ROOT / "src" / PLACE / name).read_text()


def test_field_numbers_are_envoy_s() -> None:
    """GW-611, GW-612: the bytes of a request and of a denial, as Envoy's rls.proto and external_auth.proto number them."""
    entry = RateLimitDescriptor.Entry(key="k", value="v")
    descriptor = RateLimitDescriptor(entries=[entry], hits_addend=UInt64Value(value=2))
    request = RateLimitRequest(domain="d", descriptors=[descriptor], hits_addend=3)
    assert request.SerializeToString() == b"\x0a\x01d\x12\x0c\x0a\x06\x0a\x01k\x12\x01v\x1a\x02\x08\x02\x18\x03"
    denied = DeniedHttpResponse(status=HttpStatus(code=429), body="b")
    answer = CheckResponse(status=Status(code=8), denied_response=denied)
    assert answer.SerializeToString(deterministic=True) == b"\x0a\x02\x08\x08\x12\x08\x0a\x03\x08\xad\x03\x1a\x01b"
