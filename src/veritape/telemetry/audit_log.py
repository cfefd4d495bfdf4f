"""The audit log: who did what, as records that are chained so that a changed byte is found (TL-660 to 668).

A record is one line of JSON whose last member is ``hash`` = SHA-256(the previous record's hash, then the line's bytes
without ``hash``). A chain shows every change before its end; that its end was not cut shows only a copy of the head kept
elsewhere, as backup manifests do.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple, cast

from veritape.kernel.canonical import Json, canonical_json
from veritape.kernel.errors import CheckFailedError
from veritape.telemetry.redaction import redact

LINE_LIMIT_BYTES: Final = 65_536
"""Longest line written or read, line feed included."""

_HASH_MEMBER: Final = re.compile(rb',"hash":"([0-9a-f]{64})"}\n\Z')


class AuditKind(StrEnum):
    """What was done."""

    KEY_CREATED = "key_created"
    """An API key was made."""
    KEY_ROTATED = "key_rotated"
    """A key got a successor."""
    KEY_REVOKED = "key_revoked"
    """A key serves no more."""
    ACCOUNT_CHANGED = "account_changed"
    """An account's tier, limits or state changed."""
    USAGE_CREDITED = "usage_credited"
    """Units were given back by hand."""
    POLICY_APPLIED = "policy_applied"
    """A policy came into force."""
    POLICY_REFUSED = "policy_refused"
    """A policy was offered and not taken."""
    QUOTA_RESET = "quota_reset"
    """A counter was set back by hand."""
    SIGHTINGS_ERASED = "sightings_erased"
    """Stored fingerprints of clients were erased."""
    ADMIN_DENIED = "admin_denied"
    """An administrative call was refused."""
    CONFIG_LOADED = "config_loaded"
    """A process read its settings."""
    PROCESS_STARTED = "process_started"
    """A process began, or the log was repaired after a crash."""
    PROCESS_STOPPED = "process_stopped"
    """A process ended by itself."""
    TOKEN_ISSUED = "token_issued"  # noqa: S105 - a name
    """The broker issued an access token."""
    UNIVERSE_ACCEPTED = "universe_accepted"
    """A day's list of symbols came into force."""
    UNIVERSE_REFUSED = "universe_refused"
    """A day's list of symbols was not believed."""
    RETENTION_DELETED = "retention_deleted"
    """What was old enough was deleted: a file that is backed up, or the usage events of a month."""
    BACKUP_MADE = "backup_made"
    """A backup's manifest was written."""
    RESTORE_MADE = "restore_made"
    """A backup was restored."""
    DRILL_RESULT = "drill_result"
    """A restore was rehearsed."""
    SETTLEMENT_SUBMITTED = "settlement_submitted"
    """A proof was handed to a chain."""


class Head(NamedTuple):
    """Where a chain stands."""

    seq: int
    """Number of the last record, 0 before the first."""
    digest: bytes
    """Its hash, 32 bytes; zeros before the first."""


class Entry(NamedTuple):
    """What a record says."""

    kind: AuditKind
    actor: str
    """Who: ``cli:<user>``, ``admin:<key id>`` or a part's name."""
    subject: str
    """Upon what: ``key:<id>``, ``policy``, a path below the data folder."""
    detail: Mapping[str, Json]
    """Facts of the kind; secrets are taken out when it is written."""


START: Final = Head(0, bytes(32))
"""The head of an empty chain."""


def record_line(head: Head, entry: Entry, at_ns: int) -> tuple[bytes, Head]:
    """Return the line of the record that follows a head, with its line feed, and the new head.

    Raises:
        ValueError: the record is longer than ``LINE_LIMIT_BYTES``.
    """
    detail = cast("Json", {name: redact(name, value) for name, value in entry.detail.items()})
    body = canonical_json(
        {"actor": entry.actor, "at_ns": at_ns, "detail": detail, "kind": entry.kind.value, "seq": head.seq + 1,
         "subject": entry.subject}
    )  # fmt: skip
    digest = hashlib.sha256(head.digest + body).digest()
    line = body[:-1] + b',"hash":"' + digest.hex().encode() + b'"}\n'
    if len(line) > LINE_LIMIT_BYTES:
        raise ValueError(f"an audit record of {len(line)} bytes, {LINE_LIMIT_BYTES} are allowed")
    return line, Head(head.seq + 1, digest)


def head_of(line: bytes) -> Head:
    """Return where a chain stands after its last line, which is believed.

    Raises:
        CheckFailedError: the line is no complete record.
    """
    body, digest = _parts(line)
    try:
        seq = json.loads(body)["seq"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckFailedError("no complete record") from error
    if type(seq) is not int or seq < 1:
        raise CheckFailedError("it has no number")
    return Head(seq, digest)


def follow(head: Head, line: bytes) -> Head:
    """Return the head after a line.

    Raises:
        CheckFailedError: the line is not the record that follows the head.
    """
    body, digest = _parts(line)
    if hashlib.sha256(head.digest + body).digest() != digest:
        raise CheckFailedError("its hash does not follow from the record before it")
    after = head_of(line)
    if after.seq != head.seq + 1:
        raise CheckFailedError(f"it has number {after.seq}, {head.seq + 1} is due")
    return after


def verify(lines: Iterable[bytes], head: Head = START) -> Head:
    """Follow lines from a head; return the head at the end.

    Raises:
        CheckFailedError: a line is not the record that is due; the message gives its number among these lines, from 1.
    """
    for number, line in enumerate(lines, start=1):
        try:
            head = follow(head, line)
        except CheckFailedError as error:
            raise CheckFailedError(f"line {number}: {error.message}") from error
    return head


def _parts(line: bytes) -> tuple[bytes, bytes]:
    """Split a line into the bytes that its hash covers, and its hash."""
    found = _HASH_MEMBER.search(line)
    if found is None:
        raise CheckFailedError("no complete record")
    return line[: found.start()] + b"}", bytes.fromhex(found[1].decode())
