"""The page of 4 KiB in which the processes of an account share their permits (OB-256, docs/formats/pacing-permits.md).

The header and the slots lie where the format says; what the limiter learned lies at the end of the page, and a checksum
over everything tells a page that something else wrote.
"""

import struct
from typing import Final, NamedTuple

import google_crc32c

from veritape.kernel.errors import PeerError
from veritape.observer.pacing import REFUSALS_KEPT, SLOTS, Pace, Refused, Slot, SlotState

PAGE_BYTES: Final = 4096
"""Size of the file."""

MAGIC: Final = b"VTPACE1\0"
"""First bytes."""

BOOT_BYTES: Final = 16
"""Length of a boot id."""

HEADER: Final = struct.Struct(f"<8s{BOOT_BYTES}sII")
"""Magic, boot id, N in force, number of slots."""

SLOT: Final = struct.Struct("<QII")
"""Release time, holder, state."""

REFUSED: Final = struct.Struct("<QI4x")
"""Time and N of a refusal; a time of 0 is none."""

LEARNED: Final = struct.Struct("<5Q5I")
"""Times seen, next, paused, lowered, quiet; limit, ceiling, day, refusals, pauses."""

CHECKSUM: Final = struct.Struct("<I")
"""CRC-32C of everything before it, the last four bytes."""

LEARNED_AT: Final = PAGE_BYTES - CHECKSUM.size - LEARNED.size
REFUSED_AT: Final = LEARNED_AT - REFUSALS_KEPT * REFUSED.size
"""Offsets of the parts at the page's end."""


class Shared(NamedTuple):
    """What a page says."""

    boot_id: bytes
    """Of the machine that wrote it: monotonic times of another boot mean nothing."""
    pace: Pace
    """The permits; ``spacing`` is the reader's own setting and not in the page."""


def encode_page(boot_id: bytes, pace: Pace) -> bytes:
    """Return the page."""
    page = bytearray(PAGE_BYTES)
    HEADER.pack_into(page, 0, MAGIC, boot_id, pace.permits, SLOTS)
    for index, slot in enumerate(pace.slots):
        SLOT.pack_into(page, HEADER.size + index * SLOT.size, *slot)
    for index, refused in enumerate(pace.refusals):
        REFUSED.pack_into(page, REFUSED_AT + index * REFUSED.size, *refused)
    LEARNED.pack_into(
        page, LEARNED_AT, pace.seen_ns, pace.next_ns, pace.paused_ns, pace.lowered_ns, pace.quiet_ns,
        pace.limit, pace.ceiling, pace.day, pace.refusal_count, pace.pause_count,
    )  # fmt: skip
    CHECKSUM.pack_into(page, PAGE_BYTES - CHECKSUM.size, google_crc32c.value(bytes(page[: -CHECKSUM.size])))
    return bytes(page)


def decode_page(page: bytes) -> Shared:
    """Read a page.

    Raises:
        PeerError: it is none of ours, or damaged.
    """
    if len(page) != PAGE_BYTES or page[: len(MAGIC)] != MAGIC:
        raise PeerError("not a page of permits")
    if CHECKSUM.unpack_from(page, PAGE_BYTES - CHECKSUM.size)[0] != google_crc32c.value(
        page[: -CHECKSUM.size]
    ):
        raise PeerError("the page of permits is damaged")
    _, boot_id, permits, slots = HEADER.unpack_from(page, 0)
    seen, following, paused, lowered, quiet, limit, ceiling, day, refusals, pauses = LEARNED.unpack_from(
        page, LEARNED_AT
    )
    if slots != SLOTS or not 1 <= permits <= ceiling <= SLOTS:
        raise PeerError(f"a page of {slots} permits, {permits} in force: written by another version")
    pace = Pace(
        limit, True, permits, ceiling, day,
        [_slot(page, HEADER.size + index * SLOT.size) for index in range(SLOTS)],
        seen, following, paused, lowered, quiet,
        [r for r in (_refused(page, REFUSED_AT + i * REFUSED.size) for i in range(REFUSALS_KEPT)) if r.at_ns],
        refusals, pauses,
    )  # fmt: skip
    return Shared(boot_id, pace)


def _slot(page: bytes, offset: int) -> Slot:
    release_ns, holder, state = SLOT.unpack_from(page, offset)
    try:
        return Slot(release_ns, holder, SlotState(state))
    except ValueError:
        raise PeerError(f"a permit in state {state}") from None


def _refused(page: bytes, offset: int) -> Refused:
    return Refused(*REFUSED.unpack_from(page, offset))
