"""Lines of keys in a TOML text."""

from veritape.gateway.toml_lines import line_of

TEXT = """a = 1
[t]
b = { c = 1, d = { c = 2 } }
"q.r" = [
  { name = "x" },
]
[[list]]
k = 1
"""


def test_keys_are_found_in_tables_and_inline_tables() -> None:
    """GW-103: an error has the line of its key."""
    assert line_of(TEXT, ("a",)) == 1
    assert line_of(TEXT, ("t",)) == 2
    assert line_of(TEXT, ("t", "b", "d", "c")) == 3
    assert line_of(TEXT, ("t", "q", "r", "0", "name")) == 5
    assert line_of(TEXT, ("list", "k")) == 8


def test_an_unknown_key_has_the_line_above_it() -> None:
    assert line_of(TEXT, ("t", "zz")) == 2
    assert line_of(TEXT, ("nothing",)) == 1
    assert line_of(TEXT, ()) == 1
