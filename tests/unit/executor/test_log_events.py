"""Events of the executor's log."""

import re
from pathlib import Path

from veritape.executor.log_events import LEVELS, LogEvent


def test_every_event_is_a_fixed_text_in_snake_case_and_documented() -> None:
    """TL-610, TL-620: from a StrEnum per part, never formatted, each with its level; the guide names both."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "operate.md").read_text()
    for event in LogEvent:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", event)
        assert f"`{event}`" in guide
        assert f"| `{event}` | {LEVELS[event]} |" in guide
    assert {LEVELS[LogEvent.TAPE_FAILED], LEVELS[LogEvent.ENTRY_REFUSED]} == {"error", "warning"}
