"""Moments that are set often and come seldom."""

import asyncio

from veritape.gateway.adapters.alarm import Alarm


class Timers:
    """An event loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waiting: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, due_s: float, call: object) -> "Handle":
        self.waiting.append((due_s, call))
        return Handle(self, (due_s, call))

    def move(self, to_s: float) -> None:
        self.now_s = to_s
        for timer in sorted(self.waiting, key=lambda one: one[0]):
            if timer in self.waiting and timer[0] <= to_s:
                self.waiting.remove(timer)
                timer[1]()  # type: ignore[operator]


class Handle:
    def __init__(self, timers: Timers, timer: tuple[float, object]) -> None:
        self._timers, self._timer = timers, timer

    def cancel(self) -> None:
        if self._timer in self._timers.waiting:
            self._timers.waiting.remove(self._timer)


def alarm() -> tuple[Timers, Alarm, list[float]]:
    timers, rung = Timers(), list[float]()
    return timers, Alarm(timers, lambda: rung.append(timers.now_s)), rung  # type: ignore[arg-type]


def test_the_last_moment_that_was_set_rings_once() -> None:
    """GW-553: later and earlier ones before it do not; one timer waits however often it was set."""
    timers, one, rung = alarm()
    for due_s in (30.0, 31.0, 32.0):
        one.set(due_s)
    assert len(timers.waiting) == 1
    timers.move(30.0)
    assert (rung, len(timers.waiting)) == ([], 1)
    one.set(31.0)
    timers.move(31.0)
    timers.move(99.0)
    assert rung == [31.0]


def test_a_cleared_moment_does_not_ring_and_a_stopped_one_leaves_no_timer() -> None:
    """GW-553: after that it may be set again."""
    timers, one, rung = alarm()
    one.set(10.0)
    one.clear()
    timers.move(10.0)
    assert (rung, timers.waiting) == ([], [])
    one.set(20.0)
    one.stop()
    one.stop()
    assert timers.waiting == []
    one.set(30.0)
    timers.move(30.0)
    assert rung == [30.0]


async def test_it_rings_on_a_real_loop() -> None:
    """GW-553: by the loop's own clock."""
    loop, rung = asyncio.get_running_loop(), asyncio.Event()
    Alarm(loop, rung.set).set(loop.time() + 0.01)
    await asyncio.wait_for(rung.wait(), 10)
