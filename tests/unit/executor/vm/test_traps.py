"""Traps as values."""

from veritape.executor.vm.traps import Trapped, TrapReason


def test_a_trap_names_its_reason_and_address() -> None:
    """EX-108: thirteen reasons of the machine and one of its runner; what unwinds an instruction carries one and an address."""
    assert len(TrapReason) == 14
    trapped = Trapped(TrapReason.LOAD_FAULT, 4)
    assert (trapped.reason, trapped.address, str(trapped)) == (TrapReason.LOAD_FAULT, 4, "load_fault")
