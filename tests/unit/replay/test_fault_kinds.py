"""The table of faults against the two specifications that name them."""

from pathlib import Path

from veritape.replay import fault_kinds
from veritape.replay.fault_kinds import KINDS, Form

OBSERVER_SPECIFICATION = (
    "drop duplicate reorder split merge truncate garble width delay silence close reset half_close no_ack late_ack limit opsp0011 "
    "opsp8996 egw00201 egw00123 egw00121 egw00133 http_5xx timeout slow token_expiry clock_skew late_open midnight restart bad_code "
    "master_collapse master_add token_life"
)
PROTOCOL_SPECIFICATION = (
    "ban rest status html kill_old approval_limit row_missing row_extra shuffle pbpr page_hole pad_future label_end holiday master_bad "
    "opsp ack_after_data ack_shuffle linger mute no_pingpong pingpong_flood no_pong fragment drop_record mix count_bad insert bad_cipher "
    "key_late window auction vi halt after_market"
)


def test_every_fault_of_the_specifications_is_there() -> None:
    """OB-851, KIS-220: the list of names, complete and with nothing else."""
    assert sorted(KINDS) == sorted(f"{OBSERVER_SPECIFICATION} {PROTOCOL_SPECIFICATION}".split())


def test_each_has_one_place_a_meaning_and_a_pattern_where_it_is_a_word() -> None:
    """OB-851: the four tables are apart."""
    tables = (
        fault_kinds.FRAME_KINDS,
        fault_kinds.SOCKET_KINDS,
        fault_kinds.REST_KINDS,
        fault_kinds.DAY_KINDS,
    )
    assert sum(map(len, tables)) == len(KINDS)
    for kind in KINDS.values():
        assert kind.meaning
        assert bool(kind.pattern) == (kind.form is Form.WORD)


def test_the_guide_has_a_row_for_each() -> None:
    """OB-851: the table in the guide is this one."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "replay.md").read_text()
    assert [
        name
        for name, kind in KINDS.items()
        if f"| `{name}` | {kind.form.value} | {kind.meaning} |" not in guide
    ] == []
