"""The REST side of an account as processes open it."""

from pathlib import Path

from tests.broker import broker, rest_of

from veritape.apps.broker_account import open_broker
from veritape.observer.adapters.token_files import account_id
from veritape.observer.lanes import Lane
from veritape.observer.reactions import Reaction
from veritape.observer.settings import RecordSettings
from veritape.observer.track_a import parameters
from veritape.replay.accounts import APPKEY
from veritape.wire.kis.rest import MULTI_PRICE


async def test_a_second_process_of_the_account_shares_its_permits_and_its_token(tmp_path: Path) -> None:
    """OB-251, OB-256, OB-404: one file of permits, one issue, whoever asks."""
    async with broker() as one, rest_of(one, tmp_path / "clock") as (_, clock):
        settings = RecordSettings.model_validate(
            {"observer": {"data_dir": tmp_path}, "kis": one.settings(follow_replay_clock="true")}
        )
        for owner in (True, False):
            rest, permits = open_broker(settings, clock, owner=owner)
            answer = await rest.quotation(MULTI_PRICE, parameters(["990001"]), Lane.BULK)
            assert answer.reaction is Reaction.OK
            in_use = rest.gate.figures.in_use
            await rest.close()
            permits.close()
        assert in_use >= 2
        assert one.account.report.tokens == 1
        page = tmp_path / f"pacing-{account_id(APPKEY)}.permits"
        assert (page.stat().st_size, page.stat().st_mode & 0o777) == (4096, 0o600)
