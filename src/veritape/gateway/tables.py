"""Tables of a store that outlives the program: they grow in steps, forward only (GW-685, GW-941)."""

from collections.abc import Sequence
from typing import NamedTuple

from veritape.kernel.errors import UnavailableError


class Tables(NamedTuple):
    """What a database has to have, in the order in which it came."""

    name: str
    """What they are, as "the usage ledger"."""
    reason: str
    """Why a newer one is refused, as "ledger_version"."""
    steps: tuple[tuple[str, ...], ...]
    """Statements that lead from one version to the next; the number of steps is the version."""

    @property
    def version(self) -> int:
        """Return the version that this program writes."""
        return len(self.steps)

    def missing(self, reached: int, where: object = None) -> Sequence[tuple[int, tuple[str, ...]]]:
        """Return the steps that a database lacks, each with the version that it leads to.

        Args:
            reached: version of the database, 0 for an empty one.
            where: what to call the database; their name when left out.

        Raises:
            UnavailableError: it is of a newer program.
        """
        if reached > self.version:
            raise UnavailableError(
                f"{self.reason}: {where or self.name} is of version {reached}, written by a newer veritape; this one knows"
                f" {self.version}: install the newer one, versions only go forward"
            )
        return list(enumerate(self.steps[reached:], reached + 1))
