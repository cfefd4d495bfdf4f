"""The merge over processes: deaths, restarts, silence, rules of gauges."""

import json
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from veritape.kernel.clock import NANOSECONDS
from veritape.telemetry import B1, Merge, Metric, MetricType, Registry
from veritape.telemetry.metrics import PART_UP, page_metrics, part_metrics
from veritape.telemetry.page import FRESH_NS, Page, Pipe
from veritape.telemetry.vectors import Vector

COUNT = Metric("count_total", MetricType.COUNTER, "Counts.", "it happened", labels=(("kind", ("a", "b")),))
WAIT = Metric("wait_seconds", MetricType.HISTOGRAM, "Takes.", "it ended", buckets=B1)


def gauge(rule: Merge) -> Metric:
    return Metric(f"level_{rule}", MetricType.GAUGE, "Stands.", "it changed", merge=rule)


GAUGES = tuple(gauge(rule) for rule in Merge)
METRICS = (COUNT, WAIT, *GAUGES)


def page_of(*parts: str) -> Page:
    own = Registry(page_metrics(parts, version="1", commit="c", python="3"))
    return Page(own, {part: Registry((*METRICS, *part_metrics(part))) for part in parts})


def tell(page: Page, pipe: Pipe, process_id: int, now_ns: int, change: Callable[[Registry], object]) -> None:
    part = next(part for part in page.parts.values() if any(one is pipe for one in part.pipes))
    registry = Registry(part.registry.metrics)
    change(registry)
    pipe.receive(Vector(process_id, 0, tuple(registry.values)), now_ns)


def samples(page: Page, now_ns: int) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text(now_ns).decode())
        for sample in family.samples
    }


def test_a_part_is_up_while_its_last_vector_is_under_three_seconds_old() -> None:
    """TL-135: then the gauges are left out, while counts stay."""
    page = page_of("observer", "replay")
    pipe = page.add_pipe("observer")

    def change(registry: Registry) -> None:
        registry.add(COUNT, 5, kind="a")
        registry.set(GAUGES[0], 1)

    tell(page, pipe, 10, 0, change)
    up = ("veritape_part_up", (("part", "observer"),))
    last = FRESH_NS - 1
    assert samples(page, last)[up] == 1
    assert samples(page, last)["level_sum", ()] == 1
    found = samples(page, FRESH_NS)
    assert found[up] == 0
    assert ("level_sum", ()) not in found
    assert found["count_total", (("kind", "a"),)] == 5
    assert found["veritape_part_up", (("part", "replay"),)] == 0
    assert b"# TYPE level_sum" not in page.text(FRESH_NS)


def test_gauges_follow_their_rule() -> None:
    """TL-130: sum, max, min or last over the workers; what is not known yet gives way."""
    page = page_of("gateway")
    pipes = [page.add_pipe("gateway") for _ in range(3)]
    for order, (pipe, value) in enumerate(zip(pipes, (4.0, math.nan, 9.0), strict=True)):

        def change(registry: Registry, value: float = value) -> None:
            for metric in GAUGES:
                registry.set(metric, value)
            registry.add(COUNT, 2, kind="b")

        tell(page, pipe, order, order, change)
    found = samples(page, 3)
    assert [found[f"level_{rule}", ()] for rule in (Merge.SUM, Merge.MAX, Merge.MIN, Merge.LAST)] == [
        13,
        9,
        4,
        9,
    ]
    assert found["count_total", (("kind", "b"),)] == 6


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 5)), max_size=40))
def test_counts_never_fall_and_sums_are_exact(steps: list[tuple[int, bool, int]]) -> None:
    """TL-130 and TL-940: over random kill orders no count falls and the sum is what was told."""
    page = page_of("gateway")
    pipes = [page.add_pipe("gateway") for _ in range(3)]
    living = [Registry(page.parts["gateway"].registry.metrics) for _ in pipes]
    process_ids, told, previous = [1, 2, 3], 0, 0.0
    for now, (worker, dies, amount) in enumerate(steps):
        if dies:
            process_ids[worker] += 3
            living[worker] = Registry(page.parts["gateway"].registry.metrics)
        living[worker].add(COUNT, amount, kind="a")
        living[worker].observe(WAIT, amount)
        told += amount
        pipes[worker].receive(Vector(process_ids[worker], now, tuple(living[worker].values)), now * FRESH_NS)
        found = samples(page, now * FRESH_NS)
        assert found["count_total", (("kind", "a"),)] == told >= previous
        assert found["wait_seconds_sum", ()] == told
        assert found["wait_seconds_count", ()] == now + 1
        previous = told


def test_parts_share_families_without_hiding_each_other() -> None:
    """TL-135: each part's own series of a common family stand side by side."""
    page = page_of("observer", "replay")
    for order, part in enumerate(page.parts):

        def change(registry: Registry, part: str = part, order: int = order) -> None:
            registry.set(part_metrics(part)[0], 100.0 + order, part=part)

        tell(page, page.add_pipe(part), order, 0, change)
    found = samples(page, 0)
    name = "veritape_heartbeat_timestamp_seconds"
    assert [found[name, (("part", part),)] for part in ("observer", "replay")] == [100, 101]
    assert page.text(0, "observer").count(name.encode() + b"{") == 2
    assert b"veritape_part_up" not in page.text(0, "observer")


def test_a_used_other_row_reaches_the_page() -> None:
    """TL-040: the overflow of a child is seen."""
    page = page_of("observer")
    tell(page, page.add_pipe("observer"), 1, 0, lambda registry: registry.add(COUNT, kind="005930"))
    found = samples(page, 0)
    assert found["count_total", (("kind", "other"),)] == 1
    assert found["veritape_label_overflow_total", ()] == 1


def test_the_document_holds_the_same_values_and_null_for_nan() -> None:
    """TL-150: families with labels and value, parts, time."""
    page = page_of("observer")
    tell(page, page.add_pipe("observer"), 1, 0, lambda registry: registry.observe(WAIT, 0.3))
    document = json.loads(page.document(0, 1_795_219_200 * NANOSECONDS))
    assert document["as_of_ns"] == 1_795_219_200 * NANOSECONDS
    assert document["part_up"] == {"observer": True}
    families = document["families"]
    assert families["count_total"] == [
        {"labels": {"kind": "a"}, "value": 0},
        {"labels": {"kind": "b"}, "value": 0},
    ]
    assert families["level_max"] == [{"labels": {}, "value": None}]
    assert (families["wait_seconds"][0]["value"], families["wait_seconds"][0]["sum"]) == (1, 0.3)
    assert families["wait_seconds"][0]["buckets"][-1] == [1.0, 1]


def test_one_family_has_one_definition() -> None:
    """TL-010: two parts that define a family differently do not start."""
    other = Metric("count_total", MetricType.COUNTER, "Counts otherwise.", "it happened")
    with pytest.raises(ValueError, match="two ways"):
        Page(Registry((PART_UP, COUNT)), {"observer": Registry((other,))})
