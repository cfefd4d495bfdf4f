"""Ports, signals, configuration files of the chain."""

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from veritape.apps import running_chain
from veritape.apps.chain import ChainOptions, Ports, configurations
from veritape.apps.running_chain import (
    create_keys,
    kept_ports,
    output_of,
    require_free,
    running,
    until_listening,
    until_signal,
)
from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.kernel.files import write_atomically


def test_kept_ports_are_different_and_for_the_parts_alone() -> None:
    """OB-971: who binds as servers do may listen there, again and again; nobody else is given one meanwhile."""
    with kept_ports() as ports:
        numbers = {getattr(ports, name) for name in Ports.__dataclass_fields__}
        assert len(numbers) == len(Ports.__dataclass_fields__)
        require_free(ports)
        for _ in range(2):
            with socket.create_server(("127.0.0.1", ports.rest)) as server:
                assert server.getsockname()[1] == ports.rest
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", ports.rest))


def test_a_busy_port_is_named_before_anything_starts() -> None:
    """OB-971: one clear line, exit 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            UnavailableError, match=f"127.0.0.1:{port}: in use .*: choose --port rest=NUMBER, or stop it"
        ) as refusal:
            require_free(Ports(*(port if name == "rest" else 0 for name in Ports.__dataclass_fields__)))
    assert refusal.value.exit_code == 1


async def test_a_failing_command_is_told_with_its_own_words() -> None:
    with pytest.raises(CheckFailedError, match="no recording of KRX"):
        await output_of("audit", "--data", "nowhere", "--json")


async def test_both_customers_get_a_key_of_their_tier(tmp_path: Path) -> None:
    """GW-405: created by command, printed once."""
    options = ChainOptions(tmp_path, Ports())
    for name, text in configurations(options, {"observer": 7, "executor": 8, "gateway": 9}).items():
        write_atomically(tmp_path / "configuration" / name, text.encode())
    keys = await create_keys(options)
    assert set(keys) == {"free", "pro"}
    assert all(key.startswith("vt_live_") for key in keys.values())


async def test_a_part_that_starts_is_waited_for() -> None:
    """OB-971: bound is not listening; once connections are taken the wait is over."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        waiting = asyncio.create_task(until_listening(one.getsockname()[1]))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not waiting.done()
        one.listen()
        async with asyncio.timeout(PATIENCE_S):
            await waiting


async def test_signals_set_the_event() -> None:
    async with until_signal() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()


async def test_configurations_are_written_for_their_owner_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold credentials."""
    monkeypatch.setattr(running_chain, "plans", lambda options, descriptors: ())
    with kept_ports() as ports:
        async with running(ChainOptions(tmp_path, ports)) as supervisor:
            files = list((tmp_path / "configuration").iterdir())
            assert [path.stat().st_mode & 0o777 for path in files] == [0o600] * len(files)
            assert files
            assert not supervisor.failed.done()
