"""The tables of control.db: complete, keyed, and without trades."""

import re

from veritape.observer.control import BY_NAME, SLOTS, TABLES


def test_every_table_of_the_specification_is_there_and_none_holds_trades() -> None:
    """OB-561: slots, wanted, gaps, anchors, cycles, seals, exports, backups, observations, checkpoint; never trades."""
    assert set(BY_NAME) == {
        "slots", "wanted", "gaps", "anchors", "cycles", "seals", "exports", "backups", "observations", "overflow",
        "checkpoint",
    }  # fmt: skip
    assert not {"price", "side", "event_s"} & {name for table in TABLES for name in table.names}


def test_keys_are_columns_and_every_column_has_a_type() -> None:
    for table in TABLES:
        assert set(table.key) <= set(table.names)
        assert all(re.fullmatch(r"[a-z0-9_]+ (TEXT|INTEGER|BLOB)( NOT NULL)?", c) for c in table.columns)


def test_a_definition_is_the_statement_that_creates_the_table() -> None:
    assert SLOTS.definition == (
        "CREATE TABLE slots (code TEXT NOT NULL, day TEXT NOT NULL, state TEXT NOT NULL, changed_ns INTEGER NOT NULL,"
        " PRIMARY KEY (code)) STRICT, WITHOUT ROWID"
    )
