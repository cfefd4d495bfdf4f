"""Expected executions of call auctions and the market's status (KIS-165, KIS-166): nothing of them is a trade.

The vendor documents no values for most of the codes; the replay sends ``0`` for them (KIS-280, 292).
"""

from typing import Final, NamedTuple

from veritape.replay.market import Market, PhaseKind
from veritape.replay.rendering import Listing, joined, record
from veritape.replay.series import AUCTION, Trade
from veritape.wire.kis.frames import EXPECTED_KRX, STATUS_KRX

SESSION_CODE_PLACE: Final = 34
"""Place of NEW_MKOP_CLS_CODE in a trade record."""

EXPECTED_WIDTH: Final = 45
"""Fields of an expected execution: those of a trade up to MRKT_TRTM_CLS_CODE."""


class Change(NamedTuple):
    """The market changes for one code."""

    ms: int
    """Tape time."""
    code: str
    """Symbol."""
    text: str
    """Frame of one record."""


def changes(market: Market, open_ms: int, close_ms: int) -> list[Change]:
    """Return every change of a day in order: open, close, begin and end of interruptions and halts."""
    found = [
        Change(ms, code, _status(code, now_halted=False, now_vi=False))
        for code in market.codes
        for ms in (open_ms, close_ms)
    ]
    for phase in market.phases:
        if phase.code in market.quoted:
            for ms, begins in ((phase.from_ms, True), (phase.until_ms, False)):
                text = _status(
                    phase.code,
                    now_halted=begins and phase.kind is PhaseKind.HALT,
                    now_vi=begins and phase.kind is PhaseKind.VI,
                )
                found.append(Change(ms, phase.code, text))
    return sorted(found)


def expected_frame(market: Market, code: str, now_ms: int, open_ms: int) -> str | None:
    """Return what a code's running call auction would execute, None outside of one.

    The price that is expected is the last one, the previous close before the first trade: nothing later is known (OB-802).
    """
    before_open = now_ms < open_ms
    if not before_open and market.flag(code, PhaseKind.VI, now_ms) == "N":
        return None
    listing = market.quoted[code].listing
    last = market.last(code, now_ms) or _nothing(listing)
    expected = last._replace(ms=now_ms, shares=0, side=AUCTION, hour_class="B" if before_open else "C")
    fields = record(expected, listing, EXPECTED_WIDTH).split("^")
    fields[SESSION_CODE_PLACE] = "10" if before_open else "20"
    return joined(EXPECTED_KRX, ["^".join(fields)])


def _nothing(listing: Listing) -> Trade:
    price = listing.open_price
    return Trade(
        listing.open_ms, price, 0, AUCTION, 0, 0, 0, 0, 0, 0, price, listing.open_ms, price, listing.open_ms
    )


def _status(code: str, *, now_halted: bool, now_vi: bool) -> str:
    fields = (code, "Y" if now_halted else "N", "", "0", "0", "", "0", "0", "Y" if now_vi else "N", "N", "1")
    return joined(STATUS_KRX, ["^".join(fields)])
