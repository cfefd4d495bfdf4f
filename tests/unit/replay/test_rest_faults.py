"""What goes wrong with calls."""

from typing import Any

import pytest

from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.faults import parse
from veritape.replay.rest_faults import PAGE, RestFaults, Trouble
from veritape.wire.kis.rest import APPROVAL_PATH, INQUIRE_PRICE, MULTI_PRICE, TOKEN_PATH, TRADES_BY_TIME

NINE = 32_400_000
SECOND = 10**9
ROWS = [{"inter_shrn_iscd": str(n), "stck_prpr": "1"} for n in range(5)]


def faults(*texts: str) -> RestFaults:
    one = RestFaults(parse(texts))
    one.next_call()
    return one


@pytest.mark.parametrize(
    ("texts", "trouble"),
    [
        ((), Trouble()),
        (("slow=2",), Trouble(("slow",), hold_s=2)),
        (("timeout",), Trouble(("timeout",), never=True)),
        (("http_5xx",), Trouble(("http_5xx",), status=503, body=b"unavailable")),
        (("http_5xx", "status=502"), Trouble(("http_5xx",), status=502, body=b"unavailable")),
        (("html", "slow=1"), Trouble(("slow", "html"), status=200, body=PAGE, hold_s=1)),
        (("egw00201",), Trouble(("egw00201",), "EGW00201")),
        (("egw00121", "status=200"), Trouble(("egw00121",), "EGW00121", 200)),
        (("egw00123=09:00:00",), Trouble(("egw00123",), "EGW00123")),
        (("egw00123=09:00:01",), Trouble()),
        (("rest=EGW00300",), Trouble(("rest",), "EGW00300")),
        (("egw00133",), Trouble()),
    ],
)
def test_what_a_quotation_call_suffers(texts: tuple[str, ...], trouble: Trouble) -> None:
    """OB-851, KIS-220: slow, timeout, http_5xx, html, egw*, rest, status."""
    assert faults(*texts).before(INQUIRE_PRICE.path, NINE) == trouble


def test_only_token_requests_come_too_soon() -> None:
    """OB-851: egw00133 strikes tokenP; the codes of calls strike neither tokenP nor Approval."""
    one = faults("egw00133", "rest=EGW00300")
    assert one.before(TOKEN_PATH, NINE).code == "EGW00133"
    assert one.before(APPROVAL_PATH, NINE) == Trouble()


def test_a_moment_strikes_one_call_a_day() -> None:
    """OB-851: 'at time' is the first call at or after it."""
    one = faults("egw00201=09:00:10")
    path = INQUIRE_PRICE.path
    assert [one.before(path, NINE + s * 1000).code for s in (9, 11, 12)] == ["", "EGW00201", ""]
    one.new_day()
    assert one.before(path, NINE + 20_000).code == "EGW00201"


def test_tokens_die_at_their_moment() -> None:
    """OB-851, KIS-034: token_expiry; the next token is a new one though the old is young."""
    account, accounts = Account(APPKEY, APPSECRET, 7), Accounts()
    accounts.add(account)
    one = faults("token_expiry=09:00:10")
    first = account.issue_token(0)
    assert first is not None
    assert not one.age_tokens(accounts, SECOND, NINE)
    assert one.age_tokens(accounts, 2 * SECOND, NINE + 10_000)
    assert account.token_refusal(first.text, 2 * SECOND) == "EGW00123"
    second = account.issue_token(62 * SECOND)
    assert second is not None
    assert second.text != first.text


def test_lives_and_limits_within_their_windows() -> None:
    """OB-851, KIS-220: token_life, window, kill_old, approval_limit."""
    account = Account(APPKEY, APPSECRET, 7)
    one = faults(
        "token_life=90@09:00:00",
        "window=2@09:00:00-09:01:00",
        "kill_old@09:00:00",
        "approval_limit=5@09:00:00",
    )
    one.govern(account, NINE - 1)
    old = account.issue_token(0)
    assert (account.window.limit, account.approves_now(0), account.approves_now(1)) == (18, True, True)
    one.govern(account, NINE)
    new = account.issue_token(60 * SECOND)
    assert old is not None
    assert new is not None
    assert account.token_refusal(old.text, 60 * SECOND) == "EGW00123"
    assert new.expires_ns == 150 * SECOND
    assert account.window.limit == 2
    assert [account.approves_now(s * SECOND) for s in (100, 104, 109)] == [True, False, True]
    one.govern(account, NINE + 60_000)
    assert account.window.limit == 18


@pytest.mark.parametrize(("fault", "codes"), [("row_missing", 4), ("row_extra", 6), ("shuffle", 5)])
def test_rows_of_a_multi_price_answer(fault: str, codes: int) -> None:
    """KIS-057, KIS-220: a row missing, a row too many, another order."""
    rows: dict[str, Any] = {"output": list(ROWS)}
    assert faults(fault).alter(MULTI_PRICE.path, rows, NINE) == [fault]
    names = [row["inter_shrn_iscd"] for row in rows["output"]]
    assert len(names) == codes
    assert names != [row["inter_shrn_iscd"] for row in ROWS]
    assert faults(fault).alter(MULTI_PRICE.path, {"output": []}, NINE) == [fault]


def test_rows_of_a_by_time_page() -> None:
    """KIS-062, KIS-060: page_hole takes one inner row, never an edge; pbpr renames the price."""
    rows: dict[str, Any] = {"output2": list(ROWS)}
    assert faults("page_hole", "pbpr").alter(TRADES_BY_TIME.path, rows, NINE) == ["page_hole", "pbpr"]
    names = [row["inter_shrn_iscd"] for row in rows["output2"]]
    assert len(names) == 4
    assert (names[0], names[-1]) == ("0", "4")
    assert all("stck_pbpr" in row and "stck_prpr" not in row for row in rows["output2"])
    short: dict[str, Any] = {"output2": ROWS[:2]}
    faults("page_hole").alter(TRADES_BY_TIME.path, short, NINE)
    assert len(short["output2"]) == 2
    assert faults("page_hole").alter("/other", {}, NINE) == []


def test_words_hold_within_their_windows() -> None:
    """OB-851: bad_code and others are read where they matter."""
    one = faults("bad_code=990001@09:00:00-09:00:01")
    assert [one.word("bad_code", NINE + ms) for ms in (-1, 0, 1000)] == ["", "990001", ""]
    assert one.on("bad_code", NINE)
