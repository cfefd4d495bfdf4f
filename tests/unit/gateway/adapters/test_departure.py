"""How a request learns that nobody waits for its answer."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from tests.waiting import PATIENCE_S

from veritape.gateway.adapters.departure import ClientLeftError, Departure, departure_of
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

REFUSAL = RefusedError(Reason.BAD_REQUEST)


async def inside(departure: Departure, work: Awaitable[Any]) -> None:
    with departure.cancellable():
        await work


@pytest.mark.parametrize("cause", [ClientLeftError(), REFUSAL])
async def test_a_step_that_may_be_cancelled_ends_with_the_cause(cause: Exception) -> None:
    """GW-554: before it, or within it; the task lives on."""
    departure = Departure()
    task = asyncio.ensure_future(inside(departure, asyncio.Event().wait()))
    await asyncio.sleep(0)
    departure.end(cause)
    departure.end(ValueError("a second cause is none"))
    with pytest.raises(type(cause)) as found:
        await task
    assert (found.value, task.cancelling()) == (cause, 0)
    with pytest.raises(type(cause)):
        departure.check()
    with pytest.raises(type(cause)):
        await inside(departure, asyncio.sleep(0))


async def test_a_body_that_ends_early_ends_with_the_cause() -> None:
    """GW-507: what read it knows only that it ended; who refused its bytes knows why."""
    departure = Departure()

    async def cut() -> None:
        departure.end(REFUSAL)
        raise ClientLeftError

    with pytest.raises(RefusedError):
        await inside(departure, cut())
    with pytest.raises(ClientLeftError):
        await inside(Departure(), asyncio.wait_for(left(), PATIENCE_S))


async def left() -> None:
    raise ClientLeftError


async def test_elsewhere_the_task_goes_on() -> None:
    """GW-554: a charge is never cut in half."""
    departure = Departure()
    departure.end(REFUSAL)
    await asyncio.sleep(0)
    assert departure.cause is REFUSAL


async def test_a_cancelled_task_stays_cancelled() -> None:
    """GW-558: the server's own end is no client's leaving."""
    scope: dict[str, Any] = {}
    assert departure_of(scope) is departure_of(scope)
    task = asyncio.ensure_future(inside(departure_of(scope), asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
