"""What holds for every test: one profile of Hypothesis, and Ctrl-C reaches the processes that tests start.

A busy machine is no fault of an input. A shell lets what it runs in the background ignore Ctrl-C, and so do its children.
"""

import signal

from hypothesis import HealthCheck, settings

settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
