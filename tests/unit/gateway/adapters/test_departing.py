"""What leaves at the end of a turn of the loop."""

import asyncio

from veritape.gateway.adapters.departing import Departing


async def test_all_of_a_turn_leave_once_and_what_comes_meanwhile_leaves_in_the_next() -> None:
    """GW-581: one call at the end of each turn that has something."""
    departing, left = Departing(), list[str]()

    def one_more() -> None:
        left.append("first")
        departing.add(lambda: left.append("third"))

    departing.add(one_more)
    departing.add(lambda: left.append("second"))
    assert left == []
    await asyncio.sleep(0)
    assert left == ["first", "second"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert left == ["first", "second", "third"]
