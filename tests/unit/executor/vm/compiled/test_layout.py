"""Places and statuses."""

from tests import rv32
from tests.compiled import SIMULATOR

from veritape.executor.vm.compiled import layout
from veritape.executor.vm.traps import TrapReason


def test_every_trap_reason_has_a_status_of_its_own() -> None:
    """EX-108: the kernel's statuses name each reason, beside running, halted and debugging."""
    assert (
        len(TrapReason) + layout.TRAPPED > layout.TRAPPED > layout.DEBUGGING > layout.HALTED > layout.RUNNING
    )
    trap = SIMULATOR.machine(rv32.image([rv32.EBREAK]), b"").trap
    assert trap is not None
    assert trap.reason is TrapReason.BREAKPOINT
