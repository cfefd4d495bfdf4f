"""How many requests one worker has in progress at most: as many as it answers in time (GW-381).

A worker that takes everything it is sent makes all of it late. Its event loop goes round once for all connections: with a thousand
requests at hand a round takes longer than anybody waits, and what is answered late was worked for in vain. What a worker can have
in progress without that differs by machine, route and neighbour, so it is measured and not set: while the loop's lag is well below
its limit there is room for a little more, above that at once for less, as TCP finds the capacity of a path (*Source*: V. Jacobson,
Congestion avoidance and control, 1988, section 2).
"""

import math
from dataclasses import dataclass
from typing import Final

BUSY: Final = 0.70
"""Share of the lag's limit that is aimed at, the first level of the ladder: above it there is room for as much less as the lag is more."""

LESS: Final = 1 / 4
"""Of what is in progress at least so much is left after one sample: one pause of the process must not shed nearly everything."""

MORE: Final = 1 / 16
"""After a sample below that share there is room for so much more."""

LEAST: Final = 128
"""Requests for which there is always room: at 300 us each they take a loop 40 ms. One that is late with so few waits for the disk or for
other programs, and shedding would not help."""


@dataclass
class Room:
    """The room of one worker."""

    found: float = math.inf
    """Requests in progress that the loop's lag allows; as many as there may be until it has been late."""

    def sample(self, lag: float, in_flight: int, in_flight_max: int) -> None:
        """Take a sample of the loop.

        Args:
            lag: share of its limit.
            in_flight: requests in progress.
            in_flight_max: of them allowed.
        """
        if lag >= BUSY:
            self.found = max(LEAST, max(LESS, BUSY / lag) * min(self.found, in_flight))
        elif self.found < in_flight_max:
            self.found += max(1.0, MORE * self.found)

    def requests(self, in_flight_max: int, below: float) -> int:
        """Return how many requests may be in progress; at least one.

        Args:
            in_flight_max: of them allowed.
            below: share of these that is not reached.
        """
        most = max(1, math.ceil(below * in_flight_max) - 1)
        return most if self.found >= most else int(self.found)
