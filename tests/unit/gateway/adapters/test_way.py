"""A way is run by hand until somebody needs a task, and means the same either way."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tests.waiting import until

from veritape.gateway.adapters.way import Signal, Way, in_task

Steps = Coroutine[Any, Any, None]


class Scene:
    """A way, what it said, and its end."""

    def __init__(self) -> None:
        self.said, self.ended, self.signal = list[str](), list[Way](), Signal()

    def way(self, steps: Steps) -> Way:
        return Way(steps, self.ended.append)

    async def waiting(self) -> None:
        self.said.append("begun")
        await self.signal
        self.said.append("gone on")


async def test_a_way_runs_at_once_and_goes_on_within_the_call_that_brings_its_signal() -> None:
    """GW-504: no turn of the loop, no task; a signal that has come is not waited for."""
    scene = Scene()
    way = scene.way(scene.waiting())
    way.go_on()
    assert (scene.said, way.is_over) == (["begun"], False)
    scene.signal.set()
    assert (scene.said, way.is_over, scene.ended) == (["begun", "gone on"], True, [way])
    way.cancel()
    following = scene.way(scene.waiting())
    following.go_on()
    assert following.is_over


async def test_one_way_may_wake_another() -> None:
    """GW-501: each waits for its own; a signal that nobody waits for disturbs nobody."""
    scene, other = Scene(), Scene()

    async def wake() -> None:
        other.signal.set()
        await scene.signal
        scene.said.append("last")

    Signal().set()
    other.way(other.waiting()).go_on()
    scene.way(wake()).go_on()
    assert other.said == ["begun", "gone on"]
    scene.signal.set()
    assert scene.said == ["last"]


async def test_a_future_is_waited_for_by_hand() -> None:
    """GW-504: its value and its exception come where the way waits."""
    scene, loop = Scene(), asyncio.get_running_loop()
    good, bad = loop.create_future(), loop.create_future()

    async def wait() -> None:
        scene.said.append(await good)
        with pytest.raises(ValueError, match="planted"):
            await bad

    way = scene.way(wait())
    way.go_on()
    good.set_result("good")
    await asyncio.sleep(0)
    assert scene.said == ["good"]
    bad.set_exception(ValueError("planted"))
    await asyncio.sleep(0)
    assert way.is_over


async def test_who_needs_a_task_gets_one() -> None:
    """GW-501: timeouts and other applications ask which task runs; signals come to a task too."""
    scene, of_the_test = Scene(), asyncio.current_task()

    async def steps() -> None:
        assert asyncio.current_task() is of_the_test
        await in_task()
        assert asyncio.current_task() is not of_the_test
        await in_task()
        async with asyncio.timeout(60):
            await scene.waiting()
        await asyncio.sleep(0)

    way = scene.way(steps())
    way.go_on()
    await until(lambda: scene.said)
    scene.signal.set()
    await way.task()
    assert (scene.said, way.is_over, scene.ended) == (["begun", "gone on"], True, [way])


def signal_of(scene: Scene) -> Steps:
    return scene.waiting()


async def future_of(scene: Scene) -> None:
    await asyncio.get_running_loop().create_future()
    scene.said.append("never")


async def task_of(scene: Scene) -> None:
    await in_task()
    await scene.signal


@pytest.mark.parametrize("wait", [signal_of, future_of, task_of])
async def test_a_cancelled_way_ends_where_it_waits(wait: Callable[[Scene], Steps]) -> None:
    """GW-558, GW-554: as asyncio cancels: the exception can be caught, and taken back."""
    scene = Scene()

    async def steps() -> None:
        try:
            await wait(scene)
        except asyncio.CancelledError:
            scene.said.append("cancelled")
            way.uncancel()
        await asyncio.sleep(0)
        scene.said.append("to the end")

    way = scene.way(steps())
    way.go_on()
    await asyncio.sleep(0)
    way.cancel()
    await way.task()
    assert scene.said[-2:] == ["cancelled", "to the end"]
    assert (way.is_over, way.task().cancelled()) == (True, False)
    scene.signal.set()


async def test_a_wake_up_on_its_way_does_not_drive_a_way_that_is_cancelled_meanwhile() -> None:
    """GW-554: the store answers and the client leaves in one turn of the loop: the steps go on once, and free what they hold once."""
    scene, told = Scene(), list[dict[str, Any]]()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: told.append(context))
    held, after = loop.create_future(), loop.create_future()

    async def steps() -> None:
        try:
            scene.said.append(await held)
            await after
        except asyncio.CancelledError:
            scene.said.append("cancelled")
            way.uncancel()
        finally:
            scene.said.append("freed")

    way = scene.way(steps())
    way.go_on()
    held.set_result("answered")
    way.cancel()
    await until(lambda: way.is_over)
    after.set_result(None)
    await asyncio.sleep(0)
    assert (scene.said, scene.ended, told) == (["cancelled", "freed"], [way], [])
    assert way.task().exception() is None


async def test_a_way_that_becomes_a_task_goes_on_with_what_it_waits_for() -> None:
    """GW-558: whoever ends the server waits for it as for any task."""
    scene = Scene()
    held = asyncio.get_running_loop().create_future()

    async def steps() -> None:
        await scene.signal
        scene.said.append(await held)

    way = scene.way(steps())
    way.go_on()
    task = way.task()
    assert way.task() is task
    await asyncio.sleep(0)
    scene.signal.set()
    await asyncio.sleep(0)
    held.set_result("held")
    await task
    assert scene.said == ["held"]
    held_too = asyncio.get_running_loop().create_future()
    other = scene.way(wait_for(held_too, scene))
    other.go_on()
    task = other.task()
    held_too.set_exception(ValueError("planted"))
    await task
    assert (scene.said[-1], other.is_over) == ("planted", True)


async def wait_for(held: "asyncio.Future[None]", scene: Scene) -> None:
    try:
        await held
    except ValueError as error:
        scene.said.append(str(error))


async def test_a_way_may_cancel_itself_on_the_way() -> None:
    """GW-554: what it calls finds out that the client left; the exception comes where it waits next."""
    scene = Scene()

    async def steps() -> None:
        way.cancel()
        scene.said.append("to the next wait")
        with pytest.raises(asyncio.CancelledError):
            await scene.signal
        scene.said.append("ended")

    way = scene.way(steps())
    way.uncancel()
    way.go_on()
    await way.task()
    assert scene.said == ["to the next wait", "ended"]


async def test_what_escapes_is_told_to_the_loop() -> None:
    """GW-507: a bug of ours does not end who brought the news; a cancelled future does so quietly, as it ends a task."""
    scene, told = Scene(), list[dict[str, Any]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def fail() -> None:
        await scene.signal
        raise ValueError("planted")

    scene.way(fail()).go_on()
    scene.signal.set()
    assert [str(one["exception"]) for one in told] == ["planted"]
    given_up = asyncio.get_running_loop().create_future()
    way = scene.way(wait_for(given_up, scene))
    way.go_on()
    given_up.cancel()
    await asyncio.sleep(0)
    assert (way.is_over, len(told), len(scene.ended)) == (True, 1, 2)


async def test_a_task_that_left_does_not_disturb_its_signal() -> None:
    """GW-662: a caller that was cancelled meanwhile."""
    scene = Scene()
    leaving = asyncio.ensure_future(scene.waiting())
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    scene.signal.set()
    assert scene.said == ["begun"]
