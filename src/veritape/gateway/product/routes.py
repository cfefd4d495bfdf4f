"""The table of the product's routes: path, parameters, handler and the members of an item."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from veritape.gateway.parameters import CURSOR, DAY, LIMIT, SYMBOL, Parameter
from veritape.gateway.product.bars import INTERVALS, read_bars
from veritape.gateway.product.completeness import read_completeness
from veritape.gateway.product.pages import Handler, Sources
from veritape.gateway.product.receipts import read_receipt, read_receipts
from veritape.gateway.product.trades import BACKFILL, read_trades


class ProductRoute(NamedTuple):
    """One route of the product."""

    path: str
    """Pattern, as it stands in the policy."""
    summary: str
    parameters: tuple[Parameter, ...]
    handler: Handler
    reads: str
    """Field of ``Sources`` that it needs."""
    items: Mapping[str, str]
    """Members of an item and their JSON types."""
    optional: frozenset[str] = frozenset()
    """Members that an item may lack."""


_NANOSECONDS_PATTERN: Final = "[0-9]{1,19}"
_INTERVAL: Final = Parameter(
    "interval", "[1-9][smhd]", "Length of a bar.", default="1m", choices=tuple(INTERVALS)
)
_OPTIONAL_DAY: Final = DAY._replace(required=False)
_TEXT, _WHOLE, _BOOLEAN, _OBJECT = "string", "integer", "boolean", "object"

ROUTES: Final[tuple[ProductRoute, ...]] = (
    ProductRoute(
        "/v1/trades", "Sealed trades of a symbol, in chain order.",
        (
            SYMBOL, _OPTIONAL_DAY._replace(description="Business date, YYYYMMDD; or give from and to."),
            Parameter("from", _NANOSECONDS_PATTERN, "Start of the time, nanoseconds UTC."),
            Parameter("to", _NANOSECONDS_PATTERN, "End of the time, nanoseconds UTC, not included."), LIMIT, CURSOR,
            Parameter(
                "include", BACKFILL, "backfill: behind each day also what was missed and fetched, with its source.",
                choices=(BACKFILL,),
            ),
        ),
        read_trades, "tape",
        {
            "code": _TEXT, "sequence": _WHOLE, "record": _WHOLE, "event_ns": _WHOLE, "received_ns": _WHOLE, "price": _TEXT,
            "shares": _TEXT, "side": _WHOLE, "counted": _BOOLEAN, "chain_shares": _TEXT, "chain_epoch": _WHOLE,
            "value_hole": _TEXT, "session": _TEXT, "sells": _WHOLE, "buys": _WHOLE, "trade_id": _TEXT,
            "source": _TEXT, "fetched_ns": _WHOLE, "gap_id": _TEXT, "last_trade_id": _TEXT,
        },
        frozenset({
            "chain_shares", "chain_epoch", "value_hole", "session", "sells", "buys", "trade_id", "sequence", "record",
            "received_ns", "side", "counted", "source", "fetched_ns", "gap_id", "last_trade_id",
        }),
    ),
    ProductRoute(
        "/v1/bars", "Open, high, low, close, volume and value of each interval with trades.",
        (SYMBOL, DAY, _INTERVAL, CURSOR), read_bars, "tape",
        {
            "start_ns": _WHOLE, "open": _TEXT, "high": _TEXT, "low": _TEXT, "close": _TEXT, "volume": _TEXT, "value": _TEXT,
            "trades": _WHOLE,
        },
    ),
    ProductRoute(
        "/v1/completeness", "What was recorded, backfilled and is missing, per symbol.",
        (DAY, SYMBOL._replace(required=False)), read_completeness, "tape",
        {
            "code": _TEXT, "status": _TEXT, "recorded": _OBJECT, "backfilled": _OBJECT, "residual": _OBJECT,
            "closed": _BOOLEAN,
        },
    ),
    ProductRoute(
        "/v1/receipts", "Receipts of computations on the record.",
        (Parameter("program", "[0-9a-f]{1,128}", "Program id."), _OPTIONAL_DAY, CURSOR), read_receipts, "receipts",
        {"id": _TEXT, "kind": _TEXT, "day": _TEXT, "created_ns": _WHOLE, "bytes": _WHOLE, "claims": "array"},
    ),
    ProductRoute("/v1/receipts/{rest...}", "One receipt.", (), read_receipt, "receipts", {}),
)  # fmt: skip
"""Every route of the product."""


def installed(sources: Sources) -> dict[str, ProductRoute]:
    """Return path -> route of those whose source is there."""
    return {route.path: route for route in ROUTES if getattr(sources, route.reads) is not None}
