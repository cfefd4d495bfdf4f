"""How long a request may take to come."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from veritape.gateway.adapters.request_timer import HEAD_S, RequestTimer
from veritape.gateway.framing import Framing, Part
from veritape.gateway.pace import SILENCE_S


class Timers:
    """A loop whose clock a test moves."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.due: list[tuple[float, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now_s

    def get_debug(self) -> bool:
        return False

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        handle = asyncio.TimerHandle(when, callback, args, cast("asyncio.AbstractEventLoop", self), context)
        self.due.append((when, handle))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        return self.call_at(self.now_s + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self.due = [one for one in self.due if one[1] is not handle]

    def pass_to(self, now_s: float) -> None:
        """Move the clock, and ring what is due."""
        self.now_s = now_s
        ringing = [handle for when, handle in self.due if when <= now_s]
        self.due = [(when, handle) for when, handle in self.due if when > now_s]
        for handle in ringing:
            handle._run()


def timer_on(loop: Timers, is_excused: Callable[[], bool], ring: Callable[[], None]) -> RequestTimer:
    return RequestTimer(cast("asyncio.AbstractEventLoop", loop), is_excused, ring)


@pytest.fixture
def loop() -> Timers:
    return Timers()


def test_a_head_has_ten_seconds_from_its_first_byte(loop: Timers) -> None:
    """GW-553: watching again moves nothing; a head that is whole, or none that has begun, waits for nothing."""
    rung, framing = list[float](), Framing()
    timer = timer_on(loop, lambda: False, lambda: rung.append(loop.now_s))
    timer.watch(framing)
    assert loop.due == []
    framing.take(b"GET")
    timer.watch(framing)
    loop.pass_to(HEAD_S - 1)
    timer.watch(framing)
    loop.pass_to(HEAD_S)
    assert rung == [HEAD_S]
    timer.watch(framing)
    framing.expect_body(0)
    timer.watch(framing)
    assert loop.due == []


def test_a_silent_body_is_late_unless_we_let_it_wait(loop: Timers) -> None:
    """GW-553, GW-554: a client that we do not read is excused; a body that was answered is measured no more."""
    rung, excused, framing = list[float](), [True], Framing()
    timer = timer_on(loop, lambda: excused[0], lambda: rung.append(loop.now_s))
    timer.expect_body()
    framing.part, framing.left = Part.LENGTH, 9
    timer.watch(framing)
    loop.pass_to(SILENCE_S + 1)
    assert rung == []
    excused[0] = False
    loop.pass_to(SILENCE_S + 2)
    timer.receive(3)
    while not rung and loop.due:
        loop.pass_to(loop.due[0][0])
    assert len(rung) == 1
    timer.watch(framing)
    timer.end_body()
    loop.pass_to(10 * SILENCE_S)
    assert len(rung) == 1


def test_who_lingers_is_ended(loop: Timers) -> None:
    """GW-555: after its time, and not when it went before."""
    ended, timer = list[float](), timer_on(loop, lambda: False, lambda: None)
    timer.after(2.0, lambda: ended.append(loop.now_s))
    timer.stop()
    timer.after(3.0, lambda: ended.append(loop.now_s))
    loop.pass_to(5.0)
    assert ended == [5.0]
