"""What holds for every test: one profile of Hypothesis, and Ctrl-C reaches the processes that tests start; a month, for those that need a whole one.

A busy machine is no fault of an input. A shell lets what it runs in the background ignore Ctrl-C, and so do its children.
"""

import signal

import pytest
from hypothesis import HealthCheck, settings
from tests.months import wait_for_room

settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def whole_month() -> None:
    """Begin the test only when its month does not end soon: what it adds up is of one month, by the store's own clock."""
    wait_for_room()
