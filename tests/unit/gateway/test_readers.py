"""The readers in memory that the gateway's tests share."""

from veritape.gateway.readers import DayCompleteness, MemoryReceipts, MemoryTape, Segment


def test_a_tape_in_memory_answers_as_the_protocol_says() -> None:
    segment = Segment("20131007", "09", "d" * 64, 0, 0, 0, 1)
    tape = MemoryTape(
        {("20131007", "A"): [(segment, [])]}, {"20131008": DayCompleteness(True, 0, ())}, frozenset({"x"})
    )
    assert tape.days() == ["20131007", "20131008"]
    assert tape.segments("20131007", "A") == [segment]
    assert tape.segments("20131007", "B") == []
    assert tape.trades(segment, "A") == []
    assert tape.completeness("20131009") is None
    assert (tape.is_sealed("x"), tape.is_sealed("y")) == (True, False)
    assert MemoryReceipts().receipts() == ()
