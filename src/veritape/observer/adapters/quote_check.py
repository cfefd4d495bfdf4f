"""Quotes held against the stream: who is behind one for longer than the stream may take has lost something (OB-211).

Codes are asked for here by who has a reason to doubt their lines; a sweep's quotes are held against it as well.
"""

from collections.abc import Iterable, Sequence

from veritape.kernel.clock import Clock
from veritape.observer.adapters.broker_rest import BrokerRest
from veritape.observer.lanes import Lane
from veritape.observer.quotes import Quote, quotes_of
from veritape.observer.recorder import Recorder
from veritape.observer.track_a import chunks, parameters
from veritape.wire.kis.rest import MULTI_PRICE


class QuoteCheck:
    """Holds quotes against one recorder's lines."""

    def __init__(self, rest: BrokerRest, recorder: Recorder, clock: Clock) -> None:
        self._rest = rest
        self._recorder = recorder
        self._clock = clock

    async def ask(self, day: str, codes: Sequence[str]) -> None:
        """Ask one quote of each code: a sweep of its own for these."""
        for chunk in chunks(codes):
            answer = await self._rest.quotation(MULTI_PRICE, parameters(chunk), Lane.BASELINE)
            self.saw(day, quotes_of(answer)[0].values())

    def saw(self, day: str, quotes: Iterable[Quote]) -> None:
        """Take quotes that were just answered."""
        answered_ns = self._clock.monotonic_ns()
        for quote in quotes:
            self._recorder.sweep_saw(day, quote.code, quote.chain_shares, answered_ns)
