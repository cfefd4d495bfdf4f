"""The token's life: every row of its table."""

from collections.abc import Callable

import pytest

from veritape.kernel.errors import PeerError
from veritape.observer.reactions import Reaction
from veritape.observer.tokens import (
    ATTEMPT_NS,
    BACK_OFF_NS,
    COOLING_NS,
    KST_NS,
    REFRESH_NS,
    SAME_TOKEN_NS,
    USABLE_NS,
    Token,
    TokenMachine,
    TokenState,
    read_token,
)

HOUR = 3600 * 10**9
START = 10**18


def token(hours: float, text: str = "a", issued: int = START) -> Token:
    return Token(text, issued, START + int(hours * HOUR))


def valid(hours: float = 24) -> TokenMachine:
    return TokenMachine(token(hours), START)


def test_a_stored_token_is_used_and_none_is_issued_because_a_process_started() -> None:
    """OB-401, OB-402: absent, stored token with remaining over 10 min: valid."""
    machine = valid()
    assert (machine.state, machine.due(START)) == (TokenState.VALID, False)
    assert TokenMachine(Token("a", START, START + USABLE_NS), START).state is TokenState.ABSENT


def test_without_one_there_is_one_issue() -> None:
    """OB-402, OB-404: issuing once, however many ask."""
    machine = TokenMachine(None, START)
    assert [machine.due(START), machine.due(START)] == [True, False]
    assert machine.state is TokenState.ISSUING
    assert machine.issued(token(24))
    assert (machine.state, machine.attempts) == (TokenState.VALID, 1)


def test_a_refused_attempt_waits_61_seconds_from_the_attempt() -> None:
    """OB-402, KIS-033: EGW00133 cools for 61 s after the attempt."""
    machine = TokenMachine(None, START)
    assert machine.due(START)
    machine.failed(Reaction.WAIT_ISSUE, START + 5)
    assert machine.state is TokenState.COOLING
    assert not machine.due(START + COOLING_NS - 1)
    assert machine.due(START + COOLING_NS)


def test_failures_wait_longer_each_time() -> None:
    """OB-402: 61 s, then 2, 4, 8 min."""
    machine, now, waits = TokenMachine(None, START), START, []
    for _ in range(6):
        assert machine.due(now)
        machine.failed(Reaction.RETRY, now)
        waited = next(wait for wait in BACK_OFF_NS if machine.due(now + wait) or False)
        waits.append(waited)
        now += waited
        machine.state = TokenState.COOLING
        machine._wake_ns = now
    assert waits == [*BACK_OFF_NS, BACK_OFF_NS[-1], BACK_OFF_NS[-1]]


def test_wrong_credentials_are_final() -> None:
    """OB-402: refused, no retry."""
    machine = TokenMachine(None, START)
    assert machine.due(START)
    machine.failed(Reaction.STOP_CONFIG, START)
    assert machine.state is TokenState.REFUSED
    assert not machine.due(START + 100 * HOUR)


@pytest.mark.parametrize(
    ("expires", "now", "session_end", "refresh"),
    [
        (16.0833, 8.5, 16.5, True),
        (29, 8.5, 16.5, False),
        (8.5, 7.5 + 1e-6, None, True),
        (8.5, 7.4, None, False),
        (17.6, 8.5, 16.5, False),
        (17.4, 8.5, 16.5, True),
    ],
)
def test_the_refresh_rule_by_example(
    expires: float, now: float, session_end: float | None, refresh: bool
) -> None:
    """OB-407: needed until the session's end + 60 min, or under an hour left (times as hours of a day)."""
    machine = TokenMachine(token(expires), START)
    end = None if session_end is None else START + int(session_end * HOUR)
    assert machine.due(START + int(now * HOUR), end) == refresh
    assert machine.state is (TokenState.REFRESHING if refresh else TokenState.VALID)


def test_a_failed_refresh_keeps_the_old_token_and_is_repeated_after_ten_minutes() -> None:
    """OB-402: valid while remaining > 0; at most one attempt every 10 min."""
    machine = TokenMachine(token(0.9), START)
    assert machine.due(START)
    machine.failed(Reaction.RETRY, START)
    assert (machine.state, machine.token) == (TokenState.VALID, token(0.9))
    assert not machine.due(START + ATTEMPT_NS - 1)
    assert machine.due(START + ATTEMPT_NS)


def test_a_token_that_died_is_renewed_once_for_all_callers() -> None:
    """OB-402, OB-404, KIS-034: one issue; refusals of the old one change nothing afterwards."""
    machine = valid()
    machine.rejected("a")
    machine.rejected("a")
    assert [machine.due(START + 1), machine.due(START + 1)] == [True, False]
    assert machine.issued(token(24, "b", START + 1))
    machine.rejected("a")
    assert not machine.due(START + 2 * COOLING_NS)


def test_the_same_dead_token_again_waits_for_its_age_or_the_next_failure() -> None:
    """OB-402, KIS-032: token_not_renewed; asked again at an age of six hours, or when it fails once more."""
    for next_failure in (False, True):
        machine = valid()
        machine.rejected("a")
        assert machine.due(START + HOUR)
        assert not machine.issued(token(24, issued=START + HOUR))
        assert machine.token == token(24)
        assert not machine.due(START + 2 * HOUR)
        if next_failure:
            machine.rejected("a")
            assert machine.due(START + 2 * HOUR)
        else:
            assert not machine.due(START + SAME_TOKEN_NS - 1)
            assert machine.due(START + SAME_TOKEN_NS)


S = TokenState
LATER = START + 7 * HOUR


def machine_in(state: TokenState) -> TokenMachine:
    """Return a machine in a state, its 24 h token issued at START where it has one."""
    machine = TokenMachine(None if state in {S.ABSENT, S.ISSUING, S.COOLING, S.REFUSED} else token(24), START)
    if state is S.REFRESHING:
        machine.rejected("a")
    if state in {S.ISSUING, S.COOLING, S.REFUSED, S.REFRESHING}:
        machine.begin(START)
    if state in {S.COOLING, S.REFUSED}:
        machine.failed(Reaction.RETRY if state is S.COOLING else Reaction.STOP_CONFIG, START)
    assert machine.state is state
    return machine


def died(machine: TokenMachine) -> None:
    machine.rejected("a")
    machine.due(LATER)


EVENTS: dict[str, Callable[[TokenMachine], object]] = {
    "timer": lambda m: m.due(START + COOLING_NS),
    "too early": lambda m: m.due(START + 1),
    "session short": lambda m: m.due(LATER, START + 24 * HOUR),
    "under an hour": lambda m: m.due(START + 23 * HOUR + 1),
    "expired": lambda m: m.due(START + 24 * HOUR),
    "died": died,
    "issued new": lambda m: m.issued(token(30, "b", LATER)),
    "issued same": lambda m: m.issued(token(24, "a", LATER)),
    "EGW00133": lambda m: m.failed(Reaction.WAIT_ISSUE, START),
    "credentials": lambda m: m.failed(Reaction.STOP_CONFIG, START),
    "timeout": lambda m: m.failed(Reaction.RETRY, START),
}
CELLS = {
    (S.ABSENT, "timer"): S.ISSUING, (S.ABSENT, "too early"): S.ISSUING, (S.ABSENT, "expired"): S.ISSUING,
    (S.ABSENT, "session short"): S.ISSUING, (S.ABSENT, "under an hour"): S.ISSUING, (S.ABSENT, "died"): S.ISSUING,
    (S.ISSUING, "timer"): S.ISSUING, (S.ISSUING, "too early"): S.ISSUING, (S.ISSUING, "session short"): S.ISSUING,
    (S.ISSUING, "under an hour"): S.ISSUING, (S.ISSUING, "expired"): S.ISSUING, (S.ISSUING, "died"): S.ISSUING,
    (S.ISSUING, "issued new"): S.VALID, (S.ISSUING, "issued same"): S.VALID, (S.ISSUING, "EGW00133"): S.COOLING,
    (S.ISSUING, "credentials"): S.REFUSED, (S.ISSUING, "timeout"): S.COOLING,
    (S.COOLING, "timer"): S.ISSUING, (S.COOLING, "too early"): S.COOLING, (S.COOLING, "session short"): S.ISSUING,
    (S.COOLING, "under an hour"): S.ISSUING, (S.COOLING, "expired"): S.ISSUING, (S.COOLING, "died"): S.ISSUING,
    (S.REFUSED, "timer"): S.REFUSED, (S.REFUSED, "too early"): S.REFUSED, (S.REFUSED, "session short"): S.REFUSED,
    (S.REFUSED, "under an hour"): S.REFUSED, (S.REFUSED, "expired"): S.REFUSED, (S.REFUSED, "died"): S.REFUSED,
    (S.VALID, "timer"): S.VALID, (S.VALID, "too early"): S.VALID, (S.VALID, "session short"): S.REFRESHING,
    (S.VALID, "under an hour"): S.REFRESHING, (S.VALID, "expired"): S.ISSUING, (S.VALID, "died"): S.REFRESHING,
    (S.REFRESHING, "timer"): S.REFRESHING, (S.REFRESHING, "too early"): S.REFRESHING,
    (S.REFRESHING, "session short"): S.REFRESHING, (S.REFRESHING, "under an hour"): S.REFRESHING,
    (S.REFRESHING, "expired"): S.ISSUING, (S.REFRESHING, "died"): S.REFRESHING,
    (S.REFRESHING, "issued new"): S.VALID, (S.REFRESHING, "issued same"): S.VALID, (S.REFRESHING, "EGW00133"): S.VALID,
    (S.REFRESHING, "credentials"): S.VALID, (S.REFRESHING, "timeout"): S.VALID,
}  # fmt: skip
"""Every state with every event that can meet it: the end of an issue can meet only the two states of one."""


def test_the_table_leaves_out_no_cell() -> None:
    """OB-1019: the end of an issue meets issuing and refreshing only; all else meets every state."""
    ends = {"issued new", "issued same", "EGW00133", "credentials", "timeout"}
    possible = {
        (state, event)
        for state in S
        for event in EVENTS
        if event not in ends or state in {S.ISSUING, S.REFRESHING}
    }
    assert set(CELLS) == possible


@pytest.mark.parametrize(("state", "event"), CELLS)
def test_every_cell_of_the_table(state: TokenState, event: str) -> None:
    """OB-1019, OB-402: the state after each event; the old token stays in use while it lives."""
    machine = machine_in(state)
    before = machine.token
    EVENTS[event](machine)
    assert machine.state is CELLS[state, event]
    if event == "issued new":
        assert machine.token == token(30, "b", LATER)
    elif machine.state in {S.VALID, S.REFRESHING} and before is not None:
        assert machine.token == before
    has_token = machine.token is not None
    assert has_token == (machine.state in {S.VALID, S.REFRESHING})


def test_a_failed_refresh_of_an_expired_token_cools() -> None:
    """OB-402: valid while remaining > 0, else cooling."""
    machine = TokenMachine(token(1), START)
    assert machine.due(START + HOUR // 2)
    assert not machine.wants(START + HOUR)
    machine.failed(Reaction.RETRY, START + HOUR)
    assert (machine.state, machine.token) == (TokenState.COOLING, None)


def test_an_attempt_of_another_process_is_respected() -> None:
    """OB-404, KIS-033: its token is adopted; its failure is waited for; a stamp of the future says nothing."""
    machine = TokenMachine(None, START)
    assert machine.adopt(token(24, "b"), START, START + 1)
    assert (machine.state, machine.token, machine.attempts) == (TokenState.VALID, token(24, "b"), 0)
    waiting = TokenMachine(None, START, attempted_ns=START - 1)
    assert not waiting.wants(START + COOLING_NS - 2)
    assert waiting.wants(START + COOLING_NS)
    assert waiting.adopt(None, START + COOLING_NS, START + COOLING_NS)
    assert not waiting.wants(START + 2 * COOLING_NS - 1)
    assert TokenMachine(None, START, attempted_ns=START + 1).wants(START)
    living = valid()
    living.rejected("a")
    assert not living.adopt(token(24), None, LATER)
    assert living.adopt(token(24, "b"), LATER, LATER)
    assert not living.holds_calls


def test_an_expiry_in_the_past_is_a_failed_issue() -> None:
    """OB-991: it is no token."""
    with pytest.raises(PeerError, match="expired"):
        read_token(answer(seconds=0), 1_795_219_200 * 10**9)


def test_an_expired_token_is_gone() -> None:
    """OB-402: remaining <= 0: issuing, calls wait."""
    machine = TokenMachine(token(1), START)
    assert machine.due(START + HOUR)
    assert (machine.token, machine.state) == (None, TokenState.ISSUING)
    assert REFRESH_NS == HOUR


def answer(
    until: str = "2026-11-22 09:00:00", seconds: object = 86_400, text: object = "secret"
) -> dict[str, object]:
    return {"access_token": text, "access_token_token_expired": until, "expires_in": seconds}


def test_the_vendors_expiry_is_cross_checked() -> None:
    """OB-406, KIS-031: Asia/Seoul; a difference above 120 s is reported and the earlier holds."""
    now = 1_795_219_200 * 10**9
    read, agree = read_token(answer(), now)
    assert agree
    assert read.expires_ns == now + 86_400 * 10**9
    early, agree = read_token(answer(seconds=80_000), now)
    assert (agree, early.expires_ns) == (False, now + 80_000 * 10**9)
    assert KST_NS == 9 * HOUR


@pytest.mark.parametrize(
    "document", [{}, answer(until="soon"), answer(seconds="x"), answer(text=""), answer(text=5)]
)
def test_a_malformed_issue_is_refused(document: dict[str, object]) -> None:
    """OB-992: missing or malformed fields."""
    with pytest.raises(PeerError):
        read_token(document, START)


def test_a_token_never_shows_its_text() -> None:
    """KIS-006, KIS-T20: not in a representation."""
    assert "secret" not in repr(Token("secret", 1, 2))
