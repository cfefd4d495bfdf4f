"""What happens on purpose to the day itself: hours moved, auctions, halts, totals that start again (OB-851, KIS-183).

Moving trades makes another day and is the truth of it; only ``restart`` and ``clock_skew`` change what the wire shows of
an unchanged day. A fault's times are those of the day as it is played.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from veritape.replay.faults import Faults, draw
from veritape.replay.market import Phase, PhaseKind
from veritape.replay.rendering import Skew
from veritape.replay.schedule import CLOSE_MS, DAY_MS, MINUTE_MS, Session
from veritape.replay.series import AUCTION, OPEN_MS, Series, Trade, recounted

VI_MS: Final = 2 * MINUTE_MS
"""Length of a volatility interruption's call auction (KIS-183)."""

RANDOM_END_MS: Final = 30_000
"""How much later a call auction may end: a random end of up to 30 s."""

CLOSING_AUCTION_MS: Final = CLOSE_MS - 10 * MINUTE_MS
"""Beginning of the closing auction, 15:20."""


def shift_ms(faults: Faults) -> int:
    """Return how much later the whole day happens (``late_open``, ``midnight``)."""
    late = sum(int(fault.number) * MINUTE_MS for fault in faults.of("late_open"))
    return late + sum(DAY_MS - (fault.at_ms or 0) for fault in faults.of("midnight"))


def moved_session(played: Session, faults: Faults) -> Session:
    """Return the hours of the day as the faults have them."""
    by_ms = shift_ms(faults)
    end_ms = None if played.end_ms is None else played.end_ms + by_ms
    return replace(
        played, start_ms=played.start_ms + by_ms, open_ms=played.open_ms + by_ms, close_ms=played.close_ms + by_ms, end_ms=end_ms
    )  # fmt: skip


def phases(faults: Faults) -> tuple[Phase, ...]:
    """Return the interruptions and halts that were asked for."""
    found = [
        Phase(fault.word, PhaseKind.VI, fault.from_ms, fault.from_ms + VI_MS + _random_end_ms(faults, index))
        for index, fault in enumerate(faults.of("vi"))
    ]
    found += [Phase(fault.word, PhaseKind.HALT, fault.from_ms, fault.until_ms) for fault in faults.of("halt")]
    return tuple(found)


def happened(series: Iterable[Series], faults: Faults) -> list[Series]:
    """Return the day as it happens: moved, with its auctions, interruptions and halts."""
    by_ms = shift_ms(faults)
    days = [one.moved(by_ms) if by_ms else one for one in series]
    interruptions = phases(faults)
    if faults.of("auction"):
        days = [_with_auctions(one, by_ms, _random_end_ms(faults, 0)) for one in days]
    for phase in interruptions:
        days = [_interrupted(one, phase) if one.code == phase.code else one for one in days]
    return days


def shown(faults: Faults) -> Callable[[Series], Series]:
    """Return what the wire makes of a day: totals that start again."""
    moments = [fault.at_ms for fault in faults.of("restart") if fault.at_ms is not None]
    moments += [CLOSE_MS + shift_ms(faults) for _ in faults.of("after_market")]

    def restarted(one: Series) -> Series:
        for at_ms in sorted(moments):
            one = one.restarted(at_ms)
        return one

    return restarted


def skews(faults: Faults) -> tuple[Skew, ...]:
    """Return how far stamps are ahead, and when."""
    return tuple(Skew(int(fault.number), fault.from_ms, fault.until_ms) for fault in faults.of("clock_skew"))


def _with_auctions(one: Series, by_ms: int, random_end_ms: int) -> Series:
    """Make the first trade the opening print, and those of the last ten minutes prints at the close."""
    closes_ms = CLOSE_MS + by_ms + random_end_ms
    first, *rest = one.trades
    trades = [_print(first, max(first.ms, OPEN_MS + by_ms))]
    for trade in rest:
        in_auction = CLOSING_AUCTION_MS + by_ms <= trade.ms < closes_ms
        trades.append(_print(trade, closes_ms) if in_auction else trade)
    return recounted(one.code, trades)


def _interrupted(one: Series, phase: Phase) -> Series:
    """Move a code's trades of an interruption to its end."""
    trades, is_first = [], True
    for trade in one.trades:
        if not phase.from_ms <= trade.ms < phase.until_ms:
            trades.append(trade)
        elif phase.kind is PhaseKind.VI:
            trades.append(_print(trade, phase.until_ms)._replace(hour_class="C"))
        else:
            trades.append(trade._replace(ms=phase.until_ms, halted="Y" if is_first else "N"))
            is_first = False
    return recounted(one.code, trades)


def _print(trade: Trade, ms: int) -> Trade:
    return trade._replace(ms=ms, side=AUCTION)


def _random_end_ms(faults: Faults, index: int) -> int:
    return int(draw(faults.seed, "random_end", index) * RANDOM_END_MS)
