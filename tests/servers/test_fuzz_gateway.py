"""Coverage-guided fuzzing of the gateway's parsers of outside bytes."""

from pathlib import Path

import pytest
from tests import tokens
from tests.http2_client import block, call
from tests.servers.fuzzing import SOAK, SOAK_SECONDS, fuzz
from tests.usage_events import event

from veritape.gateway.adapters.policy_file import shipped_policy
from veritape.gateway.cursors import cursor_key, write_cursor
from veritape.gateway.http2_frames import Kind, Setting, frame, number_frame, settings_frame
from veritape.gateway.outbox import encode_groups

SECONDS = SOAK_SECONDS if SOAK else 1
"""Seconds for each parser."""

HEAD = b"POST /v1/trades?day=1 HTTP/1.1\r\nHost: a\r\n"
SEEDS = {
    "path": [b"/v1/receipts/%61/file", b"/a/../b%2f"],
    "fields": [b"203.0.113.9, 10.0.0.2", b'for="[2001:db8::1]:80";proto=http, for=10.0.0.2', b"symbol=005930&day=20131007"],
    "policy": [shipped_policy()],
    "outbox": [b"".join(encode_groups([event(number) for number in range(3)]))],
    "cursor": [write_cursor(cursor_key(bytes(32)), "/v1/trades", {"symbol": "005930"}, ("a", 1)).encode()],
    "token": [
        tokens.hs256().encode(), b'{"alg":"HS256"}\n{"iss":"https://id.example","aud":"veritape","sub":"a","exp":1795187100}',
        tokens.key_set(tokens.jwk(tokens.rsa_key(), "a"), tokens.jwk(tokens.ec_key(), "b")),
    ],
    "body": [b'{"items":[1,{"a":"\\u0041"}]}', b'{"account":"a","endpoint":"/v1/trades","method":"GET","items":2,"client_ip":"::1"}'],
    "http": [
        HEAD + b"Content-Length: 2\r\n\r\nab" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\nT: 1\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\n\r\n",
    ],
    "calls": [
        call(1, b"abc") + call(3, b"", block(table=4_096)), frame(Kind.HEADERS, 0, 1, block()) + frame(Kind.CONTINUATION, 4, 1),
        settings_frame({Setting.INITIAL_WINDOW_SIZE: 2}) + call(1, b"abc") + number_frame(Kind.WINDOW_UPDATE, 1, 9),
    ],
}  # fmt: skip


@pytest.mark.timeout(SECONDS + 280)
@pytest.mark.parametrize("name", SEEDS)
def test_a_parser_answers_any_bytes_with_a_value_or_a_reason(name: str, tmp_path: Path) -> None:
    """GW-973, GW-901: path, field, policy, outbox, cursor, token, body, a connection's bytes and calls over HTTP/2: no crash, bounded time and memory."""
    assert fuzz("tests.fuzz_gateway", name, SECONDS, SEEDS[name], tmp_path) > 10
