"""Entries: round trips, and everything that is not ours."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import rv32
from tests.compiled import READABLE

from veritape.executor.cache.entries import (
    CacheReason,
    Entry,
    Namespace,
    cache_key,
    check_simulated,
    from_file,
    from_value,
    mac,
    pack,
    shared_name,
    to_file,
    to_value,
    unpack,
)
from veritape.executor.receipts import ReceiptReason
from veritape.kernel.errors import PeerError

SECRET, OTHER = b"s" * 32, b"o" * 32
KEYS = [hashlib.sha256(bytes([number])).digest() for number in range(4)]
RECEIPTS = {KEYS[0]: b"first", KEYS[1]: b"", KEYS[2]: b"third" * 100}
ENTRY = Entry(KEYS[3], 1_700_000_000_000_000_000, b"body")
IMAGE = rv32.image(rv32.halt(), b"", 65_536)
RECEIPT = READABLE.run(IMAGE, b"input")
KEY = cache_key(Namespace.TRACE, RECEIPT.claim.program_id, RECEIPT.claim.input_digest)


def reason(data: bytes, secret: bytes = SECRET) -> object:
    with pytest.raises(PeerError) as caught:
        from_file(data, secret)
    return caught.value.reason


def test_a_key_names_backend_program_input_and_parameters() -> None:
    """EX-401: every field changes the key; a receipt's format is in it and run limits are not."""
    fields = (Namespace.TRACE, KEYS[0], KEYS[1], KEYS[2])
    expected = hashlib.sha256(b"VTCACHE1\1" + KEYS[0] + KEYS[1] + KEYS[2] + b"\1\0").digest()
    assert cache_key(*fields) == expected
    others = {
        cache_key(Namespace.STARK, *fields[1:]),
        cache_key(Namespace.TRACE, KEYS[3], KEYS[1], KEYS[2]),
        cache_key(Namespace.TRACE, KEYS[0], KEYS[3], KEYS[2]),
        cache_key(Namespace.TRACE, KEYS[0], KEYS[1]),
    }
    assert len(others | {expected}) == 5


def test_executed_and_proven_never_meet() -> None:
    """EX-406: the two namespaces differ in the key's first field."""
    assert cache_key(Namespace.TRACE, KEYS[0], KEYS[1]) != cache_key(Namespace.STARK, KEYS[0], KEYS[1])


def test_a_pack_holds_receipts_by_key() -> None:
    """EX-405: receipts that finish together are one entry; a single one is its own."""
    key, body = pack(RECEIPTS)
    assert unpack(key, body) == RECEIPTS
    assert pack({KEYS[0]: b"first"}) == (KEYS[0], b"first")
    assert unpack(KEYS[0], b"first") == {KEYS[0]: b"first"}


@pytest.mark.parametrize("cut", [9, 12, 40, 100, 150])
def test_a_pack_that_is_cut_is_refused(cut: int) -> None:
    """EX-408: a table or a receipt that is not whole."""
    key, body = pack(RECEIPTS)
    with pytest.raises(PeerError) as caught:
        unpack(key, body[:cut])
    assert caught.value.reason is CacheReason.BAD_ENTRY
    with pytest.raises(PeerError):
        unpack(key, body + b"x")


def test_a_file_comes_back() -> None:
    """EX-404: magic, key, time, length, SHA-256, then body and MAC."""
    data = to_file(ENTRY, SECRET)
    assert from_file(data, SECRET) == ENTRY
    assert data[:40] == b"VTCENT01" + KEYS[3]
    assert int.from_bytes(data[40:48], "little") == ENTRY.created_ns
    assert int.from_bytes(data[48:56], "little") == 4 + 32
    assert data[56:88] == hashlib.sha256(data[88:]).digest()
    assert data[88:] == b"body" + mac(SECRET, ENTRY)


def test_an_entry_of_another_secret_or_key_is_refused() -> None:
    """EX-405, EX-407: nothing but the MAC tells a forged simulated entry from a true one."""
    data = to_file(ENTRY, SECRET)
    assert reason(data, OTHER) is CacheReason.BAD_MAC
    assert reason(data[:8] + KEYS[0] + data[40:]) is CacheReason.BAD_MAC
    assert reason(data[:40] + bytes(8) + data[48:]) is CacheReason.BAD_MAC
    payload = b"BODY" + data[92:]
    forged = data[:56] + hashlib.sha256(payload).digest() + payload
    assert reason(forged) is CacheReason.BAD_MAC
    assert reason(b"VTCENT02" + data[8:]) is CacheReason.BAD_ENTRY
    assert reason(data[:-1]) is CacheReason.BAD_ENTRY
    assert reason(b"") is CacheReason.BAD_ENTRY


def test_a_shared_value_is_bound_to_its_key() -> None:
    """EX-407: a value under another key, of another secret, or cut is refused; names tell nothing about keys."""
    value = to_value(ENTRY, SECRET)
    assert from_value(KEYS[3], value, SECRET) == ENTRY
    for key, data, secret in (
        (KEYS[0], value, SECRET),
        (KEYS[3], value, OTHER),
        (KEYS[3], value[:-1], SECRET),
        (KEYS[3], b"\1" + value[1:], SECRET),
        (KEYS[3], b"", SECRET),
        (KEYS[3], bytes(64 * 1024 * 1024 + 1), SECRET),
    ):
        with pytest.raises(PeerError):
            from_value(key, data, secret)
    names = {shared_name(key, secret) for key in KEYS for secret in (SECRET, OTHER)}
    assert len(names) == 8
    assert all(name.startswith("vt:pc:") and len(name) == 38 for name in names)
    assert not any(key.hex()[:16] in name for key in KEYS for name in names)


def test_a_receipt_stands_under_its_own_key() -> None:
    """EX-408: a receipt of another program or input than the key's is refused, and so is a damaged one."""
    check_simulated(KEY, RECEIPT.to_bytes(), READABLE.sponge)
    with pytest.raises(PeerError) as caught:
        check_simulated(KEYS[0], RECEIPT.to_bytes(), READABLE.sponge)
    assert caught.value.reason is CacheReason.FOREIGN_CLAIM
    other = replace(RECEIPT, claim=replace(RECEIPT.claim, input_digest=KEYS[0][:3] + bytes(29)))
    with pytest.raises(PeerError):
        check_simulated(KEY, other.to_bytes(), READABLE.sponge)
    with pytest.raises(PeerError) as caught:
        check_simulated(KEY, RECEIPT.to_bytes()[:-1], READABLE.sponge)
    assert caught.value.reason is ReceiptReason.TRUNCATED


@settings(max_examples=300)
@given(st.integers(0, 123), st.integers(1, 255), st.binary(max_size=80))
def test_no_bytes_break_the_decoders(place: int, flip: int, data: bytes) -> None:
    """EX-408: any byte flipped, any bytes at all: one of the reasons."""
    broken = bytearray(to_file(ENTRY, SECRET))
    broken[place] ^= flip
    for candidate in (bytes(broken), data, b"VTCENT01" + data):
        assert reason(candidate) in {CacheReason.BAD_ENTRY, CacheReason.BAD_MAC}
    with pytest.raises(PeerError):
        unpack(KEYS[0], b"VTPACK01\1" + data[:30])


def test_the_worked_example_of_the_format() -> None:
    """EX-404: the bytes that docs/formats/receipt-cache.md prints."""
    text = (Path(__file__).resolve().parents[4] / "docs" / "formats" / "receipt-cache.md").read_text()
    printed = text.split("```")[1].replace("\n", "")
    assert to_file(Entry(b"k" * 32, 1, b"body"), SECRET).hex() == printed
