"""The chain as data."""

from pathlib import Path

from veritape.apps.chain import REPLAY_SYMBOLS, ChainOptions, Folders, Ports, codes


def test_the_codes_are_the_bundled_ones_or_those_of_the_tapes() -> None:
    """OB-815: --tape replaces the bundled tape."""
    assert codes(ChainOptions(Path(), Ports())) == REPLAY_SYMBOLS
    assert codes(ChainOptions(Path(), Ports(), tapes=("a:b.csv:000001", "c.zip:000002"))) == (
        "000001",
        "000002",
    )


def test_every_part_has_a_folder_of_its_own() -> None:
    folders = Folders(Path("run"))
    places = {folders.observer, folders.receipts, folders.gateway, folders.configuration, folders.logs}
    assert len(places) == 5
