"""Quotes against lines."""

from typing import cast

from tests.tape import DAY
from tests.unit.observer.adapters.test_silence_watch import BOTH, Quotes, row

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.adapters.quote_check import QuoteCheck
from veritape.observer.lanes import Lane
from veritape.observer.recorder import SETTLING_NS, Recorder
from veritape.wire.kis.rest import MULTI_PRICE


async def test_what_was_asked_for_is_held_against_the_stream() -> None:
    """OB-211, OB-343: a quote of each code, in chunks, stamped by the monotonic clock; no line is behind the one it is ahead of."""
    quotes, recorder, clock = Quotes(), Recorder(), ManualClock(wall_ns=10**18, monotonic_ns=7)
    check = QuoteCheck(cast("BrokerRest", quotes), recorder, clock)
    for code in BOTH:
        recorder.day(DAY).line(code)
    await check.ask(DAY, [*BOTH, *("990001" for _ in range(MULTI_PRICE.rows - 1))])
    assert [(len(codes), lane) for codes, lane in quotes.asked] == [
        (MULTI_PRICE.rows, Lane.BASELINE),
        (1, Lane.BASELINE),
    ]
    assert recorder.suspicions == {(DAY, code): (int(row(code)["acml_vol"]), 7) for code in BOTH}
    assert recorder.settled(7 + SETTLING_NS) == [(DAY, code) for code in BOTH]
    check.saw(DAY, ())
    assert recorder.suspicions == {}
