"""The audit for people."""

from tests.tape import DAY, anchors, day_notes, frames, own_note, recorded

from veritape.observer import audit
from veritape.observer.audit import Evidence
from veritape.observer.audit_text import clock_text, text
from veritape.observer.notes import NoteKind

UNTIL = 32_400_000 + 600_000
SWEEPS = {"cycles": 1, "expected": 3, "received": 3, "missing": 0}


def test_outages_differences_and_anomalies_have_their_rows() -> None:
    """OB-677, OB-671, OB-676, OB-681: lines, then the parent gaps, then what the second ledger objects, then the verdict."""
    lost = own_note(
        NoteKind.WATCH_CLOSED, 32_700, day=DAY, code="990001", event_s=32_700, cause="ws_disconnect"
    )
    back = own_note(NoteKind.WATCH_OPENED, 32_740, day=DAY, code="990001", event_s=32_740)
    taped = [
        f for f in frames(("990001",), until_ms=UNTIL) if not 32_700 <= (f.monotonic_ns // 10**9) < 32_740
    ]
    recorder = recorded(*day_notes(("990001",)), lost, back, *taped, *anchors(("990001",), UNTIL))
    evidence = Evidence(differences={"990001": ["recorded shares: the ledger has 5, the segments 4"]})
    document = audit.document(recorder.days[DAY], "KRX", 1, SWEEPS, None, evidence)
    rows = text(document, "").splitlines()
    assert rows[2].startswith("990001  contradicted")
    assert rows[2].endswith("08:59:50-09:05:00 09:05:40-15:30:00")
    assert rows[3].startswith("connection ws_disconnect 09:05:00-09:05:40, 40 s in session, ")
    assert rows[4] == "990001  recorded shares: the ledger has 5, the segments 4"
    assert rows[5] == "anomaly day: high_gap, contradiction"
    assert rows[6].startswith("total   every line closes: recorded ")
    assert len(rows) == 7
    lasting = {**document["gaps"][0], "right": None}
    assert "09:05:00-now" in text({**document, "gaps": [lasting]}, "")
    assert "at least" not in text(document, "")
    ranged = {**document["gaps"][0], "trades": {"min": 1, "max": 9}}
    missing = document["gaps"][0]["residual"]["trades"]
    assert f"at least {missing:,} trades missing" in text({**document, "gaps": [ranged]}, "")


def test_seconds_as_a_clock() -> None:
    """OB-677."""
    assert [clock_text(s) for s in (0, 55_983)] == ["00:00:00", "15:33:03"]
