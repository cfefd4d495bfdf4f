"""Calls of scripts, and what became of them (GW-254): by name, and with the text where the store does not know the name yet."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import hiredis

from veritape.gateway.adapters.redis_scripts import (
    DECIDE_BY_NAME,
    DECIDE_BY_TEXT,
    KINDS,
    MONTH,
    Script,
    is_unknown_script,
)
from veritape.gateway.adapters.server_link import StoreError, StoreTimeoutError
from veritape.gateway.adapters.store_link import Link


class ScriptCalls:
    """Calls scripts over a connection and counts how they end."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.counts: Counter[tuple[str, str]] = Counter()
        """(kind, end) -> calls."""
        self.admitted = 0
        """Decisions that the straight way heard: a number of its own, because a counter's key is looked up each time."""

    def all_counts(self) -> Counter[tuple[str, str]]:
        """Return (kind, end) -> calls, whoever heard their answers."""
        return self.counts + Counter({("decide", "ok"): self.admitted})

    async def evaluate(self, script: Script, keys: Sequence[bytes], arguments: Sequence[bytes]) -> Any:
        """Call a script.

        Raises:
            StoreError: no answer, or an error.
        """
        kind = "refund" if script is MONTH and arguments[0] == b"add" else KINDS[script.digest]
        rest = (b"%d" % len(keys), *keys, *arguments)
        try:
            answer = await self._link.call((b"EVALSHA", script.digest, *rest))
            if is_unknown_script(answer):
                self.counts[kind, "reloaded"] += 1
                answer = await self._link.call((b"EVAL", script.text, *rest))
            checked(answer)
        except StoreError as error:
            self.failed(kind, error)
            raise
        self.counts[kind, "ok"] += 1
        return answer

    async def decide_by_text(self, answer: object, command: bytes) -> object:
        """Look at what is no decision: a store that does not know the script gets its text.

        Raises:
            StoreError: it is an error, or there is no answer to the text.
        """
        if is_unknown_script(answer):
            self.counts["decide", "reloaded"] += 1
            answer = await self._link.send(DECIDE_BY_TEXT + command.removeprefix(DECIDE_BY_NAME))
        return checked(answer)

    def failed(self, kind: str, error: StoreError) -> None:
        """Count a call that failed."""
        self.counts[kind, "timeout" if isinstance(error, StoreTimeoutError) else "error"] += 1


def checked(answer: Any) -> Any:
    """Return an answer that is no error.

    Raises:
        StoreError: it is one.
    """
    if isinstance(answer, hiredis.ReplyError):
        raise StoreError(f"the store answered {str(answer).partition(' ')[0]}")
    return answer
