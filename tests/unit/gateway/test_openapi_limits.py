"""What a document says of limits."""

from copy import deepcopy
from typing import Any

from veritape.gateway.openapi_limits import SCHEMA, describe_limits
from veritape.gateway.prices import Price


def test_only_limited_operations_are_described_and_own_words_stay() -> None:
    """GW-602: a response that the application describes itself is not touched; paths without limits stay as they were."""
    own = {"description": "ours"}
    document: dict[str, Any] = {
        "paths": {
            "/a": {"parameters": [], "get": {"responses": {"200": own, "429": own}}, "post": {}},
            "/b": {"get": {"responses": {"200": own}}},
            "/c": {"get": {"responses": {}}},
        }
    }
    prices = {"/a": Price("a", 1_000), "/c": Price("c", 0, anonymous=False)}
    describe_limits(document, lambda _, template: prices.get(template), credentials=False)
    once = deepcopy(document)
    describe_limits(document, lambda _, template: prices.get(template), credentials=False)
    assert document == once
    assert document["paths"]["/a"]["get"]["responses"] == {"200": own, "429": own}
    assert set(document["paths"]["/a"]["post"]["responses"]) == {"429"}
    assert document["paths"]["/b"] == {"get": {"responses": {"200": own}}}
    assert set(document["paths"]["/c"]["get"]["responses"]) == {"401"}
    assert set(document["components"]["schemas"]) == {SCHEMA}


def test_a_document_without_limits_stays() -> None:
    """GW-602: nothing is added."""
    document: dict[str, Any] = {"paths": {"/b": {"get": {"responses": {}}}}}
    describe_limits(document, lambda *_: None, credentials=True)
    assert document == {"paths": {"/b": {"get": {"responses": {}}}}}
