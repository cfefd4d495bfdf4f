"""Tiling a tail from its right edge."""

from tests.tape import bundled

from veritape.observer.quotes import TimedTrade
from veritape.observer.tail import PAGES, TailWalk
from veritape.replay.market import Market


def page(market: Market, code: str, walk: TailWalk) -> list[TimedTrade]:
    hour = f"{walk.cursor_s // 3600:02}{walk.cursor_s // 60 % 60:02}{walk.cursor_s % 60:02}"
    rows = market.by_time_rows(code, 86_399_999, hour, 30)
    return [
        TimedTrade(int(r["stck_cntg_hour"][:2]) * 3600 + int(r["stck_cntg_hour"][2:4]) * 60 + int(r["stck_cntg_hour"][4:]),
                   int(r["stck_prpr"]), int(r["acml_vol"]), int(r["cnqn"]))
        for r in rows
    ]  # fmt: skip


def walked(code: str, trades: int) -> TailWalk:
    series = bundled(code)
    market = Market([series], "20131007")
    walk = TailWalk(series.trades[-1 - trades].chain_shares, series.trades[-1].chain_shares, 86_399)
    while not walk.over:
        walk.receive(page(market, code, walk))
    return walk


def test_a_short_tail_is_tiled_in_one_call() -> None:
    """OB-612, OB-702: the trade count is exact once the rows tile the hole."""
    walk = walked("990001", 7)
    assert (walk.closed, walk.trades, walk.calls) == (True, 7, 1)


def test_a_tail_over_many_pages_is_tiled_too() -> None:
    """OB-702: repeat from the oldest row's time, dropping rows already seen."""
    walk = walked("990001", 300)
    assert (walk.closed, walk.trades) == (True, 300)
    assert walk.calls > 10


def test_a_second_with_more_trades_than_a_page_ends_the_walk() -> None:
    """KIS-061, KIS-T05, OB-704: what the cursor cannot reach stays a range."""
    series = bundled("990003")
    dense = next(
        n
        for n in range(31, len(series.trades))
        if series.trades[n].ms // 1000 == series.trades[n - 31].ms // 1000
    )
    market = Market(
        [type(series)(series.code, series.trades[: dense + 1], series.times_ms[: dense + 1])], "20131007"
    )
    walk = TailWalk(series.trades[dense - 40].chain_shares, series.trades[dense].chain_shares, 86_399)
    while not walk.over:
        walk.receive(page(market, "990003", walk))
    assert (walk.closed, walk.exhausted) == (False, True)
    assert walk.calls < PAGES


def test_rows_outside_the_hole_are_refused() -> None:
    """OB-703: a row is accepted only if its interval lies inside the hole and continues the tiling."""
    walk = TailWalk(100, 120, 50)
    walk.receive(
        [
            TimedTrade(40, 1, 130, 10),
            TimedTrade(40, 1, 120, 30),
            TimedTrade(39, 1, 120, 5),
            TimedTrade(39, 1, 115, 0),
        ]
    )
    assert (walk.reached_shares, walk.trades, walk.cursor_s) == (115, 1, 39)
    walk.receive([])
    assert (walk.closed, walk.over) == (False, True)
