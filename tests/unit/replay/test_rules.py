"""Every refusal has a rule."""

import pytest

from veritape.replay.rules import rule_of
from veritape.wire.kis.codes import REST, WEBSOCKET


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("OPSP0008", "KIS-170"), ("OPSP8996", "KIS-115"), ("OPSP9999", "KIS-107"), ("EGW00201", "KIS-171"),
        ("EGW00133", "KIS-033"), ("EGW00104", "KIS-037"), ("OPSQ2002", "KIS-072"), ("EGW00300", "KIS-040"),
    ],
)  # fmt: skip
def test_a_refusal_names_its_rule(code: str, rule: str) -> None:
    """KIS-221: the event log says which rule refused."""
    assert rule_of(code) == rule


def test_no_code_is_without_one() -> None:
    """KIS-221: each code of both tables."""
    assert all(rule_of(code).startswith("KIS-") for code in (*REST, *WEBSOCKET))
