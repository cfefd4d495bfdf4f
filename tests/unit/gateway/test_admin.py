"""The admin API's contract."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway import admin
from veritape.gateway.problems import RefusedError
from veritape.gateway.reasons import Reason


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_is_read_or_refused(body: bytes) -> None:
    """GW-702: bytes from outside never do anything else than give members or a reason."""
    reason, values = None, {}
    try:
        values = admin.read_members(body, admin.CREDIT)
    except RefusedError as refusal:
        reason = refusal.reason
    assert reason in {Reason.BAD_JSON, Reason.INVALID_BODY} or {"units", "reason"} <= values.keys()


def test_an_empty_body_is_an_empty_object() -> None:
    assert admin.read_members(b"", admin.RESET) == {}


@pytest.mark.parametrize(
    "body", [b'{"units":true,"reason":"x"}', b'{"units":0,"reason":"x"}', b'{"units":1.5,"reason":"x"}']
)
def test_units_are_whole_and_above_0(body: bytes) -> None:
    """GW-702: a credit of nothing, of less or of a part is refused."""
    with pytest.raises(RefusedError) as caught:
        admin.read_members(body, admin.CREDIT)
    assert caught.value.detail.startswith("units: an integer from 1 to")


@pytest.mark.parametrize(
    ("given", "reason"),
    [(None, "revision_required"), (b'"2"', "revision_changed"), (b"*", "revision_changed")],
)
def test_revisions(given: bytes | None, reason: str) -> None:
    """GW-702: a change is made from a revision that was read."""
    admin.check_revision(b'"3"', 3)
    admin.check_revision(b"3", 3)
    with pytest.raises(RefusedError) as caught:
        admin.check_revision(given, 3)
    assert caught.value.reason == reason


def test_pages() -> None:
    """GW-702: the next page's cursor is the last item's; none after the last page."""
    items = [{"id": str(number)} for number in range(4)]
    assert admin.page(items, 3, "id") == {"items": items[:3], "next": "2"}
    assert admin.page(items, 4, "id") == {"items": items, "next": None}
    assert (admin.page_size(None), admin.page_size("200")) == (100, 200)


def test_bounds_are_never_told_too_small() -> None:
    """GW-344: whole units, rounded up."""
    assert (admin.units_of(62_500), admin.units_of(62_501)) == (63, 63)
    assert admin.moment(0) is None
