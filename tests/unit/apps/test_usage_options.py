"""The month that a command is about."""

import pytest

from veritape.apps.usage_options import checked_period
from veritape.kernel.errors import MisuseError


def test_a_month_is_checked() -> None:
    """GW-681: as the ledger names it; the present one without; anything else is refused."""
    assert checked_period("2026-11") == "2026-11"
    present = checked_period(None)
    assert checked_period(present) == present
    for wrong in ("2026-13", "2026", "November", ""):
        with pytest.raises(MisuseError, match="is no month"):
            checked_period(wrong)
