"""Reading the metrics page for the console."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.apps.console.figures import KEPT_NS, Snapshot, figures_from_page, parse
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import PeerError, UnavailableError
from veritape.telemetry.adapters.listener import Address, Answer, Listener

DOCUMENT = {"as_of_ns": 1, "part_up": {}, "families": {}}


async def test_the_page_is_read_over_loopback() -> None:
    """TL-765: the console's figures are the values of /metrics."""
    listener = Listener(
        {"/metrics.json": lambda: Answer(json.dumps(DOCUMENT).encode(), "x")}, Address("127.0.0.1", 0)
    )
    port = await listener.start()
    assert await figures_from_page("127.0.0.1", port)() == DOCUMENT
    await listener.stop()
    with pytest.raises(UnavailableError, match=f"the metrics page 127.0.0.1:{port} does not answer"):
        await figures_from_page("127.0.0.1", port)()


@pytest.mark.parametrize(
    "response", [b"", b"HTTP/1.1 503 x\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n{", b"HTTP/1.1 200 OK\r\n\r\n[]"]
)
def test_another_answer_is_the_pages_fault(response: bytes) -> None:
    """TL-775: error: the reason in one line."""
    with pytest.raises(PeerError, match="the metrics page"):
        parse(response)


@given(st.binary())
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """TL-775: no answer raises anything else."""
    with contextlib.suppress(PeerError):
        parse(b"HTTP/1.1 200 OK\r\n\r\n" + body)


async def test_many_clients_cost_one_read() -> None:
    """TL-770 and TL-790: read once for all clients, and what cannot be read is null with its reason."""
    reads, clock = [0], ManualClock()

    async def figures() -> dict[str, object]:
        reads[0] += 1
        await asyncio.sleep(0)
        return DOCUMENT

    async def tables() -> dict[str, object]:
        raise UnavailableError("the recorder's folder is not there")

    snapshot = Snapshot(figures, tables, clock)
    bodies = await asyncio.gather(*(snapshot.body() for _ in range(5)))
    assert reads == [1]
    assert json.loads(bodies[0]) == {
        "figures": DOCUMENT,
        "tables": None,
        "errors": ["the recorder's folder is not there"],
    }
    clock.advance_ns(KEPT_NS)
    await snapshot.body()
    assert reads == [2]
