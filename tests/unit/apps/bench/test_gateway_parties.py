"""Who works how much for a request."""

import pytest

from veritape.apps.bench import gateway_parties as module
from veritape.apps.bench.gateway_client import Target
from veritape.apps.bench.gateway_parties import Parties, gateway_parties
from veritape.apps.bench.gateway_server import Server
from veritape.apps.bench.machine_load import Worked


def test_each_party_is_told_for_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: two runs of 1,000 and 2,000 requests; two cores could do 2 s / 300 us and 2 s / 200 us."""
    looks = iter([Worked(1.0, 1.0), Worked(1.15, 1.05), Worked(2.0, 1.0), Worked(2.2, 1.0)])
    monkeypatch.setattr(module, "worked_by", lambda _pids: next(looks))
    parties = Parties({"workers": {1, 2}})
    for requests, generator in ((1_000, Worked(0.0, 0.1)), (2_000, Worked(0.1, 0.1))):
        parties.begin()
        parties.end(requests, generator)
    rows = {row.name: row.values for row in parties.rows("x")}
    assert rows == {
        "x_capacity": pytest.approx([2 / 300e-6, 2 / 200e-6]),
        "x_us_workers": pytest.approx([200.0, 100.0]),
        "x_us_generator": pytest.approx([100.0, 100.0]),
    }
    assert parties.line("x") == (
        "x: microseconds of processor time a request: workers 150 (25 in the kernel), generator 100 (75 in the kernel); together 250"
    )


def test_the_parent_is_told_apart_from_its_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Issue 6: the parent owns the ledger; a gateway of one process is one party."""
    server = Server(Target("", 0), 7)
    monkeypatch.setattr(module, "started_by", lambda _pid: {8, 9})
    assert gateway_parties(server) == {"workers": {8, 9}, "parent": {7}}
    monkeypatch.setattr(module, "started_by", lambda _pid: set())
    assert gateway_parties(server) == {"gateway": {7}}


def test_no_answer_is_no_division() -> None:
    parties = Parties({})
    parties.begin()
    parties.end(0, Worked(0.0, 0.0))
    assert parties.rows("x")[1].values == [0.0]
    assert Parties({}).line("x").endswith("together 0")
