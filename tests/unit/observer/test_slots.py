"""Slots: every cell of the table; the limit at every instant is a property (``tests/property/test_slots.py``)."""

from itertools import product

import pytest

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
from veritape.wire.kis.frames import BOOK_KRX, TRADES_KRX

KEY = "A", TRADES_KRX


def in_state(state: SlotState) -> Slots:
    slots = Slots(41)
    slots.slots[KEY] = Slot(KEY, state)
    return slots


@pytest.mark.parametrize(("state", "event"), list(product(SlotState, SlotEvent)))
def test_every_cell_legal_and_illegal(state: SlotState, event: SlotEvent) -> None:
    """OB-1017, OB-343: what the table does not hold changes nothing and is counted."""
    slots = in_state(state)
    outcome = slots.happened("A", event)
    expected = TRANSITIONS.get((state, event), (state, SlotAction.NONE))
    assert (slots.slots[KEY].state, outcome.action) == expected
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
    assert slots.slots[KEY].state is SlotState.UNKNOWN
    assert slots.taken == 1
    assert slots.happened("A", SlotEvent.DATA).action is SlotAction.OPEN_WATCH


def test_internal_errors_are_repeated_three_times_and_then_refuse_the_code() -> None:
    """OB-343: OPSP0007 or OPSP0009: resend after 1 s, 3 times at most, then as a refusal of the code."""
    slots, now, sent = Slots(41), 0, 0
    slots.want(["A"])
    for _ in range(4):
        assert slots.next_command(now) == Command("A", register=True)
        sent += 1
        outcome = slots.happened("A", SlotEvent.INTERNAL_ERROR)
        now += RETRY_NS
    assert (outcome.action, sent) == (SlotAction.REFUSE_CODE, 4)
    assert slots.limit == 41


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


def test_trades_and_book_of_a_code_are_two_registrations() -> None:
    """KIS-162, OB-341: 41 registrations bear 20 codes with books, each registered for its trades first."""
    slots = Slots(41, (TRADES_KRX, BOOK_KRX))
    slots.want(f"{number:06}" for number in range(41))
    commands, _ = drain(slots, 0)
    assert (slots.codes, len(slots.wanted), len(commands)) == (20, 20, 40)
    assert commands[:2] == [
        Command("000000", register=True),
        Command("000000", register=True, tr_id=BOOK_KRX),
    ]
    for command in commands:
        slots.happened(command.code, SlotEvent.REGISTERED, command.tr_id)
    assert (len(slots.active), slots.taken, slots.settled) == (20, 40, True)
    slots.want(())
    assert {command.tr_id for command in drain(slots, 10**11)[0]} == {TRADES_KRX, BOOK_KRX}


def test_a_refused_book_costs_nothing_but_the_book() -> None:
    """OB-343, KIS-045: that registration is refused, nothing else changes."""
    slots = Slots(4, (TRADES_KRX, BOOK_KRX))
    slots.want(["A"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.REGISTERED)
    assert slots.happened("A", SlotEvent.REFUSED, BOOK_KRX) == ("A", SlotAction.REFUSE_CODE, BOOK_KRX)
    assert (slots.active, slots.settled, slots.next_command(10**12)) == (["A"], True, None)


def test_three_frames_of_a_code_without_a_slot_send_a_release() -> None:
    """OB-350, KIS-127: counted as not subscribed; registrations may linger at the broker."""
    slots = Slots(1)
    slots.want(["A"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.REGISTERED)
    for _ in range(2):
        assert slots.data("B", TRADES_KRX).action is SlotAction.NONE
    assert slots.next_command(10**9) is None
    for _ in range(4):
        slots.data("B", TRADES_KRX)
        slots.data("A", TRADES_KRX)
    assert (slots.not_subscribed, slots.taken) == (6, 1)
    assert slots.next_command(10**9) == Command("B", register=False)
    assert slots.next_command(2 * 10**9) is None
    assert slots.happened("B", SlotEvent.RELEASED).action is SlotAction.NONE
    assert slots.illegal == 0


def test_a_release_of_a_stray_is_not_taken_for_another_commands_answer() -> None:
    """OB-350, KIS-104: the code became wanted while its stray registration was being released."""
    slots = Slots(1)
    for _ in range(3):
        slots.data("A", TRADES_KRX)
    assert drain(slots, 0)[0] == [Command("A", register=False)]
    slots.want(["A"])
    assert drain(slots, 10**9)[0] == [Command("A", register=True)]
    assert slots.happened("A", SlotEvent.RELEASED).action is SlotAction.NONE
    assert slots.happened("A", SlotEvent.REGISTERED).action is SlotAction.OPEN_WATCH
    slots.connection_closed()
    assert slots.happened("A", SlotEvent.RELEASED).action is SlotAction.NONE
    assert slots.illegal == 1


def test_one_answer_may_release_a_stray_and_the_registration_after_it() -> None:
    """OB-350, OB-344: the answer to the stray's release was lost; the next one ends the registration that followed."""
    slots = Slots(1)
    for _ in range(3):
        slots.data("A", TRADES_KRX)
    drain(slots, 0)
    slots.want(["A"])
    drain(slots, 10**9)
    slots.happened("A", SlotEvent.REGISTERED)
    slots.want([])
    assert drain(slots, 2 * 10**9)[0] == [Command("A", register=False)]
    assert slots.happened("A", SlotEvent.RELEASED).action is SlotAction.CLOSE_WATCH
    assert (slots.taken, slots.illegal) == (0, 0)


def test_a_frame_of_an_active_registration_is_nothing_new() -> None:
    """OB-343, OB-350: of that code and stream alone, and not before the acknowledgement."""
    slots = Slots(2, (TRADES_KRX, BOOK_KRX))
    slots.want(["000001"])
    slots.next_command(0)
    assert not slots.is_active("000001", TRADES_KRX)
    slots.happened("000001", SlotEvent.REGISTERED, TRADES_KRX)
    assert slots.is_active("000001", TRADES_KRX)
    assert not slots.is_active("000001", BOOK_KRX)
    assert not slots.is_active("000002", TRADES_KRX)
    assert slots.data("000001", TRADES_KRX).action is SlotAction.NONE


def test_data_answers_for_a_lost_acknowledgement() -> None:
    """OB-343: unknown, data for its code: active, as acknowledged."""
    slots = in_state(SlotState.UNKNOWN)
    assert slots.data("A", TRADES_KRX).action is SlotAction.OPEN_WATCH
    assert slots.active == ["A"]


def test_a_refusal_without_a_key_belongs_to_the_oldest_unanswered_command() -> None:
    """KIS-104."""
    slots = Slots(41)
    assert slots.refused_unnamed() is None
    slots.want(["A", "B"])
    drain(slots, 0)
    assert slots.refused_unnamed() == ("A", TRADES_KRX)
    slots.happened("A", SlotEvent.REGISTERED)
    assert slots.refused_unnamed() == ("B", TRADES_KRX)


def test_an_internal_error_is_repeated_in_time() -> None:
    """OB-343: the next look is after a second, not after the five of a lost acknowledgement."""
    slots = Slots(41)
    slots.want(["A"])
    drain(slots, 0)
    slots.happened("A", SlotEvent.INTERNAL_ERROR)
    assert slots.next_command(RETRY_NS - 1) == RETRY_NS


def test_acknowledgements_are_matched_by_their_code_in_any_order() -> None:
    """KIS-104: there is no request id; at most one unanswered command a code."""
    slots = Slots(41)
    slots.want(["A", "B", "C"])
    drain(slots, 0)
    for code in ("C", "A", "B"):
        assert slots.happened(code, SlotEvent.REGISTERED) == (code, SlotAction.OPEN_WATCH, TRADES_KRX)
    assert slots.happened("A", SlotEvent.REGISTERED).action is SlotAction.NONE
    assert slots.illegal == 1
