"""A small recording on disk, of any day: journal, segments, sweep, universe and audit, as the recorder leaves them."""

from functools import cache
from pathlib import Path

from tests.tape import bundled

from veritape.kernel.canonical import Json, canonical_json
from veritape.observer import journal
from veritape.observer.adapters.recording import Recording
from veritape.observer.journal import Contents, Frame, Header, Kind, Venue
from veritape.observer.notes import NoteKind, note
from veritape.replay.packing import pack
from veritape.replay.rendering import frame_text, listing_of
from veritape.replay.schedule import midnight_ns
from veritape.replay.symbols import symbol_of

DAYS = ("20131007", "20131008", "20131010")
"""Days that tests record; the one between is missing."""

CODES = ("990001", "990002")
UNTIL_MS = 32_400_000 + 20_000

SWEEP: dict[str, Json] = {
    "kind": "anchor", "cycle": 0, "grid_ns": 1, "started_ns": 1, "ended_ns": 2, "expected": 0, "received": 0, "calls": 0,
    "parquet_blake3": "",
}  # fmt: skip
"""A sweep's manifest that says nothing."""


@cache
def day_frames(day: str, until_ms: int = UNTIL_MS) -> tuple[Frame, ...]:
    """Return a day's journal: notes, trades of two codes, anchors, the end."""
    start_ns = midnight_ns(day)
    frames: list[Frame] = []

    def add(kind: Kind, at_ms: int, data: bytes) -> None:
        at_ns = start_ns + at_ms * 1_000_000
        frames.append(Frame(kind, int(kind is Kind.TEXT), len(frames) + 1, at_ns, at_ns, data))

    def tell(kind: NoteKind, at_s: int, **facts: object) -> None:
        add(Kind.NOTE, at_s * 1000, note(kind, **facts))

    series = {code: bundled(code).until(until_ms) for code in CODES}
    tell(NoteKind.STARTED, 31_900)
    tell(NoteKind.DAY, 32_000, day=day, venue="KRX", open_s=32_400, close_s=55_800, codes={})
    for code in CODES:
        tell(NoteKind.WATCH_OPENED, 32_000, day=day, code=code, event_s=32_390)
    listings = {code: listing_of(symbol_of(code), day, one) for code, one in series.items()}
    for packed in pack(series.values()):
        text = frame_text(packed, series[packed.code].trades, listings[packed.code], 47)
        add(Kind.TEXT, packed.emit_ms, text.encode())
    for code in CODES:
        end = series[code].trades[-1]
        values = {
            "chain_shares": end.chain_shares,
            "chain_value": end.chain_value,
            "taken_ns": 1,
            "agreed": 1,
        }
        tell(NoteKind.ANCHOR, 56_000, day=day, code=code, **values)
    tell(NoteKind.CLOSED, 56_100, day=day)
    return tuple(frames)


def write_journal(path: Path, frames: tuple[Frame, ...]) -> None:
    """Write a sealed journal file of two blocks."""
    data = journal.encode_file_header(Header(Venue.KRX, bytes(16), frames[0].received_ns, bytes(16)))
    middle = len(frames) // 2
    for number, group in enumerate((frames[:middle], frames[middle:])):
        data += journal.encode_block(list(group), number, 1)
    contents = Contents(2, len(frames), frames[0].received_ns, frames[-1].received_ns)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data + journal.encode_seal(2, contents, journal.digest_of(data)))
    path.chmod(0o444)


def record_day(data: Path, day: str, *, seal: bool = True, over: bool = True) -> Path:
    """Write a whole day below a data folder; return the folder."""
    write_journal(data / "journal" / "KRX" / day / "0851-0.vtj", day_frames(day))
    recording = Recording(data)
    recording.load([day])
    if seal:
        recording.seal_due(day, 0, 0, all_hours=True)
    extra = {
        f"universe/{day}_kr_stocks.json": canonical_json({"day": day}),
        f"sweeps/venue=KRX/day={day}/0900.json": canonical_json(SWEEP),
        "token/secret.json": b"planted-token",
    }
    if over:
        extra[f"export/audit_{day}.json"] = canonical_json(recording.audit(day, 1))
    for name, content in extra.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    return data
