"""Documents of a run."""

import struct

import pytest
from tests import rv32
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO, ENDLESS

from veritape.apps.run_report import batch_document, decoded, document_of, text, trap_document
from veritape.executor.adapters.guest_files import guest_image
from veritape.executor.ohlcv import input_of
from veritape.executor.runtime.outcomes import (
    Cancelled,
    DeadlineExceeded,
    Executed,
    Failed,
    Outcome,
    RuntimeReason,
)
from veritape.executor.runtime.presets import Parallel
from veritape.executor.vm.execution import Limits

TAPE = rv32.tape([(60, 1, 1, 100, 3), (61, 5, 1, 110, 1)])


def test_a_journal_of_a_bundled_guest_is_decoded() -> None:
    """EX-632: journal is an object for bundled guests, null for others and for bytes that are none."""
    assert decoded("vwap", SIMULATOR.run(guest_image("vwap"), TAPE).journal)["vwap"] == "102.5000"  # type: ignore[index]
    bars = decoded("ohlcv", SIMULATOR.run(guest_image("ohlcv"), input_of(TAPE)).journal)
    assert bars is not None
    assert [bar["close"] for bar in bars["bars"]] == [110]
    assert decoded("sha256", SIMULATOR.run(guest_image("sha256"), b"abc").journal) == {
        "length": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert decoded("fibonacci", struct.pack("<IIIQ", 1, 2, 3, 4)) == {"n": 1, "a0": 2, "a1": 3, "result": 4}
    assert decoded("vwap", b"no") is decoded("mine.c", b"no") is decoded("fibonacci", b"") is None


def test_documents_say_what_they_are() -> None:
    """EX-632: every document is of kind simulated and labelled as executed, not proven."""
    receipt = SIMULATOR.run(ECHO, b"abcd")
    halted = document_of("echo", receipt, 0.5)
    trapped = trap_document("endless", "id", SIMULATOR.machine(ENDLESS, b"", Limits(cycles=9)), 0.5)
    outcomes: list[Outcome] = [
        Executed(receipt.to_bytes(), 0),
        Cancelled(),
        DeadlineExceeded(),
        Failed(RuntimeReason.WORKER_LOST, "twice"),
    ]
    batch = batch_document("echo", outcomes, [None] * 4, 1.0, Parallel(2, 1), 0, {})
    for document in (halted, trapped, batch):
        assert (document["schema"], document["kind"]) == ("veritape.run/1", "simulated")
        assert text(document).startswith("executed, not proven")
    assert (halted["ok"], trapped["ok"], batch["ok"]) == (True, False, False)
    assert [item["reason"] for item in batch["items"]] == [
        None,
        "cancelled",
        "deadline_exceeded",
        "worker_lost",
    ]
    with pytest.raises(ValueError, match="halted"):
        trap_document("echo", "id", SIMULATOR.machine(ECHO, b"abcd"), 0.1)


def test_a_batch_says_where_each_receipt_came_from() -> None:
    """EX-344: each receipt counts once, as executed, as found or as an earlier item's; an item names the one that it equals."""
    data = SIMULATOR.run(ECHO, b"abcd").to_bytes()
    new, found = Executed(data, 0), Executed(data, 1, cached=True)
    lost = Failed(RuntimeReason.WORKER_LOST, "twice")
    outcomes: list[Outcome] = [new, found, new, new, found, lost, lost]
    batch = batch_document("echo", outcomes, [None, None, 0, 0, 1, None, 5], 1.0, Parallel(2, 1), 0, {})
    assert [batch[name] for name in ("executed", "same", "cached", "failed")] == [1, 3, 1, 2]
    assert [item["same_as"] for item in batch["items"]] == [None, None, 0, 0, 1, None, 5]
    assert "1 executed, 3 the same as another, 1 from the cache, 2 failed" in text(batch)
    alone = batch_document("echo", [new], [None], 1.0, Parallel(2, 1), 0, {})
    assert text(alone).endswith("1 executed, 0 from the cache, 0 failed in 1.00 s in this process")
    for started, said in ((1, "on 1 worker"), (2, "on 2 workers")):
        batch = batch_document("echo", [new], [None], 1.0, Parallel(2, 1), started, {})
        assert (batch["workers_started"], text(batch).endswith(said)) == (started, True)
