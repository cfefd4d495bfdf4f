"""Rows of the quotation calls as values (KIS-056 to 061, OB-210)."""

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from veritape.observer.reactions import Answer, AnswerReason
from veritape.wire.kis.frames import SYMBOL

_NUMBER: Final = re.compile(r"-?[0-9]{1,18}")
_CLOCK: Final = re.compile(r"(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]")
_SYMBOL: Final = re.compile(SYMBOL)


class Quote(NamedTuple):
    """One code's state between ``requested`` and ``received``: won and shares; a single quote has no ask and bid (KIS-055)."""

    code: str
    price: int
    open: int
    high: int
    low: int
    ask: int | None
    bid: int | None
    ask_shares: int | None
    bid_shares: int | None
    chain_shares: int
    chain_value: int
    reference_price: int


class TimedTrade(NamedTuple):
    """One row of the by-time call: the interval (chain_shares - shares, chain_shares]."""

    event_s: int
    price: int
    chain_shares: int
    shares: int


QUOTE_FIELDS: Final = (
    "inter2_prpr", "inter2_oprc", "inter2_hgpr", "inter2_lwpr", "inter2_askp", "inter2_bidp", "seln_rsqn", "shnu_rsqn",
    "acml_vol", "acml_tr_pbmn", "inter2_sdpr",
)  # fmt: skip
"""Fields of a multi-price row in the order of ``Quote``."""


def quotes_of(answer: Answer) -> tuple[dict[str, Quote], set[str]]:
    """Return the quotes of a multi-price answer by code, and the codes whose row is malformed.

    Rows are matched by their code, never by position; a code with an empty price is simply not there (KIS-057).
    """
    quotes, malformed = {}, set()
    for row in rows_of(answer.document.get("output")):
        code = row.get("inter_shrn_iscd")
        if not isinstance(code, str) or not _SYMBOL.fullmatch(code) or row.get("inter2_prpr") == "":
            continue
        numbers = [number(row.get(field)) for field in QUOTE_FIELDS]
        if any(number is None for number in numbers):
            malformed.add(code)
        else:
            quotes[code] = Quote(code, *(number or 0 for number in numbers))
    return quotes, malformed


SINGLE_FIELDS: Final = (
    "stck_prpr", "stck_oprc", "stck_hgpr", "stck_lwpr", "acml_vol", "acml_tr_pbmn", "stck_sdpr",
)  # fmt: skip
"""Fields of a single price: ``Quote`` without ask and bid."""


def single_quote_of(code: str, answer: Answer) -> tuple[dict[str, Quote], set[str]]:
    """Return the quote of an inquire-price answer, as ``quotes_of`` returns many (KIS-054, OB-204)."""
    row = next(iter(rows_of(answer.document.get("output"))), {})
    if row.get("stck_shrn_iscd", code) != code or row.get("stck_prpr", "") == "":
        return {}, set()
    numbers = [number(row.get(field)) for field in SINGLE_FIELDS]
    if None in numbers:
        return {}, {code}
    price, opened, high, low, shares, krw, reference = (value or 0 for value in numbers)
    quote = Quote(code, price, opened, high, low, None, None, None, None, shares, krw, reference)
    return {code: quote}, set()


def timed_trades_of(answer: Answer) -> list[TimedTrade] | AnswerReason:
    """Return the rows of a by-time answer, newest first, or why they cannot be read."""
    if "output2" not in answer.document:
        return AnswerReason.MISSING_OUTPUT
    trades = []
    for row in rows_of(answer.document["output2"]):
        clock = row.get("stck_cntg_hour")
        price = number(row.get("stck_prpr", row.get("stck_pbpr")))
        chain_shares, shares = number(row.get("acml_vol")), number(row.get("cnqn"))
        if not isinstance(clock, str) or not _CLOCK.fullmatch(clock):
            return AnswerReason.BAD_NUMBER
        if price is None or chain_shares is None or shares is None:
            return AnswerReason.BAD_NUMBER
        second = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:])
        trades.append(TimedTrade(second, price, chain_shares, shares))
    return trades


def rows_of(output: object) -> list[Mapping[str, Any]]:
    """Return the rows of an output; a single one may come as an object (KIS-023)."""
    rows = output if isinstance(output, list) else [output]
    return [row for row in rows if isinstance(row, dict)]


def number(value: object) -> int | None:
    """Return an integer of at most 18 digits, None for anything else."""
    text = value.strip(" ") if isinstance(value, str) else ""
    return int(text) if _NUMBER.fullmatch(text) else None
