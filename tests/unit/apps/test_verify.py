"""``veritape verify``."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.compiled import SIMULATOR
from tests.receipt_caches import ECHO

from veritape.apps.verify import verify
from veritape.kernel.errors import MisuseError


def test_a_simulated_receipt_is_refused_by_name(tmp_path: Path) -> None:
    """EX-319, EX-716: exit 1 with simulated_not_proven in text and JSON; nothing relaxes it."""
    path = tmp_path / "r.sim"
    path.write_bytes(SIMULATOR.run(ECHO, b"abcd").to_bytes())
    done = CliRunner().invoke(verify, [str(path)], standalone_mode=False)
    assert done.return_value == 1
    assert done.output.startswith("not verified: simulated_not_proven: this file was executed, not proven")
    done = CliRunner().invoke(verify, [str(path), "--json"], standalone_mode=False)
    shown = json.loads(done.output)
    assert (shown["ok"], shown["verified"], shown["reason"], shown["claims"]) == (
        False,
        False,
        "simulated_not_proven",
        [],
    )
    with pytest.raises(MisuseError, match="cannot read"):
        CliRunner().invoke(verify, [str(tmp_path)], standalone_mode=False, catch_exceptions=False)
