"""Commands of the WebSocket: check order, registry, heartbeat."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from veritape.replay.accounts import APPKEY, APPSECRET, Account, Accounts
from veritape.replay.limits import Limits
from veritape.replay.sockets import CUT_NS, IDLE_NS, Exchange, Reply, Socket

SECOND = 1_000_000_000


def exchange(limit: int = 41) -> tuple[Exchange, str]:
    accounts = Accounts()
    one = Account(APPKEY, APPSECRET, 7, Limits(registrations=limit))
    accounts.add(one)
    return Exchange(accounts, 7), one.issue_approval(0).text


def command(key: str, code: str = "990001", kind: str = "1", **changes: Any) -> str:
    header = {"approval_key": key, "custtype": "P", "tr_type": kind, "content-type": "utf-8"}
    document: dict[str, Any] = {"header": header, "body": {"input": {"tr_id": "H0STCNT0", "tr_key": code}}}
    return json.dumps(document | changes)


def answered(book: Exchange, socket: Socket, text: str) -> str | None:
    reply = book.receive(socket, text, 1)
    if reply.text is not None:
        assert json.loads(reply.text)["body"]["msg_cd"] == reply.code
    return reply.code


def test_the_worked_exchange() -> None:
    """KIS-260, KIS-103, KIS-106: success, again, release, again; iv of 16 and key of 32 characters come with success."""
    book, key = exchange()
    socket = book.connect(0)
    document = json.loads(book.receive(socket, command(key), 1).text or "")
    assert document["header"] == {"tr_id": "H0STCNT0", "tr_key": "990001", "encrypt": "N"}
    assert [len(document["body"]["output"][name]) for name in ("iv", "key")] == [16, 32]
    assert book.watchers("H0STCNT0", "990001") == [socket]
    texts = [command(key), command(key, kind="2"), command(key, kind="2")]
    assert [answered(book, socket, text) for text in texts] == ["OPSP0002", "OPSP0001", "OPSP0003"]
    reply = book.receive(socket, "not json", 1)
    assert reply.code == "OPSP9999"
    assert json.loads(reply.text or "")["header"] == {"tr_id": "(null)", "tr_key": "", "encrypt": "N"}


def test_the_forty_second_registration_is_refused() -> None:
    """KIS-170: 41 registrations a socket."""
    book, key = exchange()
    socket = book.connect(0)
    codes = [answered(book, socket, command(key, f"{number:06}")) for number in range(42)]
    assert codes == ["OPSP0000"] * 41 + ["OPSP0008"]


def test_the_checks_run_in_the_brokers_order() -> None:
    """KIS-107: JSON, header, approval key, other socket, custtype, tr_type, body, input, tr_id, tr_key."""
    book, key = exchange()
    socket = book.connect(0)
    good = json.loads(command(key))
    head, body = good["header"], good["body"]
    cases: list[tuple[object, str]] = [
        ([], "OPSP9999"),
        ({"body": body}, "OPSP9998"),
        ({"header": {**head, "approval_key": "x"}, "body": body}, "OPSP0011"),
        ({"header": {k: v for k, v in head.items() if k != "custtype"}, "body": body}, "OPSP9997"),
        ({"header": {**head, "custtype": "X"}, "body": body}, "OPSP8998"),
        ({"header": {**head, "tr_type": "0"}, "body": body}, "OPSP8997"),
        ({"header": head}, "OPSP9992"),
        ({"header": head, "body": {}}, "OPSP9991"),
        ({"header": head, "body": {"input": {"tr_id": "H0XXXXX0", "tr_key": "990001"}}}, "OPSP8991"),
        ({"header": head, "body": {"input": {"tr_id": "H0STCNT0"}}}, "OPSP9990"),
        ({"header": head, "body": {"input": {"tr_id": "H0STCNT0", "tr_key": "99"}}}, "OPSP8993"),
    ]
    assert [answered(book, socket, json.dumps(document)) for document, _ in cases] == [
        code for _, code in cases
    ]


def test_a_second_socket_of_the_appkey_is_refused_until_the_first_is_gone() -> None:
    """KIS-115, KIS-107: the first goes on, the registry dies with its socket."""
    book, key = exchange()
    first, second = book.connect(0), book.connect(0)
    assert answered(book, first, command(key)) == "OPSP0000"
    assert answered(book, second, command(key)) == "OPSP8996"
    book.disconnect(first)
    assert answered(book, second, command(key)) == "OPSP0000"
    assert book.watchers("H0STCNT0", "990001") == [second]


def test_an_idle_socket_is_pinged_and_a_silent_one_cut() -> None:
    """KIS-108, KIS-109: one PINGPONG after 10 s without a frame, the cut after 100 s without an answer."""
    book, _ = exchange()
    socket = book.connect(0)
    assert not book.heartbeat(socket, IDLE_NS - 1)
    assert book.heartbeat(socket, IDLE_NS)
    assert not book.heartbeat(socket, IDLE_NS)
    assert book.heartbeat(socket, 2 * IDLE_NS)
    assert not book.must_cut(socket, IDLE_NS + CUT_NS - 1)
    assert book.must_cut(socket, IDLE_NS + CUT_NS)
    echo = '{"header": {"tr_id": "PINGPONG", "datetime": "20131007090500"}}'
    assert book.receive(socket, echo, 1) == Reply(None, None)
    assert not book.must_cut(socket, IDLE_NS + CUT_NS)


@given(
    st.text(max_size=300)
    | st.recursive(
        st.none() | st.text(max_size=5),
        lambda c: st.dictionaries(
            st.sampled_from(["header", "body", "input", "tr_id", "tr_key", "approval_key"]), c, max_size=4
        ),
        max_leaves=12,
    ).map(json.dumps)
)
def test_any_text_gets_one_code_or_is_a_heartbeat(text: str) -> None:
    """KIS-224, OB-992: hostile commands never end the process."""
    book, _ = exchange()
    reply = book.receive(book.connect(0), text, 1)
    assert (reply.text is None) == (reply.code is None)


def test_an_oversized_command_is_not_parsed() -> None:
    """KIS-224: 64 KiB a command."""
    book, key = exchange()
    assert answered(book, book.connect(0), command(key) + " " * (64 << 10)) == "OPSP9999"


class RegistryModel(RuleBasedStateMachine):
    """KIS-T07: the registry against a set."""

    def __init__(self) -> None:
        super().__init__()
        self.book, self.key = exchange(limit=3)
        self.socket = self.book.connect(0)
        self.model: set[str] = set()

    @rule(code=st.sampled_from(["000001", "000002", "000003", "000004", "000005"]))
    def register(self, code: str) -> None:
        expected = "OPSP0002" if code in self.model else "OPSP0008" if len(self.model) == 3 else "OPSP0000"
        assert answered(self.book, self.socket, command(self.key, code)) == expected
        if expected == "OPSP0000":
            self.model.add(code)

    @rule(code=st.sampled_from(["000001", "000002", "000003", "000004", "000005"]))
    def release(self, code: str) -> None:
        expected = "OPSP0001" if code in self.model else "OPSP0003"
        assert answered(self.book, self.socket, command(self.key, code, "2")) == expected
        self.model.discard(code)

    @invariant()
    def agrees(self) -> None:
        assert {code for _, code in self.socket.registered} == self.model


TestRegistry = RegistryModel.TestCase


@pytest.mark.parametrize("kind", ["1", "2"])
def test_commands_are_counted_for_the_account(kind: str) -> None:
    """KIS-174: the report counts commands and connects."""
    book, key = exchange()
    socket = book.connect(0)
    answered(book, socket, command(key, kind=kind))
    assert socket.account is not None
    assert (socket.account.report.commands, socket.account.report.connects) == (1, 1)
