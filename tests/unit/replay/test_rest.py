"""REST answers: credentials, envelope, limits, rows."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.market import Market
from veritape.replay.rest import Answer, Quotations, Request
from veritape.replay.series import Row, build
from veritape.wire.kis import rest as wire

NOW = 1_000 * 10**9
MS = 32_460_000


class Broker:
    def __init__(self) -> None:
        self.accounts = Accounts()
        self.account = Account(APPKEY, APPSECRET, 7)
        self.accounts.add(self.account)
        market = Market([build("990001", [Row(34_200_000, 100, 5, auction=False)])], "20131007")
        self.rest = Quotations(self.accounts, lambda: market, lambda ns: f"at {ns}")
        token = self.account.issue_token(0)
        assert token is not None
        self.headers = {"authorization": f"Bearer {token.text}", "appkey": APPKEY, "appsecret": APPSECRET}

    def get(self, call: wire.Call, **parameters: str) -> Answer:
        return self.send("GET", call.path, self.headers | {"tr_id": call.tr_id}, parameters)

    def send(
        self, method: str, path: str, headers: dict[str, str], parameters: dict[str, str] | None = None,
        body: bytes = b"", now: int = NOW,
    ) -> Answer:  # fmt: skip
        return self.rest.answer(Request(method, path, headers, parameters or {}, body), now, MS)

    def post(self, path: str, **body: str) -> Answer:
        return self.send("POST", path, {}, body=json.dumps(body).encode())


@pytest.mark.parametrize("path", [wire.TOKEN_PATH, wire.APPROVAL_PATH])
def test_every_refusal_of_the_issue_calls(path: str) -> None:
    """KIS-037, KIS-024: HTTP 403 in the second error shape."""
    secret = "appsecret" if path == wire.TOKEN_PATH else "secretkey"
    good = {"grant_type": "client_credentials", "appkey": APPKEY, secret: APPSECRET}
    cases = [
        ({}, "EGW00115"),
        ({"grant_type": "x"}, "EGW00116"),
        ({"grant_type": "client_credentials"}, "EGW00102"),
        (good | {"appkey": "x"}, "EGW00103"),
        ({k: v for k, v in good.items() if k != secret}, "EGW00104"),
        (good | {secret: "x"}, "EGW00105"),
    ]
    for body, code in cases:
        answer = Broker().post(path, **body)
        assert (answer.status, answer.document["error_code"]) == (403, code)
    assert Broker().send("POST", path, {}, body=b"no json").document["error_code"] == "EGW00132"


def test_a_token_has_the_documented_fields_and_is_given_once_a_minute() -> None:
    """KIS-030, KIS-265: all fields; a second request within a minute is HTTP 403 EGW00133."""
    broker = Broker()
    credentials = {"grant_type": "client_credentials", "appkey": APPKEY, "appsecret": APPSECRET}
    answer = broker.post(wire.TOKEN_PATH, **credentials)
    assert answer.status == 200
    assert answer.document == {
        "access_token": broker.headers["authorization"].removeprefix("Bearer "),
        "access_token_token_expired": f"at {86_400 * 10**9}",
        "token_type": "Bearer",
        "expires_in": 86_400 - 1_000,
    }
    assert broker.post(wire.TOKEN_PATH, **credentials).document["error_code"] == "EGW00133"
    approval = broker.post(
        wire.APPROVAL_PATH, grant_type="client_credentials", appkey=APPKEY, secretkey=APPSECRET
    )
    assert broker.account.approves(approval.document["approval_key"], NOW)


def test_a_revoked_token_is_unknown_and_the_next_one_is_new() -> None:
    """KIS-030, KIS-037: revokeP ends a token; its refusals have the shape and codes of the issue calls."""
    broker = Broker()
    old = broker.headers["authorization"].removeprefix("Bearer ")
    body = {"appkey": APPKEY, "appsecret": APPSECRET, "token": old}
    answer = broker.post(wire.REVOKE_PATH, **body)
    assert (answer.status, answer.document["code"]) == (200, 200)
    refused = broker.get(wire.INQUIRE_PRICE, fid_cond_mrkt_div_code="J", fid_input_iscd="990001")
    assert (refused.status, refused.document["msg_cd"]) == (500, "EGW00122")
    new = broker.account.issue_token(NOW)
    assert new is not None
    assert new.text != old
    codes = [
        broker.post(wire.REVOKE_PATH, **bad).document["error_code"]
        for bad in (body, {}, body | {"appkey": "x"}, {"appkey": APPKEY}, body | {"appsecret": "x"})
    ]
    assert codes == ["EGW00122", "EGW00102", "EGW00103", "EGW00104", "EGW00105"]
    assert broker.send("POST", wire.REVOKE_PATH, {}, body=b"[]").document["error_code"] == "EGW00132"


def test_a_missing_secret_and_the_token_of_another_appkey_have_codes_of_their_own() -> None:
    """KIS-040, KIS-220: EGW00104 without a secret; EGW00121 for a token that belongs to another appkey."""
    broker = Broker()
    other = Account("B" * 36, APPSECRET, 8)
    broker.accounts.add(other)
    token = other.issue_token(0)
    assert token is not None
    without = {name: value for name, value in broker.headers.items() if name != "appsecret"}
    foreign = broker.headers | {"authorization": f"Bearer {token.text}"}
    codes = [
        broker.send("GET", wire.INQUIRE_PRICE.path, headers).document["msg_cd"]
        for headers in (without, foreign)
    ]
    assert codes == ["EGW00104", "EGW00121"]


def test_multi_price_answers_by_code_and_drops_unknown_ones() -> None:
    """KIS-053, KIS-057: no row for an unknown code."""
    answer = Broker().get(
        wire.MULTI_PRICE, fid_cond_mrkt_div_code_1="J", fid_input_iscd_1="990001",
        fid_cond_mrkt_div_code_2="J", fid_input_iscd_2="000000",
    )  # fmt: skip
    assert (answer.status, answer.document["rt_cd"], answer.tr_id) == (200, "0", wire.MULTI_PRICE.tr_id)
    assert [row["inter_shrn_iscd"] for row in answer.document["output"]] == ["990001"]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({}, "OPSQ2002"),
        ({"fid_cond_mrkt_div_code_1": "X", "fid_input_iscd_1": "990001"}, "OPSQ2001"),
        ({"fid_cond_mrkt_div_code_2": "J", "fid_input_iscd_2": "990001"}, "OPSQ2002"),
        (
            {
                f"fid_{name}_{n}": value
                for n in range(1, 32)
                for name, value in (("cond_mrkt_div_code", "J"), ("input_iscd", "1"))
            },
            "OPSQ2002",
        ),
    ],
)
def test_bad_multi_price_parameters(parameters: dict[str, str], code: str) -> None:
    """KIS-057, KIS-072: number 31, a hole in the numbering, an unknown market."""
    answer = Broker().get(wire.MULTI_PRICE, **parameters)
    assert (answer.status, answer.document["rt_cd"], answer.document["msg_cd"]) == (200, "1", code)


def test_the_other_quotation_calls() -> None:
    """KIS-050, KIS-070, OB-814: one price, by-time rows, product information; rt_cd 7 for an unknown product."""
    broker = Broker()
    code = {"fid_cond_mrkt_div_code": "J", "fid_input_iscd": "990001"}
    assert broker.get(wire.INQUIRE_PRICE, **code).document["output"]["acml_vol"] == "5"
    timed = broker.get(wire.TRADES_BY_TIME, **code, fid_input_hour_1="153000").document
    assert ([row["cnqn"] for row in timed["output2"]], timed["output1"]["acml_vol"]) == (["5"], "5")
    assert broker.get(wire.TRADES_BY_TIME, **code, fid_input_hour_1="250000").document["msg_cd"] == "OPSQ2002"
    assert broker.get(wire.SEARCH_INFO, pdno="990001").document["output"]["shtn_pdno"] == "990001"
    assert broker.get(wire.SEARCH_INFO, pdno="x").document["rt_cd"] == "7"
    assert broker.get(wire.INQUIRE_PRICE, **code | {"fid_input_iscd": "x"}).document["msg_cd"] == "OPSQ2002"
    assert broker.get(wire.INQUIRE_PRICE, fid_input_iscd="x").document["msg_cd"] == "OPSQ2001"


def test_credentials_and_transaction_ids_are_checked() -> None:
    """KIS-052, KIS-072, KIS-220: missing and wrong keys, tokens and transaction ids."""
    broker = Broker()
    path = wire.INQUIRE_PRICE.path
    cases: list[tuple[dict[str, str], str, int]] = [
        ({}, "EGW00102", 500),
        ({"appkey": "x"}, "EGW00103", 500),
        (broker.headers | {"appsecret": "x"}, "EGW00105", 500),
        (broker.headers | {"authorization": "Basic x"}, "EGW00205", 500),
        (broker.headers | {"authorization": "Bearer x"}, "EGW00122", 500),
        (broker.headers, "OPSQ9999", 200),
        (broker.headers | {"tr_id": "FHKST11300006"}, "OPSQ0002", 200),
    ]
    for headers, code, status in cases:
        answer = broker.send("GET", path, headers)
        assert (answer.document["msg_cd"], answer.status) == (code, status)
    assert broker.send("GET", "/else", {}).status == 404


def test_the_nineteenth_call_of_a_second_is_refused() -> None:
    """KIS-170, KIS-265: 18 a sliding second, then HTTP 500 EGW00201."""
    broker = Broker()
    answers = [broker.get(wire.SEARCH_INFO, pdno="990001") for _ in range(19)]
    assert [answer.status for answer in answers] == [200] * 18 + [500]
    assert answers[-1].document["msg_cd"] == "EGW00201"
    assert broker.account.report.refusals == 1


def test_hashkey_returns_the_digest_of_the_body() -> None:
    """KIS-036: SHA-256 of the body bytes."""
    broker, body = Broker(), b'{"a":1}'
    answer = broker.send("POST", wire.HASHKEY_PATH, broker.headers, body=body)
    assert answer.document == {"BODY": {"a": 1}, "HASH": hashlib.sha256(body).hexdigest()}
    assert broker.send("POST", wire.HASHKEY_PATH, broker.headers, body=b"[").document["msg_cd"] == "EGW00132"


@given(st.sampled_from(["GET", "POST"]), st.sampled_from([wire.TOKEN_PATH, wire.MULTI_PRICE.path, wire.TRADES_BY_TIME.path, "/x"]),
       st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5), st.binary(max_size=50))  # fmt: skip
def test_any_request_gets_an_answer(method: str, path: str, parameters: dict[str, str], body: bytes) -> None:
    """KIS-224: hostile requests never end the process."""
    broker = Broker()
    for call in (wire.MULTI_PRICE, wire.TRADES_BY_TIME):
        answer = broker.send(method, path, broker.headers | {"tr_id": call.tr_id}, parameters, body)
        assert answer.status in {200, 403, 404, 500}
