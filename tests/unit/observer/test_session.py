"""The session: every cell, delays, silence."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.observer.session import (
    ATTENDED_NS,
    BUDGET_NS,
    CONNECTS,
    FIRST_CAP_NS,
    FLOOR_NS,
    HELD_NS,
    LOOK_NS,
    NOTICES,
    PROBE_NS,
    QUIET_NS,
    STEADY_NS,
    TRANSITIONS,
    Session,
    SessionAction,
    SessionEvent,
    SessionNotice,
    SessionState,
)

SILENCE = 60 * 10**9


def live(now: int = 0) -> Session:
    session = Session(SILENCE)
    for event in (SessionEvent.WANTED, SessionEvent.OPENED, SessionEvent.SETTLED):
        session.happened(event, now)
    return session


@pytest.mark.parametrize(("state", "event"), list(product(SessionState, SessionEvent)))
def test_every_cell_legal_and_illegal(state: SessionState, event: SessionEvent) -> None:
    """OB-1017, OB-451: what the table does not hold changes nothing."""
    session = Session(SILENCE, state)
    action = session.happened(event, 5)
    assert (session.state, action) == TRANSITIONS.get((state, event), (state, SessionAction.NONE))


def test_a_session_becomes_live_and_counts_its_epochs() -> None:
    """OB-451: connecting, open: epoch + 1; subscribing, all acknowledged: live."""
    session = live()
    assert (session.state, session.epoch) == (SessionState.LIVE, 1)
    assert session.happened(SessionEvent.ENDED, 1) is SessionAction.CLOSE
    assert session.happened(SessionEvent.TIMER, 2) is SessionAction.CONNECT
    session.happened(SessionEvent.OPENED, 3)
    assert session.epoch == 2


def test_delays_are_jittered_below_a_doubling_cap() -> None:
    """OB-451: uniform in [0, cap), cap = min(60 s, 0.5 s x 2^n), floor 0.2 s, n reset after 60 s live."""
    session, caps = Session(SILENCE), []
    session.happened(SessionEvent.WANTED, 0)
    for _ in range(9):
        session.happened(SessionEvent.FAILED, 0, 1.0)
        caps.append(session.wake_ns)
        session.happened(SessionEvent.TIMER, 0)
    assert caps == [min(FIRST_CAP_NS << n, 60 * 10**9) for n in range(9)]
    short = live()
    short.happened(SessionEvent.ENDED, 0, 0.0)
    assert short.wake_ns == FLOOR_NS
    steady = live()
    for _ in range(3):
        steady.happened(SessionEvent.ENDED, 0, 1.0)
        steady.happened(SessionEvent.TIMER, 0)
        steady.happened(SessionEvent.OPENED, 0)
    steady.happened(SessionEvent.ENDED, STEADY_NS, 1.0)
    assert steady.wake_ns == STEADY_NS + FIRST_CAP_NS


def test_many_connects_in_an_hour_wait_longer() -> None:
    """OB-451: 12 connects in 60 min: delay 300 s."""
    session = Session(SILENCE)
    session.happened(SessionEvent.WANTED, 0)
    for _ in range(CONNECTS - 1):
        session.happened(SessionEvent.FAILED, 0)
        session.happened(SessionEvent.TIMER, 0)
    session.happened(SessionEvent.FAILED, 0)
    assert session.wake_ns == BUDGET_NS


def test_an_account_in_use_waits_60_120_and_300_seconds() -> None:
    """OB-451: OPSP8996: held."""
    session, waits = live(), []
    for _ in range(4):
        assert session.happened(SessionEvent.IN_USE, 0) is SessionAction.CLOSE
        waits.append(session.wake_ns)
        session.happened(SessionEvent.TIMER, 0)
        session.happened(SessionEvent.OPENED, 0)
    assert waits == [*HELD_NS, HELD_NS[-1]]


def test_silence_is_a_state_before_it_is_a_failure() -> None:
    """OB-451, OB-452, KIS-112: 60 s with an active slot, else 120 s; any frame within 5 s more is life."""
    session = live()
    assert session.silent_at(trading=True) == SILENCE
    assert session.silent_at(trading=False) == QUIET_NS
    assert session.happened(SessionEvent.SILENCE, SILENCE) is SessionAction.NONE
    assert (session.state, session.silent_at(trading=True)) == (SessionState.SILENT, SILENCE + PROBE_NS)
    session.happened(SessionEvent.FRAME, SILENCE + 1)
    assert (session.state, session.last_frame_ns) == (SessionState.LIVE, SILENCE + 1)
    session.happened(SessionEvent.SILENCE, 2 * SILENCE)
    assert session.happened(SessionEvent.SILENCE, 2 * SILENCE) is SessionAction.CLOSE
    assert (session.state, session.silent_at(trading=True)) == (SessionState.WAITING, None)


def test_time_that_nobody_listened_is_no_silence() -> None:
    """OB-452: a process that stood still finds its frames unread: only what was listened to is silence."""
    session = live()
    for second in range(1, 31):
        session.look(second * LOOK_NS)
    assert session.silent_at(trading=True) == SILENCE
    session.look(500 * LOOK_NS)
    stood_still_ns = 470 * LOOK_NS - ATTENDED_NS
    assert session.silent_at(trading=True) == SILENCE + stood_still_ns


@given(st.lists(st.integers(0, 400), max_size=80), st.booleans())
def test_a_silent_connection_was_listened_to_for_as_long_as_it_takes(
    pauses_s: list[int], trading: bool
) -> None:
    """OB-452: whatever the pauses between the looks, silence is never longer than what was listened to, nor in the future."""
    session, now_ns, listened_ns = live(), 0, 0
    for pause_s in pauses_s:
        now_ns += pause_s * LOOK_NS
        listened_ns += min(pause_s * LOOK_NS, ATTENDED_NS)
        session.look(now_ns)
        due_ns = session.silent_at(trading=trading)
        assert due_ns is not None
        limit_ns = SILENCE if trading else QUIET_NS
        assert (due_ns <= now_ns) == (listened_ns >= limit_ns)
        assert due_ns <= now_ns + limit_ns


def test_a_bad_approval_key_is_renewed() -> None:
    """OB-451, OB-408: OPSP0011: a new approval key, then the next attempt."""
    session = live()
    assert session.happened(SessionEvent.BAD_APPROVAL, 0) is SessionAction.RENEW
    assert session.state is SessionState.WAITING


def test_what_somebody_should_hear_of_is_a_table_of_legal_transitions() -> None:
    """OB-451: events ``was_silent``, ``ws_silent``, ``appkey_in_use``, ``connect_budget``, beside opened and lost."""
    for (before, event, after), notice in NOTICES.items():
        states = [before] if before else [state for state, of in TRANSITIONS if of is event]
        assert states
        for state in states:
            session = Session(SILENCE, state)
            session.happened(event, 5)
            assert (session.state, session.notice) == (after, notice)
    assert set(NOTICES.values()) | {SessionNotice.CONNECT_BUDGET} == set(SessionNotice)


def test_a_notice_is_of_the_last_event_only() -> None:
    """OB-451: heard once."""
    session = Session(SILENCE)
    session.happened(SessionEvent.WANTED, 0)
    session.happened(SessionEvent.OPENED, 0)
    assert session.notice is SessionNotice.CONNECTED
    session.happened(SessionEvent.FRAME, 1)
    assert session.notice is None
    session.happened(SessionEvent.TIMER, 1)
    assert session.notice is None


def test_the_budget_of_connects_is_told() -> None:
    """OB-451: 12 connects in 60 min: wait 300 s, event ``connect_budget``."""
    session = Session(SILENCE)
    session.happened(SessionEvent.WANTED, 0)
    for _ in range(CONNECTS - 1):
        session.happened(SessionEvent.FAILED, 0)
        assert session.notice is SessionNotice.CONNECTION_LOST
        session.happened(SessionEvent.TIMER, 0)
    session.happened(SessionEvent.FAILED, 0)
    assert (session.notice, session.wake_ns) == (SessionNotice.CONNECT_BUDGET, BUDGET_NS)
