"""What an operation is given."""

import pytest

from veritape.gateway.adapters.admin_calls import AdminCall
from veritape.gateway.problems import RefusedError


def test_unknown_parameters_are_refused() -> None:
    """GW-702: a misspelt parameter never passes for the default."""
    call = AdminCall("bootstrap", "r", {}, {"limit": "1"}, None, b"")
    call.only("limit", "cursor")
    with pytest.raises(RefusedError) as caught:
        call.only()
    assert caught.value.detail == "known parameters are none"
