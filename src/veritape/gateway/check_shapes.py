"""What two calls of external authorization share, told by their bytes (GW-612).

Envoy writes the same request of the same client anew each time: the port that it came from, the time, Envoy's own number of it
and the id of the request differ, and nothing else. ``shape_of`` reads the fields of one ``CheckRequest`` and notes where those
four stand; it reads no other meaning. A ``Shape`` is its length and a mask: all bits of every byte, but of bytes in the four
places the highest bit alone. ``stable`` lays the mask over a message.

Two messages of one shape whose stable bytes are equal say the same but for the four. Every tag and every length is outside the four
places, so it is equal. In a place that is a number the highest bits are those that say where it ends. In a place that is text they
are zero, so it is ASCII, which every reader takes. Who reads one of the messages therefore finds the same fields at the same
places in the other, and the same values but of the port, the time, the number, which nobody here reads, and of the id, which is read
from its place.

What is not written as Envoy writes it, a number of more than five bytes or an id in two fields, has no shape.

*Source*: Protocol Buffers, Encoding; envoy/service/auth/v3/attribute_context.proto.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

ID_NAME: Final = b"x-request-id"
"""Header field of the request's id, as Envoy writes it."""

NUMBER_BYTES: Final = 5
"""Longest number that may vary: of 35 bits, so no value of it is out of a reader's range."""

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
"""Wire types."""

_VARIES: Final = "varies"
_ENTRY: Final = "entry of a map"
_HEADER: Final = "header field"
"""What is done with a value: it varies; it is a header field, of which an id varies."""

_WRITTEN: Final = {_ENTRY: ([1, 2],), _HEADER: ([1, 2], [1, 3])}
"""How a header field is written: name and value, or name and raw value."""

Table = dict[int, "Table | str"]
"""Number of a field -> what is done with it; other fields are stable."""

_ADDRESS: Final[Table] = {1: {1: {3: _VARIES}}}
_REQUEST: Final[Table] = {1: {1: _VARIES, 2: _VARIES}, 2: {1: _VARIES, 3: _ENTRY, 13: {1: _HEADER}}}
CHECK_REQUEST: Final[Table] = {1: {1: _ADDRESS, 4: _REQUEST}}
"""attributes: source.address.socket_address.port_value; request.time; request.http: id, headers, header_map."""


class Shape(NamedTuple):
    """Where a message varies."""

    length: int
    mask: int
    id_place: slice | None
    """Where the request's id stands; None without one."""

    def stable(self, message: bytes) -> bytes:
        """Return what does not vary of a message of this length."""
        return (int.from_bytes(message) & self.mask).to_bytes(self.length)


class _Value(NamedTuple):
    """A value of a field on the wire."""

    number: int
    wire: int
    start: int
    end: int


def shape_of(message: bytes) -> Shape | None:
    """Return the shape of a message that can be read; None for one that is not written as Envoy writes it."""
    mask, places = bytearray(b"\xff" * len(message)), list[slice]()
    try:
        _mark(message, _Value(0, _BYTES, 0, len(message)), CHECK_REQUEST, mask, places)
    except (ValueError, IndexError):
        return None
    if len(places) > 1:
        return None
    return Shape(len(message), int.from_bytes(mask), places[0] if places else None)


def _mark(message: bytes, whole: _Value, table: Table, mask: bytearray, places: list[slice]) -> None:
    """Mark what varies of a message within another one, and note where ids stand."""
    for value in _values(message, whole.start, whole.end):
        what = table.get(value.number)
        if isinstance(what, dict):
            if value.wire != _BYTES:
                raise ValueError("a message is expected")
            _mark(message, value, what, mask, places)
        elif what in _WRITTEN:
            place = _id_place(message, value, _WRITTEN[what])
            if place is not None:
                places.append(place)
                _vary(message, place, mask)
        elif what == _VARIES:
            if value.wire == _VARINT and value.end - value.start > NUMBER_BYTES:
                raise ValueError("the number is too long")
            _vary(message, slice(value.start, value.end), mask, is_text=value.wire == _BYTES)


def _id_place(message: bytes, field: _Value, written: Collection[list[int]]) -> slice | None:
    """Return where the value of a header field stands that is an id."""
    parts = list(_values(message, field.start, field.end))
    name = message[parts[0].start : parts[0].end] if parts else b""
    if not any(message[one.start : one.end].lower() == ID_NAME for one in parts if one.number == 1):
        return None
    if name != ID_NAME or [one.number for one in parts] not in written or parts[1].wire != _BYTES:
        raise ValueError("an id is a name and a value")
    return slice(parts[1].start, parts[1].end)


def _vary(message: bytes, place: slice, mask: bytearray, *, is_text: bool = True) -> None:
    if is_text and not message[place].isascii():
        raise ValueError("text that varies is ASCII")
    mask[place] = b"\x80" * (place.stop - place.start)


def _values(message: bytes, at: int, end: int) -> Iterator[_Value]:
    """Yield the values of a message's fields, in their order.

    Raises:
        ValueError: they are not whole, or of a type that Envoy does not use.
        IndexError: the message ends within a number.
    """
    while at < end:
        tag, at = _number(message, at)
        wire, start = tag & 7, at
        if wire == _VARINT:
            _, at = _number(message, at)
        elif wire == _BYTES:
            size, start = _number(message, at)
            at = start + size
        elif wire in {_EIGHT, _FOUR}:
            at += 8 if wire == _EIGHT else 4
        else:
            raise ValueError("no such type")
        if at > end:
            raise ValueError("a value is not whole")
        yield _Value(tag >> 3, wire, start, at)


def _number(message: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = shift = 0
    while True:
        octet = message[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:  # noqa: PLR2004 - the highest bit says that it goes on
            return value, at
        shift += 7
