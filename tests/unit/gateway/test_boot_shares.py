"""What a boot surely charged."""

import pytest

from veritape.gateway.boot_shares import BootShares

OCTOBER, NOVEMBER = ("acme:live", "2026-10"), ("acme:live", "2026-11")


def test_charges_and_refunds_add_up_per_subject_and_month() -> None:
    """GW-671: only what was surely charged counts, so what the store's field must be is known after each answer."""
    shares = BootShares()
    shares.add(NOVEMBER, 5_000)
    shares.add(NOVEMBER, -2_000)
    shares.add(("other:live", "2026-11"), 1_000)
    assert (shares.of(NOVEMBER), shares.of(OCTOBER), shares.known(OCTOBER, 7), shares.known(NOVEMBER, 7)) == (
        3_000,
        0,
        7,
        3_000,
    )


def test_a_share_is_told_when_it_differed_and_when_it_moved() -> None:
    """GW-671: a field that says otherwise at once, the others each minute; what was told is not told again."""
    shares, other = BootShares(), ("other:live", "2026-11")
    shares.add(NOVEMBER, 5_000)
    shares.add(other, 1_000)
    shares.note_field(NOVEMBER, 5_000)
    assert (shares.due(everything=False), shares.due(everything=True)) == (set(), {NOVEMBER, other})
    shares.note_field(NOVEMBER, 6_000)
    assert shares.due(everything=False) == {NOVEMBER}
    shares.settled([NOVEMBER])
    assert (shares.due(everything=False), shares.due(everything=True)) == (set(), {other})


def test_months_long_past_are_forgotten() -> None:
    """GW-216, GW-671: this month's and the last one's are kept; a refund of the last one changes nothing in this."""
    shares = BootShares()
    for period in ("2026-09", "2026-10", "2026-11"):
        shares.add(("acme:live", period), 1_000)
        shares.note_field(("acme:live", period), 0)
    shares.add(OCTOBER, -400)
    assert [shares.of(("acme:live", period)) for period in ("2026-09", "2026-10", "2026-11")] == [
        0,
        600,
        1_000,
    ]
    assert shares.due(everything=True) == shares.due(everything=False) == {OCTOBER, NOVEMBER}


def test_a_share_is_due_until_what_was_asked_for_it_is_done() -> None:
    """GW-671: a call that fails may have happened: its field is not known any more."""
    shares = BootShares()
    with shares.unsure_unless_done(NOVEMBER):
        pass
    assert shares.due(everything=True) == set()
    with pytest.raises(OSError, match="gone"), shares.unsure_unless_done(NOVEMBER):
        raise OSError("gone")
    assert shares.due(everything=False) == {NOVEMBER}
