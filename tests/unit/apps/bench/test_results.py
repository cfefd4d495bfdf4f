"""Rows: median, spread, target and peer as they were measured."""

from veritape.apps.bench.results import QUICK, Row, Size, measured, rates, text, timed

MEMBERS = {
    "name", "value", "unit", "better", "runs", "spread", "target", "goal", "meets", "peer", "peer_value", "ratio", "published",
}  # fmt: skip


def test_a_row_is_the_median_of_its_runs_beside_its_peer() -> None:
    """One row a figure; nothing is stored."""
    document = Row("x", [10.0, 30.0, 20.0], target=25, goal=40, peer="half", peer_values=[10.0]).document()
    assert set(document) == MEMBERS
    assert (document["value"], document["spread"], document["meets"], document["ratio"]) == (
        20,
        [10, 30],
        False,
        2.0,
    )
    assert Row("x", [1.0], better="lower", target=2).document()["meets"] is True
    alone = Row("x", [1.0]).document()
    assert (alone["meets"], alone["peer_value"], alone["ratio"]) == (None, None, None)


def test_rates_take_turns_and_do_not_count_the_first_run() -> None:
    """The peer is measured in the same run."""
    order: list[str] = []

    def work(name: str) -> int:
        order.append(name)
        return 10**6

    values, peers = rates(Size(2), lambda: work("a"), lambda: work("b"))
    assert order == ["a", "a", "b", "a", "b"]
    assert (len(values), len(peers)) == (2, 2)
    assert min(values + peers) > 0
    assert rates(Size(1), lambda: 1)[1] == []
    assert timed(lambda: 7)[0] == 7


def test_a_document_and_its_text() -> None:
    """Suite, machine, commit, rows; a line each."""
    rows = [
        Row("a", [1234.5678], "1/s", target=1, peer="loop", peer_values=[2.0]),
        Row("b", [0.00012345], "s", "lower", 1e-9),
    ]
    document = measured("planted", rows)
    assert set(document) == {"suite", "machine", "commit", "rows"}
    head, first, second = text(document)
    assert head.startswith("planted: ")
    assert first.split() == ["a", "1,235", "1/s,", "target", "1", "met,", "617.284", "x", "loop", "(2)"]
    assert second.split() == ["b", "0.0001234", "s,", "target", "1e-09", "MISSED"]
    assert QUICK.quick
