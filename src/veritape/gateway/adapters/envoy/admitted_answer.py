"""The answer to an authorization that was admitted, as bytes: ``OkHttpResponse`` with the id and the rate fields (GW-612).

Everything but the id and what is left of the limits is written beforehand. The bytes are those that the generated messages make, which
a test compares::

    0a 00  1a 3f  32 28  0a 26  0a 0c "X-Request-Id"  12 16 "01K..."  32 13 ...
    status ok     field  header name                  value           next field
"""

from collections.abc import Callable
from typing import Final

from veritape.gateway.adapters.decision_desk import ID_FIELD
from veritape.gateway.fast_quota import Plan, Verdict
from veritape.gateway.rate_fields import AdmittedFields, RawField

_STATUS, _KEY, _OK = b"\x0a", b"\x0a", b"\x1a"
_FIELD, _HEADER, _VALUE = b"\x32", b"\x0a", b"\x12"
"""Tags: of the answer, of a field to add, of its header, of name and value."""

Written = Callable[[bytes], bytes]
"""Writes a field to add, by its value."""


def size_bytes(size: int) -> bytes:
    """Return a length as it stands before what has it."""
    found = bytearray()
    while size > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*found, size])


_SIZES: Final = tuple(size_bytes(size) for size in range(2_048))
"""Of the usual lengths."""


def field_writer(name: bytes) -> Written:
    """Return what writes a field of a name; its value is not empty."""
    before: dict[int, bytes] = {}
    key = _KEY + size_bytes(len(name)) + name

    def write(value: bytes) -> bytes:
        size = len(value)
        head = before.get(size)
        if head is None:
            header = key + _VALUE + size_bytes(size)
            inner = len(header) + size
            outer = _HEADER + size_bytes(inner) + header
            head = before[size] = _FIELD + size_bytes(len(outer) + size) + outer
        return head + value

    return write


class AdmittedAnswer:
    """Answers for one plan and tier."""

    def __init__(self, plan: Plan, tier: str) -> None:
        self._fields = AdmittedFields(plan, tier, legacy=False)
        self._id = field_writer(ID_FIELD.encode())
        self._writers: dict[bytes, Written] = {}
        self._fixed: tuple[RawField, RawField] | None = None
        self._fixed_bytes = b""
        """Cost and policy, which hold for a month."""

    def of(self, identifier: str, verdict: Verdict) -> bytes:
        """Return the answer to a call that was admitted."""
        fields = self._fields.of(verdict)
        first = fields[0], fields[1] if len(fields) > 1 else fields[0]
        if first != self._fixed:
            self._fixed, self._fixed_bytes = first, b"".join(map(self._written, fields[:2]))
        parts = self._id(identifier.encode()), self._fixed_bytes, *map(self._written, fields[2:])
        payload = b"".join(parts)
        size = len(payload)
        length = _SIZES[size] if size < len(_SIZES) else size_bytes(size)
        return b"%b\0%b%b%b" % (_STATUS, _OK, length, payload)

    def _written(self, field: RawField) -> bytes:
        name, value = field
        write = self._writers.get(name) or self._writers.setdefault(name, field_writer(name))
        return write(value)
