"""Limits, their evidence, and the sliding window."""

import ast
import os
import random
from pathlib import Path

from veritape.replay import limits
from veritape.replay.limits import PROFILES, Limits, SlidingWindow

SECOND = 1_000_000_000
STEPS = 100_000 if os.environ.get("VERITAPE_SOAK") else 20_000  # noqa: TID251 - the size of a test


def test_the_profiles_have_the_documented_numbers() -> None:
    """KIS-170: a real account 18 a second and 41 registrations, paper 1, a new applicant 3."""
    assert PROFILES["real"] == Limits(18, 60, 0.0, 41)
    assert {name: one.rest_per_s for name, one in PROFILES.items()} == {"real": 18, "paper": 1, "new": 3}


def test_each_number_carries_the_date_of_its_evidence() -> None:
    """KIS-173: the string beneath each setting names a year and month."""
    tree = ast.parse(Path(limits.__file__).read_text())
    (settings,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Limits")
    texts = [ast.unparse(node) for node in settings.body[1:] if isinstance(node, ast.Expr)]
    assert len(texts) == len(Limits.__dataclass_fields__)
    assert [text for text in texts if "20" not in text and "notice" not in text] == []


def test_the_window_equals_a_brute_force_count() -> None:
    """KIS-171: at most n calls in any (t - 1 s, t], refused calls included."""
    chance = random.Random(1)
    window, stamps, now, largest = SlidingWindow(18), [], 0, 0
    for _ in range(STEPS):
        now += chance.choice((0, 1, SECOND // 40, SECOND // 17, SECOND))
        stamps.append(now)
        inside = sum(now - SECOND < stamp for stamp in stamps[-200:])
        largest = max(largest, inside)
        assert window.admits(now) == (inside <= 18)
    assert window.largest == largest
