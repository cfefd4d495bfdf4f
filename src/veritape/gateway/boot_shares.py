"""What one run of a process surely charged of each subject's months: its share of the shared counter (GW-671).

The counter is a sum of one field per boot that only this boot writes, so its field must be what is noted here. Where an answer
says otherwise, or once a minute in any case, the store is told the exact figure.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

Share = tuple[str, str]
"""Subject and period: names one field."""


class BootShares:
    """Shares of the months that still matter: this one, and the one before, for which refunds may still come."""

    def __init__(self) -> None:
        self._units_mu: dict[Share, int] = {}
        self._newest_period = ""
        self._touched: set[Share] = set()
        self._differing: set[Share] = set()

    def of(self, share: Share) -> int:
        """Return what was surely charged, mu."""
        return self._units_mu.get(share, 0)

    def known(self, share: Share, otherwise_mu: int) -> int:
        """Return the same, or what somebody else knows where nothing was charged yet."""
        return self._units_mu.get(share, otherwise_mu)

    def add(self, share: Share, units_mu: int) -> None:
        """Note a charge; below 0 what was given back."""
        if share[1] > self._newest_period:
            self._begin_period(share[1])
        self._units_mu[share] = self._units_mu.get(share, 0) + units_mu
        self._touched.add(share)

    def note_field(self, share: Share, field_mu: int) -> None:
        """Note what the store says of a field that no call under way can explain."""
        if field_mu != self._units_mu.get(share, 0):
            self._differing.add(share)

    def note_unsure(self, share: Share) -> None:
        """Note that a call had no answer: the field may have it or not."""
        self._differing.add(share)

    @contextmanager
    def unsure_unless_done(self, share: Share) -> Iterator[None]:
        """Note the same of a call that fails, or that nobody waits for any more."""
        try:
            yield
        except BaseException:
            self.note_unsure(share)
            raise

    def due(self, *, everything: bool) -> set[Share]:
        """Return the shares to tell the store: those that differed, or all that moved since the last time."""
        return self._touched | self._differing if everything else set(self._differing)

    def settled(self, shares: Iterable[Share]) -> None:
        """The store is being told; who learns that it was not notes that it is unsure."""
        told = set(shares)
        self._touched -= told
        self._differing -= told

    def _begin_period(self, period: str) -> None:
        kept = {period, self._newest_period}
        self._newest_period = period
        self._units_mu = {share: units_mu for share, units_mu in self._units_mu.items() if share[1] in kept}
        self._touched.intersection_update(self._units_mu)
        self._differing.intersection_update(self._units_mu)
