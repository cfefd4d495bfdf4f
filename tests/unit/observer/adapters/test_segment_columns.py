"""Columns agree with the functions over rows."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tape import DAY, frames, recorded

from veritape.observer import segments
from veritape.observer.adapters import segment_columns as columns
from veritape.observer.rows import NAMES, PACKED, Row, TradeRows
from veritape.observer.segments import Before

TAPE = tuple(recorded(*frames(until_ms=32_400_000 + 120_000)).days[DAY].rows[9])


@given(
    st.integers(0, 2**32), st.sampled_from([1.0, 0.7, 0.1]), st.integers(1, 400),
    st.dictionaries(st.sampled_from(["990001", "990002", "990003", "other"]), st.integers(0, 300), max_size=3),
)  # fmt: skip
def test_columns_agree_with_rows(seed: int, kept: float, count: int, ends: dict[str, int]) -> None:
    """OB-552, OB-553, OB-555: order, missing value, lines and ends of any part of a tape, from any place before it, in any order."""
    chance = random.Random(seed)
    rows = [one for one in TAPE[-count:] if chance.random() < kept] or list(TAPE[:1])
    for place in chance.sample(range(len(rows)), min(3, len(rows))):
        rows[place] = rows[place]._replace(epoch=chance.randrange(3))
    chance.shuffle(rows)
    before = {
        code: Before(chance.randrange(2), 10**6 * end, 100 * end, end) for code, end in sorted(ends.items())
    }
    table = columns.sorted_table(TradeRows(rows))
    gaps = columns.missing(table, before)
    expected = segments.ordered(rows, before)
    assert [_key(one) for one in expected.rows] == [
        (table.codes[code], *(int(one[name]) for name in ("epoch", "chain_shares", "sequence", "record")))
        for one, code in zip(table.rows, table.code, strict=True)
    ]
    assert gaps.value.tolist() == expected.value_holes
    assert columns.line_documents(table, gaps) == segments.line_documents(rows, before)
    assert columns.chain_ends(table) == segments.chain_ends(rows)


def _key(row: Row) -> tuple[str, int, int, int, int]:
    return row.trade.code, row.epoch, row.trade.chain_shares, row.sequence, row.record


@pytest.mark.parametrize("name", NAMES)
def test_a_packed_row_maps_to_its_columns(name: str) -> None:
    """OB-556: offsets and sizes are those of the packed form; a tape row has its 24 bytes."""
    row = TradeRows(TAPE[:1])
    (mapped,) = np.frombuffer(bytes(row.packed), columns.ROW)
    assert int(mapped[name]) == PACKED.unpack(bytes(row.packed))[NAMES.index(name)]
    assert columns.TAPE.itemsize == segments.TAPE_ROW.size
