"""Errors as documents."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from veritape.apps.aggregate import aggregate
from veritape.apps.inclusion import inclusion
from veritape.apps.reported_errors import error_document
from veritape.apps.run import run
from veritape.apps.verify import verify
from veritape.executor.proven import VerifyReason
from veritape.kernel.errors import MisuseError, PeerError


@pytest.mark.parametrize(
    ("command", "arguments", "schema", "kind"),
    [
        (run, ("fibonacci",), "veritape.run/1", "simulated"),
        (run, ("nowhere.elf", "--input-hex", ""), "veritape.run/1", "simulated"),
        (verify, ("nowhere.proof",), "veritape.verify/1", "stark"),
        (aggregate, ("nowhere.proof",), "veritape.aggregate/1", "stark"),
        (inclusion, ("nowhere.agg", "0"), "veritape.inclusion/1", "stark"),
    ],
)
def test_an_error_is_a_document_with_ok_false(
    tmp_path: Path, command: click.Command, arguments: tuple[str, ...], schema: str, kind: str
) -> None:
    """EX-632, EX-633: with --json the document says what the line on stderr says; without it stdout stays empty."""
    for options in ((), ("--json",)):
        done = CliRunner().invoke(command, [*arguments, *options], standalone_mode=False)
        assert isinstance(done.exception, MisuseError)
        if options:
            shown = json.loads(done.stdout)
            assert (shown["schema"], shown["kind"], shown["ok"]) == (schema, kind, False)
            assert shown["detail"] == done.exception.message
        else:
            assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_the_reason_is_that_of_the_error() -> None:
    """EX-632: reason is a member of an enumeration, or null where the error has none."""
    refused = PeerError("truncated: cut", VerifyReason.TRUNCATED)
    assert error_document("s", "stark", refused) == {
        "schema": "s", "kind": "stark", "ok": False, "reason": "truncated", "detail": "truncated: cut",
    }  # fmt: skip
    assert error_document("s", "stark", MisuseError("no file"))["reason"] is None
