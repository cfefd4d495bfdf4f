"""The drainer: living and dead boots, repetition, damage, and a ledger that is away."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.usage import BOOT, WALL_US, charges

from veritape.gateway.adapters import drainer as module
from veritape.gateway.adapters.drainer import Drained, Drainer
from veritape.gateway.adapters.ledger import Ledger
from veritape.gateway.adapters.outbox import Outbox
from veritape.gateway.outbox import encode_groups, file_header, file_name
from veritape.gateway.reconciliation import Share
from veritape.gateway.usage import UsageEvent
from veritape.kernel.errors import UnavailableError


class Away(Ledger):
    """A ledger that can be away."""

    away = False
    asked = 0

    def write(self, events: Sequence[UsageEvent]) -> int:
        self.asked += 1
        if self.away:
            raise UnavailableError("the ledger is away")
        return super().write(events)

    def close_boot(self, boot: bytes) -> None:
        self.asked += 1
        if self.away:
            raise UnavailableError("the ledger is away")
        super().close_boot(boot)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Away]:
    made = Away(tmp_path / "usage.db")
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "outbox"


def silent(line: str) -> None:
    raise AssertionError(line)


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_living_boot_is_drained_and_stays_open(ledger: Away, folder: Path) -> None:
    """GW-664: what is durable comes into the ledger, once; the file stays while its writer lives."""
    assert Drainer(folder, ledger, silent).drain() == Drained()
    outbox, drainer = Outbox(folder, BOOT), Drainer(folder, ledger, silent)
    outbox.write(charges(3))
    assert drainer.drain() == Drained(drained=3)
    outbox.write(charges(2, first=4))
    assert drainer.drain() == Drained(drained=2)
    assert drainer.drain() == Drained()
    assert ledger.shares("2026-11") == {Share("acme:live", BOOT.hex(), closed=False): 10_000}
    assert Drainer(folder, ledger, silent).drain() == Drained(duplicates=5)
    assert left(folder) == [file_name(BOOT, 0)]
    outbox.close()


def test_a_dead_boot_is_drained_closed_and_deleted(ledger: Away, folder: Path) -> None:
    """GW-664, GW-672: the last group, cut off, is ignored; all files of the boot go when it is closed."""
    outbox = Outbox(folder, BOOT, limit_bytes=400)
    for number in range(1, 5):
        outbox.write(charges(1, first=number))
    last = max(folder.iterdir(), key=lambda path: len(path.name))
    outbox.close()
    with last.open("ab") as file:
        file.write(next(encode_groups(charges(1, first=5)))[:-1])
    assert Drainer(folder, ledger, silent).drain() == Drained(drained=4)
    assert ledger.shares("2026-11") == {Share("acme:live", BOOT.hex(), closed=True): 8_000}
    assert left(folder) == []


def test_the_outbox_cut_at_each_byte_of_its_last_group(ledger: Away, folder: Path) -> None:
    """GW-967: events of the groups before are in the ledger once, whatever is left of the last."""
    folder.mkdir()
    groups = [b"".join(encode_groups(events)) for events in (charges(2), charges(1, first=3))]
    path = folder / file_name(BOOT, 0)
    for cut in range(len(groups[1])):
        path.write_bytes(file_header(BOOT) + groups[0] + groups[1][:cut])
        assert Drainer(folder, ledger, silent).drain() in {Drained(drained=2), Drained(duplicates=2)}
        assert left(folder) == []
    assert ledger.month_sums("2026-11") == {"acme:live": 4_000}


def test_a_large_file_is_read_in_pieces(ledger: Away, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """GW-664: groups that lie across two pieces are read whole."""
    monkeypatch.setattr(module, "PIECE_BYTES", 1_000)
    outbox = Outbox(folder, BOOT)
    for number in range(1, 40):
        outbox.write(charges(1, first=number))
    assert Drainer(folder, ledger, silent).drain() == Drained(drained=39)
    outbox.close()


@pytest.mark.parametrize("octets", [b"", b"VTUSAGE1", file_header(b"another!"), b"x" * 40])
def test_a_file_without_its_header_is_put_aside(ledger: Away, folder: Path, octets: bytes) -> None:
    """GW-941: ``outbox_bad``: kept as ``.bad``, told in one line, and the start goes on."""
    folder.mkdir()
    (folder / file_name(BOOT, 0)).write_bytes(octets)
    told: list[str] = []
    drainer = Drainer(folder, ledger, told.append)
    assert drainer.drain() == Drained(bad_files=1)
    assert drainer.drain() == Drained()
    assert left(folder) == ["3132333435363738.vtu.bad"]
    assert [line.partition(":")[0] for line in told] == ["outbox_bad"]


def test_a_newer_program_s_file_stays_as_it_is(ledger: Away, folder: Path) -> None:
    """GW-941: told once, with the remedy; its boot is not closed, other boots are drained."""
    folder.mkdir()
    newer = folder / file_name(BOOT, 0)
    newer.write_bytes(b"VTUSAGE2" + BOOT + b"what nobody here can read")
    told: list[str] = []
    drainer = Drainer(folder, ledger, told.append)
    for _ in range(2):
        assert drainer.drain() == Drained()
    other = b"87654321"
    events = [event._replace(boot=other) for event in charges(2)]
    (folder / file_name(other, 0)).write_bytes(file_header(other) + b"".join(encode_groups(events)))
    assert drainer.drain() == Drained(drained=2)
    assert newer.read_bytes().startswith(b"VTUSAGE2")
    assert {boot for _, boot, _ in ledger.shares("2026-11")} == {other.hex()}
    (line,) = told
    assert line == (
        f"outbox_version: {newer} was written by a newer veritape; its charges wait there: start the newer one, it drains them"
    )


def test_damage_in_the_middle(ledger: Away, folder: Path) -> None:
    """GW-941: groups before it are drained, the file is kept as ``.bad``; other boots are not disturbed."""
    folder.mkdir()
    parts = [bytearray(next(encode_groups(charges(1, first=number)))) for number in (1, 2, 3)]
    parts[1][30] ^= 0xFF
    (folder / file_name(BOOT, 0)).write_bytes(file_header(BOOT) + b"".join(parts))
    Outbox(folder, b"87654321").close()
    told: list[str] = []
    assert Drainer(folder, ledger, told.append).drain() == Drained(drained=1, bad_files=1)
    assert left(folder) == ["3132333435363738.vtu.bad"]
    assert len(told) == 1


def test_a_damaged_file_of_a_living_boot_stays_until_it_ends(ledger: Away, folder: Path) -> None:
    """GW-941: nobody takes the file away from under its writer."""
    outbox = Outbox(folder, BOOT)
    outbox.write(charges(1))
    path = folder / file_name(BOOT, 0)
    with path.open("ab") as file:
        file.write(bytes((1 << 20) + 9))
    told: list[str] = []
    drainer = Drainer(folder, ledger, told.append)
    assert drainer.drain() == Drained(drained=1)
    outbox.close()
    assert drainer.drain() == Drained(bad_files=1)


def test_a_ledger_that_is_away(ledger: Away, folder: Path) -> None:
    """GW-664, TL-250: nothing is lost, the oldest waiting event is known, no boot is closed; later all of it is drained."""
    outboxes = [Outbox(folder, boot) for boot in (b"bbbbbbbb", b"aaaaaaaa")]
    for number, outbox in enumerate(outboxes, 1):
        outbox.write([event._replace(at_us=WALL_US + number) for event in charges(2, outbox._boot)])
    Outbox(folder, b"cccccccc").close()
    outboxes[0].close()
    drainer, ledger.away = Drainer(folder, ledger, silent), True
    for _ in range(2):
        found = drainer.drain()
        assert (found.drained, found.oldest_us) == (0, WALL_US + 1)
        assert str(found.failure) == "the ledger is away"
    assert len(left(folder)) == 3
    ledger.away = False
    assert drainer.drain() == Drained(drained=4)
    assert left(folder) == [file_name(b"aaaaaaaa", 0)]
    outboxes[1].close()


def test_a_ledger_that_is_away_is_asked_once_a_pass(ledger: Away, folder: Path) -> None:
    """GW-664: not again for each boot that waits: every failed connection costs time and memory."""
    for number in range(5):
        boot = bytes([number]) * len(BOOT)
        outbox = Outbox(folder, boot)
        if number % 2:
            outbox.write(charges(1, boot))
        outbox.close()
    drainer = Drainer(folder, ledger, silent)
    ledger.away = True
    assert drainer.drain().failure is not None
    assert ledger.asked == 1
    ledger.away = False
    assert drainer.drain() == Drained(drained=2)
    assert (drainer.closed_boots, left(folder)) == (5, [])


def test_other_files_are_left_alone(ledger: Away, folder: Path) -> None:
    folder.mkdir()
    for name in ("notes.vtu", ".3132333435363738.vtu", "3132333435363738.vtu.bad"):
        (folder / name).write_bytes(b"")
    assert Drainer(folder, ledger, silent).drain() == Drained()
    assert len(left(folder)) == 3
