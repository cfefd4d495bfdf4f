"""The closed loop by wrk, and by ours where it is missing."""

import shutil
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers.answering_peer import answering_peer

from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_wrk import Driven, Wanted, drive, read_wrk, say_generator
from veritape.apps.bench.machine_load import Worked
from veritape.kernel.clock import SystemClock
from veritape.kernel.errors import UnavailableError

CLOCK = SystemClock()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("key", ["", 'vt_"live'])
async def test_every_answer_is_counted_by_its_status(
    installed: bool, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GW-852: by number, whoever drives; every third answer is a 503; the generator's own work is told."""
    if not installed:
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    asked = [0]

    def reply(number: int) -> tuple[float, bytes | None]:
        asked[0] = number
        return 0.0, OK if number % 3 else BUSY

    async with answering_peer(reply) as target:
        run = await drive(target, Wanted("/one", key), 0.3, CLOCK, 3)
    assert set(run.statuses) == {200, 503}
    assert 0 <= asked[0] - run.statuses.total() <= 3
    assert abs(run.statuses[200] - 2 * run.statuses[503]) <= 3 + 2
    assert run.per_second == run.statuses[200] / run.seconds
    assert run.errors_percent == pytest.approx(100 * run.statuses[503] / run.statuses.total())
    assert run.worked.seconds > 0


async def test_what_did_not_come_is_status_0() -> None:
    """GW-852: a peer that closes without an answer is counted, never left out."""
    async with answering_peer(lambda number: (0.0, None if number == 2 else OK)) as target:
        run = await drive(target, Wanted("/one"), 0.2, CLOCK, 1)
    assert run.statuses[0] == 1
    assert run.statuses[200] > 0


async def test_nobody_there_is_said() -> None:
    with pytest.raises(UnavailableError, match=r"wrk did not say what came, but: unable to connect"):
        await drive(Target("127.0.0.1", 1), Wanted("/"), 0.2, CLOCK, 1)


@given(st.text() | st.sampled_from(["{}", "[]", '{"statuses": 3}', '{"statuses": {"x": 1}, "lost": 0}']))
def test_what_cannot_be_read_is_said(told: str) -> None:
    with pytest.raises(UnavailableError, match="wrk did not say what came"):
        read_wrk(told)


def test_its_last_line_is_read() -> None:
    told = 'Running 1s test\n{"statuses": {"200": 7, "429": 1}, "lost": 2, "seconds": 1.5}\n'
    assert read_wrk(told) == (Counter({200: 7, 429: 1, 0: 2}), 1.5)
    assert Driven(Counter(), 1.0, Worked(0.0, 0.0)).errors_percent == 100.0


def test_a_missing_generator_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say_generator()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    say_generator()
    assert capsys.readouterr().err.count("the generator is our own") == 1
