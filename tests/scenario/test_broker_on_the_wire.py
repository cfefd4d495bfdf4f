"""The replayed broker's endpoints and streams, seen by a plain socket client."""

import asyncio
import io
import json
import re
import zipfile
from typing import Any

import pytest
from tests.plain_client import NINE, PlainSocket, at, code_of, replayed, tape
from tests.tape import bundled

from veritape.replay.limits import PROFILES

MARKET = {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": "990001"}
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


async def data(socket: PlainSocket, count: int) -> list[str]:
    found: list[str] = []
    while len(found) < count:
        text = await socket.text()
        if not text.startswith("{"):
            found.append(text)
    return found


def fields(text: str) -> list[str]:
    return text.split("|", 3)[3].split("^")


async def test_every_endpoint_answers_at_the_tape_clock() -> None:
    """KIS-052, OB-802, KIS-021, KIS-051: all calls of section 6 over HTTP, with their paging headers."""
    calls: list[tuple[str, str, dict[str, str], str, str]] = [
        ("inquire-price", "FHKST01010100", MARKET, "output", ""),
        ("inquire-ccnl", "FHKST01010300", MARKET, "output", ""),
        ("inquire-time-itemconclusion", "FHPST01060000", MARKET | {"FID_INPUT_HOUR_1": "100000"}, "output2", ""),
        ("inquire-time-itemchartprice", "FHKST03010200",
         MARKET | {"FID_ETC_CLS_CODE": "", "FID_INPUT_HOUR_1": "100000", "FID_PW_DATA_INCU_YN": "N"}, "output2", ""),
        ("inquire-time-dailychartprice", "FHKST03010230",
         MARKET | {"FID_INPUT_DATE_1": "20131004", "FID_INPUT_HOUR_1": "153000", "FID_PW_DATA_INCU_YN": "N",
                   "FID_FAKE_TICK_INCU_YN": ""}, "output2", ""),
        ("volume-rank", "FHPST01710000",
         MARKET | {"FID_INPUT_ISCD": "0000", "FID_COND_SCR_DIV_CODE": "20171", "FID_BLNG_CLS_CODE": "0"}, "output", "D"),
        ("/uapi/domestic-stock/v1/ranking/fluctuation", "FHPST01700000",
         {"fid_cond_mrkt_div_code": "J", "fid_input_iscd": "0000", "fid_cond_scr_div_code": "20170",
          "fid_rank_sort_cls_code": "0"}, "output", "D"),
        ("chk-holiday", "CTCA0903R", {"BASS_DT": "20131007", "CTX_AREA_NK": "", "CTX_AREA_FK": ""}, "output", "F"),
        ("search-info", "CTPF1604R", {"PDNO": "990001", "PRDT_TYPE_CD": "300"}, "output", ""),
    ]  # fmt: skip
    async with replayed(waits=False) as plain:
        await at(plain, NINE + 60_000)
        for name, tr_id, query, output, cont in calls:
            answer = await plain.get(name, tr_id, **query)
            assert (answer.status, answer.json["rt_cd"], answer.headers["tr_cont"]) == (200, "0", cont), name
            assert answer.json[output], name
        again = await plain.get("chk-holiday", "CTCA0903R", cont="N", BASS_DT="20131007",
                                CTX_AREA_NK="20131027".ljust(20), CTX_AREA_FK="20131007".ljust(20))  # fmt: skip
        assert (again.headers["tr_cont"], again.json["output"][0]["bass_dt"]) == ("M", "20131027")


async def test_numbers_are_decimal_text_and_text_is_unicode() -> None:
    """KIS-002, KIS-003, KIS-004: no JSON number but expires_in; decimal text; HHMMSS and YYYYMMDD; rates with two decimals."""

    def leaves(value: Any) -> list[Any]:
        if isinstance(value, dict | list):
            return [
                leaf for one in (value.values() if isinstance(value, dict) else value) for leaf in leaves(one)
            ]
        return [value]

    async with replayed(series=[bundled("990001")], waits=False, speed=100) as plain:
        token = await plain.issue()
        assert [leaf for leaf in leaves(token.json) if not isinstance(leaf, str)] == [
            token.json["expires_in"]
        ]
        await at(plain, NINE + 60_000)
        rows = (await plain.prices("990001")).json["output"]
        assert all(isinstance(leaf, str) for leaf in leaves(rows))
        price = (await plain.price()).json["output"]
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key)
        (frame, *_) = await data(socket, 1)
    for name in ("acml_vol", "acml_tr_pbmn", "inter2_prpr", "prdy_ctrt", "inter2_prdy_vrss"):
        assert NUMBER.fullmatch(rows[0][name]), name
    assert rows[0]["inter_kor_isnm"] == "\uc544\uc774\ube44\uc5e0"
    assert all(
        re.fullmatch(r"-?[0-9]+\.[0-9]{2}", price[name])
        for name in ("prdy_ctrt", "prdy_vrss_vol_rate", "vol_tnrt")
    )
    record = fields(frame)
    assert all(re.fullmatch(r"[0-2][0-9][0-5][0-9][0-5][0-9]", record[place]) for place in (1, 24, 27, 30))
    assert record[33] == "20131007"
    assert all(NUMBER.fullmatch(text) for place, text in enumerate(record[:47]) if place not in {35, 44})


async def test_the_computed_fields_are_those_of_the_vendors_example() -> None:
    """KIS-141, KIS-140: f14 / f13, 100 f20 / f19, f16 - f15, f2 - f8; a rate carries two decimals."""
    async with replayed(series=[bundled("990001").until(NINE + 20_000)]) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key)
        frames = await data(socket, 10)
    for frame in frames:
        whole = fields(frame)
        for start in range(0, len(whole), 47):
            one = [float(text) if NUMBER.fullmatch(text) else text for text in whole[start : start + 47]]
            numbers: Any = one
            assert abs(numbers[14] / numbers[13] - numbers[6]) <= 0.0051
            assert not numbers[19] or abs(100 * numbers[20] / numbers[19] - numbers[18]) <= 0.0051
            assert numbers[16] - numbers[15] == numbers[17]
            assert (numbers[2] - numbers[8], numbers[2] - numbers[9]) == (numbers[29], numbers[32])


@pytest.mark.parametrize(
    ("tr_id", "wire", "width"),
    [("H0STASP0", (), 63), ("H0STASP0", ("book=59",), 59), ("H0STASP0", ("book=62",), 62), ("H0NXASP0", (), 65),
     ("H0UNASP0", (), 66), ("H0UNASP0", ("book=65",), 65), ("H0STASP0", ("book=47",), 47)],
)  # fmt: skip
async def test_books_have_the_width_that_was_asked_for(tr_id: str, wire: tuple[str, ...], width: int) -> None:
    """KIS-160, OB-804: 59, 62, 63 on KRX, 65 on NXT, 65 and 66 on both, others for the quarantine."""
    series = [tape(first_ms=NINE + 40_000)]
    async with replayed(series=series, wire=wire) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key, tr_id=tr_id)
        await socket.command(key)
        frames = [text for text in await data(socket, 6) if text[2:10] == tr_id]
    assert [(text[:15], len(fields(text))) for text in frames] == [(f"0|{tr_id}|001|", width)] * 3


async def test_a_book_is_ahead_of_the_trades_that_were_lost() -> None:
    """KIS-161, KIS-162: trades and book of a symbol are two registrations; the book's ACML_VOL goes on when trades are lost."""
    async with replayed("drop", limits=PROFILES["real"]) as plain:
        socket, key = await plain.connect(), await plain.key()
        assert await socket.register(key, tr_id="H0STASP0") == "OPSP0000"
        assert await socket.register(key) == "OPSP0000"
        (state,) = plain.broker.player.outboxes
        assert len(state.registered) == 2
        frames = await data(socket, 20)
    assert {text[2:10] for text in frames} == {"H0STASP0"}
    assert [int(fields(text)[53]) for text in frames] == [n * (n + 1) // 2 for n in range(1, 21)]


async def test_every_venue_is_a_stream_of_its_own() -> None:
    """KIS-167, KIS-187: the transaction id says which; NXT has its own hours and totals."""
    series = [tape(trades=4, step_ms=20_000)]
    async with replayed(series=series) as plain:
        socket, key = await plain.connect(), await plain.key()
        for tr_id in ("H0NXCNT0", "H0UNCNT0", "H0STCNT0"):
            await socket.command(key, tr_id=tr_id)
        await socket.texts(3)
        frames = await data(socket, 10)
    totals: dict[str, list[int]] = {}
    for text in frames:
        totals.setdefault(text[2:10], []).append(int(fields(text)[13]))
    assert totals == {"H0STCNT0": [1, 3, 6, 10], "H0UNCNT0": [1, 3, 6, 10], "H0NXCNT0": [3, 7]}


async def test_an_execution_notice_is_encrypted_with_the_acknowledged_key() -> None:
    """KIS-163, KIS-164, KIS-128: one made-up notice for who registers; encrypt Y and flag 1 agree; keyed by HTS id."""
    async with replayed(speed=1) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key, "tester01", "H0STCNI0")
        document, frame = json.loads(await socket.text()), await socket.text()
    assert (document["header"]["encrypt"], document["header"]["tr_key"]) == ("Y", "tester01")
    output = document["body"]["output"]
    process = await asyncio.create_subprocess_exec(
        "openssl", "enc", "-d", "-aes-256-cbc", "-base64", "-A", "-K", output["key"].encode().hex(), "-iv", output["iv"].encode().hex(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    plain_text, _ = await process.communicate(frame.split("|", 3)[3].encode())
    assert frame.startswith("1|H0STCNI0|001|")
    record = plain_text.decode().split("^")
    assert (len(record), record[0], record[8], record[13]) == (26, "tester01", "990001", "2")


async def test_ciphers_and_keys_go_wrong() -> None:
    """KIS-225, KIS-220: bad_cipher does not decrypt; key_late sends data before its key."""
    async with replayed("key_late", speed=1) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key, "tester01", "H0STCNI0")
        first, second = await socket.texts(2)
        assert first.startswith("1|H0STCNI0|001|")
        assert code_of(second) == "OPSP0000"
    async with replayed("bad_cipher", speed=1) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key, "tester01", "H0STCNI0")
        await socket.text()
        assert (await socket.text()) != first


async def test_auctions_announce_what_they_expect_and_status_what_changes() -> None:
    """KIS-165, KIS-166, KIS-183, KIS-188: H0STANC0 before the open, H0STMKO0 at the open and around an interruption."""
    series = [tape(trades=5, step_ms=60_000)]
    async with replayed("vi=990001@09:01:00", "no_pingpong", series=series, speed=1000) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key, tr_id="H0STANC0")
        found = await data(socket, 1)
        for tr_id in ("H0STMKO0", "H0STCNT0"):
            await socket.command(key, tr_id=tr_id)
        while len([text for text in found if text[2:10] == "H0STCNT0"]) < 3:
            found += await data(socket, 1)
        in_vi = [text for text in found if text[2:10] == "H0STANC0" and fields(text)[43] == "C"]
    kinds = {text[2:10] for text in found}
    assert kinds == {"H0STANC0", "H0STMKO0", "H0STCNT0"}
    assert {len(fields(text)) for text in found if text[2:10] == "H0STANC0"} == {45}
    assert fields(found[0])[34] == "10"
    assert in_vi
    assert [fields(text)[8] for text in found if text[2:10] == "H0STMKO0"] == ["N", "Y", "N"]
    prints = [fields(text) for text in found if text[2:10] == "H0STCNT0"][1]
    assert (prints[21], prints[43]) == ("3", "C")


async def test_codes_and_phases_of_a_day_reach_the_wire() -> None:
    """KIS-184, KIS-185, KIS-186: f34 20, f43 0, f46 2 in the session and 5 after its close."""
    series = [tape(trades=4, step_ms=60_000, first_ms=55_800_000 - 120_000)]
    async with replayed(series=series) as plain:
        socket, key = await plain.connect(), await plain.key()
        await socket.command(key)
        records = [fields(text) for text in await data(socket, 4)]
    assert [(one[34], one[43], one[46]) for one in records] == [
        ("20", "0", "2"), ("20", "0", "2"), ("20", "0", "5"), ("20", "0", "5"),
    ]  # fmt: skip


async def test_the_day_moves_and_starts_again() -> None:
    """KIS-225, OB-851, KIS-181, KIS-182: late_open, midnight, restart, after_market, halt, auction as the wire shows them."""

    async def records(*faults: str, trades: int = 6, first_ms: int = NINE) -> list[list[str]]:
        series = [tape(trades=trades, step_ms=60_000, first_ms=first_ms)]
        async with replayed(*faults, series=series) as plain:
            socket, key = await plain.connect(), await plain.key()
            await socket.command(key)
            frames = await data(socket, 1)
            while sum(len(fields(text)) // 47 for text in frames) < trades:
                frames += await data(socket, 1)
        whole = [fields(text) for text in frames]
        return [one[start : start + 47] for one in whole for start in range(0, len(one), 47)]

    assert [one[1] for one in await records("late_open=60")] == [f"100{n}00" for n in range(6)]
    crossing = await records("midnight=09:02:00")
    assert [one[1] for one in crossing] == ["235800", "235900", "000000", "000100", "000200", "000300"]
    assert {one[33] for one in crossing} == {"20131007"}
    assert [one[13] for one in await records("restart=09:03:00")] == ["1", "3", "6", "4", "9", "15"]
    late = await records("after_market=restart", trades=4, first_ms=55_800_000 - 120_000)
    assert [one[13] for one in late] == ["1", "3", "3", "7"]
    halted = await records("halt=990001@09:01:00-09:04:00")
    assert [(one[1], one[35]) for one in halted][:3] == [("090000", "N"), ("090400", "Y"), ("090400", "N")]
    opening = await records("auction")
    assert [(one[21], one[15], one[16]) for one in opening][:2] == [("3", "0", "0"), ("1", "0", "1")]
    skewed = await records("clock_skew=5000")
    assert [one[1] for one in skewed][:2] == ["090005", "090105"]


async def test_calendar_and_bars_and_master_files_go_wrong() -> None:
    """KIS-225, OB-851: holiday, label_end, pad_future, master_collapse, master_add, master_bad over HTTP."""
    query = MARKET | {"FID_ETC_CLS_CODE": "", "FID_INPUT_HOUR_1": "120000", "FID_PW_DATA_INCU_YN": "N"}
    faults = ("holiday=20131007", "label_end", "pad_future", "master_add=2", "master_collapse=0.5")
    async with replayed(*faults, series=[tape(), tape("990002")], waits=False) as plain:
        await at(plain, NINE + 60_000)
        days = await plain.get("chk-holiday", "CTCA0903R", BASS_DT="20131007", CTX_AREA_NK="", CTX_AREA_FK="")
        assert days.json["output"][0]["opnd_yn"] == "N"
        bars = await plain.get("inquire-time-itemchartprice", "FHKST03010200", **query)
        assert bars.json["output2"][0]["stck_cntg_hour"] == "120100"
        answer = await plain.call("/common/master/kospi_code.mst.zip")
        lines = zipfile.ZipFile(io.BytesIO(answer.body)).read("kospi_code.mst").splitlines()
        assert [line[:6] for line in lines] == [b"990001", b"980000", b"980001"]
    async with replayed("master_bad=bad_zip", speed=1) as plain:
        answer = await plain.call("/common/master/kospi_code.mst.zip")
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(answer.body))


async def test_a_paper_account_lacks_five_calls() -> None:
    """KIS-015, KIS-170: EGW02004 on paper for the multi-price call and four others; one call a second."""
    async with replayed(paper=True, stands=True) as plain:
        for tr_id in ("FHKST11300006", "FHKST03010230", "FHPST01710000", "FHPST01700000", "CTCA0903R"):
            assert (await plain.get("inquire-price", tr_id)).json["msg_cd"] == "EGW02004"
        assert (await plain.price()).json["rt_cd"] == "0"
    async with replayed(paper=True, stands=True, limits=PROFILES["paper"]) as plain:
        assert [(await plain.price()).json["msg_cd"] for _ in range(2)] == ["MCA00000", "EGW00201"]


async def test_the_report_counts_what_an_appkey_did() -> None:
    """KIS-174, KIS-028: GET /replay/report; a repeated call is a call like any other, a refused one too."""
    async with replayed(stands=True) as plain:
        first, second = [(await plain.price()).json["output"] for _ in range(2)]
        assert first == second
        codes = [(await plain.price()).json["msg_cd"] for _ in range(17)]
        socket, key = await plain.connect(), await plain.key()
        await socket.register(key)
        await socket.register(key)
        report = (await plain.call("/replay/report")).json
    assert codes.count("EGW00201") == 1
    (account,) = report["accounts"].values()
    assert {name: tally["count"] for name, tally in account.items()} == {
        "calls": 19, "refusals": 2, "tokens": 1, "approvals": 1, "connects": 1, "commands": 2,
    }  # fmt: skip
    assert account["calls"]["most_in_1_s"] == account["calls"]["most_in_60_s"] == 19


async def test_equal_seeds_give_equal_bytes() -> None:
    """KIS-222: tokens, keys, iv, acknowledgements and frames of two runs."""

    async def everything(seed: int) -> list[str]:
        async with replayed("duplicate=0.3", "drop=0.2", "no_pingpong", seed=seed) as plain:
            await plain.issue()
            socket, key = await plain.connect(), await plain.key()
            await socket.command(key)
            return [plain.token, key, *await socket.texts(15)]

    assert await everything(3) == await everything(3)
    assert (await everything(3))[:2] != (await everything(4))[:2]
