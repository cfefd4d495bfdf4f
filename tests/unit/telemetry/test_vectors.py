"""Vectors on a pipe: worked example, tearing, foreign layouts, any bytes at all."""

import math
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.telemetry import Metric, MetricType, Registry
from veritape.telemetry.vectors import CHECKSUM, HEADER, MAGIC, VALUES_LIMIT, Refusal, VectorDecoder, encode

COUNT = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened")
LEVEL = Metric("level", MetricType.GAUGE, "Stands.", "it changed")
WAIT = Metric("wait_seconds", MetricType.HISTOGRAM, "Takes.", "it ended", buckets=(1.0,))


def some_registry() -> Registry:
    registry = Registry((COUNT, LEVEL, WAIT))
    registry.add(COUNT, 3)
    registry.set(LEVEL, -2)
    registry.observe(WAIT, 5)
    return registry


def test_the_worked_example() -> None:
    """TL-120: one vector of 6 values of process 7, byte by byte."""
    registry = some_registry()
    frame = encode(registry, 7, 1)
    header = MAGIC + registry.digest + struct.pack("<IIQ", 7, 6, 1)
    values = struct.pack("<6d", 3, -2, 0, 1, 5, 0)
    assert frame == header + struct.pack("<I", zlib.crc32(header)) + values + struct.pack(
        "<I", zlib.crc32(values)
    )


@given(st.lists(st.integers(1, 60), max_size=40))
def test_any_division_of_the_stream_gives_the_same_vectors(sizes: list[int]) -> None:
    """TL-120: what a read returns may end anywhere."""
    registry = some_registry()
    stream = b"".join(encode(registry, 7, sequence) for sequence in range(4))
    decoder, found = VectorDecoder(registry), []
    for size in (*sizes, len(stream)):
        found += decoder.feed(stream[:size])
        stream = stream[size:]
    assert [vector.sequence for vector in found] == [0, 1, 2, 3]
    assert {vector.values for vector in found} == {tuple(registry.values)}
    assert sum(decoder.refused.values()) == 0


@given(st.binary(max_size=300), st.data())
def test_any_bytes_are_safe_and_the_next_frames_are_found(noise: bytes, data: st.DataObject) -> None:
    """TL-120 and TL-920: after anything unreadable the reader finds a later frame; nothing raises."""
    registry = some_registry()
    frame = encode(registry, 7, 9)
    torn = frame[: data.draw(st.integers(0, len(frame)))]
    decoder = VectorDecoder(registry)
    found = decoder.feed(noise + torn)
    found += decoder.feed(frame + frame)
    assert found[-1].sequence == 9
    assert found[-1].values == tuple(registry.values)


@given(st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_never_taken(position: int, bit: int) -> None:
    """TL-120: a frame with any single flipped bit gives no vector."""
    registry = some_registry()
    frame = bytearray(encode(registry, 7, 9))
    frame[position % len(frame)] ^= 1 << bit
    decoder = VectorDecoder(registry)
    assert decoder.feed(bytes(frame)) == []


def framed(digest: bytes, values: list[float]) -> bytes:
    header = HEADER.pack(MAGIC, digest, 1, len(values), 0)
    octets = struct.pack(f"<{len(values)}d", *values)
    return header + CHECKSUM.pack(zlib.crc32(header)) + octets + CHECKSUM.pack(zlib.crc32(octets))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([math.nan, 0, 0, 0, 0, 0], Refusal.VALUES),
        ([-1, 0, 0, 0, 0, 0], Refusal.VALUES),
        ([0, 0, math.inf, 0, 0, 0], Refusal.VALUES),
        ([0, 0, 0], Refusal.LENGTH),
    ],
    ids=["nan", "negative", "infinite", "short"],
)
def test_a_vector_of_a_wrong_length_or_count_is_refused(values: list[float], reason: Refusal) -> None:
    """TL-120 and TL-920: refused and counted."""
    registry = some_registry()
    decoder = VectorDecoder(registry)
    assert decoder.feed(framed(registry.digest, values)) == []
    assert decoder.refused[reason] == 1


def test_a_vector_of_another_layout_is_refused() -> None:
    """TL-120: a wrong digest is refused and counted; a gauge that is not known yet is not."""
    registry = some_registry()
    decoder = VectorDecoder(registry)
    assert decoder.feed(encode(Registry((COUNT,)), 1, 0)) == []
    assert decoder.refused[Refusal.DIGEST] == 1
    assert len(decoder.feed(encode(Registry((COUNT, LEVEL, WAIT)), 1, 0))) == 1


def test_a_frame_that_announces_too_much_is_garbage() -> None:
    """TL-120: a reader never waits for more than 64 KiB."""
    registry = some_registry()
    header = HEADER.pack(MAGIC, registry.digest, 1, VALUES_LIMIT + 1, 0)
    decoder = VectorDecoder(registry)
    assert decoder.feed(header + CHECKSUM.pack(zlib.crc32(header))) == []
    assert decoder.refused[Refusal.GARBAGE] >= 1
