"""Names of receipts, and which are kept."""

from veritape.executor.tapes import TapeKey, first_kept_day, parse_receipt_name, receipt_name


def test_a_receipts_name_tells_program_and_tape() -> None:
    """EX-312: the name is for people and idempotence; any other name is not ours."""
    for segment in ("09", "15-late-2"):
        key = TapeKey("KRX", "20131007", segment, "990001")
        assert parse_receipt_name(receipt_name("vwap", key)) == ("vwap", key)
    assert receipt_name("vwap", key) == "vwap.KRX.20131007.15-late-2.990001.sim"
    for name in ("vwap.sim", ".vwap.KRX.20131007.09.990001.sim.tmp", "vwap.KRX.20131007.09.990001.proof"):
        assert parse_receipt_name(name) is None


def test_days_are_kept_back_from_the_newest_sealed_one() -> None:
    """EX-661: retention_days counts calendar days, the newest among them; 0 keeps all, and so does a folder without seals."""
    days = ("20131007", "20131101", "20131008")
    assert [first_kept_day(days, count) for count in (1, 2, 26, 0)] == [
        "20131101",
        "20131031",
        "20131007",
        "",
    ]
    assert first_kept_day((), 5) == ""
