"""What acknowledgements mean for a slot, kinds of messages, commands as they are sent."""

from veritape.observer.slots import Command, SlotEvent
from veritape.observer.stream_messages import SLOT_EVENTS, STREAM_KINDS, command_text


def test_a_command_is_exactly_what_the_wire_wants() -> None:
    """KIS-100, KIS-101, KIS-102: tr_type 1 registers, 2 releases."""
    text = command_text(Command("990001", register=True), "k")
    assert text == (
        '{"header":{"approval_key":"k","custtype":"P","tr_type":"1","content-type":"utf-8"},'
        '"body":{"input":{"tr_id":"H0STCNT0","tr_key":"990001"}}}'
    )
    assert '"tr_type":"2"' in command_text(Command("990001", register=False), "k")


def test_both_answers_to_a_repeated_command_are_its_success() -> None:
    """OB-343, KIS-106: registered already is registered, released already is released; two codes mean that the broker failed."""
    meanings = {
        event: {code for code, other in SLOT_EVENTS.items() if other is event}
        for event in SLOT_EVENTS.values()
    }
    assert meanings == {
        SlotEvent.REGISTERED: {"OPSP0000", "OPSP0002"},
        SlotEvent.RELEASED: {"OPSP0001", "OPSP0003"},
        SlotEvent.LIMIT: {"OPSP0008"},
        SlotEvent.INTERNAL_ERROR: {"OPSP0007", "OPSP0009"},
    }


def test_a_stream_s_kind_does_not_depend_on_the_venue() -> None:
    """TL-210: three streams of trades and three of books are one kind each."""
    kinds = [STREAM_KINDS[f"H0{venue}{kind}0"] for kind in ("CNT", "ASP") for venue in ("ST", "NX", "UN")]
    assert kinds == ["trade"] * 3 + ["book"] * 3
