"""The broker put together."""

from pathlib import Path

import pytest
from tests.plain_client import NINE, tape

from veritape.apps.replayed_broker import Broker, Doors
from veritape.kernel.errors import MisuseError, UnavailableError
from veritape.replay.adapters.player import PlayOptions
from veritape.replay.faults import parse
from veritape.replay.limits import Limits
from veritape.replay.schedule import session
from veritape.replay.widths import Widths


def broker(*faults: str) -> Broker:
    options = PlayOptions(1, virtual=True, wait_registered=True, widths=Widths(), truth=None)
    return Broker([tape()], parse(faults), options, Limits())


def test_a_day_is_loaded_with_its_moved_hours(tmp_path: Path) -> None:
    """OB-123, OB-851: the calendar file tells the hours as they are played; the plan stays as it was asked for."""
    one, planned = broker("late_open=60"), session("20131007")
    one.load(planned, tmp_path / "calendar.toml")
    assert one.planned == planned
    assert one.player.session.open_ms == NINE + 3_600_000
    assert 'open = "10:00"' in (tmp_path / "calendar.toml").read_text()


def test_an_empty_span_is_refused() -> None:
    """OB-815: exit 2."""
    with pytest.raises(MisuseError, match="nothing to play"):
        broker().load(session("20131007", until_ms=NINE - 1), None)


async def test_both_listeners_open_and_a_busy_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """OB-801, OB-971: addresses on loopback, one a line."""
    one, other = broker(), broker()
    for each in (one, other):
        each.load(session("20131007"), None)
    await one.listen(Doors(0, 0, None, None))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["REST", "WebSocket"]
    assert all("127.0.0.1" in line for line in lines)
    with pytest.raises(UnavailableError, match="in use"):
        await other.listen(Doors(one.server.rest_port, 0, None, None))
    await one.close()
    await other.close()
