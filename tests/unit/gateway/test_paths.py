"""Paths and patterns: precedence, decoding, tricks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.paths import BadPathError, PathTable, PatternError, normal_path, parse_pattern


def test_literal_beats_name_beats_rest_in_any_order() -> None:
    """GW-506: precedence is by segment, not by the order of the file."""
    patterns = [
        ("/a/{rest...}", "rest"),
        ("/a/{id}", "one"),
        ("/a/b", "literal"),
        ("/a/{id}/c", "deep"),
    ]
    for order in (patterns, patterns[::-1]):
        table = PathTable(order)
        found = {
            path: table.match(path)
            for path in ("/a/b", "/a/x", "/a/x/y", "/a/b/c", "/a/b/d", "/a/", "/b", "/a")
        }
        assert {path: match and (match.value, dict(match.parameters)) for path, match in found.items()} == {
            "/a/b": ("literal", {}),
            "/a/x": ("one", {"id": "x"}),
            "/a/x/y": ("rest", {"rest": "x/y"}),
            "/a/b/c": ("deep", {"id": "b"}),
            "/a/b/d": ("rest", {"rest": "b/d"}),
            "/a/": None,
            "/b": None,
            "/a": None,
        }


@pytest.mark.parametrize("pattern", ["a", "/a//b", "/{A}", "/{rest...}/a", "/a b", "/..", "/%41", "/{a"])
def test_patterns_that_cannot_be_read(pattern: str) -> None:
    """GW-506: a pattern is literal segments, names and a last rest."""
    with pytest.raises(PatternError):
        parse_pattern(pattern)


def test_unreserved_characters_are_decoded_and_others_kept() -> None:
    """GW-506: ``%7E`` is ``~`` and ``%41`` is A; ``%20`` stays."""
    assert normal_path(b"/%41%7e/%20") == "/A~/%20"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"x", b"//", b"/a//b", b"/.", b"/..", b"/a/./b", b"/a/..", b"/a%2fb", b"/a%2Fb", b"/a%5Cb", b"/a\\b", b"/%00",
        b"/\x00", b"/%2e%2e/a", b"/a/%2E", b"/%zz", b"/%", b"/%4", b"/\xff", b"/a b", b"/a#b", b"/" + b"a" * 9_000,
    ],
)  # fmt: skip
def test_path_tricks_are_refused(raw: bytes) -> None:
    """GW-506: what could be read in two ways is 400."""
    with pytest.raises(BadPathError):
        normal_path(raw)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_path_or_a_refusal(octets: bytes) -> None:
    """GW-506: no bytes raise anything else, and a normal path is stable."""
    table = PathTable([("/v1/{a}/{rest...}", 1), ("/{a}", 2), ("/{rest...}", 3)])
    try:
        path = normal_path(b"/" + octets)
    except BadPathError:
        return
    table.match(path)
    assert normal_path(path.encode()) == path


def test_remembered_matches_are_bounded_and_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-506, GW-908: the same object again; at the bound all are forgotten; long paths are looked up each time."""
    monkeypatch.setattr("veritape.gateway.paths.KEPT", 2)
    table = PathTable([("/a/{id}", "one")])
    first = table.match("/a/1")
    assert table.match("/a/1") is first
    assert [table.match(f"/a/{number}") for number in (2, 3)] == [("one", {"id": "2"}), ("one", {"id": "3"})]
    assert table.match("/a/1") == first
    assert table.match("/a/1") is not first
    long = "/a/" + "x" * 300
    assert table.match(long) == ("one", {"id": "x" * 300})
    assert table.match(long) is not table.match(long)
