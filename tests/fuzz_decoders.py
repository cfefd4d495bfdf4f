"""Feeds one of our decoders with coverage-guided bytes: python -m tests.fuzz_decoders NAME SECONDS.

Every input must give a value or one of the documented reasons, in bounded time and memory; anything else is a crash, which
atheris reports with the input.
"""

import hashlib
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import atheris
from tests import fuzzing

with atheris.instrument_imports(include=["veritape.executor"]):
    from veritape.executor import elf, inclusion_files, proven, receipts
    from veritape.executor.aggregation.cost_samples import Origin, samples_of, with_measured
    from veritape.executor.cache import entries
    from veritape.executor.claims import parse_claim
    from veritape.kernel.errors import PeerError
    from veritape.stark.hashing import Digest

SECRET = b"s" * 32
ZERO = bytes(32)


def cheap(tag: int, length: int, elements: Any) -> Digest:
    """Return a digest that costs nothing: what is fuzzed is the form."""
    return (tag % 1000, length % 1000, len(elements), 0, 0, 0, 0, 0)


def included(data: bytes) -> object:
    """Read the bytes with a checksum that fits: what lies behind it is fuzzed too."""
    whole = data[:-32] + hashlib.sha256(data[:-32]).digest()
    return inclusion_files.read_inclusion(whole, frozenset({ZERO}), cheap)


def entry(data: bytes) -> object:
    decoders: tuple[Callable[[], object], ...] = (
        lambda: entries.from_file(data, SECRET),
        lambda: entries.from_value(ZERO, data, SECRET),
    )
    for decode in decoders:
        try:
            decode()
        except PeerError as error:
            reasoned(error)
    return entries.unpack(ZERO, data)


def costs(data: bytes) -> object:
    """Read and write the file of measured costs, and read again what was written: it loses no sample that was read."""
    origin = Origin("machine", "parameters")
    found = samples_of(data, origin)
    if samples_of(with_measured(data, origin, ()), origin) != {
        name: kept[-20:] for name, kept in found.items()
    }:
        raise TypeError("a sample that was read is lost when the file is written")
    return found


DECODERS: dict[str, Callable[[bytes], object]] = {
    "elf": elf.load,
    "claim": parse_claim,
    "receipt": lambda data: receipts.parse_receipt(data, cheap),
    "proof": lambda data: proven.read_proven(data, frozenset({ZERO}), cheap),
    "inclusion": included,
    "cache": entry,
    "costs": costs,
}


def reasoned(error: PeerError) -> None:
    if not isinstance(error.reason, StrEnum):
        raise TypeError(f"no documented reason: {error}")


def target(decode: Callable[[bytes], object]) -> fuzzing.Target:
    """Return what feeds a decoder: a refusal must name its reason."""

    def one(data: bytes) -> None:
        try:
            decode(data)
        except PeerError as error:
            reasoned(error)

    return one


if __name__ == "__main__":
    fuzzing.run({name: target(decode) for name, decode in DECODERS.items()})
