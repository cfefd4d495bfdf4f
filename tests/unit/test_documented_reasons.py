"""Every reason, state and event is documented where it stands."""

import ast
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "veritape"


def undocumented(tree: ast.AST, place: str) -> list[str]:
    missing = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or "StrEnum" not in {ast.unparse(base) for base in node.bases}:
            continue
        for index, member in enumerate(node.body):
            following = node.body[index + 1] if index + 1 < len(node.body) else None
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if isinstance(member, ast.Assign) and not documented:
                missing.append(f"{place}: {node.name}.{ast.unparse(member.targets[0])}")
    return missing


def test_every_member_of_an_enumeration_has_a_string_beneath_it() -> None:
    """OB-006: every refusal and cause is a documented StrEnum member."""
    found = [
        one
        for path in sorted(SOURCE.rglob("*.py"))
        for one in undocumented(ast.parse(path.read_text()), path.name)
    ]
    assert found == []


def test_a_member_without_one_is_found() -> None:
    planted = 'class R(StrEnum):\n    A = "a"\n    """Said."""\n    B = "b"\n'
    assert undocumented(ast.parse(planted), "p.py") == ["p.py: R.B"]
