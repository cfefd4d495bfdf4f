"""The generated table of metrics."""

from pathlib import Path

import pytest

from veritape.apps.metrics_reference import catalogue, main, reference

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_the_table_is_current() -> None:
    """TL-940: the documentation lists every metric."""
    assert DOCUMENT.read_text() == reference(), (
        "run python -m veritape.apps.metrics_reference docs/metrics.md"
    )


def test_the_catalogue_keeps_its_bounds() -> None:
    """TL-090: at most 190 families and 2,000 series, at most 350 in any family; each family once."""
    metrics = [metric for part in catalogue().values() for metric in part]
    assert 0 < len(metrics) == len({metric.name for metric in metrics}) <= 190
    assert sum(metric.series for metric in metrics) <= 2000
    assert max(metric.series for metric in metrics) <= 350


def test_a_table_that_is_not_current_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """TL-940: a planted change fails the check, and writing mends it."""
    file = tmp_path / "metrics.md"
    assert main([str(file), "--check"]) == 1
    assert "is not current" in capsys.readouterr().err
    assert main([str(file)]) == 0
    assert main([str(file), "--check"]) == 0
    file.write_text(file.read_text().replace("veritape_part_up", "veritape_part_down"))
    assert main([str(file), "--check"]) == 1
