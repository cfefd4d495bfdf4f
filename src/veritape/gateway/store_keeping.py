"""How a Redis must be set to keep counters, and what is lost when it is set otherwise (GW-259, GW-260)."""

from collections.abc import Mapping
from typing import Final

ASKED: Final = ("maxmemory-policy", "appendonly", "appendfsync")
"""Parameters of Redis that are looked at."""

UNKNOWN: Final = (
    "redis_unknown: CONFIG GET is refused: see that maxmemory-policy is noeviction, appendonly yes and appendfsync everysec,"
    " or allow +config|get"
)
"""What is said of a Redis that does not show its parameters."""


def why_it_evicts(parameters: Mapping[str, str]) -> str | None:
    """Return why a Redis cannot be used that throws counters away when it is full, None when it does not."""
    policy = parameters.get("maxmemory-policy", "noeviction")
    return None if policy == "noeviction" else f"redis_evicts: maxmemory-policy is {policy}: set noeviction"


def what_it_forgets(parameters: Mapping[str, str]) -> list[str]:
    """Return what a restart or a power loss costs beyond the documented setting, a line each; none with it.

    Months are never lost, they come back from the ledger; so it is about what the buckets owe.
    """
    if parameters.get("appendonly", "yes") != "yes":
        return [
            "redis_forgets: appendonly is no: a restart of Redis gives every subject a full burst again: set appendonly yes"
        ]
    if parameters.get("appendfsync", "everysec") == "no":
        return [
            "redis_forgets: appendfsync is no: a power loss gives back what was admitted in up to 30 s: set appendfsync everysec"
        ]
    return []
