"""The chain of the audit log."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.audit_log import START, AuditKind, Entry, Head, follow, head_of, record_line, verify

CREATED = Entry(AuditKind.KEY_CREATED, "cli:root", "key:k_7Q2M", {"tier": "free"})
REVOKED = Entry(AuditKind.KEY_REVOKED, "cli:root", "key:k_7Q2M", {})
AT_NS = 1_795_219_200_000_000_000


def example() -> list[bytes]:
    first, head = record_line(START, CREATED, AT_NS)
    second, _ = record_line(head, REVOKED, AT_NS + 10**9)
    return [first, second]


def test_the_worked_example() -> None:
    """TL-665: the bytes without the hash and the hashes are the specification's."""
    first, second = example()
    assert first == (
        b'{"actor":"cli:root","at_ns":1795219200000000000,"detail":{"tier":"free"},"kind":"key_created","seq":1,'
        b'"subject":"key:k_7Q2M","hash":"07a4ead480b8e861bb963a6ac1001bfda316e4b81c03d62fa04b24ef198ddb44"}\n'
    )
    assert second.endswith(b'"hash":"5960c2beb926c767f9da31703cd1b2aa71e9cd37d3eaa6a6aec0838a8ec1808d"}\n')
    assert verify([first, second]) == Head(2, bytes.fromhex(json.loads(second)["hash"])) == head_of(second)


def test_every_flipped_byte_is_found() -> None:
    """TL-668: no byte of any line can change unseen, and the bad line is named."""
    lines = example()
    for number, line in enumerate(lines):
        for position in range(len(line)):
            for bit in (1, 0x20, 0x80):
                damaged = bytearray(line)
                damaged[position] ^= bit
                with pytest.raises(CheckFailedError, match=f"^line {number + 1}: "):
                    verify([*lines[:number], bytes(damaged), *lines[number + 1 :]])


def test_a_missing_a_doubled_and_a_swapped_line_are_found() -> None:
    """TL-668: the chain fixes the order."""
    first, second = example()
    for lines in ([second], [first, first], [second, first]):
        with pytest.raises(CheckFailedError):
            verify(lines)


@pytest.mark.parametrize("number", [0, 2, 7, "1", None, True])
def test_a_wrong_number_is_refused_though_the_hash_fits(number: object) -> None:
    """TL-668: a gap in seq is named, never repaired."""
    line, _ = record_line(Head(6, bytes(32)), CREATED, AT_NS)
    if number == 7:
        with pytest.raises(CheckFailedError, match="it has number 7, 1 is due"):
            follow(START, line)
        return
    digest = line[-67:-3]
    body = line[:-76].replace(b'"seq":7', b'"seq":' + json.dumps(number).encode())
    planted = body + b',"hash":"' + digest + b'"}\n'
    with pytest.raises(CheckFailedError):
        head_of(planted) if number != 2 else follow(START, planted)


def test_secrets_do_not_enter_the_record() -> None:
    """TL-640: details are redacted before they are written."""
    entry = Entry(
        AuditKind.CONFIG_LOADED, "observer", "config", {"appkey": "PSPLANTED", "url": "http://a:b@c/"}
    )
    line, _ = record_line(START, entry, AT_NS)
    assert b"PSPLANTED" not in line
    assert b"a:b@" not in line


def test_a_record_is_bounded() -> None:
    """TL-660: what could not be read back is not written."""
    with pytest.raises(ValueError, match="an audit record of"):
        record_line(START, CREATED._replace(detail={"text": "x" * 70_000}), AT_NS)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_head_or_a_reason(line: bytes) -> None:
    """TL-668: reading is total."""
    for data in (line, line + example()[0][-76:]):
        try:
            head_of(data)
        except CheckFailedError:
            continue
