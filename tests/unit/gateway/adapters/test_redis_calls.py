"""Calls of scripts to a peer that says what it likes."""

from collections.abc import Callable
from typing import Any

import hiredis
import pytest
from tests.servers.store_links import linked_by
from tests.servers.store_peer import store_peer

from veritape.gateway.adapters.redis_calls import ScriptCalls, checked
from veritape.gateway.adapters.redis_scripts import DECIDE, DECIDE_BY_NAME, MONTH, words
from veritape.gateway.adapters.server_link import StoreError, StoreTimeoutError
from veritape.gateway.settings import StoreClient

Say = Callable[[list[bytes]], bytes | None]


async def asked(say: Say, *arguments: bytes) -> tuple[Any, dict[tuple[str, str], int], list[list[bytes]]]:
    """Move a month; return the answer or its failure, what was counted, and the commands of scripts."""
    async with store_peer(say) as peer, linked_by(StoreClient.OWN, f"redis://127.0.0.1:{peer.port}") as link:
        calls = ScriptCalls(link)
        try:
            answer = await calls.evaluate(MONTH, [b"k1", b"k2"], arguments)
        except StoreError as error:
            answer = str(error)
        return answer, dict(calls.counts), [one for one in peer.commands if one[0].startswith(b"EVAL")]


async def test_a_script_goes_by_name_and_once_by_its_text() -> None:
    """GW-254: EVALSHA; a store that does not know the script gets it as EVAL, with the same keys and arguments; both are counted."""
    told = [b"-NOSCRIPT no\r\n", b"*1\r\n:1\r\n"]
    answer, counts, sent = await asked(lambda _: told.pop(0), b"set", b"5")
    rest = [b"2", b"k1", b"k2", b"set", b"5"]
    assert answer == [1]
    assert sent == [[b"EVALSHA", MONTH.digest, *rest], [b"EVAL", MONTH.text, *rest]]
    kinds = {kind for kind, _ in counts}
    assert (len(kinds), sorted(counts.values()), {end for _, end in counts}) == (
        1,
        [1, 1],
        {"reloaded", "ok"},
    )


async def test_what_the_store_refuses_is_a_failure() -> None:
    """GW-262: an error is counted and raised with Redis' word alone; a refund is a kind of its own."""
    answer, counts, _ = await asked(lambda _: b"-OOM with a key in it\r\n", b"add", b"5")
    assert (answer, counts) == ("the store answered OOM", {("refund", "error"): 1})
    assert checked(b"OK") == b"OK"
    with pytest.raises(StoreError, match=r"^the store answered READONLY$"):
        checked(hiredis.ReplyError("READONLY no"))


async def test_a_decision_that_was_not_understood_is_sent_with_its_script() -> None:
    """GW-254: the same arguments behind the text; what is no such error is passed on or raised."""
    async with (
        store_peer(lambda _: b"+done\r\n") as peer,
        linked_by(StoreClient.OWN, f"redis://127.0.0.1:{peer.port}") as link,
    ):
        calls = ScriptCalls(link)
        command = DECIDE_BY_NAME + words(b"k1", b"k2", b"k3", b"k4", b"a", b"b", b"c")
        answer = await calls.decide_by_text(hiredis.ReplyError("NOSCRIPT no"), command)
        assert answer == b"done"
        sent = [b"EVAL", DECIDE.text, b"4", b"k1", b"k2", b"k3", b"k4", b"a", b"b", b"c"]
        assert peer.commands[-1] == sent
        assert await calls.decide_by_text(7, command) == 7
        with pytest.raises(StoreError, match="MISCONF"):
            await calls.decide_by_text(hiredis.ReplyError("MISCONF no"), command)
        assert peer.commands[-1] == sent
        assert calls.counts == {("decide", "reloaded"): 1}
        calls.failed("decide", StoreTimeoutError("late"))
        assert calls.counts["decide", "timeout"] == 1
