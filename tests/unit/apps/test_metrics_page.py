"""The chain's metrics page: one page for all parts."""

import asyncio
import json

from veritape.apps.metrics_page import FAMILIES, families_of, metrics_page
from veritape.apps.running_chain import free_ports
from veritape.apps.traffic import page_text
from veritape.kernel.clock import SystemClock
from veritape.telemetry import Registry
from veritape.telemetry.adapters.pipes import VectorSender
from veritape.telemetry.metrics import part_metrics


async def test_what_a_child_sends_is_on_the_page() -> None:
    """TL-135, TL-120: parts that run in child processes report by vectors; veritape_part_up is 1 while they do."""
    port, clock = free_ports().metrics, SystemClock()
    base = f"http://127.0.0.1:{port}"
    async with metrics_page("127.0.0.1", port, clock, {"folder": "run"}) as descriptors:
        assert set(descriptors) == set(FAMILIES)
        before = await page_text(f"{base}/metrics")
        assert 'veritape_part_up{part="observer"} 0.0' in before
        registry = Registry((*part_metrics("observer"), *FAMILIES["observer"]))
        registry.add(
            next(metric for metric in FAMILIES["observer"] if metric.name == "observer_gaps_detected_total"),
            3,
        )
        sender = VectorSender(descriptors["observer"], registry, clock)
        assert sender.send()
        await asyncio.sleep(0.05)
        after = await page_text(f"{base}/metrics")
        assert 'veritape_part_up{part="observer"} 1.0' in after
        assert "observer_gaps_detected_total 3.0" in after
        assert families_of(after) >= len(FAMILIES["observer"])
        assert json.loads(await page_text(f"{base}/status"))["folder"] == "run"
