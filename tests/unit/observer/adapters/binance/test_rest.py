"""The venue's REST side."""

import asyncio

from tests.binance import CODE, FIRST, Venue
from tests.binance_server import BinanceServer, Faults

from veritape.kernel.clock import ManualClock
from veritape.observer.adapters.binance.rest import BinanceRest, Reply
from veritape.observer.binance.limits import Weights
from veritape.observer.binance.questions import ask_end, ask_snapshot, ask_tip


async def test_an_answer_as_it_came_and_the_weight_that_the_venue_says() -> None:
    """OB-908: status, body, header; an address where nobody answers is no answer and is waited out."""
    server = BinanceServer(Venue(), Faults(), None, 0, FIRST)
    await server.start()
    rest = BinanceRest(f"http://127.0.0.1:{server.port}", Weights(100), ManualClock())
    assert await rest.ask(ask_tip(CODE)) == Reply(200, b"[]")
    assert rest.weights.said_used == 4
    await server.stop()
    assert await rest.ask(ask_tip(CODE)) is None
    assert rest.outcomes == {True: 1, False: 1}
    assert rest.weights.due_ns(1, 0) == 10**9
    await rest.close()


async def test_a_call_waits_for_its_weight() -> None:
    """OB-908: the second book of a minute is asked for when the first is a minute old."""
    server = BinanceServer(Venue(), Faults(), None, 0, FIRST)
    await server.start()
    clock = ManualClock()
    rest = BinanceRest(f"http://127.0.0.1:{server.port}", Weights(60), clock)
    first = await rest.ask(ask_snapshot(CODE))
    assert first is not None
    waiting = asyncio.create_task(rest.ask(ask_end(CODE)))
    second = asyncio.create_task(rest.ask(ask_snapshot(CODE)))
    assert (await waiting) is not None
    await asyncio.sleep(0)
    assert not second.done()
    clock.advance_ns(60 * 10**9)
    assert await second == first
    assert [path for path, _, _ in server.calls] == ["/api/v3/depth", "/api/v3/aggTrades", "/api/v3/depth"]
    await rest.close()
    await server.stop()
