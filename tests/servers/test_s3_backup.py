"""The backup against an S3 server of another maker."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.backup_world import DAMAGES, NOW_NS, World, world
from tests.servers.s3 import environment, s3_server
from tests.waiting import PATIENCE_S

from veritape.kernel.errors import UnavailableError
from veritape.observer.adapters.backup.sending import How
from veritape.observer.adapters.backup.targets import StoreTarget, open_target
from veritape.observer.manifests import object_name

pytestmark = pytest.mark.xdist_group("s3")
"""One worker has them all: they share what is dear to start."""

VERITAPE = Path(sys.executable).with_name("veritape")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with s3_server() as found:
        yield found


@pytest.fixture
def one(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    for name, value in environment(address).items():
        monkeypatch.setenv(name, value)
    bucket = f"tape-{tmp_path.name.replace('_', '-')[-50:].lower()}"
    target = open_target(f"s3://{bucket}/seoul")
    assert isinstance(target, StoreTarget)
    target._store.mkdir(bucket)
    return world(tmp_path, target)


def test_a_backup_to_s3_is_sent_read_back_and_drilled(one: World) -> None:
    """OB-1024, OB-752, OB-753, OB-756: as to a folder; nothing is sent twice; a conditional put replaces nothing."""
    assert [sent.new_objects for sent in one.backup()] == [6, 5]
    assert one.backup() == []
    assert one.drill().passed
    name = object_name(one.entry("09.parquet").blake3)
    content = one.read(name)
    other = one.data / "token" / "secret.json"
    one.target.send(name, other)
    assert one.read(name) == content
    with pytest.raises(FileExistsError):
        one.target.write(name, b"x")
    assert all(0 < stored.modified_ns < NOW_NS for stored in one.target.names("objects"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_at_s3_is_found(one: World, damage: str) -> None:
    """OB-1024, OB-763: the five damages, each with its own reason; what is damaged there is repaired from here."""
    one.backup()
    spoil, reason = DAMAGES[damage]
    spoil(one)
    assert one.reasons() == [reason]
    if reason != "audit_differs":  # a forged chain has right hashes: only the recording knows better
        one.backup("20131008", How("0.1.0", thorough=True))
        assert one.reasons() == []


def test_what_no_manifest_lists_is_cleaned_at_s3(one: World) -> None:
    """OB-754."""
    one.backup()
    one.target.write(object_name("ab" * 32), b"x")
    assert one.sending().clean() == [object_name("ab" * 32)]
    assert one.drill().passed


def test_the_commands_work_on_s3(one: World, address: str, tmp_path: Path) -> None:
    """OB-1024, OB-971: backup, drill, restore; credentials from the environment are in no output and no file."""
    words = {
        "backup": ["--data", str(one.data), "--to", one.target.url],
        "drill": ["--data", str(one.data), "--from", one.target.url],
        "restore": ["--from", one.target.url, "--into", str(tmp_path / "back")],
    }
    for command, options in words.items():
        answer = subprocess.run(
            [VERITAPE, command, *options, "--json"],
            capture_output=True,
            text=True,
            check=False,
            env=environment(address),
        )
        assert answer.returncode == 0, answer.stderr
        assert json.loads(answer.stdout)["format"] == f"veritape.{command}.v1"
        assert "planted" not in answer.stdout + answer.stderr
    held = [
        path for path in one.data.rglob("*") if path.is_file() and b"planted-secret-key" in path.read_bytes()
    ]
    assert held == []


def test_an_unreachable_store_is_one_line(one: World) -> None:
    """OB-991, OB-971: exit 1, nothing is deleted, no traceback."""
    nowhere = {**environment("http://127.0.0.1:9"), "PATH": ""}
    command = [str(VERITAPE), "backup", "--data", str(one.data), "--to", "s3://tape/x", "--prune"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=nowhere)
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.startswith("veritape: backup target s3://tape/x: ")
    assert answer.stderr.count("\n") == 1
    missing = open_target("s3://no-such-bucket-here/x")
    with pytest.raises(UnavailableError):
        missing.write("a", b"")


@pytest.mark.parametrize("command", ["backup", "restore", "drill"])
def test_ctrl_c_ends_a_command_with_130(one: World, command: str) -> None:
    """OB-971: 130 when interrupted by Ctrl-C, here while a store does not answer; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        variables = environment(f"http://127.0.0.1:{silent.getsockname()[1]}")
        words = ["--data", str(one.data), "--to" if command == "backup" else "--from", "s3://tape/x"]
        silent.settimeout(PATIENCE_S)
        with subprocess.Popen(
            [VERITAPE, command, *words], stderr=subprocess.PIPE, text=True, env=variables
        ) as process:
            try:
                connection, _ = silent.accept()
                with connection:
                    connection.recv(100)
                    process.send_signal(signal.SIGINT)
                    _, err = process.communicate(timeout=PATIENCE_S)
            finally:
                process.kill()
    assert (process.returncode, "Traceback" in err) == (130, False)
