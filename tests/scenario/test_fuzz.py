"""Every parser of outside bytes under damaged inputs (OB-992): a value, a reason, or an expected error, never anything else.

Each decoder begins with real inputs and meets what a wire, a disk or a hand may make of them: flipped bits, cuts, repeated
and exchanged pieces, long runs, numbers at their edges. ``VERITAPE_SOAK=1`` gives each ten minutes.
"""

import json
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from tests.binance import captured
from tests.tape import DAY, book_text, day_notes, frames

from veritape.kernel.canonical import canonical_json
from veritape.kernel.clock import NANOSECONDS, SystemClock
from veritape.kernel.errors import VeritapeError
from veritape.observer import books, journal, manifests, segments, universe
from veritape.observer.adapters import checkpoints
from veritape.observer.bars import bars_of
from veritape.observer.binance import answers
from veritape.observer.binance import messages as binance
from veritape.observer.binance.questions import read_answer
from veritape.observer.frames import parse_message
from veritape.observer.journal import Contents
from veritape.observer.quotes import quotes_of, timed_trades_of
from veritape.observer.rankings import RankingList, ranks_of
from veritape.observer.reactions import classify
from veritape.observer.tokens import read_token
from veritape.replay.series import read_rows
from veritape.replay.symbols import master_archive, master_line, symbol_of
from veritape.wire.kis.master import KOSPI

SECONDS = 600.0 if os.environ.get("VERITAPE_SOAK") else 1.0  # noqa: TID251 - the two sizes of one test
MOST_BYTES: Final = 1 << 16
"""Longest input: what is linear stays small."""

Decoder = Callable[[bytes], object]


def journal_file() -> bytes:
    data = journal.encode_file_header(journal.Header(journal.Venue.KRX, bytes(16), 1, bytes(16)))
    for number, level in enumerate((0, 1, 0)):
        data += journal.encode_block(day_notes(("990001",)), number, level)
    return data + journal.encode_seal(3, Contents(3, 6, 1, 2), journal.digest_of(data))


def read_journal(data: bytes) -> object:
    found = journal.scan(data)
    journal.contents_of(data, found.blocks)
    return [journal.read_block(data, block) for block in found.blocks if not block.is_seal]


def rest(data: bytes) -> object:
    answer = classify(200, data)
    ranks = [ranks_of(answer, one) for one in RankingList]
    return quotes_of(answer), timed_trades_of(answer), bars_of(answer, DAY, 36_000), ranks


QUOTE = {
    "inter_shrn_iscd": "990001",
    "inter2_prpr": "1818700",
    "acml_vol": "1133",
    "acml_tr_pbmn": "2061002600",
}
TIMED = {"stck_cntg_hour": "090014", "stck_prpr": "1818700", "cnqn": "100", "acml_vol": "1133"}
BODIES = [
    json.dumps({"rt_cd": "0", "msg_cd": "MCA00000", "output": [QUOTE]}).encode(),
    json.dumps({"rt_cd": "0", "output1": {}, "output2": [TIMED]}).encode(),
    json.dumps({"rt_cd": "1", "error_code": "EGW00201", "msg1": "x"}).encode(),
]
SEAL = segments.seal_document(
    venue="KRX", day=DAY, hour=9, part=0, rows=1, file_bytes=b"", journal=[], lines={"990001": {"rows": 1}}, previous="",
    widths=[47],
)  # fmt: skip
BOOK = books.Book("990001", 32_414, tuple(range(40)), 1_133)
BOOK_SEAL = books.seal_document("KRX", DAY, 9, 0, "ab", books.BookRows(), "")
CONTROLS = [b'{"header":{"tr_id":"PINGPONG","datetime":"20131007090500"}}',
            b'{"header":{"tr_id":"H0STCNT0","tr_key":"990001"},"body":{"rt_cd":"0","msg_cd":"OPSP0000"}}']  # fmt: skip
TICKS = [frame.data for frame in frames(("990001",), until_ms=32_400_000 + 30_000)[:8]]
MESSAGES = [one.data for one in captured("20240808")[:40]]

MANIFEST = canonical_json(
    {
        "format": "veritape.manifest.v1", "venue": "KRX", "day": DAY, "created_ns": 1, "lines": {}, "last_seal": "",
        "files": [{"path": "universe/a.json", "bytes": 3, "blake3": "0" * 64}], "audit_log": None, "previous": None,
        "veritape": "1",
    }
)  # fmt: skip

DECODERS: dict[str, tuple[Decoder, list[bytes]]] = {
    "frame and record": (parse_message, [*TICKS, book_text(BOOK).encode()]),
    "control JSON": (parse_message, CONTROLS),
    "REST bodies": (rest, BODIES),
    "token": (
        lambda data: read_token(classify(200, data).document, 1),
        [b'{"access_token":"a","access_token_token_expired":"2013-10-08 09:00:00","expires_in":86400}'],
    ),
    "master file": (
        lambda data: universe.read_archive(data, KOSPI),
        [master_archive(KOSPI, [master_line(symbol_of("990001"), 1_819_000)], (2013, 10, 7, 5, 0, 0))],
    ),
    "journal": (read_journal, [journal_file()]),
    "seal": (segments.read_seal, [canonical_json(SEAL)]),
    "seal of books": (books.read_seal, [canonical_json(BOOK_SEAL)]),
    "manifest": (manifests.parse, [MANIFEST]),
    "latest": (manifests.parse_latest, [canonical_json({"name": "20131007-1", "blake3": "0" * 64})]),
    "Lean CSV": (lambda data: read_rows(data, "tape"), [b"34200000,1818700,100,P,0,0\n34201000,1818500,120,P,0,0\n"]),
    "Binance JSON": (binance.parse_message, MESSAGES),
    "Binance answers": (
        lambda data: (
            answers.read_aggregates(data), answers.read_trades(data), answers.read_bars(data), answers.read_snapshot(data),
            read_answer(data),
        ),
        [b'[{"a":1,"p":"1.5","q":"2","f":1,"l":2,"T":1,"m":true,"M":true}]', b'{"lastUpdateId":1,"bids":[["1","2"]],"asks":[]}'],
    ),
    "checkpoint": (checkpoints.decode, [checkpoints.encode({"days": {}})]),
}  # fmt: skip


def damaged(chance: random.Random, corpus: list[bytes]) -> bytes:
    """Return an input with up to four damages."""
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if data:
                data[at % len(data)] ^= 1 << chance.randrange(8)
            case 1:
                del data[at : at + chance.randint(1, 40)]
            case 2:
                data[at:at] = chance.choice(EDGES)
            case 3:
                other = chance.choice(corpus)
                data[at:] = other[chance.randrange(len(other) + 1) :]
            case 4:
                data[at:at] = data[at : at + chance.randint(1, 200)]
            case 5:
                data[at:at] = chance.choice(EDGES)[:1] * chance.randint(1, 3_000)
            case _:
                data[at:at] = chance.randbytes(chance.randint(1, 16))
    return bytes(data[:MOST_BYTES])


EDGES: Final = [
    b"0", b"-1", b"9" * 19, b"1e309", b"NaN", b"null", b"true", b'""', b"[", b"{", b'"', b"^", b"|", b"\xff\xfe", b"\x00", b"\n",
    b"\xed\xa0\x80", b"18446744073709551616", b",", b" ", b"VTB1", b"\\ud800",
]  # fmt: skip


def rounds(seconds: float) -> Iterator[int]:
    clock = SystemClock()
    end_ns, number = clock.monotonic_ns() + int(seconds * NANOSECONDS), 0
    while clock.monotonic_ns() < end_ns:
        yield number
        number += 1


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_is_total(name: str) -> None:
    """OB-1027, OB-992: whatever the bytes, a value, a reason or an expected error; the inputs it began with are read."""
    decode, corpus = DECODERS[name]
    for data in corpus:
        decode(data)
    chance = random.Random(f"{name} {SECONDS}")
    done = 0
    for number in rounds(SECONDS):
        data = damaged(chance, corpus)
        assert unexpected(decode, data) is None, data
        done = number
    assert done > 20


def unexpected(decode: Decoder, data: bytes) -> BaseException | None:
    """Return what a decoder raised beside an expected error."""
    try:
        decode(data)
    except VeritapeError as error:
        return None if error.message else error
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is a bug
        return error
    return None


@pytest.mark.parametrize("name", DECODERS)
def test_a_decoder_uses_memory_linear_in_its_input(name: str) -> None:
    """OB-992: an input sixteen times as long takes no more than some thirty times the memory."""
    decode, corpus = DECODERS[name]

    def peak(data: bytes) -> int:
        tracemalloc.start()
        try:
            decode(data)
        except VeritapeError:
            pass
        finally:
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return most

    data = max(corpus, key=len)
    peak(data)
    small, large = peak(data * 8), peak(data * 128)
    assert large <= 30 * small + (1 << 20)


def test_the_fuzzer_finds_a_planted_bug() -> None:
    """OB-1027: a decoder that fails on one byte is found within the short size."""

    def planted(data: bytes) -> Any:
        return 1 // (b"\xff" not in data)

    chance = random.Random(1)
    found = (unexpected(planted, damaged(chance, CONTROLS)) for _ in range(5_000))
    assert any(isinstance(error, ZeroDivisionError) for error in found)
