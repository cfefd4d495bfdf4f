"""Inputs of the engine: what is written is what is read."""

import json

from veritape.kernel.canonical import canonical_json
from veritape.observer.decisions import Limits
from veritape.observer.inputs import Input, begun, configured, rows_of, rules_of, sweep
from veritape.observer.notes import NoteKind, note
from veritape.observer.quotes import Quote
from veritape.observer.triggers import RULES, Rule, Snapshot, Trigger

QUOTE = Quote("990001", 10, 11, 12, 9, 0, 0, 0, 0, 500, 5_000, 10)


def test_a_sweep_comes_back_as_it_was() -> None:
    """OB-306: a note in canonical JSON, integers only."""
    written = note(NoteKind.TRACK_B, day="20131007", at_ns=7, **sweep(Input.SWEEP, 32_400, [QUOTE]))
    document = json.loads(written)
    assert canonical_json(document) == written
    assert (document["note"], document["input"], document["grid_s"]) == ("track_b", "sweep", 32_400)
    assert rows_of(document) == {"990001": Snapshot(10, 11, 12, 9, 500, 5_000, 10)}


def test_settings_come_back_as_they_were() -> None:
    """OB-306: thresholds in millionths."""
    rules = {**RULES, Trigger.PRICE_SPIKE: Rule(0.045, 6.5, 200, enabled=False)}
    document = json.loads(canonical_json(configured(rules, Limits(41), ["990001"])))
    assert rules_of(document["rules"]) == rules
    assert Limits(**document["limits"]) == Limits(41)
    assert document["rules"]["price_spike"]["threshold_micro"] == 45_000
    assert document["pinned"] == ["990001"]


def test_a_day_begins_with_its_codes() -> None:
    assert begun((1, 2), 600, 40, {"A": (7, 8, True)}, ("B",)) == {
        "input": "begun", "open_s": 1, "close_s": 2, "interval_s": 600, "cycles": 40, "codes": {"A": [7, 8, 1]},
        "carried": ["B"],
    }  # fmt: skip
