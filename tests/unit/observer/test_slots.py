"""Slots: every cell of the table, the limit at every instant."""

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from veritape.observer.slots import (
    ACK_NS,
    RETRY_NS,
    SPACING_NS,
    TRANSITIONS,
    Command,
    Slot,
    SlotAction,
    SlotEvent,
    Slots,
    SlotState,
)


def in_state(state: SlotState) -> Slots:
    slots = Slots(41)
    slots.slots["A"] = Slot("A", state)
    return slots


@pytest.mark.parametrize(("state", "event"), list(product(SlotState, SlotEvent)))
def test_every_cell_legal_and_illegal(state: SlotState, event: SlotEvent) -> None:
    """OB-343: what the table does not hold changes nothing and is counted."""
    slots = in_state(state)
    outcome = slots.happened("A", event)
    expected = TRANSITIONS.get((state, event), (state, SlotAction.NONE))
    assert (slots.slots["A"].state, outcome.action) == expected
    assert slots.illegal == ((state, event) not in TRANSITIONS)


def drain(slots: Slots, now: int) -> tuple[list[Command], int]:
    """Send everything that can be sent; return the commands and the time."""
    commands = []
    while isinstance(step := slots.next_command(now), Command) or (
        step is not None and step - now <= SPACING_NS
    ):
        if isinstance(step, Command):
            commands.append(step)
        else:
            now = step
    return commands, now


def test_wanted_codes_are_registered_in_order_a_tenth_of_a_second_apart() -> None:
    """OB-341, OB-349, OB-347: by falling priority, 100 ms apart: 41 in 4.1 s."""
    slots = Slots(41)
    slots.want(f"{number:06}" for number in range(50))
    commands, now = drain(slots, 0)
    assert commands == [Command(f"{number:06}", register=True) for number in range(41)]
    assert now == 41 * SPACING_NS
    for command in commands:
        assert slots.happened(command.code, SlotEvent.REGISTERED).action is SlotAction.OPEN_WATCH
    assert slots.settled
    assert slots.next_command(10 * now) is None


def test_a_replacement_registers_only_after_the_release_is_acknowledged() -> None:
    """OB-344: the reverse fails at 41."""
    slots = Slots(1)
    slots.want(["A"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.REGISTERED)
    slots.want(["B"])
    commands, now = drain(slots, 10**9)
    assert commands == [Command("A", register=False)]
    assert slots.happened("A", SlotEvent.RELEASED).action is SlotAction.CLOSE_WATCH
    assert drain(slots, now)[0] == [Command("B", register=True)]


def test_an_unanswered_command_is_sent_once_more_and_then_unknown() -> None:
    """OB-343: 5 s without ack: resend once, then unknown; data for the code makes it active."""
    slots = Slots(41)
    slots.want(["A"])
    assert slots.next_command(0) == Command("A", register=True)
    assert slots.next_command(SPACING_NS) == ACK_NS
    assert slots.next_command(ACK_NS) == Command("A", register=True)
    assert slots.next_command(2 * ACK_NS) is None
    assert slots.slots["A"].state is SlotState.UNKNOWN
    assert slots.taken == 1
    assert slots.happened("A", SlotEvent.DATA).action is SlotAction.OPEN_WATCH


def test_internal_errors_are_repeated_three_times_and_then_taken_for_the_limit() -> None:
    """OB-343: OPSP0007 or OPSP0009: resend after 1 s, 3 times at most."""
    slots, now, sent = Slots(41), 0, 0
    slots.want(["A"])
    for _ in range(4):
        assert slots.next_command(now) == Command("A", register=True)
        sent += 1
        outcome = slots.happened("A", SlotEvent.INTERNAL_ERROR)
        now += RETRY_NS
    assert (outcome.action, sent) == (SlotAction.LEARN_LIMIT, 4)


def test_the_limit_is_learned() -> None:
    """OB-342: OPSP0008 while n registrations are acknowledged sets the limit to n."""
    slots = Slots(41)
    slots.want(["A", "B", "C"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.REGISTERED)
    slots.happened("B", SlotEvent.REGISTERED)
    assert slots.happened("C", SlotEvent.LIMIT).action is SlotAction.LEARN_LIMIT
    assert (slots.limit, slots.wanted) == (2, ["A", "B"])


def test_a_refused_code_is_not_asked_for_again() -> None:
    """OB-343: refused for the day."""
    slots = Slots(41)
    slots.want(["A"])
    drain(slots, 0)
    assert slots.happened("A", SlotEvent.REFUSED).action is SlotAction.REFUSE_CODE
    assert slots.settled
    assert slots.next_command(10**12) is None


def test_a_closed_connection_frees_every_slot_and_keeps_the_wish() -> None:
    """OB-343, OB-349: watched spans close; the codes are registered again."""
    slots = Slots(41)
    slots.want(["A", "B"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.REGISTERED)
    outcomes = {outcome.code: outcome.action for outcome in slots.connection_closed()}
    assert outcomes == {"A": SlotAction.CLOSE_WATCH, "B": SlotAction.NONE}
    assert slots.taken == 0
    assert len(drain(slots, 10**10)[0]) == 2


CODES = [f"{number:06}" for number in range(8)]


class SlotModel(RuleBasedStateMachine):
    """OB-344: whatever the broker answers, late, wrong or never, the limit holds."""

    def __init__(self) -> None:
        super().__init__()
        self.slots, self.now = Slots(3), 0

    @rule(codes=st.lists(st.sampled_from(CODES), max_size=6))
    def want(self, codes: list[str]) -> None:
        self.slots.want(codes)

    @rule(seconds=st.sampled_from([0, 1, 6]))
    def step(self, seconds: int) -> None:
        self.now += seconds * 10**9
        self.slots.next_command(self.now)

    @rule(
        code=st.sampled_from(CODES),
        event=st.sampled_from([e for e in SlotEvent if e not in {SlotEvent.ALLOCATE, SlotEvent.RELEASE}]),
    )
    def answer(self, code: str, event: SlotEvent) -> None:
        self.slots.happened(code, event)

    @precondition(lambda self: self.slots.taken > 0)
    @rule()
    def close(self) -> None:
        self.slots.connection_closed()
        assert self.slots.taken == 0

    @invariant()
    def never_above_the_limit(self) -> None:
        assert self.slots.taken <= 3
        assert len(self.slots.wanted) <= self.slots.limit


SlotModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSlotModel = SlotModel.TestCase


def test_acknowledgements_are_matched_by_their_code_in_any_order() -> None:
    """KIS-104: there is no request id; at most one unanswered command a code."""
    slots = Slots(41)
    slots.want(["A", "B", "C"])
    drain(slots, 0)
    for code in ("C", "A", "B"):
        assert slots.happened(code, SlotEvent.REGISTERED) == (code, SlotAction.OPEN_WATCH)
    assert slots.happened("A", SlotEvent.REGISTERED).action is SlotAction.NONE
    assert slots.illegal == 1
