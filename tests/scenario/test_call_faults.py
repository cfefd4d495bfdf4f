"""Faults of REST calls, seen by a plain socket client (KIS-225)."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.plain_client import at, replayed, tape

CODES = ("990001", "990002", "990003")
SERIES = [tape(code) for code in CODES]


@pytest.mark.parametrize("code", ["EGW00201", "EGW00121", "EGW00123"])
async def test_a_call_is_refused_by_a_share_or_at_a_time(code: str, tmp_path: Path) -> None:
    """KIS-225, OB-851: HTTP 500 in the first error shape; status= changes the status; the truth file tells it."""
    async with replayed(code.lower(), truth=f"{tmp_path}/t", speed=1) as plain:
        answer = await plain.price()
        assert (answer.status, answer.json["rt_cd"], answer.json["msg_cd"]) == (500, "1", code)
    detail = json.loads((tmp_path / "t").read_text().splitlines()[-2])["detail"]
    assert (detail["code"], detail["faults"]) == (code, [code.lower()])
    async with replayed(f"{code.lower()}=08:00:00", "status=200", speed=1) as plain:
        answers = [await plain.price() for _ in range(2)]
        assert [(answer.status, answer.json["rt_cd"]) for answer in answers] == [(200, "1"), (200, "0")]


async def test_a_token_is_refused() -> None:
    """KIS-225, OB-851: egw00133 is HTTP 403 in the second error shape."""
    async with replayed("egw00133", speed=1) as plain:
        answer = await plain.issue()
        assert (answer.status, answer.json["error_code"]) == (403, "EGW00133")


@pytest.mark.parametrize(("code", "status"), [("EGW00300", 500), ("OPSQ0001", 200)])
async def test_every_call_is_refused_with_a_code(code: str, status: int) -> None:
    """KIS-225, KIS-220: rest=CODE."""
    async with replayed(f"rest={code}", speed=1) as plain:
        answer = await plain.price()
        assert (answer.status, answer.json["msg_cd"]) == (status, code)


async def test_answers_are_no_json() -> None:
    """KIS-225, OB-851: http_5xx, html."""
    async with replayed("html", speed=1) as plain:
        answer = await plain.call("/uapi/x")
        assert (answer.status, answer.body[:6], answer.body[-7:]) == (200, b"<html>", b"</html>")
        assert answer.headers["Content-Type"].startswith("text/html")
    async with replayed("http_5xx", speed=1) as plain:
        answer = await plain.call("/oauth2/tokenP", body=b"{}")
        assert (answer.status, answer.body) == (503, b"unavailable")


async def test_answers_are_slow_or_never_come() -> None:
    """KIS-225, OB-851: slow=s, timeout."""
    async with replayed("slow=0.2", speed=1) as plain:
        began = asyncio.get_running_loop().time()
        await plain.call("/uapi/x")
        assert asyncio.get_running_loop().time() - began >= 0.19
    async with replayed("timeout", speed=1) as plain:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(plain.call("/uapi/x"), 0.3)


async def test_tokens_die_before_their_time() -> None:
    """KIS-225, OB-851, KIS-034: token_expiry in mid-sweep; token_life; the call after it meets EGW00123."""
    async with replayed("token_expiry=09:00:00", stands=True) as plain:
        await plain.issue()
        assert (await plain.price()).json["rt_cd"] == "0"
        plain.stand_at(32_400_000)
        assert (await plain.price()).json["msg_cd"] == "EGW00123"
    async with replayed("token_life=0.1", speed=1, virtual=False) as plain:
        answer = await plain.issue()
        assert answer.json["expires_in"] == 0
        await asyncio.sleep(0.12)
        assert (await plain.price()).json["msg_cd"] == "EGW00123"


async def test_a_new_token_kills_the_old_one() -> None:
    """KIS-225, KIS-288: kill_old; without it the old one lives and is given again."""
    for faults, code in ((("kill_old",), "EGW00123"), ((), "MCA00000")):
        async with replayed(*faults, speed=1000, waits=False) as plain:
            await plain.issue()
            old = plain.token
            await at(plain, plain.now_ms + 61_000)
            await plain.issue()
            assert (plain.token == old) == (not faults)
            plain.token = old
            assert (await plain.price()).json["msg_cd"] == code


async def test_approval_keys_are_limited() -> None:
    """KIS-225, KIS-287: approval_limit=S."""
    async with replayed("approval_limit=60", stands=True) as plain:
        assert [(await plain.approve()).status for _ in range(2)] == [200, 403]


async def test_the_window_is_narrower() -> None:
    """KIS-225, KIS-220: window=N calls of a sliding second."""
    async with replayed("window=2", stands=True) as plain:
        codes = [(await plain.price()).json["msg_cd"] for _ in range(3)]
        assert codes == ["MCA00000", "MCA00000", "EGW00201"]


async def test_a_chunk_with_a_bad_code_is_refused() -> None:
    """KIS-225, OB-851: bad_code."""
    async with replayed("bad_code=990002", series=SERIES, speed=1) as plain:
        assert (await plain.prices(*CODES)).json["msg_cd"] == "OPSQ2002"
        assert (await plain.prices("990001", "990003")).json["rt_cd"] == "0"


@pytest.mark.parametrize(
    ("fault", "codes"),
    [
        ("row_missing", {"990001", "990002", "990003"}),
        ("row_extra", {"990001", "990002", "990003", "000000"}),
        ("shuffle", {"990001", "990002", "990003"}),
    ],
)
async def test_rows_are_not_what_was_asked_for(fault: str, codes: set[str]) -> None:
    """KIS-225, KIS-057: row_missing, row_extra, shuffle."""
    async with replayed(fault, series=SERIES, speed=1) as plain:
        rows = [row["inter_shrn_iscd"] for row in (await plain.prices(*CODES)).json["output"]]
    assert rows != list(CODES)
    assert set(rows) <= codes
    assert len(rows) == {"row_missing": 2, "row_extra": 4, "shuffle": 3}[fault]


async def test_a_page_has_a_hole_and_another_name() -> None:
    """KIS-225, KIS-060, KIS-062: page_hole removes one inner row; pbpr."""
    async with replayed("page_hole", "pbpr", waits=False) as plain:
        await at(plain, 32_400_000 + 60_000)
        answer = await plain.get(
            "inquire-time-itemconclusion", "FHPST01060000",
            FID_COND_MRKT_DIV_CODE="J", FID_INPUT_ISCD="990001", FID_INPUT_HOUR_1="090100",
        )  # fmt: skip
    rows = answer.json["output2"]
    ends = [int(row["acml_vol"]) for row in rows]
    begins = [end - int(row["cnqn"]) for end, row in zip(ends, rows, strict=True)]
    assert len(rows) == 19
    assert sum(begin != end for begin, end in zip(begins, ends[1:], strict=False)) == 1
    assert all("stck_pbpr" in row and "stck_prpr" not in row for row in rows)
