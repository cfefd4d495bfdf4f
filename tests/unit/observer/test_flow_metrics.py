"""Families of sessions, calls, token, sweeps and connection as values."""

import pytest

from veritape.observer.flow_metrics import API_RESPONSES, FLOW, response_cause


def test_their_names_and_series() -> None:
    """TL-210, TL-220: distinct; a series for each cause of an answer."""
    assert len({metric.name for metric in FLOW}) == len(FLOW) == 17
    assert API_RESPONSES.series == 12


@pytest.mark.parametrize(
    ("code", "reason", "answered", "cause"),
    [
        ("MCA00000", "", True, "ok"), ("", "", True, "ok"), ("", "bad_json", True, "other"), ("EGW00201", "", True, "EGW00201"),
        ("EGW00304", "refused", True, "EGW0030x"), ("EGW99999", "refused", True, "other"), ("", "timeout", False, "timeout"),
        ("", "transport", False, "transport"), ("", "else", False, "other"),
    ],
)  # fmt: skip
def test_every_attempt_has_one_cause(code: str, reason: str, answered: bool, cause: str) -> None:
    """TL-220: the broker's code, ok, or what kept the attempt from an answer."""
    assert response_cause(code, reason, answered=answered) == cause
