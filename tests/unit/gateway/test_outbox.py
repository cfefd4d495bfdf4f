"""The outbox file in bytes: round trips, every cut, damage, and bytes from nowhere."""

import struct
import zlib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.usage import BOOT, charges

from veritape.gateway.outbox import (
    GROUP_LIMIT_BYTES,
    HEADER_BYTES,
    End,
    FileName,
    encode_groups,
    file_header,
    file_name,
    read_file_name,
    read_groups,
    read_header,
)
from veritape.gateway.usage import Kind, UsageEvent
from veritape.kernel.errors import PeerError

SIGNED = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(max_size=12)
EVENTS = st.builds(
    UsageEvent, st.just(BOOT), SIGNED, st.sampled_from(Kind), TEXT, TEXT, TEXT, TEXT, TEXT, SIGNED, TEXT, TEXT, TEXT, SIGNED,
    TEXT, SIGNED, TEXT, st.none() | st.binary(min_size=8, max_size=8), st.none() | SIGNED, SIGNED,
)  # fmt: skip
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "formats" / "usage-outbox.md"


def group(payload: bytes) -> bytes:
    return struct.pack("<II", len(payload), zlib.crc32(payload)) + payload


@given(st.lists(st.lists(EVENTS, min_size=1, max_size=4), max_size=4))
def test_what_is_encoded_is_read(groups: list[list[UsageEvent]]) -> None:
    """GW-663: groups come back as they were, types included."""
    octets = b"".join(part for events in groups for part in encode_groups(events))
    assert read_groups(octets, BOOT) == (groups, len(octets), End.CLEAN)
    assert all(type(event) is UsageEvent for events in read_groups(octets, BOOT).groups for event in events)


def test_the_worked_example_of_the_format() -> None:
    """GW-663: the document's bytes are the file of the document's event."""
    event = charges(1)[0]._replace(units_mu=1_000)
    dump = [line[6:53] for line in DOCUMENT.read_text().splitlines() if line.startswith("00")]
    octets = bytes.fromhex("".join(dump))
    assert octets == file_header(BOOT) + b"".join(encode_groups([event]))
    assert read_header(octets) == BOOT
    assert read_groups(octets[HEADER_BYTES:], BOOT).groups == [[event]]


def test_a_cut_at_each_byte_of_the_last_group() -> None:
    """GW-967: whatever a crash leaves of the last group, the groups before it are read and nothing else."""
    first, last = (b"".join(encode_groups(events)) for events in (charges(3), charges(2, first=4)))
    for cut in range(1, len(last)):
        assert read_groups(first + last[:cut], BOOT) == ([charges(3)], len(first), End.TORN)
    for at in range(len(last)):
        torn = bytearray(last)
        torn[at] ^= 0x10
        assert read_groups(first + bytes(torn), BOOT)[:2] == ([charges(3)], len(first))


def test_damage_is_told_from_a_cut() -> None:
    """GW-941: a bad group that something sound follows, or more than a commit after it, is damage."""
    parts = [bytearray(b"".join(encode_groups(charges(1, first=n)))) for n in (1, 2, 3)]
    parts[1][20] ^= 1
    assert read_groups(b"".join(parts), BOOT) == ([charges(1)], len(parts[0]), End.DAMAGED)
    huge = b"\xff" * (GROUP_LIMIT_BYTES + 9)
    assert read_groups(bytes(parts[0]) + huge, BOOT).end is End.DAMAGED
    assert read_groups(bytes(parts[0]) + huge[1:], BOOT).end is End.TORN


def test_a_group_of_another_boot_is_bad() -> None:
    foreign = b"".join(encode_groups(charges(1, b"87654321")))
    assert read_groups(foreign, BOOT) == ([], 0, End.TORN)


@pytest.mark.parametrize("number", [-(1 << 63) - 1, 1 << 63])
def test_numbers_that_no_column_holds_are_bad(number: int) -> None:
    values = [*charges(1)[0]]
    values[8] = number
    if number > 0:
        assert read_groups(group(msgspec.msgpack.encode([values])), BOOT).groups == []
    else:
        with pytest.raises(OverflowError):
            msgspec.msgpack.encode([values])


def test_groups_stay_within_the_limit() -> None:
    """GW-663: a group holds at most 1 MiB; a larger commit is several."""
    events = [event._replace(request_id="x" * 60_000) for event in charges(50)]
    groups = list(encode_groups(events))
    assert len(groups) > 1
    assert max(map(len, groups)) <= GROUP_LIMIT_BYTES + 8
    assert [event for found in read_groups(b"".join(groups), BOOT).groups for event in found] == events


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(octets: bytes) -> None:
    """GW-973: the decoder answers with an end, never with an exception."""
    found = read_groups(octets, BOOT)
    assert found.bytes_read <= len(octets)
    assert read_groups(group(octets), BOOT).end in set(End)


@given(st.binary(max_size=20))
def test_only_a_header_is_a_header(octets: bytes) -> None:
    with pytest.raises(PeerError, match="no outbox"):
        read_header(octets)
    assert read_header(file_header(BOOT) + octets) == BOOT


def test_names() -> None:
    """GW-663: ``<boot>.vtu``, then the next."""
    assert file_name(BOOT, 0) == "3132333435363738.vtu"
    assert read_file_name("3132333435363738-12.vtu") == FileName(BOOT, 12)
    for wrong in (
        "31.vtu",
        "3132333435363738-0.vtu",
        "3132333435363738-x.vtu",
        "zz.vtu",
        "",
        "3132333435363738",
    ):
        assert read_file_name(wrong) is None
