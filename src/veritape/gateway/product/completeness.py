"""``GET /v1/completeness``: what was recorded, backfilled and is missing of a day, per symbol."""

from veritape.gateway.problems import RefusedError
from veritape.gateway.product.pages import Page, Query, Sources, decimal_text, make_page, tape_of
from veritape.gateway.readers import Line, Totals
from veritape.gateway.reasons import Reason
from veritape.kernel.canonical import Json


def read_completeness(sources: Sources, query: Query) -> Page:
    """Answer ``GET /v1/completeness``: recorded, backfilled, residual of each line, and whether they close."""
    tape, day = tape_of(sources), query.values["day"]
    found = tape.completeness(day)
    symbol = query.values.get("symbol")
    lines = [line for line in found.lines if symbol in {None, line.code}] if found else []
    if found is None or not lines:
        raise RefusedError(Reason.NOT_FOUND, "nothing was recorded for this day and symbol")
    sealed = tape.is_sealed(day)
    extra: dict[str, Json] = {
        "day": day,
        "sealed": sealed,
        "closed": all(line.closed for line in lines),
        "as_of_ns": found.as_of_ns,
    }
    scales = found.share_scale, found.value_scale
    return make_page(sources, query, [_line(line, scales) for line in lines], None, extra, sealed=False)


def _line(line: Line, scales: tuple[int, int]) -> Json:
    return {
        "code": line.code,
        "status": line.status,
        "recorded": _totals(line.recorded, scales),
        "backfilled": _totals(line.backfilled, scales),
        "residual": _totals(line.residual, scales),
        "closed": line.closed,
    }


def _totals(totals: Totals, scales: tuple[int, int]) -> Json:
    """Return the three quantities; null is a size that nobody knows, because the trade is missing."""
    shares, value = (
        None if quantity is None else decimal_text(quantity, scale)
        for quantity, scale in zip(totals[1:], scales, strict=True)
    )
    return {"trades": totals.trades, "shares": shares, "value": value}
