"""Keys and accounts as one worker knows them."""

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from veritape.gateway.accounts import Account
from veritape.gateway.adapters.key_finder import POLL_NS, KeyFinder
from veritape.gateway.adapters.key_reader import Changes
from veritape.gateway.adapters.key_store import Grant, KeyStore
from veritape.gateway.adapters.sqlite_keys import SqliteKeys
from veritape.gateway.keys import Environment, KeyRecord, key_digest
from veritape.gateway.look_ups import FOUND_NS, STALE_NS
from veritape.gateway.quota import Limits
from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import UnavailableError

PEPPER = bytes(range(32))
UNKNOWN = "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"
GRANT = Grant(Environment.LIVE, ("trades:read",))


@dataclass
class Counted:
    """A key store that counts what it is asked, and can be gone."""

    store: KeyStore
    asked: int = 0
    is_gone: bool = False
    thread: Executor | None = None

    @property
    def peppers(self) -> tuple[bytes, ...]:
        return self.store.peppers

    @peppers.setter
    def peppers(self, peppers: tuple[bytes, ...]) -> None:
        self.store.peppers = peppers

    def move_keys(self, digests: Mapping[str, bytes]) -> None:
        self.store.move_keys(digests)

    def look_up(self, digests: Sequence[bytes]) -> KeyRecord | None:
        self._ask()
        return self.store.look_up(digests)

    def find_account(self, identifier: str) -> Account | None:
        self._ask()
        return self.store.find_account(identifier)

    def changes_since(self, number: int) -> Changes:
        self._ask()
        return self.store.changes_since(number)

    def revoked_tokens(self, wall_us: int) -> frozenset[tuple[str, str]]:
        return self.store.revoked_tokens(wall_us)

    def _ask(self) -> None:
        self.asked += 1
        if self.is_gone:
            raise UnavailableError("gone")


@dataclass
class Scene:
    rows: Counted
    clock: ManualClock = field(default_factory=lambda: ManualClock(wall_ns=10**18, monotonic_ns=10**9))
    hashed: list[bytes] = field(default_factory=list)
    remembered: list[bool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.finder = KeyFinder(self.rows, self.clock, digest=self.digest, note=self.remembered.append)

    def digest(self, pepper: bytes, key: str) -> bytes:
        self.hashed.append(pepper)
        return key_digest(pepper, key)

    def work(self) -> tuple[int, int]:
        """Return HMACs and look-ups since the last time."""
        done = len(self.hashed), self.rows.asked
        self.hashed.clear()
        self.rows.asked = 0
        return done


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    store = KeyStore(SqliteKeys(tmp_path / "keys.db"), PEPPER)
    made = Scene(Counted(store))
    await made.finder.follow()
    made.rows.asked = 0
    yield made
    store.close()


@pytest.mark.parametrize("peppers", [(PEPPER,), (PEPPER, b"x" * 32)])
async def test_known_and_unknown_keys_cost_the_same(scene: Scene, peppers: tuple[bytes, ...]) -> None:
    """GW-420, GW-907: as many HMACs and look-ups, the first time and remembered, with one pepper and with two; another pepper: anew."""
    store = scene.rows.store
    known, _ = store.create("acme", "free", GRANT, 1)
    expired, _ = store.create("acme", None, Grant(Environment.LIVE, (), expires_us=1), 1)
    revoked, record = store.create("acme", None, GRANT, 1)
    store.revoke(record.id, "", 2)
    store.peppers = peppers
    costs = []
    for _ in range(2):
        for key in (known, expired, revoked, UNKNOWN):
            await scene.finder.find(key)
            costs.append(scene.work())
    assert costs == [(len(peppers), 1)] * 4 + [(0, 0)] * 4
    store.peppers = (b"y" * 32, *peppers)
    await scene.finder.find(known)
    assert scene.work()[0] == len(peppers) + 1


async def test_hits_and_misses_are_noted(scene: Scene) -> None:
    """GW-773, GW-418: each look-up is a hit or a miss of the worker's memory."""
    key, record = scene.rows.store.create("acme", "free", GRANT, 1)
    assert [await scene.finder.find(key) for _ in range(3)] == [record] * 3
    assert await scene.finder.find(UNKNOWN) is None
    assert scene.remembered == [False, True, True, False]
    scene.clock.advance_ns(FOUND_NS)
    await scene.finder.find(key)
    assert scene.remembered[-1] is False


async def test_a_change_acts_when_the_change_log_is_read(scene: Scene) -> None:
    """GW-418, GW-420: created, revoked, rotated, another tier; keys of other accounts stay remembered."""
    store, finder = scene.rows.store, scene.finder
    key, record = store.create("acme", "free", GRANT, 1)
    other, _ = store.create("bolt", "free", GRANT, 1)
    assert await finder.find(UNKNOWN) is None
    for one in (key, other):
        await finder.find(one)
    await finder.follow()
    account = store.find_account("acme")
    assert account is not None
    store.change_account(account._replace(tier="pro", suspended=True), '{"concurrency": 7}')
    await finder.follow()
    scene.work()
    changed = await finder.find(key)
    assert changed is not None
    assert (changed.tier, changed.suspended, changed.own_limits) == ("pro", True, Limits(concurrency=7))
    assert scene.work() == (0, 1)
    await finder.find(other)
    assert scene.work() == (0, 1)  # forgotten at the first reading, when its creation was seen
    store.rotate(record.id, 60, 2)
    await finder.follow()
    rotated = await finder.find(key)
    assert rotated is not None
    assert rotated.replaced_by
    scene.work()
    await finder.find(other)
    assert scene.work() == (0, 0)
    store.revoke(record.id, "", 3)
    await finder.follow()
    revoked = await finder.find(key)
    assert revoked is not None
    assert revoked.revoked_us == 3
    store.note_use([(record.id, 9)])
    scene.work()
    await finder.follow()
    await finder.find(key)
    assert scene.work() == (0, 1)  # the change log alone: a last use is no change


async def test_a_store_that_is_gone_leaves_the_known_keys_for_300_s(scene: Scene) -> None:
    """GW-418: what was found serves, what was not is an error, and both end."""
    key, record = scene.rows.store.create("acme", "free", GRANT, 1)
    await scene.finder.find(key)
    await scene.finder.find_account("acme")
    scene.rows.is_gone = True
    scene.clock.advance_ns(STALE_NS - 1)
    await scene.finder.follow()
    assert await scene.finder.find(key) == record
    assert await scene.finder.find_account("acme") is not None
    with pytest.raises(UnavailableError):
        await scene.finder.find(UNKNOWN)
    scene.clock.advance_ns(1)
    with pytest.raises(UnavailableError):
        await scene.finder.find(key)
    scene.rows.is_gone = False
    scene.work()
    with pytest.raises(UnavailableError):
        await scene.finder.find(key)
    assert scene.work()[1] == 0  # it is not asked until the change log could be read
    await scene.finder.follow()
    assert await scene.finder.find(key) == record


async def test_a_store_elsewhere_answers_beside_the_loop(scene: Scene) -> None:
    """GW-418: an answer from before a change is not remembered after it, whichever of the two is told first."""
    key, record = scene.rows.store.create("acme", "free", GRANT, 1)
    look_up, asked, answered = scene.rows.store.look_up, threading.Event(), threading.Event()

    def slow(digests: Sequence[bytes]) -> KeyRecord | None:
        found = look_up(digests)
        asked.set()
        answered.wait(PATIENCE_S)
        return found

    with ThreadPoolExecutor(1) as thread, pytest.MonkeyPatch.context() as patch:
        scene.rows.thread = thread
        patch.setattr(scene.rows.store, "look_up", slow)
        finding = asyncio.ensure_future(scene.finder.find(key))
        await asyncio.to_thread(asked.wait, PATIENCE_S)
        scene.rows.store.revoke(record.id, "", 2)
        scene.rows.thread = None
        await scene.finder.follow()
        answered.set()
        assert await finding == record
        patch.undo()
        scene.rows.thread = thread
        found = await scene.finder.find(key)
        assert found is not None
        assert found.revoked_us == 2


async def test_requests_do_not_queue_up_behind_a_store_that_hangs(scene: Scene) -> None:
    """GW-418: of twenty that wait for its thread one waits for its answer; when that fails the rest fail with it."""
    scene.rows.is_gone = True
    with ThreadPoolExecutor(1) as thread:
        scene.rows.thread = thread
        asked = [scene.finder.find_account(f"a{number}") for number in range(20)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in answers)
    assert scene.work()[1] == 1


async def test_accounts_are_remembered_and_followed(scene: Scene) -> None:
    """GW-419, GW-434: what tokens need: the account's tier, and which tokens were revoked."""
    store, finder = scene.rows.store, scene.finder
    assert await finder.find_account("acme") is None
    store.create("acme", "free", GRANT, 1)
    await finder.follow()
    scene.work()
    for _ in range(2):
        assert await finder.find_account("acme") == Account("acme", "free", False, Limits(), 1)
    assert scene.work() == (0, 1)
    wall_us = scene.clock.wall_ns() // 1_000
    store.revoke_token("https://issuer", "j1", wall_us + 1, wall_us)
    assert not finder.revoked
    await finder.follow()
    assert finder.revoked == {("https://issuer", "j1")}


async def test_the_change_log_is_read_each_second(scene: Scene) -> None:
    """GW-418: so a change acts within 2 s."""
    watching = asyncio.ensure_future(scene.finder.watch())
    for second in range(3):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert scene.rows.asked == second + 1
        scene.clock.advance_ns(POLL_NS)
    watching.cancel()
    assert POLL_NS == 10**9


async def test_keys_move_to_a_new_pepper_when_they_are_used(scene: Scene) -> None:
    """GW-403: both peppers are valid meanwhile; when no key is left under the old one it may go."""
    store, old, new = scene.rows.store, PEPPER, b"n" * 32
    used, record = store.create("acme", "free", GRANT, 1)
    idle, _ = store.create("acme", None, GRANT, 1)
    finder = KeyFinder(scene.rows, scene.clock, peppers=lambda: (new, old))
    await finder.follow()
    assert await finder.find(used) == record
    store.tell_peppers()
    await finder.follow()
    assert store.peppers == (new, old)
    assert (store.count_under(old, 2), store.count_under(new, 2)) == (2, 0)
    assert await finder.find(used) == record
    seen = store.changes_since(-1).number
    await finder.follow()
    assert store.changes_since(-1).number == seen
    assert (store.count_under(old, 2), store.count_under(new, 2)) == (1, 1)
    store.peppers = (new,)
    assert store.find(used) == record._replace(digest=key_digest(new, used))
    assert store.find(idle) is None
    store.peppers = (new, old)
    assert store.find(idle) is not None


async def test_what_is_remembered_is_recalled_without_asking(scene: Scene) -> None:
    """GW-418, GW-907: recalled is what finding would return unasked: not before it was found, not when it is old, changed or of another pepper."""
    key, _ = scene.rows.store.create("acme", "free", GRANT, 1)
    finder, clock = scene.finder, scene.clock
    assert finder.recall(key, clock.monotonic_ns()) is None
    record = await finder.find(key)
    scene.work()
    assert finder.recall(key, clock.monotonic_ns()) is record
    finder.note_recalled()
    assert (scene.work(), scene.remembered) == ((0, 0), [False, True])
    clock.advance_ns(FOUND_NS)
    assert finder.recall(key, clock.monotonic_ns()) is None
    record = await finder.find(key)
    scene.rows.peppers = (bytes(32), *scene.rows.peppers)
    assert finder.recall(key, clock.monotonic_ns()) is None
