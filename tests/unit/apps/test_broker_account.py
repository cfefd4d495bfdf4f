"""The REST side of an account as processes open it."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from tests.broker import broker, rest_of

from veritape.apps.broker_account import open_broker, tell_limits
from veritape.kernel.clock import SystemClock
from veritape.observer.adapters.token_files import account_id
from veritape.observer.lanes import Lane
from veritape.observer.reactions import AnswerReason, Reaction
from veritape.observer.settings import PacingSettings, RecordSettings, TrackBSettings
from veritape.observer.track_a import parameters
from veritape.replay.accounts import APPKEY
from veritape.wire.kis.rest import (
    BARS_PAST,
    FLUCTUATION_RANK,
    INQUIRE_PRICE,
    MULTI_PRICE,
    TRADING_DAYS,
    VOLUME_RANK,
)


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


@pytest.mark.parametrize(
    ("kis", "told"),
    [
        ({}, ["token_unencrypted", "plaintext"]),
        ({"ws_url": "ws://127.0.0.1:1"}, ["token_unencrypted"]),
        ({"ws_url": "wss://example.com"}, ["token_unencrypted"]),
        ({"environment": "paper"}, ["token_unencrypted", "plaintext"] + ["feature_off"] * 5),
    ],
)
def test_what_is_not_private_and_what_is_off_is_told(
    tmp_path: Path, kis: dict[str, str], told: list[str]
) -> None:
    """KIS-013, KIS-015, OB-405: by a recorder that has begun; a wss address and loopback hosts need no warning."""
    keys = {"appkey": "k", "appsecret": "s"}
    settings = RecordSettings.model_validate({"observer": {"data_dir": tmp_path}, "kis": {**keys, **kis}})
    with structlog.testing.capture_logs() as records:
        tell_limits(settings, "account")
    assert [record["event"] for record in records] == told
    off = {record["feature"] for record in records if record["event"] == "feature_off"}
    assert len(off) == told.count("feature_off")


async def test_a_paper_account_never_sends_what_it_lacks(tmp_path: Path) -> None:
    """KIS-015, KIS-011: paper's hosts, one request a second, and calls that are answered without being sent."""
    settings = RecordSettings.model_validate(
        {"observer": {"data_dir": tmp_path}, "kis": {"appkey": "k", "appsecret": "s", "environment": "paper"}}
    )
    assert settings.pacing.requests_per_second == 1
    assert (urlsplit(settings.kis.rest_url).port, urlsplit(settings.kis.ws_url).port) == (29443, 31000)
    rest, permits = open_broker(settings, SystemClock(), owner=True)
    for call in (MULTI_PRICE, BARS_PAST, VOLUME_RANK, FLUCTUATION_RANK, TRADING_DAYS):
        answer = await rest.quotation(call, {})
        assert (answer.reaction, answer.reason) == (Reaction.BUG, AnswerReason.NOT_ON_PAPER)
        assert not rest.serves(call)
    assert rest.serves(INQUIRE_PRICE)
    assert sum(lane.served for lane in rest.gate.lanes.values()) == 0
    await rest.close()
    permits.close()


def test_every_limit_that_is_a_setting_carries_the_date_of_its_evidence() -> None:
    """KIS-173: requests a second and registrations say since when."""
    for settings, name in ((PacingSettings, "requests_per_second"), (TrackBSettings, "limit")):
        assert re.search(r"20\d\d-\d\d", settings.model_fields[name].description or ""), name
