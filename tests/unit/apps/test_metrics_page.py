"""The chain's metrics page: one page for all parts."""

import asyncio
import json

from tests.ports import kept_port
from tests.waiting import PATIENCE_S

from veritape.apps.metrics_page import FAMILIES, families_of, metrics_page
from veritape.apps.traffic import page_text
from veritape.kernel.clock import SystemClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.pipes import VectorSender
from veritape.telemetry.metrics import part_metrics


async def test_what_a_child_sends_is_on_the_page() -> None:
    """TL-135, TL-120: parts that run in child processes report by vectors; veritape_part_up is 1 while they do."""
    clock = SystemClock()
    with kept_port() as port:
        base = f"http://127.0.0.1:{port}"
        async with metrics_page("127.0.0.1", port, clock, {"folder": "run"}) as descriptors:
            assert set(descriptors) == set(FAMILIES)
            before = await page_text(f"{base}/metrics")
            assert 'veritape_part_up{part="observer"} 0.0' in before
            registry = Registry((*part_metrics("observer"), *FAMILIES["observer"]))
            registry.add(
                next(
                    metric for metric in FAMILIES["observer"] if metric.name == "observer_gaps_detected_total"
                ),
                3,
            )
            sender = VectorSender(descriptors["observer"], registry, clock)
            assert sender.send()
            async with asyncio.timeout(PATIENCE_S):
                while "observer_gaps_detected_total 3.0" not in (after := await page_text(f"{base}/metrics")):
                    await asyncio.sleep(0.01)
            assert 'veritape_part_up{part="observer"} 1.0' in after
            assert families_of(after) >= len(FAMILIES["observer"])
            assert json.loads(await page_text(f"{base}/status"))["folder"] == "run"
