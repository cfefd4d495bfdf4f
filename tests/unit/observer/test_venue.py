"""Every venue's refusals look alike to the quarantine and the metrics."""

from veritape.observer.binance.messages import MessageReason
from veritape.observer.binance.messages import Refusal as BinanceRefusal
from veritape.observer.frames import FrameReason, Refusal
from veritape.observer.venue import Unread


def test_both_venues_refuse_in_one_shape() -> None:
    """OB-901, OB-006: a refusal is a reason with where it was met, whatever the venue."""
    refusals: list[Unread] = [
        Refusal(FrameReason.UNKNOWN_WIDTH, "H0STCNT0", 48),
        BinanceRefusal(MessageReason.BAD_NUMBER, "btcusdt@trade"),
    ]
    assert [(one.reason.value, one.tr_id, one.width) for one in refusals] == [
        ("unknown_width", "H0STCNT0", 48),
        ("bad_number", "btcusdt@trade", 0),
    ]
