"""The quotation calls: parameters in, rows out, at one instant of the tape (KIS-050 to 072).

Every figure follows from the trades up to the instant (OB-802). A refusal is a code, raised here and caught by the REST
envelope.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from veritape.replay import rankings, trading_days
from veritape.replay.bars import bar_row, bars_back, is_kept, padded, session_before
from veritape.replay.market import Market, Quoted
from veritape.replay.rest_faults import RestFaults
from veritape.replay.schedule import DAY_MS, asked_ms
from veritape.wire.kis.rest import (
    BARS_PAST,
    BARS_TODAY,
    FLUCTUATION_RANK,
    INQUIRE_PRICE,
    LAST_TRADES,
    MARKETS,
    MULTI_PRICE,
    SEARCH_INFO,
    TRADES_BY_TIME,
    TRADING_DAYS,
    VOLUME_RANK,
    Call,
)

HOUR: Final = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d", re.ASCII)
"""HHMMSS."""

NUMBER: Final = re.compile(r"\s*-?[0-9]{0,15}(?:\.[0-9]{0,6})?\s*")
"""A bound of a ranking; empty is none."""

DAY_END_MS: Final = 2 * DAY_MS - 1
"""A time after every trade of a day, one that crosses midnight included."""

ALL_CODES: Final = "0000"
"""Code of a ranking: every symbol."""


class RefusedCallError(Exception):
    """A quotation call is refused with a code; it ends inside the envelope."""


@dataclass(frozen=True)
class Asked:
    """One call."""

    parameters: Mapping[str, str]
    """Query, names in lower case."""
    now_ms: int
    """Tape clock."""
    continues: bool
    """The header ``tr_cont`` asks for the next page."""
    pages: dict[str, int]
    """Transaction id -> page of the account's last answer."""

    def need(self, *names: str) -> None:
        """Refuse the call when an obligatory parameter is missing."""
        if any(name not in self.parameters for name in names):
            raise RefusedCallError("OPSQ2002")

    def hour(self) -> str:
        """Return the second that the call asks for."""
        hour = self.parameters.get("fid_input_hour_1", "")
        if not HOUR.fullmatch(hour):
            raise RefusedCallError("OPSQ2002")
        return hour


class Page(NamedTuple):
    """What a call answers."""

    rows: dict[str, Any]
    """``output`` and its kin."""
    tr_cont: str = ""
    """``F`` or ``M``: more pages; ``D`` or ``E``: the last one; empty: not paged."""


class QuotationCalls:
    """Every call of the broker's quotation side."""

    def __init__(self, market: Callable[[], Market], faults: RestFaults) -> None:
        self._market = market
        self._faults = faults
        handlers: tuple[tuple[Call, Callable[[Asked], Page]], ...] = (
            (MULTI_PRICE, self._multi_price),
            (INQUIRE_PRICE, self._price),
            (LAST_TRADES, self._last_trades),
            (TRADES_BY_TIME, self._by_time),
            (BARS_TODAY, self._bars_today),
            (BARS_PAST, self._bars_past),
            (VOLUME_RANK, self._volume_rank),
            (FLUCTUATION_RANK, self._fluctuation),
            (TRADING_DAYS, self._trading_days),
            (SEARCH_INFO, self._search_info),
        )
        self._by_path = {call.path: (call, handler) for call, handler in handlers}

    def answer(self, path: str, tr_id: str, asked: Asked) -> Page:
        """Answer a call.

        Raises:
            RefusedCallError: with the code that refuses it.
        """
        call, handler = self._by_path.get(path, (None, None))
        if call is None or handler is None or call.tr_id != tr_id:
            raise RefusedCallError("OPSQ0002")
        return handler(asked)

    def _multi_price(self, asked: Asked) -> Page:
        codes = _numbered_codes(asked.parameters)
        if self._faults.word("bad_code", asked.now_ms) in [code for _, code in codes]:
            raise RefusedCallError("OPSQ2002")
        venues = [(self._market().venue(venue), code) for venue, code in codes]
        rows = [
            market.multi_price_row(code, asked.now_ms) for market, code in venues if code in market.quoted
        ]
        return Page({"output": rows})

    def _price(self, asked: Asked) -> Page:
        market, code = self._known(asked)
        return Page({"output": market.price_row(code, asked.now_ms)})

    def _last_trades(self, asked: Asked) -> Page:
        market, code = self._known(asked)
        return Page({"output": market.last_rows(code, asked.now_ms, LAST_TRADES.rows)})

    def _by_time(self, asked: Asked) -> Page:
        market, code = self._known(asked)
        hour = asked.hour()
        head = _head(
            market, code, asked.now_ms, "stck_prpr", "prdy_vrss", "prdy_vrss_sign", "prdy_ctrt", "acml_vol", "rprs_mrkt_kor_name"
        )  # fmt: skip
        head["prdy_vol"] = str(market.quoted[code].listing.symbol.previous_shares)
        rows = market.by_time_rows(code, asked.now_ms, hour, TRADES_BY_TIME.rows)
        return Page({"output1": head, "output2": rows})

    def _bars_today(self, asked: Asked) -> Page:
        asked.need("fid_pw_data_incu_yn")
        return self._bars(asked, self._market().day, BARS_TODAY.rows)

    def _bars_past(self, asked: Asked) -> Page:
        asked.need("fid_input_date_1", "fid_pw_data_incu_yn")
        return self._bars(asked, asked.parameters["fid_input_date_1"], BARS_PAST.rows)

    def _bars(self, asked: Asked, day: str, count: int) -> Page:
        market, code = self._known(asked)
        hour_ms, today = asked_ms(asked.hour(), asked.now_ms), market.day
        head = _head(
            market, code, asked.now_ms, "prdy_vrss", "prdy_vrss_sign", "prdy_ctrt", "acml_vol", "acml_tr_pbmn", "stck_prpr"
        )  # fmt: skip
        quoted = market.quoted[code]
        head |= {"stck_prdy_clpr": str(quoted.listing.open_price), "hts_kor_isnm": quoted.listing.symbol.name}
        if not is_kept(day, today):
            return Page({"output1": head, "output2": []})
        found = self._bar_rows(quoted, day, today, hour_ms, asked.now_ms)
        if asked.parameters["fid_pw_data_incu_yn"] == "Y":
            earlier = session_before(day)
            found = chain(found, self._bar_rows(quoted, earlier, today, DAY_END_MS, asked.now_ms))
        return Page({"output1": head, "output2": list(islice(found, count))})

    def _bar_rows(self, quoted: Quoted, day: str, today: str, hour_ms: int, now_ms: int) -> Any:
        until_ms = now_ms if day == today else DAY_END_MS
        walk = padded if self._faults.strikes("pad_future", now_ms) else bars_back
        last_ms = hour_ms if day == today else min(hour_ms, quoted.series.times_ms[-1])
        label_end = self._faults.on("label_end", now_ms)
        return (bar_row(one, day, label_end=label_end) for one in walk(quoted.series, last_ms, until_ms))

    def _volume_rank(self, asked: Asked) -> Page:
        asked.need("fid_cond_scr_div_code", "fid_blng_cls_code")
        return self._ranking(
            asked, VOLUME_RANK, "fid_blng_cls_code", rankings.BY_VOLUME, rankings.volume_rank
        )

    def _fluctuation(self, asked: Asked) -> Page:
        asked.need("fid_cond_scr_div_code", "fid_rank_sort_cls_code")
        return self._ranking(
            asked, FLUCTUATION_RANK, "fid_rank_sort_cls_code", rankings.BY_CHANGE, rankings.fluctuation
        )

    def _ranking(
        self, asked: Asked, call: Call, kind: str, kinds: Mapping[str, Any],
        rank: Callable[[list[rankings.Standing], Mapping[str, str]], list[dict[str, str]]],
    ) -> Page:  # fmt: skip
        """Return one page of a ranking; the account's place in it is the broker's to remember (KIS-051)."""
        if asked.parameters.get("fid_cond_mrkt_div_code") not in MARKETS:
            raise RefusedCallError("OPSQ2001")
        bounds = ("fid_input_price_1", "fid_input_price_2", "fid_vol_cnt", "fid_rsfl_rate1", "fid_rsfl_rate2")
        good = asked.parameters.get("fid_input_iscd") == ALL_CODES and asked.parameters[kind] in kinds
        if not good or not all(NUMBER.fullmatch(asked.parameters.get(name, "")) for name in bounds):
            raise RefusedCallError("OPSQ2002")
        market = self._market().venue(asked.parameters["fid_cond_mrkt_div_code"])
        rows = rank(rankings.standings(market, asked.now_ms), asked.parameters)
        page = asked.pages.get(call.tr_id, 0) + 1 if asked.continues else 0
        asked.pages[call.tr_id] = page
        first, end = page * call.rows, (page + 1) * call.rows
        return Page({"output": rows[first:end]}, _cont(is_first=page == 0, has_more=end < len(rows)))

    def _trading_days(self, asked: Asked) -> Page:
        asked.need("bass_dt", "ctx_area_nk", "ctx_area_fk")
        first, start = asked.parameters["bass_dt"], asked.parameters["bass_dt"]
        if asked.continues:
            start = asked.parameters["ctx_area_nk"]
            if start != trading_days.key(start.strip()) or asked.parameters[
                "ctx_area_fk"
            ] != trading_days.key(first):
                raise RefusedCallError("OPSQ2002")
            start = start.strip()
        try:
            closed = [word] if (word := self._faults.word("holiday", asked.now_ms)) else []
            rows = trading_days.rows(first, start, TRADING_DAYS.rows, closed)
            following = trading_days.following(first, start, TRADING_DAYS.rows)
        except (ValueError, OverflowError):
            raise RefusedCallError("OPSQ2002") from None
        keys = {"ctx_area_nk": trading_days.key(following or ""), "ctx_area_fk": trading_days.key(first)}
        return Page(
            {**keys, "output": rows}, _cont(is_first=not asked.continues, has_more=following is not None)
        )

    def _search_info(self, asked: Asked) -> Page:
        code = asked.parameters.get("pdno", "")
        quoted = self._market().quoted.get(code)
        if quoted is None:
            return Page({"rt_cd": "7", "msg1": "no such data"})
        name = quoted.listing.symbol.name
        return Page({
            "output": {
                "shtn_pdno": code, "std_pdno": code, "prdt_type_cd": "300", "prdt_abrv_name": name,
                "prdt_name120": name, "prdt_eng_abrv_name": code, "prdt_eng_name120": code,
            }
        })  # fmt: skip

    def _known(self, asked: Asked) -> tuple[Market, str]:
        """Return the market and code of a call."""
        venue, code = (
            asked.parameters.get("fid_cond_mrkt_div_code", ""),
            asked.parameters.get("fid_input_iscd", ""),
        )
        if venue not in MARKETS:
            raise RefusedCallError("OPSQ2001")
        market = self._market().venue(venue)
        if code not in market.quoted:
            raise RefusedCallError("OPSQ2002")
        return market, code


def _head(market: Market, code: str, now_ms: int, *names: str) -> dict[str, str]:
    price = market.price_row(code, now_ms)
    return {name: price[name] for name in names}


def _cont(*, is_first: bool, has_more: bool) -> str:
    """Return the header of a page: first or middle of several, the only one, the last one."""
    if has_more:
        return "F" if is_first else "M"
    return "D" if is_first else "E"


def _numbered_codes(parameters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return (market, code) of each number, from 1 without a hole (KIS-053)."""
    codes = []
    for number in range(1, MULTI_PRICE.rows + 1):
        if f"fid_input_iscd_{number}" not in parameters:
            break
        venue = parameters.get(f"fid_cond_mrkt_div_code_{number}", "")
        if venue not in MARKETS:
            raise RefusedCallError("OPSQ2001")
        codes.append((venue, parameters[f"fid_input_iscd_{number}"]))
    given = sum(name.startswith("fid_input_iscd_") for name in parameters)
    if not codes or given != len(codes):
        raise RefusedCallError("OPSQ2002")
    return codes
