"""Table of the REST calls."""

from veritape.wire.kis import rest


def test_each_call_has_a_transaction_id_of_its_own() -> None:
    """KIS-050: path, transaction id and rows a call."""
    calls = (rest.INQUIRE_PRICE, rest.MULTI_PRICE, rest.TRADES_BY_TIME, rest.SEARCH_INFO)
    assert len({call.tr_id for call in calls}) == len({call.path for call in calls}) == len(calls)
    assert (rest.MULTI_PRICE.rows, rest.TRADES_BY_TIME.rows) == (30, 30)
