"""Names of receipts."""

from veritape.executor.tapes import TapeKey, parse_receipt_name, receipt_name


def test_a_receipts_name_tells_program_and_tape() -> None:
    """EX-312: the name is for people and idempotence; any other name is not ours."""
    for segment in ("09", "15-late-2"):
        key = TapeKey("KRX", "20131007", segment, "990001")
        assert parse_receipt_name(receipt_name("vwap", key)) == ("vwap", key)
    assert receipt_name("vwap", key) == "vwap.KRX.20131007.15-late-2.990001.sim"
    for name in ("vwap.sim", ".vwap.KRX.20131007.09.990001.sim.tmp", "vwap.KRX.20131007.09.990001.proof"):
        assert parse_receipt_name(name) is None
