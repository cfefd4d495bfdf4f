"""The second ledger: every line of a day from the sealed files, in SQL (OB-681, decision 100).

The query is the definition (OB-603) over neighbouring rows: a row occupies (V - v, V]; where it begins above the end of
the row below it, that interval is missing, and the trades inside are what S + B moved by beyond the row's own.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from veritape.observer.agreement import NOTHING, BatchHole, BatchLine
from veritape.observer.axis import Totals
from veritape.observer.recorded_days import Anchor

TRADES = """
CREATE OR REPLACE TEMP TABLE trades AS
SELECT code, epoch, ends, begins, shares, value, counted, value_hole, event_s,
       lag(ends, 1, 0) OVER axis AS ends_below,
       counts - counted - lag(counts, 1, 0) OVER axis AS missing_trades,
       event_s - lag(event_s) OVER axis AS pause_s
FROM (SELECT code, chain_epoch AS epoch, chain_shares AS ends, chain_shares - shares AS begins, shares,
             price * shares AS value, counted, value_hole, sells + buys AS counts, event_s
      FROM read_parquet(?, hive_partitioning = false))
WINDOW axis AS (PARTITION BY code, epoch ORDER BY ends)
"""
"""Every sealed row with its neighbour below."""

NO_TRADES = """
CREATE TEMP TABLE trades (code VARCHAR, epoch INTEGER, ends BIGINT, begins BIGINT, ends_below BIGINT, missing_trades BIGINT)
"""
"""What the holes are found in on a day without a sealed row: everything up to the anchors is missing."""

HOLES = """
CREATE OR REPLACE TEMP TABLE holes AS
SELECT code, epoch, ends_below AS "left", begins AS "right", missing_trades AS trades FROM trades WHERE begins > ends_below
UNION ALL
SELECT anchors.code, coalesce(last.epoch, 0), coalesce(last.ends, 0), anchors.shares, NULL
FROM anchors LEFT JOIN (SELECT code, max(epoch) AS epoch, arg_max(ends, (epoch, ends)) AS ends FROM trades GROUP BY code) last
     ON last.code = anchors.code
WHERE anchors.shares > coalesce(last.ends, 0)
"""
"""What is missing between neighbours, and behind the last row up to the end anchor."""

FETCHED = """
CREATE OR REPLACE TEMP TABLE fetched AS
SELECT rows.code, rows.shares, rows.price * rows.shares AS value
FROM (SELECT *, row_number() OVER (PARTITION BY code, chain_epoch, chain_shares
                                   ORDER BY source = 'by_time', fetched_us) AS rank
      FROM read_parquet(?, hive_partitioning = false)) rows
JOIN holes ON holes.code = rows.code AND holes.epoch = rows.chain_epoch
          AND rows.chain_shares - rows.shares >= holes."left" AND rows.chain_shares <= holes."right"
WHERE rank = 1
"""
"""Fetched rows that lie in a hole, each once."""

LATE = ".late-"
"""In the name of a segment that was sealed after its hour."""

LINES = """
SELECT code, sum(counted), sum(shares), sum(value), count(*) FILTER (WHERE begins < ends_below),
       CASE WHEN code IN (SELECT code FROM late) THEN NULL ELSE sum(value_hole) END,
       count(*) FILTER (WHERE pause_s > 10), count(*) FILTER (WHERE pause_s > 60), count(*) FILTER (WHERE pause_s > 300)
FROM trades GROUP BY code
"""
"""Sums a line."""

MINUTES = """
SELECT code, event_s // 60 * 60, arg_min(price, (chain_epoch, chain_shares)), max(price), min(price),
       arg_max(price, (chain_epoch, chain_shares)), sum(shares), sum(price * shares)
FROM read_parquet(?, hive_partitioning = false) GROUP BY ALL
"""
"""The recorded trades of each minute, first to last on the chain."""


class MinuteBar(NamedTuple):
    """What was recorded in one minute of a line; prices in won."""

    open: int
    high: int
    low: int
    close: int
    shares: int
    value_krw: int


def batch_audit(
    segments: Sequence[Path], fetched: Sequence[Path], anchors: Mapping[str, Anchor]
) -> dict[str, BatchLine]:
    """Compute every line of a day from its files.

    Args:
        segments: sealed files of the day.
        fetched: files of fetched trades.
        anchors: code -> end anchor.
    """
    with duckdb.connect() as database:
        database.execute("SET enable_progress_bar = false")
        database.execute("CREATE TEMP TABLE anchors (code VARCHAR, shares BIGINT)")
        if anchors:
            database.executemany(
                "INSERT INTO anchors VALUES (?, ?)",
                [(code, one.chain_shares) for code, one in anchors.items()],
            )
        lines = _recorded(database, segments)
        database.execute(HOLES)
        for code, epoch, left, right, trades in database.execute(
            'SELECT code, epoch, "left", "right", trades FROM holes ORDER BY code, epoch, "left"'
        ).fetchall():
            line = lines.get(code, NOTHING)
            hole = BatchHole(epoch, left, right, None if trades is None else int(trades))
            lines[code] = line._replace(holes=(*line.holes, hole))
        return _with_backfill(database, lines, fetched)


def minute_bars(segments: Sequence[Path]) -> dict[str, dict[int, MinuteBar]]:
    """Return code -> first second of a minute -> what was recorded in it, of all codes of a day (OB-563)."""
    found: dict[str, dict[int, MinuteBar]] = {}
    if segments:
        with duckdb.connect() as database:
            for code, minute, *values in database.execute(MINUTES, [_names(segments)]).fetchall():
                found.setdefault(code, {})[minute] = MinuteBar(*map(int, values))
    return found


def _recorded(database: duckdb.DuckDBPyConnection, segments: Sequence[Path]) -> dict[str, BatchLine]:
    if not segments:
        database.execute(NO_TRADES)
        return {}
    database.execute(TRADES, [_names(segments)])
    database.execute("CREATE TEMP TABLE late (code VARCHAR)")
    if late := [path for path in segments if LATE in path.name]:
        database.execute(
            "INSERT INTO late SELECT DISTINCT code FROM read_parquet(?, hive_partitioning = false)",
            [_names(late)],
        )
    return {row[0]: _line(row) for row in database.execute(LINES).fetchall()}


def _line(row: Sequence[Any]) -> BatchLine:
    _, trades, shares, value, overlaps, value_holes, *quiet = row
    return NOTHING._replace(
        recorded=Totals(int(trades), int(shares), int(value)),
        overlaps=overlaps,
        value_holes=None if value_holes is None else int(value_holes),
        quiet=(quiet[0], quiet[1], quiet[2]),
    )


def _with_backfill(
    database: duckdb.DuckDBPyConnection, lines: dict[str, BatchLine], fetched: Sequence[Path]
) -> dict[str, BatchLine]:
    if not fetched:
        return lines
    database.execute(FETCHED, [_names(fetched)])
    sums = database.execute(
        "SELECT code, count(*), sum(shares), sum(value) FROM fetched GROUP BY code"
    ).fetchall()
    backfilled = {code: Totals(rows, int(shares), int(value)) for code, rows, shares, value in sums}
    return {
        code: line._replace(backfilled=backfilled.get(code, line.backfilled)) for code, line in lines.items()
    }


def _names(paths: Sequence[Path]) -> list[str]:
    return [str(path) for path in paths]
