"""Keys: vectors, shape, states, where they are accepted."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import keys
from veritape.gateway.keys import Bearer, Environment, KeyRecord, KeyState
from veritape.gateway.reasons import Reason

VECTOR = "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"
RECORD = KeyRecord(
    "key_a", "acme", "free", False, Environment.LIVE, "vt_live_012345", (), "", (), 0, 10, 100, 0, "", 0, b""
)


def test_vectors_of_check_and_digest() -> None:
    """GW-401, GW-403: the specification's key has its check, and its digest under the pepper 0..31."""
    assert keys.is_well_formed(VECTOR)
    digest = keys.key_digest(bytes(range(32)), VECTOR)
    assert digest.hex() == "86de58db77696610a0be77ba46a09de86f5f02c19d3a062a3baf2da73cd084b5"


@given(st.sampled_from(Environment), st.binary(min_size=96, max_size=96))
def test_a_made_key_is_well_formed_and_any_change_is_found(environment: Environment, octets: bytes) -> None:
    """GW-401, GW-402: shape, check and scanner pattern; one changed character is refused without a look-up."""
    try:
        key = keys.make_key(environment, octets)
    except ValueError:
        return
    assert keys.is_well_formed(key)
    assert keys.KEY_SCANNER.search(f"log: {key}, and more")
    place = octets[0] % 40 + 8
    changed = key[:place] + ("a" if key[place] != "a" else "b") + key[place + 1 :]
    assert not keys.is_well_formed(changed)
    assert keys.shown_prefix(key) == key[:14]


def test_too_few_random_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="random"):
        keys.make_key(Environment.LIVE, b"\xff" * 96)


@pytest.mark.parametrize(
    ("record", "at_us", "state", "reason"),
    [
        (RECORD, 50, KeyState.ACTIVE, None),
        (RECORD, 9, KeyState.PENDING, Reason.EXPIRED_KEY),
        (RECORD, 100, KeyState.EXPIRED, Reason.EXPIRED_KEY),
        (RECORD._replace(revoked_us=40), 50, KeyState.REVOKED, Reason.REVOKED_KEY),
        (RECORD._replace(suspended=True), 50, KeyState.ACTIVE, Reason.ACCOUNT_SUSPENDED),
        (
            RECORD._replace(cidrs=(ip_network("10.0.0.0/8"),)),
            50,
            KeyState.ACTIVE,
            Reason.KEY_NOT_ALLOWED_HERE,
        ),
        (RECORD._replace(cidrs=(ip_network("::/0"),)), 50, KeyState.ACTIVE, Reason.KEY_NOT_ALLOWED_HERE),
        (RECORD._replace(cidrs=(ip_network("192.0.2.0/24"),)), 50, KeyState.ACTIVE, None),
    ],
)
def test_a_key_serves_in_its_time_and_place(
    record: KeyRecord, at_us: int, state: KeyState, reason: Reason | None
) -> None:
    """GW-404, GW-405: pending, expired, revoked, suspended, other address: each has its reason."""
    assert record.state(at_us) is state
    assert keys.refusal(record, at_us, ip_address("192.0.2.1")) is reason


def test_a_bound_key_needs_an_address() -> None:
    record = RECORD._replace(cidrs=(ip_network("0.0.0.0/0"),))
    assert keys.refusal(record, 50, None) is Reason.KEY_NOT_ALLOWED_HERE
    assert record.subject == "acme:live"


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ([], b"", None),
        ([(b"x-api-key", VECTOR.encode())], b"", VECTOR),
        ([(b"apikey", VECTOR.encode() + b" ")], b"a=1", VECTOR),
        ([(b"authorization", b"bearer " + VECTOR.encode())], b"", VECTOR),
        ([(b"authorization", b"Basic abc")], b"", Reason.INVALID_KEY),
        ([(b"authorization", b"Bearer eyJ.eyJ.c2ln")], b"", Bearer("eyJ.eyJ.c2ln")),
        ([(b"x-api-key", b"eyJ.eyJ.c2ln")], b"", Reason.INVALID_KEY),
        ([(b"x-api-key", VECTOR[:-1].encode() + b"5")], b"", Reason.INVALID_KEY),
        ([(b"x-api-key", "vt_live_é".encode())], b"", Reason.INVALID_KEY),
        ([(b"x-api-key", VECTOR.encode()), (b"apikey", VECTOR.encode())], b"", Reason.AMBIGUOUS_CREDENTIALS),
        ([], b"key=" + VECTOR.encode(), Reason.KEY_IN_QUERY),
        ([], b"key=vt%5Flive_" + VECTOR[8:].encode(), Reason.KEY_IN_QUERY),
    ],
)
def test_accepted_places(
    headers: list[tuple[bytes, bytes]], query: bytes, found: str | Bearer | Reason | None
) -> None:
    """GW-406: three headers; two credentials and a key in the query are refused."""
    assert keys.find_credential(headers, query) == found


@given(
    st.lists(st.tuples(st.sampled_from([b"x-api-key", b"authorization", b"host"]), st.binary())), st.binary()
)
def test_any_bytes_are_a_refusal_or_nothing(headers: list[tuple[bytes, bytes]], query: bytes) -> None:
    """GW-402: hostile headers and queries never raise."""
    found = keys.find_credential(headers, query)
    assert found is None or isinstance(found, Reason | Bearer) or keys.is_well_formed(found)


def test_ids_tell_nothing() -> None:
    """GW-404: ``key_`` and 16 characters of base 32; a pepper's id is not the pepper."""
    assert keys.key_id(bytes(10)) == "key_" + "a" * 16
    assert keys.pepper_id(bytes(32)) != keys.pepper_id(b"x" * 32)


@given(st.lists(st.integers(0, 40), min_size=3, max_size=3), st.integers(0, 40))
def test_a_state_holds_until_its_next_change(moments: list[int], at_us: int) -> None:
    """GW-405: up to then the state is the same, so that who remembers it until then never lets a dead key in."""
    begins, ends, revoked = moments
    record = RECORD._replace(not_before_us=begins, expires_us=ends, revoked_us=revoked)
    until_us = record.changes_us(at_us)
    assert until_us > at_us
    assert {record.state(moment) for moment in range(at_us, min(until_us, 60))} == {record.state(at_us)}
