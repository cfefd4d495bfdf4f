"""More than a gateway can do: it goes on doing what it can, and says so to the rest at once."""

import asyncio
import re
import sys
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from tests.ports import kept_port
from tests.servers.gateway_process import NO_TLS, gateway_process
from tests.upstream import Peer, answer, policy_text, upstream
from tests.waiting import PATIENCE_S

from veritape.apps.bench import gateway_flood
from veritape.apps.bench.gateway_client import Target, request_bytes
from veritape.apps.bench.gateway_flood import Tally, open_loop
from veritape.kernel.clock import SystemClock

ALLOWED = 40
"""Requests in progress that the policy allows; 35 of them are for routes that are not essential."""

TAKES_S = 0.5
"""How long the upstream takes on average: with ``ALLOWED`` the capacity of this gateway, 70 a second on any machine."""

SPREAD = 0.618
"""Answers take half of that to one and a half, in an order that spreads them: else all would come and go together."""

RATE = 60
"""Requests a second that it can do."""

CONNECTIONS = 150
"""Below the limit of one address."""

BOUND_S = 30.0
"""Longest wait, thirty times the usual one: a request that is refused twice in a second waits for the rest of it."""

SHED = 'gateway_problems_total{reason="overloaded"}'
IN_PROGRESS = "gateway_requests_in_flight"
ANSWERS = 'gateway_http_requests_total{class="%s",route="echo"}'
"""Figures that a scraper sees."""

WITHOUT_A_BOUND = """\
from veritape.gateway import overload
overload.ENTER_US = 0
overload.Room.requests = lambda room, allowed, below: allowed
from veritape.apps.command_line import main
main()
"""
"""The planted fault: as much is taken as is allowed, so that demand alone leads to the ladder's highest level. It is entered at once and
not after a second at full load, which a busy machine does not always offer; with a bound that changes nothing."""


class Seen(NamedTuple):
    """What came of two runs."""

    within: Tally
    beyond: Tally
    essential: list[int]
    """Statuses of essential requests meanwhile."""
    figures: str
    """The metrics page afterwards."""


async def slow(peer: Peer) -> None:
    await asyncio.sleep(TAKES_S * (0.5 + peer.number * SPREAD % 1))
    peer.writer.write(answer())


async def seen(folder: Path, *program: str) -> Seen:
    """Offer a gateway what it can do, then three times of it."""
    async with upstream(slow) as back:
        with kept_port() as port:
            config = written(folder, back.url, port)
            with gateway_process(config, *program) as process:
                at = urlsplit(process.base)
                target = Target(str(at.hostname), at.port or 0)
                within = await offered(target, RATE, 3)
                going = asyncio.create_task(offered(target, 3 * RATE, 6))
                essential = await essential_answers(process.base, going)
                beyond = await going
                shed, page = within.statuses[503] + beyond.statuses[503], await figures(port)
                while figure(page, SHED) < shed or figure(page, IN_PROGRESS):  # it is up to a second old
                    page = await figures(port)
                return Seen(within, beyond, essential, page)


def written(folder: Path, url: str, port: int) -> Path:
    """Write policy and settings of a gateway."""
    vital = '[routes.vital]\npath = "/vital"\nmethods = ["GET"]\nupstream = "back"\nanonymous = true\nessential = true\ncost = "0"\n'
    policy = policy_text(url, extra=f"{vital}[overload]\nin_flight_max = {ALLOWED}\n")
    (folder / "policy.toml").write_bytes(policy)
    config = folder / "gateway.toml"
    config.write_text(
        f'policy = "{folder}/policy.toml"\ndata_dir = "{folder}/data"\n'
        f'[log]\naccess = false\n[telemetry]\nlisten = "127.0.0.1:{port}"\n[listen]\nadmin = ""\n'
    )
    return config


async def offered(target: Target, rate: int, seconds: float) -> Tally:
    return await open_loop(target, request_bytes("GET", "/echo"), rate, seconds, SystemClock(), CONNECTIONS)


async def essential_answers(base: str, going: "asyncio.Task[Tally]") -> list[int]:
    """Ask for what is always served, one after the other, as long as something else goes on."""
    statuses = []
    async with httpx.AsyncClient(base_url=base, verify=NO_TLS, timeout=PATIENCE_S) as client:
        while not going.done():
            statuses.append((await client.get("/vital")).status_code)
    return statuses


async def figures(port: int) -> str:
    async with httpx.AsyncClient(verify=NO_TLS, timeout=PATIENCE_S) as client:
        return (await client.get(f"http://127.0.0.1:{port}/metrics")).text


def figure(page: str, name: str) -> float:
    """Return a figure of the metrics page."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for answers as long as a busy machine needs."""
    monkeypatch.setattr(gateway_flood, "PATIENCE_S", float(PATIENCE_S))


async def test_three_times_as_much_is_served_as_well_as_what_can_be_done(tmp_path: Path) -> None:
    """GW-381, GW-979: at 3 x its capacity a gateway serves what it can; the surplus gets 503, is counted, and nobody is left waiting."""
    found = await seen(tmp_path)
    assert set(found.within.statuses) <= {200, 503}
    assert set(found.beyond.statuses) == {200, 503}
    assert found.beyond.per_second >= 0.5 * found.within.per_second
    assert max(found.within.latencies_ns[-1], found.beyond.latencies_ns[-1]) < BOUND_S * 1e9
    assert set(found.essential) == {200}
    served, shed = (found.within.statuses[status] + found.beyond.statuses[status] for status in (200, 503))
    assert [figure(found.figures, name) for name in (ANSWERS % "2xx", ANSWERS % "5xx", SHED)] == [
        served,
        shed,
        shed,
    ]


async def test_a_gateway_that_takes_all_that_is_allowed_throws_away_what_it_can_do(tmp_path: Path) -> None:
    """GW-381: the planted fault: the ladder's highest level refuses everything, is calm, and is reached again."""
    found = await seen(tmp_path, sys.executable, "-c", WITHOUT_A_BOUND)
    assert found.beyond.per_second < 0.5 * found.within.per_second
