"""``veritape inclusion``."""

import json
from pathlib import Path

from click.testing import CliRunner
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.apps.inclusion import inclusion


def test_a_simulated_file_has_no_inclusion_proof(tmp_path: Path) -> None:
    """EX-716: refused with simulated_not_proven, exit 1, nothing written."""
    path, output = tmp_path / "r.sim", tmp_path / "x.incl"
    path.write_bytes(SIMULATOR.run(ECHO, b"abcd").to_bytes())
    done = CliRunner().invoke(inclusion, [str(path), "0", "-o", str(output)], standalone_mode=False)
    assert done.return_value == 1
    assert done.output.startswith("refused: simulated_not_proven")
    shown = json.loads(
        CliRunner().invoke(inclusion, [str(path), "0", "--json"], standalone_mode=False).output
    )
    assert shown["reason"] == "simulated_not_proven"
    assert not output.exists()
