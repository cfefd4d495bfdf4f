"""What a drill says."""

from veritape.observer import drill
from veritape.observer.drill import Difference, Proven
from veritape.observer.manifests import BackupReason, LineFigures, Totals

ZERO = Totals(trades=0, shares=0, value_krw=0)
ONE = Totals(trades=1, shares=2, value_krw=3)


def line(recorded: Totals = ONE, status: str = "complete") -> LineFigures:
    return LineFigures(anchor=None, recorded=recorded, backfilled=ZERO, residual=ZERO, status=status)


def test_equal_figures_are_no_difference() -> None:
    """OB-762: every line's figures are compared."""
    assert drill.compare({"990001": line()}, {"990001": line()}, "a", "b") == []
    assert drill.compare_sealed({"990001": ONE}, {"990001": line(), "990002": line(ZERO)}) == []


def test_each_line_that_differs_is_named_with_both_figures() -> None:
    """OB-763: audit_differs, whichever side lacks or changes a line."""
    found = drill.compare(
        {"990001": line(), "990002": line()},
        {"990001": line(status="residual"), "990003": line()},
        "the manifest",
        "we",
    )
    assert [one.reason for one in found] == [BackupReason.AUDIT_DIFFERS] * 3
    assert found[0].detail == (
        "990001: the manifest has complete, recorded 1 trades 2 shares 3 won, residual 0 trades 0 shares 0 won,"
        " we residual, recorded 1 trades 2 shares 3 won, residual 0 trades 0 shares 0 won"
    )
    assert found[1].detail.endswith("we nothing")
    sealed = drill.compare_sealed({"990001": ZERO, "990009": ONE}, {"990001": line()})
    assert [one.detail.partition(":")[0] for one in sealed] == ["990001", "990009"]


def test_the_statement_in_both_forms() -> None:
    """OB-762: files, bytes, lines compared, differences, seconds; passed only with zero differences and something compared."""
    wrong = Difference(BackupReason.OBJECT_MISSING, "trades/a: gone")
    bad = Proven("file:///b", "20131007-1", "20131007", 6, 1234567, 3, (wrong,))
    assert bad.document(1500) == {
        "format": "veritape.drill.v1", "target": "file:///b", "manifest": "20131007-1", "day": "20131007", "files": 6,
        "bytes": 1234567, "lines": 3, "differences": [{"reason": "object_missing", "detail": "trades/a: gone"}],
        "duration_ms": 1500, "passed": False,
    }  # fmt: skip
    assert drill.text(bad.document(1500)) == (
        "drill of 20131007-1 from file:///b: FAILED: 1 differences; 6 files, 1,234,567 bytes, 3 lines compared, 1.5 s\n"
        "  object_missing: trades/a: gone"
    )
    assert bad._replace(differences=()).passed
    assert not bad._replace(differences=(), files=0).passed
    assert "passed; 6 files" in drill.text(bad._replace(differences=()).document(1))
