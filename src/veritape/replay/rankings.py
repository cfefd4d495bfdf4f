"""Rankings of the codes at one instant of the tape (KIS-066): every figure follows from the trades so far (OB-802)."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from veritape.replay.market import Market
from veritape.replay.rendering import clock_text, ratio, sign
from veritape.replay.series import Trade


class Standing(NamedTuple):
    """One code at an instant."""

    code: str
    """Symbol."""
    name: str
    """Its Korean name."""
    last: Trade
    """Last trade."""
    reference: int
    """Previous close, won."""
    previous_shares: int
    """Shares of yesterday."""
    listed: int
    """Listed shares."""


BY_VOLUME: Final[Mapping[str, Callable[[Standing], float]]] = MappingProxyType(
    {
        "0": lambda one: one.last.chain_shares,
        "1": lambda one: one.last.chain_shares / one.previous_shares,
        "2": lambda one: one.last.chain_shares / one.listed,
        "3": lambda one: one.last.chain_value,
        "4": lambda one: one.last.chain_value / (one.listed * one.last.price),
    }
)
"""``FID_BLNG_CLS_CODE`` -> what is ranked: mean volume, growth, turnover, value, value turnover."""

BY_CHANGE: Final[Mapping[str, Callable[[Standing], float]]] = MappingProxyType(
    {
        "0": lambda one: one.last.price / one.reference,
        "1": lambda one: -one.last.price / one.reference,
        "2": lambda one: one.last.price / one.reference,
        "3": lambda one: -one.last.price / one.reference,
        "4": lambda one: abs(one.last.price / one.reference - 1),
    }
)
"""``fid_rank_sort_cls_code`` -> what is ranked: rise, fall, the same against the open (here the same price), swing."""


def standings(market: Market, now_ms: int) -> list[Standing]:
    """Return every code that has traded by now."""
    found = []
    for code in market.codes:
        last, listing = market.last(code, now_ms), market.quoted[code].listing
        if last is not None:
            symbol = listing.symbol
            found.append(
                Standing(
                    code,
                    symbol.name,
                    last,
                    listing.open_price,
                    symbol.previous_shares,
                    symbol.listed_thousand_shares * 1000,
                )
            )
    return found


def volume_rank(found: list[Standing], asked: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of the volume ranking; ``asked`` are the call's parameters in lower case."""
    ranked = sorted(_within(found, asked), key=BY_VOLUME[asked["fid_blng_cls_code"]], reverse=True)
    return [
        {
            "mksc_shrn_iscd": one.code,
            **_price(one),
            "data_rank": str(rank),
            "acml_vol": str(one.last.chain_shares),
            "prdy_vol": str(one.previous_shares),
            "avrg_vol": str((one.last.chain_shares + one.previous_shares) // 2),
            "vol_inrt": ratio(100 * (one.last.chain_shares - one.previous_shares), one.previous_shares),
            "vol_tnrt": ratio(100 * one.last.chain_shares, one.listed),
            "acml_tr_pbmn": str(one.last.chain_value),
            "lstn_stcn": str(one.listed),
        }
        for rank, one in enumerate(ranked, 1)
    ]


def fluctuation(found: list[Standing], asked: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the rows of the price-change ranking."""
    lower, upper = _bound(asked, "fid_rsfl_rate1", -100.0), _bound(asked, "fid_rsfl_rate2", float("inf"))
    inside = [
        one for one in _within(found, asked) if lower <= 100 * (one.last.price / one.reference - 1) <= upper
    ]
    ranked = sorted(inside, key=BY_CHANGE[asked["fid_rank_sort_cls_code"]], reverse=True)
    return [
        {
            "stck_shrn_iscd": one.code,
            **_price(one),
            "data_rank": str(rank),
            "acml_vol": str(one.last.chain_shares),
            "stck_hgpr": str(one.last.high),
            "hgpr_hour": clock_text(one.last.high_ms),
            "stck_lwpr": str(one.last.low),
            "lwpr_hour": clock_text(one.last.low_ms),
        }
        for rank, one in enumerate(ranked, 1)
    ]


def _price(one: Standing) -> dict[str, str]:
    change = one.last.price - one.reference
    return {
        "hts_kor_isnm": one.name,
        "stck_prpr": str(one.last.price),
        "prdy_vrss": str(change),
        "prdy_vrss_sign": str(sign(change)),
        "prdy_ctrt": ratio(100 * change, one.reference),
    }


def _within(found: list[Standing], asked: Mapping[str, str]) -> list[Standing]:
    """Keep what lies between the bounds of price and volume; an empty bound is none."""
    lower, upper = _bound(asked, "fid_input_price_1", 0.0), _bound(asked, "fid_input_price_2", float("inf"))
    least = _bound(asked, "fid_vol_cnt", 0.0)
    return [one for one in found if lower <= one.last.price <= upper and one.last.chain_shares >= least]


def _bound(asked: Mapping[str, str], name: str, absent: float) -> float:
    text = asked.get(name, "").strip()
    return float(text) if text else absent
