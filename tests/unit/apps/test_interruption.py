"""Ctrl-C as a stop token."""

import signal
import threading
from collections.abc import Callable

import pytest
from tests.waiting import PATIENCE_S

from veritape.apps.interruption import Stop, stoppable
from veritape.kernel.errors import CheckFailedError


def interrupted(
    work: Callable[[Stop], object], grace_s: float = 60, end: Callable[[], object] = list
) -> None:
    """Do the work in the context; it must end with KeyboardInterrupt."""

    def whole() -> None:
        with stoppable(grace_s, end) as stop:
            work(stop)

    with pytest.raises(KeyboardInterrupt):
        whole()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_signal_sets_the_token_and_raises_at_the_end(number: signal.Signals) -> None:
    """EX-633: nothing is raised where the work is; afterwards KeyboardInterrupt, and the handlers are as before."""
    before, seen = signal.getsignal(number), list[bool]()

    def work(stop: Stop) -> None:
        seen.append(stop())
        signal.raise_signal(number)
        seen.append(stop())

    interrupted(work)
    assert seen == [False, True]
    assert signal.getsignal(number) is before


def fail(_: Stop) -> None:
    signal.raise_signal(signal.SIGINT)
    raise CheckFailedError("stopped")


def test_an_error_counts_only_without_a_signal() -> None:
    """EX-633: work that fails because it was stopped is an interruption; any other failure is itself."""
    interrupted(fail)
    with pytest.raises(CheckFailedError), stoppable():
        raise CheckFailedError("a failure")


def test_a_second_signal_ends_the_process_at_once() -> None:
    """EX-633: who presses Ctrl-C again does not wait for work that does not look."""
    ends: list[int] = []

    def work(_: Stop) -> None:
        for press in range(2):
            ends.append(press)
            signal.raise_signal(signal.SIGINT)

    interrupted(work, end=lambda: ends.append(-1))
    assert ends == [0, 1, -1]


def test_work_that_does_not_look_is_ended_after_the_grace() -> None:
    """EX-633: a compilation looks at no token; the process ends within 5 s all the same."""
    ended = threading.Event()

    def work(_: Stop) -> None:
        signal.raise_signal(signal.SIGINT)
        assert ended.wait(PATIENCE_S)

    interrupted(work, 0.01, ended.set)
