"""Where a request ends: agreement with the parser, however the bytes are cut."""

import itertools
from typing import NamedTuple

import httptools
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.framing import EXTENSIONS_BYTES, Framing, Part

BODIES = st.lists(st.binary(min_size=1, max_size=40), max_size=5)


class Measured(NamedTuple):
    """What a framing said of a message."""

    taken: int
    part: Part
    extension_bytes: int


def chunked(pieces: list[bytes], extension: bytes = b"", trailer: bytes = b"") -> bytes:
    """Return a chunked message."""
    body = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + body
        + b"0\r\n"
        + trailer
        + b"\r\n"
    )


def plain(pieces: list[bytes]) -> bytes:
    """Return a message of an announced length."""
    body = b"".join(pieces)
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def measure(data: bytes, length: int | None, cuts: list[int]) -> Measured:
    """Measure a message that comes in pieces."""
    framing, total, rest = Framing(), 0, b""
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        rest += data[start:end]
        while rest and framing.part is not Part.DONE:
            taken = framing.take(rest)
            total, rest = total + taken, rest[taken:]
            if framing.part is Part.HEAD and data[:total].endswith(b"\r\n\r\n"):
                framing.expect_body(length)
    return Measured(total, framing.part, framing.extension_bytes)


@given(BODIES, st.booleans(), st.lists(st.integers(0, 400), max_size=12), st.binary(max_size=60))
def test_a_message_ends_where_the_parser_ends_it(
    pieces: list[bytes], is_chunked: bool, cuts: list[int], after: bytes
) -> None:
    """GW-551, GW-552: cut anywhere and followed by anything, exactly the message is taken; httptools agrees."""
    message = chunked(pieces, b";a=b", b"X: y\r\n") if is_chunked else plain(pieces)
    length = None if is_chunked else sum(map(len, pieces))
    assert measure(message + after, length, cuts)[:2] == (len(message), Part.DONE)
    ended = []

    class Seen:
        def on_message_complete(self) -> None:
            ended.append(True)

    parser = httptools.HttpRequestParser(Seen())
    parser.feed_data(message[:-1])
    assert not ended
    parser.feed_data(message[-1:])
    assert ended


@given(st.integers(0, EXTENSIONS_BYTES + 2), st.lists(st.integers(0, 700), max_size=6))
def test_extensions_are_counted(size: int, cuts: list[int]) -> None:
    """GW-551: over all chunks of a message, the semicolon included."""
    found = measure(chunked([b"ab", b"c"], b";" + b"x" * size), None, cuts)
    assert found.extension_bytes == 2 * (size + 1)


def test_an_endless_extension_and_endless_trailers_are_noticed_early() -> None:
    """GW-551: before their line ends."""
    framing = Framing()
    framing.expect_body(None)
    framing.take(b"1;" + b"x" * 400)
    assert framing.is_excessive
    framing.start()
    framing.expect_body(None)
    framing.take(b"0\r\n" + b"x" * 400)
    assert framing.trailer_bytes == 400


def test_what_cannot_be_measured_is_left_to_the_parser() -> None:
    """GW-551: a size that is none, an empty line in its place."""
    for line in (b"zz\r\n", b"\r\n"):
        framing = Framing()
        framing.expect_body(None)
        assert framing.take(line + b"rest") == len(line) + 4
        assert framing.part is Part.OPAQUE


def test_a_request_without_a_body_ends_with_its_head() -> None:
    """GW-552: the next one waits."""
    framing, two = Framing(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2
    assert framing.take(two) == len(two) // 2
    framing.expect_body(0)
    assert (framing.part, framing.take(two)) == (Part.DONE, 0)


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_bytes_are_taken_within_bounds(data: bytes, cuts: list[int]) -> None:
    """GW-973: never more than there is, never nothing while a message goes on."""
    framing = Framing()
    framing.expect_body(None)
    edges = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    for start, end in itertools.pairwise(edges):
        piece = data[start:end]
        taken = framing.take(piece)
        assert 0 <= taken <= len(piece)
        assert taken == len(piece) or framing.part is Part.DONE
