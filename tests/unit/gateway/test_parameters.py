"""Query parameters: every refusal named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.parameters import CURSOR, DAY, LIMIT, SYMBOL, Parameter, read_query, schema
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason

CHOICE = Parameter("interval", "[0-9][mh]", "", default="1m", choices=("1m", "1h"))
ALL = (SYMBOL, DAY, LIMIT, CURSOR, CHOICE)


def test_values_and_defaults() -> None:
    """GW-741: what is left out has its default, if any."""
    assert read_query(b"symbol=005930&day=20131007", ALL) == {
        "symbol": "005930",
        "day": "20131007",
        "limit": "100",
        "interval": "1m",
    }
    assert read_query(b"", (LIMIT,)) == {"limit": "100"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        (b"symbol=A&day=20131007&x=1", "unknown parameter; known are symbol, day"),
        (b"symbol=A&symbol=A&day=20131007", "symbol: given twice"),
        (b"day=20131007", "symbol: missing"),
        (b"symbol=A&day=2013", "day: must match"),
        (b"symbol=A&day=20131007&limit=1001", "limit: an integer from 1 to 1000"),
        (b"symbol=A&day=20131007&limit=0", "limit: an integer"),
        (b"symbol=A&day=20131007&interval=2m", "interval: one of 1m, 1h"),
        (b"symbol=A&day=20131007&interval=xx", "interval: one of"),
        (b"symbol", "cannot be read"),
        (b"&" * 40, "cannot be read"),
        (b"symbol=%FF", "cannot be read"),
        (b"symbol=\xff", "cannot be read"),
    ],
)
def test_bad_parameters_are_named(query: bytes, named: str) -> None:
    """GW-741: unknown, repeated, missing or out of range: 400 ``bad_parameter``, named, nothing echoed."""
    with pytest.raises(RefusedError) as refusal:
        read_query(query, ALL)
    assert refusal.value.reason is Reason.BAD_PARAMETER
    assert named in refusal.value.detail


@given(st.binary(max_size=80))
def test_any_query_is_values_or_a_refusal(query: bytes) -> None:
    """GW-741: no query raises anything else."""
    try:
        found = read_query(query, ALL)
    except RefusedError:
        return
    assert set(found) <= {parameter.name for parameter in ALL}


def test_schemas_say_the_same() -> None:
    """GW-743: the description comes from the table that checks."""
    assert schema(LIMIT) == {"type": "integer", "minimum": 1, "maximum": 1_000, "default": 100}
    assert schema(LIMIT._replace(default="")) == {"type": "integer", "minimum": 1, "maximum": 1_000}
    assert schema(DAY) == {"type": "string", "pattern": "^[0-9]{8}$"}
    assert schema(CHOICE) == {"type": "string", "enum": ["1m", "1h"], "default": "1m"}
