"""The venue's REST side: one question at a time, within its weights (OB-908)."""

import asyncio
from collections import Counter
from typing import NamedTuple

import aiohttp

from veritape.kernel.clock import Clock
from veritape.observer.adapters.bodies import read_body
from veritape.observer.binance.answers import BODY_BYTES
from veritape.observer.binance.limits import Weights
from veritape.observer.binance.questions import OK, Question

CALL_SECONDS, CONNECT_SECONDS = 10, 3
"""Real-time limits of a call and of its connection."""


class Reply(NamedTuple):
    """An answer as it came."""

    status: int
    body: bytes
    """Cut to one byte more than ``BODY_BYTES`` where it was longer."""


class BinanceRest:
    """All REST calls of one process."""

    def __init__(self, rest_url: str, weights: Weights, clock: Clock) -> None:
        self._url = rest_url
        self._clock = clock
        self._one = asyncio.Lock()
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS, connect=CONNECT_SECONDS)
        self._http = aiohttp.ClientSession(timeout=timeout)
        self.weights = weights
        """What may still be asked."""
        self.outcomes: Counter[bool] = Counter()
        """Whether a call brought content -> how many did."""

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def ask(self, question: Question) -> Reply | None:
        """Ask once the weights allow it; None where no answer came."""
        async with self._one:
            await self._permit(question.endpoint.weight)
            reply = await self._send(question)
            self.outcomes[reply is not None and reply.status == OK] += 1
            return reply

    async def _permit(self, weight: int) -> None:
        while (
            due_ns := self.weights.due_ns(weight, self._clock.monotonic_ns())
        ) > self._clock.monotonic_ns():
            await self._clock.sleep_until(due_ns)
        self.weights.sent(weight, self._clock.monotonic_ns())

    async def _send(self, question: Question) -> Reply | None:
        url, parameters = self._url + question.endpoint.path, dict(question.parameters)
        try:
            async with self._http.get(url, params=parameters, allow_redirects=False) as answer:
                self.weights.answered(answer.status, answer.headers, self._clock.monotonic_ns())
                return Reply(answer.status, await read_body(answer, BODY_BYTES))
        except (aiohttp.ClientError, TimeoutError):
            self.weights.failed(self._clock.monotonic_ns())
            return None
