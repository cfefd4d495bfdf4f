"""Where one request ends in the bytes of a connection, so that the next one waits for its answer (GW-551, GW-552).

The HTTP parser decides what a request is; this only measures. It tells how many bytes belong to the present request, and
counts chunk extensions and trailers, which the parser drops without a word. Bytes that it cannot measure it takes as they are: the
parser refuses them.
"""

from enum import Enum, auto
from typing import Final

EXTENSIONS_BYTES: Final = 256
"""Chunk extensions of a message."""

TRAILERS_BYTES: Final = 32_768
"""Trailers of a message."""

SIZE_DIGITS: Final = 16
"""Digits of a chunk size."""

_END: Final = b"\r\n\r\n"
_LINE: Final = b"\r\n"


class Part(Enum):
    """What comes next."""

    HEAD = auto()
    """Request line and fields."""
    LENGTH = auto()
    """A body of an announced length."""
    SIZE = auto()
    """A line with a chunk's size."""
    CHUNK = auto()
    """A chunk and its line end."""
    TRAILER = auto()
    """Lines up to an empty one."""
    OPAQUE = auto()
    """Nothing that can be measured."""
    DONE = auto()
    """Another request."""


class Framing:
    """Measures one request after the other."""

    def __init__(self) -> None:
        self.part = Part.HEAD
        self.left = 0
        """Bytes of the body or chunk that are still to come."""
        self.extension_bytes = self.trailer_bytes = 0
        self.head_bytes = 0
        """Bytes of the head so far."""
        self._kept = b""
        """Beginning of a mark that may go on in the next piece."""

    def start(self) -> None:
        """Expect another request."""
        self.__init__()  # type: ignore[misc]

    def expect_body(self, length: int | None) -> None:
        """Learn from the parsed head what follows: so many bytes, or chunks when None."""
        if length is None:
            self.part = Part.SIZE
        else:
            self.part, self.left = (Part.LENGTH, length) if length else (Part.DONE, 0)

    def take(self, data: bytes) -> int:
        """Return how many bytes of ``data`` belong to the present request; a head is taken alone."""
        if self.part is Part.HEAD:
            return self._take_head(data)
        place = 0
        while place < len(data) and self.part is not Part.DONE:
            place = self._take_body(data, place)
        return place

    @property
    def is_excessive(self) -> bool:
        """Tell whether chunk extensions are above their limit."""
        return self.extension_bytes > EXTENSIONS_BYTES

    def _take_head(self, data: bytes) -> int:
        joined = self._kept + data
        found = joined.find(_END)
        taken = len(data) if found < 0 else found + len(_END) - len(self._kept)
        self._kept = joined[-3:] if found < 0 else b""
        self.head_bytes += taken
        return taken

    def _take_body(self, data: bytes, place: int) -> int:
        """Take what comes next from a place on; return the place after it."""
        if self.part is Part.SIZE:
            return self._take_size(data, place)
        if self.part is Part.TRAILER:
            return self._take_trailer(data, place)
        if self.part is Part.OPAQUE:
            return len(data)
        taken = min(self.left, len(data) - place)
        self.left -= taken
        if not self.left:
            self.part = Part.SIZE if self.part is Part.CHUNK else Part.DONE
        return place + taken

    def _take_size(self, data: bytes, place: int) -> int:
        line, after, is_whole = self._line(data, place)
        digits, semicolon, extension = line.partition(b";")
        if not is_whole:
            if len(line) > SIZE_DIGITS + EXTENSIONS_BYTES + 1:
                self.extension_bytes += len(line)
            return after
        self.extension_bytes += len(semicolon) + len(extension)
        try:
            size = int(digits.strip(b" \t")[: SIZE_DIGITS + 1], 16)
        except ValueError:
            self.part = Part.OPAQUE
            return after
        self.part, self.left = (Part.CHUNK, size + len(_LINE)) if size else (Part.TRAILER, 0)
        return after

    def _take_trailer(self, data: bytes, place: int) -> int:
        line, after, is_whole = self._line(data, place)
        self.trailer_bytes += after - place
        if is_whole and not line:
            self.part = Part.DONE
        return after

    def _line(self, data: bytes, place: int) -> tuple[bytes, int, bool]:
        """Return the line so far, the place after it, and whether it is whole."""
        kept, self._kept = self._kept, b""
        if kept.endswith(b"\r") and data[place : place + 1] == b"\n":
            return kept[:-1], place + 1, True
        found = data.find(_LINE, place)
        if found < 0:
            self._kept = kept + data[place:]
            return self._kept, len(data), False
        return kept + data[place:found], found + len(_LINE), True
