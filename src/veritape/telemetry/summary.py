"""The summary of ``/metrics.json``: the figures and names that users of the source know, from live families (TL-150).

A figure whose family this process does not have, or that is not known yet, is null; nothing is guessed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

Families = Mapping[str, Sequence[Mapping[str, Any]]]
"""Family -> series, as ``Page.families`` gives them."""

COUNTS: Final = {
    "universe": {
        "current_size": "observer_universe_size", "total_created": "observer_universe_created_total",
        "total_deleted": "observer_universe_deleted_total",
    },
    "track_a": {"snapshots_collected": "observer_track_a_snapshots_total"},
    "track_b": {
        "total_slots": "observer_track_b_slots_total", "allocated_slots": "observer_track_b_slots_allocated",
        "triggers": "observer_track_b_triggers_total", "collection_speed": "observer_track_b_collection_speed",
    },
    "token": {
        "refreshes": "observer_token_refreshes_total", "validity_seconds": "observer_token_validity_seconds",
    },
    "gaps": {
        "total_detected": "observer_gaps_detected_total", "low_severity": "observer_gaps_low_total",
        "medium_severity": "observer_gaps_medium_total", "high_severity": "observer_gaps_high_total",
    },
    "rate_limiting": {
        "tokens_consumed": "observer_rate_limit_tokens_total", "total_delays": "observer_rate_limit_delays_total",
    },
    "api": {"total_requests": "observer_api_requests_total", "total_errors": "observer_api_errors_total"},
    "rate_limiter": {
        "total_requests": "rate_limiter_requests_total", "total_rejected": "rate_limiter_requests_rejected_total",
        "cache_hits": "rate_limiter_cache_hits_total", "cache_misses": "rate_limiter_cache_misses_total",
        "active_users": "rate_limiter_active_users", "active_ips": "rate_limiter_active_ips",
    },
}  # fmt: skip
"""Section -> figure -> the family that it is."""

Number = float | None


def summary(families: Families) -> dict[str, dict[str, Number]]:
    """Return the sections of the source with what it lacked."""
    found = {
        section: {name: _value(families, family) for name, family in figures.items()}
        for section, figures in COUNTS.items()
    }
    slots, api, limiter = found["track_b"], found["api"], found["rate_limiter"]
    slots["available_slots"] = _difference(slots["total_slots"], slots["allocated_slots"])
    found["track_a"]["avg_collection_duration_ms"] = _mean_ms(
        families, "observer_track_a_collection_duration_seconds"
    )
    api["error_rate"] = _share(api["total_errors"], api["total_requests"])
    api["avg_request_duration_ms"] = _mean_ms(families, "observer_api_request_duration_seconds")
    rejected = _share(limiter["total_rejected"], limiter["total_requests"])
    limiter["rejection_rate_percent"] = _percent(rejected)
    hits, misses = limiter["cache_hits"], limiter["cache_misses"]
    asked = None if hits is None or misses is None else hits + misses
    limiter["cache_hit_ratio_percent"] = _percent(_share(hits, asked))
    return found


def _value(families: Families, name: str) -> Number:
    """Return the sum of a family's series; None when one is not known or there is none."""
    values = [series["value"] for series in families.get(name, ())]
    return sum(values) if values and None not in values else None


def _mean_ms(families: Families, name: str) -> Number:
    series = families.get(name)
    if not series or not series[0]["value"]:
        return None
    return float(1_000 * series[0]["sum"] / series[0]["value"])


def _share(part: Number, whole: Number) -> Number:
    return None if part is None or not whole else part / whole


def _difference(total: Number, taken: Number) -> Number:
    return None if total is None or taken is None else total - taken


def _percent(share: Number) -> Number:
    return None if share is None else round(100 * share, 2)
