"""Keeps what the executor tells of: a ``Note`` for tests."""

from dataclasses import dataclass, field
from typing import Any

from veritape.executor.log_events import LogEvent


@dataclass
class Noted:
    """Events with their fields, in order."""

    events: list[tuple[LogEvent, dict[str, Any]]] = field(default_factory=list)

    def __call__(self, event: LogEvent, /, **fields: object) -> None:
        self.events.append((event, fields))

    def of(self, event: LogEvent) -> list[dict[str, Any]]:
        return [fields for name, fields in self.events if name is event]
