"""Segments on disk: the same rows, the same bytes; every change found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from tests.tape import DAY, frames, recorded

from veritape.kernel.errors import CheckFailedError
from veritape.observer.adapters.segment_columns import missing, sorted_table
from veritape.observer.adapters.segment_files import SCHEMA, Seal, SegmentStore, encode
from veritape.observer.rows import TradeRows

ROOT = Path(__file__).resolve().parents[4]
UNTIL = 32_400_000 + 600_000


def rows() -> TradeRows:
    return recorded(*frames(until_ms=UNTIL)).days[DAY].rows[9]


def encoded(rows: TradeRows) -> bytes:
    table = sorted_table(rows)
    return encode(table, missing(table, {}).value)


@pytest.fixture
def sealed(tmp_path: Path) -> tuple[SegmentStore, Seal]:
    store = SegmentStore(tmp_path)
    return store, store.write(DAY, 9, rows(), {}, [{"file": "0900-0.vtj", "first_block": 0, "last_block": 3}])


def test_the_same_rows_give_the_same_bytes() -> None:
    """OB-552, OB-557: sorted, deterministic."""
    assert encoded(rows()) == encoded(TradeRows(reversed(list(rows()))))


def test_a_segment_has_the_stated_columns_and_few_bytes(sealed: tuple[SegmentStore, Seal]) -> None:
    """OB-552, OB-554, OB-551: column types and encodings; at most 10 bytes a trade in a segment of this size."""
    _, seal = sealed
    file = pq.ParquetFile(seal.path)
    assert file.schema_arrow.names == SCHEMA.names
    encodings = {
        file.metadata.row_group(0).column(n).path_in_schema: file.metadata.row_group(0).column(n).encodings
        for n in range(15)
    }
    assert "DELTA_BINARY_PACKED" in encodings["chain_shares"]
    assert seal.path.stat().st_size / seal.document["rows"] < 10
    assert seal.path.relative_to(seal.path.parents[2]).as_posix() == f"venue=KRX/day={DAY}/09.parquet"


def test_seals_form_a_chain(sealed: tuple[SegmentStore, Seal]) -> None:
    """OB-555: previous is the BLAKE3 of the seal before; a second file of the hour is a late part."""
    store, seal = sealed
    seal_path = seal.path.with_name("09.seal.json")
    assert seal.document["previous"] == ""
    assert seal.document["blake3"] == blake3(seal.path.read_bytes()).hexdigest()
    late = store.write(DAY, 9, TradeRows(list(rows())[:5]), {}, [])
    assert (late.path.name, late.document["part"]) == ("09.late-1.parquet", 1)
    assert late.document["previous"] == blake3(seal_path.read_bytes()).hexdigest()
    assert [one.key for one in store.seals()] == [(DAY, 9, 0), (DAY, 9, 1)]
    assert (
        store.last_seal_hash() == blake3(late.path.with_name("09.late-1.seal.json").read_bytes()).hexdigest()
    )
    assert [path.stat().st_mode & 0o777 for path in (seal.path, seal_path)] == [0o444, 0o444]


def test_reading_back_gives_the_trades(sealed: tuple[SegmentStore, Seal]) -> None:
    """OB-562: by day and code, in chain order; the keys tell what is sealed."""
    store, seal = sealed
    expected = sorted(
        (row.trade.chain_shares, row.trade.price) for row in rows() if row.trade.code == "990002"
    )
    ((found, table),) = store.trades(DAY, "990002")
    assert found == seal
    assert list(zip(table["chain_shares"].to_pylist(), table["price"].to_pylist(), strict=True)) == expected
    assert store.sealed_keys(DAY, 9) == {
        (row.trade.code, row.epoch, row.trade.chain_shares) for row in rows()
    }
    assert list(store.trades(DAY, "000000")) == []
    assert store.sealed_keys(DAY, 10) == set()


def test_the_tape_is_what_was_sealed(sealed: tuple[SegmentStore, Seal]) -> None:
    """OB-556, EX-241: the tape's SHA-256 is rows_sha256; a changed file or seal is refused."""
    store, seal = sealed
    data = store.tape(seal, "990001")
    assert len(data) == 35 + 24 * seal.document["lines"]["990001"]["rows"]
    lines = {**seal.document["lines"], "990001": {**seal.document["lines"]["990001"], "rows_sha256": "00"}}
    with pytest.raises(CheckFailedError, match="the rows of 990001 are not"):
        store.tape(Seal(seal.path, {**seal.document, "lines": lines}), "990001")
    seal.path.chmod(0o644)
    content = bytearray(seal.path.read_bytes())
    content[100] ^= 1
    seal.path.write_bytes(content)
    with pytest.raises(CheckFailedError, match="the file is not"):
        store.tape(seal, "990001")
    assert json.loads(seal.path.with_name("09.seal.json").read_bytes()) == seal.document


def test_no_segment_needs_pandas(tmp_path: Path) -> None:
    """OB-557: to import it would stop the recorder's loop for a second at the first seal."""
    program = (
        "import sys, tests.tape as tape; from pathlib import Path; from veritape.observer.adapters.recording import Recording\n"
        "recording = Recording(Path(sys.argv[1]))\n"
        "for frame in tape.frames(until_ms=32_400_000 + 5_000): recording.recorder.apply(frame)\n"
        "(seal,) = recording.seal_due(tape.DAY, 0, 0, all_hours=True)\n"
        "recording.segments.sealed_keys(tape.DAY, 9), recording.segments.tape(seal, '990001')\n"
        "sys.exit('pandas' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    path = f"{ROOT / 'src'}:{ROOT}"
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path})  # noqa: TID251 - inherited
