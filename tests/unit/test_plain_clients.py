"""The tests of faults see the wire as a stranger does."""

import ast
from pathlib import Path

from veritape.replay.fault_kinds import KINDS

TESTS = Path(__file__).resolve().parents[1]
STRANGERS = (
    "plain_client.py", "scenario/test_frame_faults.py", "scenario/test_command_faults.py", "scenario/test_call_faults.py",
    "scenario/test_broker_on_the_wire.py", "scenario/test_hostile_clients.py",
)  # fmt: skip


def test_they_import_nothing_of_the_recorder() -> None:
    """KIS-225: a plain socket client; nothing of veritape.observer."""
    for name in STRANGERS:
        tree = ast.parse((TESTS / name).read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        assert not [module for module in modules if module.startswith("veritape.observer")], name


def test_each_fault_is_named_in_one_of_them() -> None:
    """KIS-225: no fault without a test on the wire."""
    texts = "".join((TESTS / name).read_text() for name in STRANGERS).lower()
    named = [name for name in KINDS if f'"{name}' in texts or f"{name}=" in texts]
    assert sorted(set(KINDS) - set(named)) == []
