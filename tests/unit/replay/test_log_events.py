"""Events of the replayed broker's log."""

import re
from pathlib import Path

from veritape.replay.log_events import LogEvent


def test_every_event_is_a_fixed_text_in_snake_case_and_documented() -> None:
    """TL-610: from a StrEnum per part, never formatted; the guide names each."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "operate.md").read_text()
    for event in LogEvent:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", event)
        assert f"`{event}`" in guide
