"""Access log lines."""

import json

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.access_lines import VALUE_LIMIT_BYTES, json_line


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), st.text(max_size=700), max_size=4))
def test_one_line_whatever_the_values(members: dict[str, str]) -> None:
    """GW-906: one JSON object a line, every control character escaped, values of at most 512 bytes."""
    line = json_line(members)
    assert line.isascii()
    assert line.isprintable()
    assert all(len(value.encode()) <= VALUE_LIMIT_BYTES for value in json.loads(line).values())


def test_values_keep_their_types_and_short_ones_their_text() -> None:
    """GW-773: numbers stay numbers."""
    assert json_line({"status": 200, "route": "a\r\nb\x7f"}) == '{"status":200,"route":"a\\r\\nb\\u007f"}'
