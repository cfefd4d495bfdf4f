"""Tables that go forward."""

import pytest

from veritape.gateway.tables import Tables
from veritape.kernel.errors import UnavailableError

TABLES = Tables("the usage ledger", "ledger_version", (("CREATE a",), ("CREATE b", "CREATE c")))


def test_what_is_missing_follows_in_order() -> None:
    """GW-685: from an empty database, from an older one, and nothing for the present one."""
    assert TABLES.version == 2
    assert TABLES.missing(0) == [(1, ("CREATE a",)), (2, ("CREATE b", "CREATE c"))]
    assert TABLES.missing(1) == [(2, ("CREATE b", "CREATE c"))]
    assert TABLES.missing(2) == []


def test_a_newer_one_is_refused_with_the_remedy() -> None:
    """GW-941: one line: which, both versions, what to do."""
    with pytest.raises(UnavailableError) as caught:
        TABLES.missing(3, "/data/usage.db")
    assert caught.value.message == (
        "ledger_version: /data/usage.db is of version 3, written by a newer veritape; this one knows 2:"
        " install the newer one, versions only go forward"
    )
    with pytest.raises(UnavailableError, match="ledger_version: the usage ledger is of version 3"):
        TABLES.missing(3)
