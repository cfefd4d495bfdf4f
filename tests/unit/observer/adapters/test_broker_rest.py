"""REST calls against the replayed broker: tokens, pacing, reactions."""

import asyncio
from pathlib import Path

import pytest
from tests.broker import Broker, broker, rest_of
from tests.waiting import PATIENCE_S, until

from veritape.kernel.errors import CheckFailedError, UnavailableError
from veritape.observer.adapters.broker_rest import IDLE_STEP_MS, REPETITIONS, SWEEP_STEP_MS, BrokerRest
from veritape.observer.lanes import Lane
from veritape.observer.quotes import quotes_of
from veritape.observer.reactions import AnswerReason, Reaction
from veritape.observer.tokens import TokenState
from veritape.observer.track_a import parameters
from veritape.replay.accounts import APPSECRET, Token
from veritape.wire.kis.rest import INQUIRE_PRICE, MASTER_PATHS, MULTI_PRICE, Call


async def test_one_token_serves_many_calls_and_the_next_process(tmp_path: Path) -> None:
    """OB-401, OB-404: callers at once cause one issue; a restart issues none."""
    async with broker() as one:
        async with rest_of(one, tmp_path) as (rest, _):
            answers = await asyncio.gather(
                *(rest.quotation(MULTI_PRICE, parameters(["990001"])) for _ in range(5))
            )
            assert [answer.reaction for answer in answers] == [Reaction.OK] * 5
            assert list(quotes_of(answers[0])[0]) == ["990001"]
        async with rest_of(one, tmp_path) as (rest, _):
            assert (await rest.quotation(MULTI_PRICE, parameters(["990001"]))).reason is None
            assert rest.tokens.attempts == 0
        assert one.account.report.tokens == 1


async def test_a_replayed_clock_goes_in_small_steps_during_a_sweep(tmp_path: Path) -> None:
    """OB-205, OB-810: however many sweeps there are at once; else it may jump."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        with rest.sweeping():
            with rest.sweeping():
                pass
            assert rest.step_ms() == SWEEP_STEP_MS
        assert rest.step_ms() == IDLE_STEP_MS


async def test_pacing_keeps_the_brokers_window(tmp_path: Path) -> None:
    """OB-251, OB-252, KIS-171: measured by the broker, not by us: never more than 18 in a sliding second."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await asyncio.gather(*(rest.quotation(MULTI_PRICE, parameters(["990001"])) for _ in range(40)))
        assert one.account.window.largest <= 18
        assert one.account.report.refusals == 0
        assert rest.outcomes[MULTI_PRICE.tr_id, "ok"] == 40
        assert rest.gate.lanes[Lane.SWEEP].waited_ns > 0
        assert rest.gate.figures.permits == 18


async def test_a_dead_token_is_renewed_and_the_call_repeated(tmp_path: Path) -> None:
    """OB-402, KIS-034: EGW00122 means one issue, then one repetition."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        forget(one, rest)
        answer = await rest.quotation(MULTI_PRICE, parameters(["990001"]))
        assert (answer.reaction, rest.tokens.attempts) == (Reaction.OK, 2)
        assert rest.outcomes[MULTI_PRICE.tr_id, "renew_token"] == 1


def forget(one: Broker, rest: BrokerRest) -> None:
    """Let the broker forget its tokens, and let both sides allow an issue now."""
    one.account._tokens.clear()
    one.account._attempt_ns = None
    rest.tokens._attempt_ns = None
    rest.tokens._wake_ns = 0
    rest.keeper._asked_monotonic_ns = None
    stored = rest.keeper._store.load()
    rest.keeper._store.save(stored.token, 0)


async def test_twenty_calls_that_fail_at_once_cause_one_issue(tmp_path: Path) -> None:
    """OB-1019, OB-404, OB-402: all of them are held, then repeated once with the new token."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        forget(one, rest)
        calls = [rest.quotation(MULTI_PRICE, parameters(["990001"])) for _ in range(20)]
        answers = await asyncio.gather(*calls)
        assert [answer.reaction for answer in answers] == [Reaction.OK] * 20
        assert (rest.tokens.attempts, one.account.report.tokens) == (2, 2)


async def test_calls_that_wait_for_a_permit_are_not_sent_with_a_token_that_died(tmp_path: Path) -> None:
    """OB-402, OB-931: of sixty calls only those in flight are refused; all are answered with the new token."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        forget(one, rest)
        calls = [rest.quotation(MULTI_PRICE, parameters(["990001"])) for _ in range(60)]
        answers = await asyncio.gather(*calls)
        assert [answer.reaction for answer in answers] == [Reaction.OK] * 60
        assert rest.outcomes[MULTI_PRICE.tr_id, "renew_token"] <= 18
        assert rest.tokens.attempts == 2


async def test_fifty_starts_cause_one_issue(tmp_path: Path) -> None:
    """OB-1019, OB-401: a restart loop."""
    async with broker() as one:
        for _ in range(50):
            async with rest_of(one, tmp_path) as (rest, _):
                await rest.token()
        assert one.account.report.tokens == 1


async def test_a_call_that_no_new_token_helps_is_repeated_once(tmp_path: Path) -> None:
    """OB-402, KIS-034, KIS-028: one issue, one repetition, then the refusal is the answer."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        forget(one, rest)
        original = one.account.issue_token

        def stillborn(now_ns: int) -> Token | None:
            token = original(now_ns)
            one.account._tokens.clear()
            return token

        one.account.issue_token = stillborn  # type: ignore[method-assign]
        answer = await rest.quotation(MULTI_PRICE, parameters(["990001"]))
        assert (answer.reaction, answer.code) == (Reaction.RENEW_TOKEN, "EGW00122")
        assert rest.outcomes[MULTI_PRICE.tr_id, "renew_token"] == 2
        assert rest.tokens.attempts == 2


async def test_a_post_is_never_repeated_by_itself(tmp_path: Path) -> None:
    """KIS-028: a repeated GET pays a permit like any call; POSTs follow the token's rules only."""
    async with broker() as one:
        gone = one.settings(rest_url="http://127.0.0.1:9")
        async with rest_of(one, tmp_path, lambda _: gone) as (rest, _):
            with pytest.raises(UnavailableError, match="no approval key"):
                await rest.approval_key()
            assert sum(lane.served for lane in rest.gate.lanes.values()) == 1
        async with rest_of(one, tmp_path) as (rest, _):
            await rest.token()
            one.account.window.limit = 0
            await rest.quotation(MULTI_PRICE, parameters(["990001"]))
            assert rest.gate.lanes[Lane.SWEEP].served == REPETITIONS


async def test_wrong_credentials_are_fatal(tmp_path: Path) -> None:
    """OB-402: bad_credentials, no retry; the message shows no secret."""
    async with broker() as one:
        wrong = one.settings(appsecret="wrong")
        async with rest_of(one, tmp_path, lambda _: wrong) as (rest, _):
            with pytest.raises(CheckFailedError, match="EGW00105") as refusal:
                await rest.token()
            assert rest.tokens.state is TokenState.REFUSED
            with pytest.raises(CheckFailedError):
                await rest.approval_key()
            assert APPSECRET not in refusal.value.message
            assert "wrong" not in refusal.value.message


async def test_approval_keys_and_master_files(tmp_path: Path) -> None:
    """OB-408, KIS-087: a key of 36 characters; a missing path says its status."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        assert len(await rest.approval_key()) == 36
        assert (await rest.master(MASTER_PATHS[0]))[:2] == b"PK"
        with pytest.raises(UnavailableError, match="status 404"):
            await rest.master("/else")


async def test_refusals_and_silence_are_answers(tmp_path: Path) -> None:
    """KIS-043: refused by code, and a broker that is gone."""
    async with broker() as one:
        async with rest_of(one, tmp_path) as (rest, _):
            await rest.token()
            answer = await rest.quotation(Call(INQUIRE_PRICE.path, MULTI_PRICE.tr_id, 1), {})
            assert (answer.reaction, answer.code) == (Reaction.BUG, "OPSQ0002")
        gone = one.settings(rest_url="http://127.0.0.1:9", master_url="http://127.0.0.1:9")
        async with rest_of(one, tmp_path / "other", lambda _: gone) as (rest, _):
            assert (
                await rest._send(await rest.gate.take(Lane.BULK), "GET", "/x", {})
            ).reason is AnswerReason.TIMEOUT
            with pytest.raises(UnavailableError):
                await rest.master("/x")
            with pytest.raises(UnavailableError, match="no approval key"):
                await rest.approval_key()


async def test_a_call_that_is_cancelled_after_it_was_sent_keeps_its_permit_until_its_answer(
    tmp_path: Path,
) -> None:
    """OB-255: after sending only the answer, or the timeout, returns a permit."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        task = asyncio.create_task(rest.quotation(MULTI_PRICE, parameters(["990001"])))
        async with asyncio.timeout(PATIENCE_S):
            while not rest._calls:
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert rest.gate.figures.in_use > 0
            await until(lambda: not rest._calls)
        assert one.account.report.calls == 1
        assert rest.gate.figures.in_use > 0


async def test_a_broker_that_refuses_for_speed_is_asked_more_slowly(tmp_path: Path) -> None:
    """OB-258, KIS-041: EGW00201 first waits 150 ms and asks again; a second one lowers N."""
    async with broker() as one, rest_of(one, tmp_path) as (rest, _):
        await rest.token()
        one.account.window.limit = 0
        answer = await rest.quotation(MULTI_PRICE, parameters(["990001"]))
        assert (answer.reaction, answer.code) == (Reaction.SLOW_DOWN, "EGW00201")
        assert rest.outcomes[MULTI_PRICE.tr_id, "slow_down"] == 3
        assert (rest.gate.figures.permits, rest.gate.figures.refusals) == (11, 3)
        one.account.window.limit = 18
        assert (await rest.quotation(MULTI_PRICE, parameters(["990001"]))).reaction is Reaction.OK
