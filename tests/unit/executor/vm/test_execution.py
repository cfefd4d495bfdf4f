"""Classes of instructions."""

from collections import Counter

from veritape.executor.vm.decoding import Operation
from veritape.executor.vm.execution import CYCLE_CLASSES, cycle_class


def test_every_operation_is_counted_in_one_class() -> None:
    """EX-187: the nine classes hold the 48 instructions."""
    counts = Counter(cycle_class(operation) for operation in Operation)
    assert counts == dict(zip(CYCLE_CLASSES, (18, 6, 4, 4, 5, 3, 6, 2, 1), strict=True)) | {"alu": 17}
