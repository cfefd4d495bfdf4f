"""Sessions, calls, token, sweeps and connection: metrics from live state."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from veritape.kernel.settings import load_settings
from veritape.observer import flow_metrics as metrics
from veritape.observer.adapters.broker_rest import Exchange
from veritape.observer.adapters.flow_instruments import FlowInstruments
from veritape.observer.lanes import Lane
from veritape.observer.sessions import Hours
from veritape.observer.settings import RecordSettings
from veritape.telemetry import Registry

SECOND = 10**9
MIDNIGHT_NS = 1_381_071_600 * SECOND
"""2013-10-07 in Seoul."""


def instruments(tmp_path: Path) -> tuple[FlowInstruments, Registry]:
    text = f'[observer]\ndata_dir = "{tmp_path}"\n[kis]\nappkey = "k"\nappsecret = "s"\n'
    settings = load_settings(RecordSettings, text.encode(), {}, "VERITAPE_RECORD")
    registry = Registry(metrics.FLOW, strict=True)
    return FlowInstruments(registry, settings, 7 * SECOND), registry


def rest(pending: int = 0, **outcomes: int) -> Any:
    return SimpleNamespace(pending=pending, keeper=SimpleNamespace(outcomes=Counter(outcomes)))


def a_day(connects: int = 1, trades: int = 10, codes: int = 61, provenance: str = "fresh") -> Any:
    stream = SimpleNamespace(
        connects=Counter(ok=connects, timeout=1),
        kinds=Counter(trade=trades, control=2),
        last_frame_ns=9 * SECOND,
    )
    manifests = [{"received": 3, "ended_ns": 8 * SECOND}, {"received": 0, "ended_ns": 99 * SECOND}]
    return SimpleNamespace(
        stream=stream, hours=Hours(32_400, 55_800), codes=("990001",) * codes, manifests=manifests[:1],
        universe={"provenance": provenance},
    )  # fmt: skip


def test_attempts_and_waits_are_counted_as_they_end(tmp_path: Path) -> None:
    """TL-210, TL-220: duration, cause, last answer; only lanes whose wait matters."""
    watching, registry = instruments(tmp_path)
    assert registry.value(metrics.LAST_RESPONSE) == 7
    watching.exchanged(Exchange(0.2, "MCA00000", "", True, 11 * SECOND))
    watching.exchanged(Exchange(10.0, "", "timeout", False, 30 * SECOND))
    assert registry.value(metrics.API_SECONDS) == 2
    assert (
        registry.value(metrics.API_RESPONSES, code="ok")
        == registry.value(metrics.API_RESPONSES, code="timeout")
        == 1
    )
    assert registry.value(metrics.LAST_RESPONSE) == 11
    for lane, waited_ns in (
        (Lane.SWEEP, SECOND),
        (Lane.SWEEP, 0),
        (Lane.BACKFILL, SECOND),
        (Lane.TOKEN, SECOND),
    ):
        watching.waited(lane, waited_ns)
    assert registry.value(metrics.DELAYS) == registry.value(metrics.DELAY_SECONDS) == 2


def test_the_live_state_is_read_each_second(tmp_path: Path) -> None:
    """TL-210, TL-220: sessions by the calendar, the sweep's budget, connection and token."""
    watching, registry = instruments(tmp_path)
    watching.measure(None, rest(pending=4, issued=1, refused=2), MIDNIGHT_NS)
    assert registry.value(metrics.API_PENDING) == 4
    assert (
        registry.value(metrics.TOKEN_REFRESHES)
        == registry.value(metrics.TOKEN_ATTEMPTS, outcome="issued")
        == 1
    )
    assert registry.value(metrics.TOKEN_ATTEMPTS, outcome="refused") == 2
    assert registry.value(metrics.TOKEN_MARGIN) == 3_600
    for second, is_open, is_required in (
        (28_799, 0, 0),
        (28_800, 0, 1),
        (32_400, 1, 1),
        (55_800, 1, 1),
        (55_801, 0, 0),
    ):
        watching.measure(a_day(), rest(issued=1, refused=2), MIDNIGHT_NS + second * SECOND)
        assert registry.value(metrics.SESSION_OPEN, track="a") == is_open
        assert registry.value(metrics.SESSION_OPEN, track="b") == is_open
        assert registry.value(metrics.TOKEN_REQUIRED) == is_required
    assert registry.value(metrics.BUDGET) == 1 + 2 * 3 / 18
    assert (registry.value(metrics.LAST_SNAPSHOT), registry.value(metrics.LAST_FRAME)) == (8, 9)
    assert registry.value(metrics.UNIVERSE_STALE) == 0


def test_a_new_days_counts_are_added_to_the_old_ones(tmp_path: Path) -> None:
    """TL-080: connections and messages begin at 0 with each day; here they only rise."""
    watching, registry = instruments(tmp_path)
    first = a_day(connects=2, trades=10)
    for day in (first, first, a_day(connects=1, trades=5, provenance="kept_from:20131004")):
        watching.measure(day, rest(), MIDNIGHT_NS)
    assert registry.value(metrics.CONNECT_ATTEMPTS, outcome="ok") == 3
    assert registry.value(metrics.FRAMES, kind="trade") == 15
    assert registry.value(metrics.UNIVERSE_STALE) == 1
