"""What every venue's messages have in common (OB-901): frames in; trades, chain facts and gaps out.

A venue brings a parser, a recorder (``apply`` takes each durable frame once, in journal order, and says what it did) and a
recording (that recorder with its folder on disk); the journal, the daybook, the quarantine and the metrics serve all of
them. How completeness is proven is the venue's own matter; that nothing counts before it is durable is the daybook's.
"""

from enum import StrEnum
from typing import Protocol


class Unread(Protocol):
    """A message that is not read: its bytes stay in the journal, an entry goes to ``quarantine/``."""

    @property
    def reason(self) -> StrEnum:
        """Return why."""
        ...

    @property
    def tr_id(self) -> str:
        """Return the transaction id or stream, empty when it could not be read."""
        ...

    @property
    def width(self) -> int:
        """Return the fields per record, 0 where fields have names."""
        ...
