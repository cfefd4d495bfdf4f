"""Requests of two customers against the gateway: one reads everything, one runs into its quota.

Used by ``veritape demo``. The paying customer reads trades, bars, completeness and receipts of every symbol; the free
one repeats the cheapest route more often than its burst allows, so that the report shows refusals that really happened.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Literal

import aiohttp

Outcome = Literal["allowed", "limited", "errors"]
"""What became of one request."""

FREE_REQUESTS = 200
"""Requests of the free customer: its burst is 150."""

AT_ONCE = 4
"""Requests in flight together: below the free tier's 10."""

REQUEST_SECONDS = 20.0
"""Seconds after which a request counts as an error."""


def paths(codes: Iterable[str], day: str) -> Iterator[str]:
    """Yield the routes that a customer reads for each code and for the day."""
    for code in codes:
        yield f"/v1/trades?symbol={code}&day={day}&limit=1000"
        yield f"/v1/bars?symbol={code}&day={day}&interval=1m"
        yield f"/v1/completeness?symbol={code}&day={day}"
    yield f"/v1/completeness?day={day}"
    yield f"/v1/receipts?day={day}"


def outcome(status: int) -> Outcome:
    """Classify an answer: a refusal for quota is no error, anything else but success is."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "limited"
    return "allowed" if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES else "errors"


async def send(base: str, key: str, requests: Iterable[str]) -> Counter[Outcome]:
    """Send GET requests with one key, a few at once; count what became of them."""
    counts: Counter[Outcome] = Counter()
    free = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(base, headers={"X-API-Key": key}, timeout=timeout) as session:

        async def one(path: str) -> None:
            async with free:
                try:
                    async with session.get(path) as answer:
                        await answer.read()
                        counts[outcome(answer.status)] += 1
                except (aiohttp.ClientError, TimeoutError):
                    counts["errors"] += 1

        await asyncio.gather(*(one(path) for path in requests))
    return counts


async def visit(base: str, keys: Mapping[str, str], codes: Iterable[str], day: str) -> dict[str, int]:
    """Send what both customers send.

    Args:
        base: the gateway's address.
        keys: tier -> API key, for ``free`` and ``pro``.
        codes: symbols to ask for.
        day: their day, ``YYYYMMDD``.

    Returns:
        requests, allowed, limited, errors.
    """
    counts = await send(base, keys["pro"], paths(codes, day))
    counts += await send(base, keys["free"], [f"/v1/completeness?day={day}"] * FREE_REQUESTS)
    return {"requests": counts.total(), **{name: counts[name] for name in ("allowed", "limited", "errors")}}


async def page_text(url: str) -> str:
    """Return the text of a page."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return await answer.text()
