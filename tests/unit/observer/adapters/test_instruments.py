"""Metrics from live state: counts only rise, also over the days."""

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from veritape.kernel.settings import load_settings
from veritape.observer import metrics
from veritape.observer.adapters.backup.records import State
from veritape.observer.adapters.instruments import Instruments
from veritape.observer.decisions import Decision
from veritape.observer.frames import FrameReason, Refusal
from veritape.observer.ledger_metrics import GAP_SECONDS
from veritape.observer.readiness import Check, Facts
from veritape.observer.recorder import Applied
from veritape.observer.session import SessionState
from veritape.observer.settings import RecordSettings
from veritape.observer.slots import SlotState
from veritape.observer.triggers import Trigger
from veritape.telemetry import Registry
from veritape.telemetry.metrics import CHECKS, READY_CHECK

SECOND = 1_000_000_000
FACTS = Facts(True, True, None, True, 0, False, 0, 1 << 40, 1 << 40, 1 << 30, 0)
UNIVERSE = {"day": "20131007", "count": 3, "created": ["a", "b"], "deleted": ["c"]}


def instruments(tmp_path: Path) -> tuple[Instruments, Registry]:
    text = f'[observer]\ndata_dir = "{tmp_path}"\n[kis]\nappkey = "k"\nappsecret = "s"\n'
    settings = load_settings(RecordSettings, text.encode(), {}, "VERITAPE_RECORD")
    registry = Registry((*metrics.METRICS, READY_CHECK), strict=True)
    return Instruments(registry, settings, 5 * SECOND), registry


def rest(expires_ns: int | None = None, **outcomes: int) -> Any:
    token = None if expires_ns is None else SimpleNamespace(expires_ns=expires_ns)
    counted = Counter({("TR", reaction): count for reaction, count in outcomes.items()})
    return SimpleNamespace(outcomes=counted, tokens=SimpleNamespace(token=token))


def daybook(written: int = 0) -> Any:
    return SimpleNamespace(writer=SimpleNamespace(watermark=SimpleNamespace(bytes_written=written)))


def a_day(
    acknowledged: dict[str, int], *states: SlotState, manifests: list[dict[str, Any]] | None = None
) -> Any:
    slots = SimpleNamespace(
        codes=41,
        slots={str(number): SimpleNamespace(state=state) for number, state in enumerate(states)},
        active=[state for state in states if state is SlotState.ACTIVE],
    )
    stream = SimpleNamespace(
        slots=slots, session=SimpleNamespace(state=SessionState.LIVE), acknowledgements=Counter(acknowledged)
    )
    chooser = SimpleNamespace(
        fired=Counter({Trigger.RANKING: 2, Trigger.MANUAL: 1}), decided=Counter({Decision.OVERFLOW: 3})
    )
    return SimpleNamespace(
        stream=stream,
        chooser=chooser,
        manifests=manifests or [],
        universe=UNIVERSE,
        universes=SimpleNamespace(built=(None, 3)),
    )


def test_trades_gaps_and_quarantine_are_counted_as_they_become_durable(tmp_path: Path) -> None:
    """TL-210, TL-220, OB-005: from acknowledged frames only."""
    watching, registry = instruments(tmp_path)
    watching.applied(Applied(recorded=3, holes=1))
    watching.applied(Applied(recorded=2, refusal=Refusal(FrameReason.UNKNOWN_WIDTH, "H0STCNT0", 48)))
    assert registry.value(metrics.TRADES_RECORDED, venue="krx") == 5
    assert registry.value(GAP_SECONDS) == 1
    assert registry.value(metrics.PARSE_ERRORS, reason="unknown_width") == 1


def test_calls_token_journal_and_speed_follow_the_live_state(tmp_path: Path) -> None:
    """TL-210: attempts and failures, the token's rest, bytes, trades a second over ten seconds."""
    watching, registry = instruments(tmp_path)
    for second in range(12):
        watching.applied(Applied(recorded=20))
        watching.measure(
            None,
            rest(90 * SECOND, ok=second, retry=1),
            daybook(100 * second),
            30 * SECOND,
            (5 + second) * SECOND,
        )
    assert registry.value(metrics.API_REQUESTS) == registry.value(metrics.PERMITS) == 12
    assert registry.value(metrics.API_ERRORS) == 1
    assert registry.value(metrics.TOKEN_VALIDITY) == 60
    assert registry.value(metrics.JOURNAL_BYTES) == 1_100
    assert registry.value(metrics.COLLECTION_SPEED) == 20
    assert registry.value(metrics.UPTIME) == 11


def test_a_new_days_counts_are_added_to_the_old_ones(tmp_path: Path) -> None:
    """TL-080: a counter never falls, although a day's own counts start at 0."""
    watching, registry = instruments(tmp_path)
    sweep = {
        "expected": 3, "received": 2, "calls": 1, "missing": {"990001": "deadline"}, "started_ns": 0, "ended_ns": 2 * SECOND,
    }  # fmt: skip
    skipped = {**sweep, "received": 0, "calls": 0, "missing": dict.fromkeys("abc", "process_down")}
    first = a_day({"OPSP0000": 3, "OPSP0007": 1}, SlotState.ACTIVE, SlotState.REQUESTED, manifests=[sweep])
    for day in (first, first, a_day({"OPSP0000": 2}, SlotState.FREE, manifests=[skipped])):
        watching.measure(cast("Any", day), rest(), daybook(), 0, 5 * SECOND)
    assert registry.value(metrics.ACKNOWLEDGED, code="OPSP0000") == 5
    assert registry.value(metrics.ACKNOWLEDGED, code="other") == 1
    assert (
        registry.value(metrics.CYCLES, outcome="partial")
        == registry.value(metrics.CYCLES, outcome="skipped")
        == 1
    )
    assert (registry.value(metrics.SWEEP_EXPECTED), registry.value(metrics.SNAPSHOTS)) == (6, 2)
    assert registry.value(metrics.SWEEP_MISSING, reason="process_down") == 3
    assert registry.value(metrics.SWEEP_SECONDS) == 1
    assert (registry.value(metrics.TRIGGERS_FIRED), registry.value(metrics.TRIGGERS, kind="ranking")) == (
        6,
        4,
    )
    assert registry.value(metrics.SLOT_EVENTS, event="overflow") == 6
    assert registry.value(metrics.SLOT_LIMIT) == 41
    assert registry.value(metrics.UNIVERSE_SIZE) == registry.value(metrics.UNIVERSE_CANDIDATE) == 3
    assert math.isnan(registry.value(metrics.UNIVERSE_PREVIOUS))
    assert (registry.value(metrics.UNIVERSE_CREATED), registry.value(metrics.UNIVERSE_DELETED)) == (2, 1)
    assert registry.value(metrics.SLOTS_ALLOCATED) == 0
    assert registry.value(metrics.CONNECTED) == 1


def test_the_last_backup_and_drill_are_known_once_there_is_a_target(tmp_path: Path) -> None:
    """OB-762, OB-961: never: since when there is a target; without one NaN."""
    one, registry = instruments(tmp_path)
    one.kept(State())
    assert math.isnan(registry.value(metrics.BACKUP_TIME))
    one.kept(State(target_ns=5 * SECOND))
    assert (registry.value(metrics.BACKUP_TIME), registry.value(metrics.DRILL_TIME)) == (5, 5)
    one.kept(State(target_ns=5 * SECOND, backup_ns=7 * SECOND, drill_ns=9 * SECOND))
    assert (registry.value(metrics.BACKUP_TIME), registry.value(metrics.DRILL_TIME)) == (7, 9)


def test_the_recorders_checks_are_shown_and_nobody_elses(tmp_path: Path) -> None:
    """TL-720, TL-730: each check by its name, 1 or 0; the names are of the family that all parts share."""
    one, registry = instruments(tmp_path)
    one.checked(FACTS)
    shown = {check: registry.value(READY_CHECK, check=check) for check in CHECKS}
    assert {check for check, value in shown.items() if value == 0} == {Check.TOKEN_VALID, Check.WEBSOCKET}
    assert {check for check, value in shown.items() if not math.isnan(value)} == set(Check)
