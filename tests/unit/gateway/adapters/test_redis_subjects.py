"""What a worker keeps of subjects."""

import struct

import pytest

from veritape.gateway.adapters import redis_subjects as module
from veritape.gateway.adapters.redis_scripts import DECIDE_BY_NAME
from veritape.gateway.adapters.redis_subjects import KnownSubjects
from veritape.gateway.fast_quota import NOTHING, Verdict, plan_of
from veritape.gateway.quota import MU, Bucket, Limits, State, make_rule
from veritape.gateway.shared_calls import LeaseReply, period_of

NOW_US = 1_795_187_045_000_000
MINUTE = make_rule(100, 60, 150)
SAID = Verdict(True, plan_of(Limits(MINUTE), MU, 1), NOTHING, NOTHING, 0, 0, NOW_US, NOW_US)


def test_the_least_recently_asked_for_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-908: at the bound one goes, never one with a call under way; if all have one, there are more for a while."""
    monkeypatch.setattr(module, "SUBJECTS_LIMIT", 3)
    known = KnownSubjects()
    for name in ("one", "two", "three", "one", "four"):
        known.of(name).heard(SAID, Limits(), 0)
    assert [name for name in ("one", "two", "three", "four") if known.seen(name) is None] == ["two"]
    for name in ("three", "one", "four"):
        known.of(name).under_way = 1
    known.of("five").heard(SAID, Limits(), 0)
    assert all(known.seen(name) is not None for name in ("one", "three", "four", "five"))
    assert (known.is_asking("one"), known.is_asking("five"), known.is_asking("nobody")) == (
        True,
        False,
        False,
    )


def test_what_was_said_is_told_by_our_clock() -> None:
    """GW-343: a share begins from it; what leases held of it was not remaining."""
    known = KnownSubjects()
    subject = known.of("acme:live")
    assert (known.seen("acme:live"), known.seen("nobody")) == (None, None)
    subject.heard(SAID._replace(minute=(5, NOW_US - 7, 600), used_mu=9), Limits(MINUTE), NOW_US - 100)
    assert known.seen("acme:live") == (Bucket(5, 93, 600), Bucket(0, 100 - NOW_US, 0), 9, "2026-11")
    state = State(Bucket(5, NOW_US - 7, 600), held_mu=2 * MU)
    subject.heard(LeaseReply(1, NOW_US, state, 0, 0, 0, 0, 0, 0), Limits(MINUTE), NOW_US - 100)
    seen = known.seen("acme:live")
    assert seen is not None
    assert seen.minute == Bucket(2 * MU * 600, 100, 600)
    assert seen.hour.debt == 0


def test_an_answer_that_nobody_read_yet_is_read_when_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-343, GW-603: an admission is kept as the store wrote it; what was heard later counts, and who is forgotten is of no month."""
    monkeypatch.setattr(module, "SUBJECTS_LIMIT", 1)
    known, name = KnownSubjects(), "ip:any:203.0.113.7"
    subject = known.of(name)
    subject.turn(period_of(NOW_US), 64)
    answer = struct.pack("<14q", 1, NOW_US, 5, NOW_US, MINUTE.weight, *[0] * 9)
    subject.said = answer, plan_of(Limits(MINUTE), MU, 1), NOW_US - 100
    seen = known.seen(name)
    assert seen is not None
    assert seen.minute == Bucket(5, 100, MINUTE.weight)
    subject.said = answer, plan_of(Limits(MINUTE), MU, 1), NOW_US - 100
    subject.heard(SAID, Limits(MINUTE), NOW_US - 100)
    later = known.seen(name)
    assert later is not None
    assert later.minute.debt == 0
    known.of("ip:any:203.0.113.8")
    assert (subject.period, known.seen(name)) == (None, None)


def test_keys_and_share_turn_with_the_month() -> None:
    """GW-255: four keys with one tag, as words of the command that decides."""
    subject = KnownSubjects().of("acme:live")
    subject.turn(period_of(NOW_US), 64)
    assert subject.share == ("acme:live", "2026-11")
    assert subject.head.startswith(DECIDE_BY_NAME)
    assert subject.head.removeprefix(DECIDE_BY_NAME).startswith(
        b"$19\r\nvt1:{9}:b:acme:live\r\n$26\r\nvt1:{9}:q:acme:live:202611\r\n$19\r\n"
    )
