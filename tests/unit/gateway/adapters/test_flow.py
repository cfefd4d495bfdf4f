"""Back-pressure of a connection."""

import asyncio

from veritape.gateway.adapters.flow import Flow


class Wire(asyncio.Transport):
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")


def test_the_transport_is_told_of_changes_alone() -> None:
    """GW-554: twice the same is told once."""
    wire = Wire()
    flow = Flow(wire)
    flow.resume_reading()
    for _ in range(2):
        flow.pause_reading()
    assert flow.is_reading_paused
    for _ in range(2):
        flow.resume_reading()
    assert (wire.told, flow.is_reading_paused) == (["pause", "resume"], False)


async def test_who_writes_waits_for_who_reads() -> None:
    """GW-554: several may wait; one that is cancelled takes nothing from the others."""
    flow = Flow(Wire())
    await flow.until_writable()
    flow.pause_writing()
    flow.pause_writing()
    waiting = [asyncio.ensure_future(flow.until_writable()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    assert [one.done() for one in waiting[1:]] == [False, False]
    flow.resume_writing()
    flow.resume_writing()
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), 10)
    assert waiting[0].cancelled()
