"""Settings of the triggers: the specification's table by default, one value at a time otherwise."""

import pytest
from pydantic import ValidationError

from veritape.observer.trigger_settings import TriggerSettings
from veritape.observer.triggers import RULES, Rule, Trigger


def test_the_defaults_are_the_table() -> None:
    """OB-302, OB-981."""
    assert TriggerSettings().rules() == dict(RULES)


def test_one_value_changes_and_the_others_stay() -> None:
    """OB-981: triggers.<name>.enabled, threshold, weight, lifetime_seconds."""
    settings = TriggerSettings.model_validate({"volatility": {"threshold": 4, "enabled": False}})
    assert settings.rules() == {**RULES, Trigger.VOLATILITY: Rule(4.0, 6.0, 300, enabled=False)}


@pytest.mark.parametrize("name", ["threshold", "weight", "lifetime_seconds"])
@pytest.mark.parametrize("trigger", list(RULES))
def test_values_out_of_range_are_refused(trigger: Trigger, name: str) -> None:
    """OB-981: out of range: an error that names the key."""
    for value in (-1, 10**6):
        with pytest.raises(ValidationError, match=rf"{trigger.value}\.{name}"):
            TriggerSettings.model_validate({trigger.value: {name: value}})
