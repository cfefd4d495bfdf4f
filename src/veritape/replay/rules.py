"""Which rule of the protocol a refusal follows: the id that the event log names (KIS-221)."""

from types import MappingProxyType
from typing import Final

RULES: Final = MappingProxyType(
    {
        "OPSP0002": "KIS-106", "OPSP0003": "KIS-106", "OPSP0008": "KIS-170", "OPSP0011": "KIS-115",
        "OPSP8996": "KIS-115", "EGW00121": "KIS-034", "EGW00122": "KIS-034", "EGW00123": "KIS-034",
        "EGW00133": "KIS-033", "EGW00201": "KIS-171", "EGW02004": "KIS-015", "404": "KIS-017",
    }
)  # fmt: skip
"""Codes with a rule of their own."""

BY_PREFIX: Final = (("OPSP", "KIS-107"), ("EGW00205", "KIS-020"), ("EGW001", "KIS-037"), ("OPSQ", "KIS-072"))
"""The rule of all other codes."""


def rule_of(code: str) -> str:
    """Return the id of the rule that a code enforces."""
    return RULES.get(code) or next((rule for prefix, rule in BY_PREFIX if code.startswith(prefix)), "KIS-040")
