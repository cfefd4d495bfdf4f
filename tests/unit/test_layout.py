"""The shape of the tree: tests mirror the source, and the import contracts bite."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "veritape"

PLANTED = {
    "Layers of the product": ("wire/planted.py", "from veritape import observer\n"),
    "Subject modules do no input or output": ("observer/planted.py", "import socket\n"),
    "Subject modules know no adapter": ("gateway/planted.py", "from veritape.gateway import adapters\n"),
    "The kernel is alone": ("kernel/planted.py", "import numpy\n"),
}


def test_every_module_has_a_test_file_of_its_name() -> None:
    missing = [
        str(module.relative_to(SOURCE))
        for module in SOURCE.rglob("*.py")
        if module.name not in {"__init__.py", "__main__.py"}
        and not (ROOT / "tests" / "unit" / module.relative_to(SOURCE).parent / f"test_{module.name}").exists()
    ]
    assert missing == []


def test_every_subject_package_stands_under_the_contract_on_input_and_output() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    guarded = next(c for c in contracts if c["name"] == "Subject modules do no input or output")[
        "source_modules"
    ]
    packages = {f"veritape.{path.parent.name}" for path in SOURCE.glob("*/__init__.py")}
    assert packages - {"veritape.kernel", "veritape.apps", "veritape.boards"} == set(guarded)


def lint_imports(project: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [linter, "--no-cache"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(project / "src")},
    )


@pytest.fixture(scope="module")
def project_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(SOURCE, project / "src" / "veritape", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    return project


def test_a_violation_is_planted_for_every_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(PLANTED)


@pytest.mark.parametrize("contract", PLANTED)
def test_a_planted_violation_breaks_its_contract(contract: str, project_copy: Path) -> None:
    place, text = PLANTED[contract]
    planted = project_copy / "src" / "veritape" / place
    planted.write_text(f'"""Planted."""\n{text}')
    try:
        answer = lint_imports(project_copy)
    finally:
        planted.unlink()
    assert answer.returncode == 1
    assert f"{contract} BROKEN" in answer.stdout


def test_the_tree_keeps_every_contract(project_copy: Path) -> None:
    answer = lint_imports(project_copy)
    assert answer.returncode == 0, answer.stdout
