"""The keeper of the token, between callers, processes and the broker."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import structlog

from veritape.kernel.clock import ManualClock
from veritape.kernel.errors import CheckFailedError, MisuseError
from veritape.observer.adapters import token_keeper
from veritape.observer.adapters.token_files import TokenStore
from veritape.observer.adapters.token_keeper import TokenKeeper
from veritape.observer.reactions import Answer, AnswerReason, Reaction
from veritape.observer.tokens import COOLING_NS, MINUTE_NS, Token, TokenState

NOW = 1_795_219_200 * 10**9
"""2026-11-21 09:00 in Seoul."""

HOUR = 3600 * 10**9


@pytest.fixture
def told() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as records:
        yield records


def issue(text: str = "new", until: str = "2026-11-22 09:00:00", seconds: int = 86_400) -> Answer:
    document = {"access_token": text, "access_token_token_expired": until, "expires_in": seconds}
    return Answer(Reaction.OK, "", None, document)


class World:
    """A keeper whose broker answers when told."""

    def __init__(self, folder: Path, *answers: Answer) -> None:
        self.clock = ManualClock(wall_ns=NOW, monotonic_ns=1)
        self.store = TokenStore(folder, "abc", "https://host", None)
        self.answers = list(answers)
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def keeper(self) -> TokenKeeper:
        return TokenKeeper(self.store, self.clock, self.ask)

    async def ask(self) -> Answer:
        self.asked += 1
        await self.may_answer.wait()
        return self.answers.pop(0)

    async def advance(self, duration_ns: int) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        self.clock.advance_ns(duration_ns)
        for _ in range(20):
            await asyncio.sleep(0)


async def test_many_callers_wait_for_one_issue(tmp_path: Path, told: list[Any]) -> None:
    """OB-404, OB-405: one issue; age and expiry are logged, the token never; stored with host and environment."""
    world = World(tmp_path, issue("the-secret"))
    keeper = world.keeper()
    assert await asyncio.gather(*(keeper.token() for _ in range(20))) == ["the-secret"] * 20
    assert (world.asked, keeper.outcomes["issued"]) == (1, 1)
    assert [record["event"] for record in told] == ["token_issued"]
    assert "the-secret" not in str(told)
    assert world.store.load() == (Token("the-secret", NOW, NOW + 24 * HOUR), NOW)
    assert await world.keeper().token() == "the-secret"
    assert world.asked == 1


async def test_a_living_token_stays_in_use_while_it_is_refreshed(tmp_path: Path) -> None:
    """OB-402: the old token stays in use; the new one is swapped in."""
    world = World(tmp_path, issue())
    world.store.save(Token("old", NOW - 23 * HOUR, NOW + HOUR // 2), NOW - 23 * HOUR)
    world.may_answer.clear()
    keeper = world.keeper()
    assert await keeper.token() == "old"
    await world.advance(0)
    assert (await keeper.token(), keeper.machine.state) == ("old", TokenState.REFRESHING)
    world.may_answer.set()
    await world.advance(1)
    assert await keeper.token() == "new"


async def test_calls_with_a_dead_token_are_held_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OB-402: hold new calls up to 5 s, then send them with what there is."""
    assert token_keeper.HOLD_SECONDS == 5
    monkeypatch.setattr(token_keeper, "HOLD_SECONDS", 0.01)
    world = World(tmp_path, issue())
    world.store.save(Token("old", NOW - 7 * HOUR, NOW + 17 * HOUR), NOW - 7 * HOUR)
    keeper = world.keeper()
    keeper.machine.rejected("old")
    world.may_answer.clear()
    assert await keeper.token() == "old"
    assert world.asked == 1
    world.may_answer.set()
    await world.advance(1)
    assert await keeper.token() == "new"


async def test_a_refusal_for_asking_too_soon_is_waited_for(tmp_path: Path) -> None:
    """OB-402, KIS-033: EGW00133: 61 s after the attempt, over a restart too."""
    refusal = Answer(Reaction.WAIT_ISSUE, "EGW00133", AnswerReason.REFUSED, {})
    world = World(tmp_path, refusal, issue())
    first = asyncio.create_task(world.keeper().token())
    await world.advance(1)
    first.cancel()
    keeper = world.keeper()
    caller = asyncio.create_task(keeper.token())
    for _ in range(60):
        await world.advance(10**9)
    assert (world.asked, keeper.machine.state) == (1, TokenState.ABSENT)
    for _ in range(3):
        await world.advance(10**9)
    assert await caller == "new"
    assert world.asked == 2


@pytest.mark.parametrize(
    "bad",
    [
        Answer(Reaction.OK, "", None, {}),
        issue(until="2020-01-01 00:00:00"),
        Answer(Reaction.RETRY, "", AnswerReason.TIMEOUT, {}),
        Answer(Reaction.REFUSED, "EGW99999", AnswerReason.REFUSED, {}),
    ],
)
async def test_an_answer_without_a_token_is_a_failed_issue(
    tmp_path: Path, told: list[Any], bad: Answer
) -> None:
    """OB-991, OB-402: not JSON, no expiry, expiry in the past, a code: 61 s, then 2, 4, 8 min; told after the third."""
    world = World(tmp_path, bad, bad, bad, issue())
    keeper = world.keeper()
    caller = asyncio.create_task(keeper.token())
    seconds = []
    for second in range(500):
        before = world.asked
        await world.advance(10**9)
        if world.asked > before:
            seconds.append(second)
    assert await caller == "new"
    waits = [later - earlier for earlier, later in pairwise(seconds)]
    assert [round(wait / 60) for wait in waits] == [1, 2, 4]
    assert [record["event"] for record in told][:2] == ["token_issue_failed", "token_issued"]
    assert told[0]["failures"] == 3
    assert sum(keeper.outcomes[kind] for kind in ("refused", "error")) == 3


async def test_refused_credentials_reach_every_caller(tmp_path: Path) -> None:
    """OB-402: fatal for this account, no retry."""
    world = World(tmp_path, Answer(Reaction.STOP_CONFIG, "EGW00105", AnswerReason.REFUSED, {}))
    keeper = world.keeper()
    results = await asyncio.gather(*(keeper.token() for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [CheckFailedError] * 3
    with pytest.raises(CheckFailedError, match="EGW00105"):
        await keeper.token()
    assert world.asked == 1


async def test_what_the_broker_says_twice_is_told(tmp_path: Path, told: list[Any]) -> None:
    """OB-402, OB-406: the same dead token again, and two expiries that disagree."""
    world = World(tmp_path, issue("old", seconds=80_000))
    world.store.save(Token("old", NOW - HOUR, NOW + 23 * HOUR), NOW - HOUR)
    keeper = world.keeper()
    keeper.machine.rejected("old")
    assert await keeper.token() == "old"
    assert [record["event"] for record in told] == [
        "token_issued",
        "token_expiry_differs",
        "token_not_renewed",
    ]
    assert keeper.outcomes == {"reused": 1}


async def test_it_is_kept_alive_without_any_call_and_never_issued_first(tmp_path: Path) -> None:
    """OB-401, OB-407: the 60-minute rule holds at night; a process without a token issues none by itself."""
    world = World(tmp_path, issue())
    idle = world.keeper()
    world.store.save(Token("old", NOW - 22 * HOUR, NOW + 2 * HOUR), NOW - 22 * HOUR)
    keeper = world.keeper()
    tasks = [asyncio.create_task(one.keep()) for one in (idle, keeper)]
    for _ in range(59):
        await world.advance(MINUTE_NS)
    assert world.asked == 0
    for _ in range(3):
        await world.advance(MINUTE_NS)
    assert (world.asked, keeper.machine.token and keeper.machine.token.text) == (1, "new")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await keeper.close()


async def test_a_store_that_becomes_readable_by_others_is_refused(tmp_path: Path) -> None:
    """OB-405: also while running."""
    world = World(tmp_path, issue())
    keeper = world.keeper()
    world.store.save(None, NOW - COOLING_NS)
    (tmp_path / "token" / "abc.json").chmod(0o644)
    with pytest.raises(MisuseError, match="chmod 600"):
        await keeper.token()
    assert world.asked == 0


async def test_an_issue_under_way_ends_with_the_process(tmp_path: Path) -> None:
    """OB-402: any state, stop: nothing is revoked."""
    world = World(tmp_path, issue())
    world.may_answer.clear()
    keeper = world.keeper()
    caller = asyncio.create_task(keeper.token())
    await world.advance(1)
    caller.cancel()
    await keeper.close()
    await asyncio.gather(caller, return_exceptions=True)
    assert keeper.machine.state is TokenState.ISSUING


async def test_a_token_that_another_process_was_issued_is_taken_at_once(tmp_path: Path) -> None:
    """OB-404: not after the 61 s of its attempt."""
    world = World(tmp_path)
    world.store.save(None, NOW)
    keeper = world.keeper()
    caller = asyncio.create_task(keeper.token())
    await world.advance(10**9)
    assert not caller.done()
    world.store.save(Token("theirs", NOW, NOW + 24 * HOUR), NOW)
    await world.advance(10**9)
    await world.advance(10**9)
    assert await caller == "theirs"
    assert world.asked == 0


@pytest.mark.parametrize("step_s", [7200, -90])
async def test_a_clock_that_is_set_changes_no_wait_between_two_issues(tmp_path: Path, step_s: int) -> None:
    """OB-004, OB-403: 61 seconds by the monotonic clock, neither less nor more, wherever the wall clock went."""
    refused = Answer(Reaction.WAIT_ISSUE, "EGW00133", AnswerReason.REFUSED, {})
    world = World(tmp_path, refused, issue(until="2026-11-22 11:01:01"))
    task = asyncio.create_task(world.keeper().token())
    await world.advance(0)
    world.clock.step_wall_ns(step_s * 10**9)
    for _ in range(60):
        await world.advance(10**9)
        assert world.asked == 1
    for _ in range(2):
        await world.advance(10**9)
    assert (await task, world.asked) == ("new", 2)


async def test_a_clock_that_is_set_back_lengthens_no_life(tmp_path: Path) -> None:
    """OB-004, OB-406: a token that is due by the time that has passed is refreshed, though the wall clock says otherwise."""
    world = World(tmp_path, issue("first"), issue("second", "2026-11-23 09:00:00"))
    keeper = world.keeper()
    assert await keeper.token() == "first"
    world.clock.step_wall_ns(-12 * HOUR)
    await world.advance(23 * HOUR + MINUTE_NS)
    await keeper.token()
    await world.advance(0)
    assert (await keeper.token(), world.asked) == ("second", 2)
