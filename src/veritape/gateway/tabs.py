"""Open tabs: the minute's bucket of a subject as plain numbers, while usual requests alone charge it (GW-603).

A bar writes down what a guest orders and settles when somebody asks. Usual requests of the middleware do the same: they change
three numbers in place, and nothing else of the subject. Whoever else reads or changes the subject in ``MemoryStore`` settles
first: the numbers go into its account, and the tab is closed for everybody who holds it. So one comparison of clocks tells the
holder that month, rules and subject are still those that it knew.
"""

from typing import Final


class Tab:
    """What a subject owes, in the parts of one rule."""

    __slots__ = ("at_us", "debt", "until_us", "used_mu")

    def __init__(self, debt: int, at_us: int, used_mu: int, until_us: int) -> None:
        self.debt = debt
        """Parts that are owed at ``at_us``."""
        self.at_us = at_us
        """Store clock of the last charge, microseconds."""
        self.used_mu = used_mu
        """Used in the month, mu."""
        self.until_us = until_us
        """Store clock until which the month is sure; 0 once it is closed."""


CLOSED: Final = Tab(0, 0, 0, 0)
"""Of nobody."""
