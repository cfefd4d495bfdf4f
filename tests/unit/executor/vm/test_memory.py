"""The memory map."""

import pytest
from tests import rv32

from veritape.executor.image import Permission
from veritape.executor.vm.memory import Memory
from veritape.executor.vm.traps import Trapped, TrapReason


def test_the_map_gives_each_address_its_permissions() -> None:
    """EX-141: null guard and holes are unmapped, code is readable and executable, RAM writable up to its end."""
    memory = Memory(rv32.image([rv32.NOP], b"abcd", 65_536, read_only=True))
    assert [memory.permissions(a) for a in (0, 0xFFFF, 0x10004, rv32.RAM + 65_536)] == [Permission(0)] * 4
    assert memory.permissions(0x10003) == Permission.READ | Permission.EXECUTE
    assert memory.permissions(rv32.RAM) == Permission.READ
    assert memory.permissions(rv32.RAM + 65_535) == Permission.READ | Permission.WRITE


def test_parts_of_words_are_read_and_written_little_endian() -> None:
    """EX-101: bytes and halfwords leave the rest of their word alone."""
    memory = Memory(rv32.image([rv32.NOP], b"\x11\x22\x33\x44"))
    memory.store(rv32.RAM + 1, 1, 0xFFAA)
    memory.store(rv32.RAM + 2, 2, 0xBBCC)
    assert memory.load(rv32.RAM, 4) == 0xBBCCAA11
    assert memory.load(rv32.RAM + 3, 1) == 0xBB
    assert memory.touched == {rv32.RAM}


def test_alignment_is_checked_before_the_map() -> None:
    """EX-109: a misaligned access to nowhere is misaligned."""
    memory = Memory(rv32.image([rv32.NOP]))
    with pytest.raises(Trapped) as trapped:
        memory.load(2, 4)
    assert trapped.value.reason is TrapReason.MISALIGNED_ACCESS
    with pytest.raises(Trapped) as trapped:
        memory.fetch(rv32.RAM)
    assert trapped.value.reason is TrapReason.FETCH_FAULT
    with pytest.raises(Trapped) as trapped:
        memory.fetch(0x10002)
    assert trapped.value.reason is TrapReason.MISALIGNED_FETCH
