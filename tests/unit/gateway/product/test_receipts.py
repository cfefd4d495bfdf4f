"""Receipts: labels and pages."""

import pytest
from tests.product_world import DAY, RECEIPT, SOURCES, ask

from veritape.gateway.problems import RefusedError
from veritape.gateway.readers import MemoryReceipts


def test_a_simulated_receipt_is_labelled() -> None:
    """GW-742: "executed, not proven" wherever a simulated receipt is shown."""
    body, _ = ask("/v1/receipts", {})
    assert [(item["id"], item["kind"], item.get("label")) for item in body["items"]] == [
        ("r1", "simulated", "executed, not proven"),
        ("r2", "stark", None),
    ]
    assert [item["id"] for item in ask("/v1/receipts", {"day": DAY, "program": "ab"})[0]["items"]] == ["r1"]
    assert ask("/v1/receipts", {"program": "ff"})[0]["items"] == []
    assert ask("/v1/receipts/{rest...}", {"rest": "r1"})[0]["label"] == "executed, not proven"
    with pytest.raises(RefusedError):
        ask("/v1/receipts/{rest...}", {"rest": "r1/file"})


def test_receipts_are_paged() -> None:
    many = MemoryReceipts([RECEIPT._replace(id=f"r{index:03}") for index in range(101)])
    first, _ = ask("/v1/receipts", {}, SOURCES._replace(receipts=many))
    second, _ = ask("/v1/receipts", {"cursor": first["next_cursor"]}, SOURCES._replace(receipts=many))
    assert (len(first["items"]), [item["id"] for item in second["items"]]) == (100, ["r100"])
