"""The chain as data."""

from pathlib import Path

import pytest

from veritape.apps.chain import (
    PARTS,
    ChainOptions,
    Folders,
    Ports,
    chosen_ports,
    observer_configuration,
    plans,
)
from veritape.apps.played_tape import BUNDLED, PlayedTape
from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import load_settings
from veritape.observer.settings import RecordSettings


def test_every_part_has_a_folder_of_its_own() -> None:
    folders = Folders(Path("run"))
    places = {folders.observer, folders.receipts, folders.gateway, folders.configuration, folders.logs}
    assert len(places) == 5


def test_the_recorders_settings_are_valid_and_point_at_the_replay() -> None:
    """OB-813, OB-123: the calendar written by the replay, its virtual clock, its codes."""
    options = ChainOptions(Path("run"), Ports(rest=1, websocket=2))
    text = observer_configuration(options, 7)
    settings = load_settings(RecordSettings, text.encode(), {}, "VERITAPE_RECORD")
    assert settings.track_b.manual == tuple(BUNDLED)
    assert (settings.kis.rest_url, settings.kis.ws_url) == ("http://127.0.0.1:1", "ws://127.0.0.1:2")
    assert settings.kis.follow_replay_clock
    assert (settings.telemetry.descriptor, settings.telemetry.listen) == (7, "")
    assert settings.calendar.override_file == Path("run/configuration/calendar.toml")


@pytest.mark.parametrize("one_day", [True, False])
def test_up_goes_on_and_demo_ends_with_the_day(one_day: bool) -> None:
    """OB-803, OB-813: `up` goes on with the next session day; `demo` ends with the first."""
    options = ChainOptions(
        Path("run"), Ports(), PlayedTape("max", ("drop=0.01",), 9, ("f.zip:000001",)), 600, one_day=one_day
    )
    named = {plan.name: plan for plan in plans(options, {"executor": 8, "gateway": 9, "observer": 7})}
    assert tuple(named) == PARTS
    replay, observer = named["replay"], named["observer"]
    assert str(observer.needs) in replay.argv
    assert ("--next-days" in replay.argv) == (not one_day)
    assert ("--day" in observer.argv) == observer.ends == one_day
    assert not {"--wire", "--registrations", "--rest-per-second"} & set(replay.argv)
    for words in (
        ["--fault", "drop=0.01"],
        ["--tape", "f.zip:000001"],
        ["--seconds", "600"],
        ["--speed", "max"],
    ):
        assert replay.argv[replay.argv.index(words[0]) + 1] == words[1]


def test_a_port_is_chosen_by_its_part() -> None:
    """OB-971: the others stay as usual; the last word counts."""
    assert chosen_ports(()) == Ports()
    assert chosen_ports(["gateway-admin=1", "gateway-admin=9001", "rest=1"]) == Ports(
        gateway_admin=9001, rest=1
    )


@pytest.mark.parametrize(
    "text", ["", "gateway", "gateway=", "gateway=0", "gateway=65536", "gateway=x", "proxy=1", "rest=-1"]
)
def test_what_chooses_no_port_is_told_what_does(text: str) -> None:
    """OB-971: the option, what was given, the parts."""
    with pytest.raises(MisuseError) as refusal:
        chosen_ports([text])
    assert refusal.value.message == (
        f"--port {text}: expected PART=NUMBER, PART one of gateway, gateway-admin, rest, websocket, metrics"
    )


def test_two_parts_have_two_ports() -> None:
    """OB-971: also where one keeps its usual port."""
    with pytest.raises(MisuseError, match="two parts cannot listen on one port"):
        chosen_ports(["rest=9464"])
