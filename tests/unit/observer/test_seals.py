"""What every seal has in common."""

import json

from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.seals import chain_head, chain_problems, file_stem, read_document

MEMBERS = {"day": str, "hour": int}
SEAL = {"format": "one.v1", "day": "20131007", "hour": 9}


@given(
    st.binary(max_size=200)
    | st.from_regex(r'\{"format":"one.v1"(,"[a-z]+":[0-9\[{"]{1,3})*\}').map(str.encode)
    | st.just(b"[" * 100_000)
)
def test_any_bytes_are_a_document_or_none(data: bytes) -> None:
    """OB-992: the reader is total."""
    assert read_document(data, "one.v1", MEMBERS) is None


def test_a_document_has_its_format_and_every_member() -> None:
    """OB-992: a member that is missing or of another type makes it none; a truth value is no number."""
    assert read_document(json.dumps(SEAL).encode(), "one.v1", MEMBERS) == SEAL
    assert read_document(json.dumps(SEAL).encode(), "two.v1", MEMBERS) is None
    for name, wrong in (("day", 1), ("hour", "9"), ("hour", None), ("hour", True)):
        assert read_document(json.dumps(SEAL | {name: wrong}).encode(), "one.v1", MEMBERS) is None


@given(st.permutations(range(7)))
def test_the_head_of_a_chain_is_what_no_seal_names(order: list[int]) -> None:
    """OB-555: in any order of the names; an unbroken chain has no problem."""
    chain = [(str(number), {"previous": str(number - 1) if number else ""}) for number in range(len(order))]
    shuffled = [chain[number] for number in order]
    assert chain_head(shuffled) == chain[-1][0]
    assert chain_problems(shuffled) == set()


def test_a_chain_without_a_seal_or_with_two_followers_is_broken() -> None:
    """OB-555: what follows a seal that is not there, and both that follow the same one, are named; no seals, no head."""
    first, second, third = ("a", {"previous": ""}), ("b", {"previous": "a"}), ("c", {"previous": "b"})
    assert chain_problems([first, third]) == {"c"}
    assert chain_problems([first, second, ("d", {"previous": "a"}), third]) == {"b", "d"}
    assert chain_head([]) == ""


def test_the_name_of_a_late_part_says_so() -> None:
    """OB-554: part 0 is the hour itself."""
    assert [file_stem(9, part) for part in (0, 2)] == ["09", "09.late-2"]
