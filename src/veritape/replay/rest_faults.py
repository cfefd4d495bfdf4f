"""What happens on purpose to REST calls (OB-851, KIS-220: rules 020 to 065).

A call suffers a fault by its ordinal. A fault with a moment in place of a share strikes the first call at or after that
tape time, once a day.
"""

from dataclasses import dataclass
from typing import Any, Final

from veritape.replay.accounts import Account, Accounts
from veritape.replay.faults import Faults
from veritape.wire.kis.rest import APPROVAL_PATH, MULTI_PRICE, TOKEN_PATH, TRADES_BY_TIME

CALL_CODES: Final = {"egw00201": "EGW00201", "egw00121": "EGW00121", "egw00123": "EGW00123"}
"""Faults that refuse a quotation call, with their codes."""

PAGE: Final = b"<html><body><h1>System maintenance</h1></body></html>"
"""Body of an answer that is no JSON."""


@dataclass(frozen=True)
class Trouble:
    """What a call suffers before the broker looks at it."""

    faults: tuple[str, ...] = ()
    """Names, for the event log."""
    code: str = ""
    """Code that refuses it."""
    status: int = 0
    """HTTP status in place of the rule's own; 0 leaves it."""
    body: bytes = b""
    """Body in place of JSON."""
    hold_s: float = 0.0
    """Real seconds before the answer leaves."""
    never: bool = False
    """No answer at all."""


class RestFaults:
    """The faults of calls, with what they remember."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._calls = 0
        self._happened: set[tuple[str, int]] = set()

    def new_day(self) -> None:
        """Let the moments of the tape happen again."""
        self._happened.clear()

    def next_call(self) -> int:
        """Count a call; return its ordinal."""
        self._calls += 1
        return self._calls

    def on(self, name: str, tape_ms: int) -> bool:
        """Tell whether a fault's window holds."""
        return self._faults.active(name, tape_ms) is not None

    def strikes(self, name: str, tape_ms: int) -> bool:
        """Tell whether a fault strikes the call that was counted last."""
        return self._faults.strikes(name, self._calls, tape_ms)

    def choice(self, name: str, size: int) -> int:
        """Return a place for a fault that strikes the call that was counted last."""
        return self._faults.choice(name, self._calls, size)

    def word(self, name: str, tape_ms: int) -> str:
        """Return a fault's word, empty outside its window."""
        fault = self._faults.active(name, tape_ms)
        return "" if fault is None else fault.word

    def before(self, path: str, tape_ms: int) -> Trouble:
        """Return what the call that was counted last suffers."""
        slow = self._faults.active("slow", tape_ms)
        hold_s = slow.number if slow else 0.0
        names = ("slow",) if slow else ()
        if self.strikes("timeout", tape_ms):
            return Trouble((*names, "timeout"), never=True)
        if self.strikes("http_5xx", tape_ms):
            return Trouble(
                (*names, "http_5xx"), status=self._status(tape_ms) or 503, body=b"unavailable", hold_s=hold_s
            )
        if self.strikes("html", tape_ms):
            return Trouble((*names, "html"), status=200, body=PAGE, hold_s=hold_s)
        name, code = self._code(path, tape_ms)
        if name:
            return Trouble((*names, name), code, self._status(tape_ms), hold_s=hold_s)
        return Trouble(names, hold_s=hold_s)

    def age_tokens(self, accounts: Accounts, now_ns: int, tape_ms: int) -> bool:
        """Kill every token whose moment has come (``token_expiry``); tell whether it happened."""
        if not self._once("token_expiry", tape_ms):
            return False
        for account in accounts.by_appkey.values():
            account.kill_tokens(now_ns)
        return True

    def govern(self, account: Account, tape_ms: int) -> None:
        """Give an account the limits and lives that hold now."""
        if not self._faults.names & {"token_life", "window", "approval_limit", "kill_old"}:
            return
        life = self._faults.active("token_life", tape_ms)
        window = self._faults.active("window", tape_ms)
        pause = self._faults.active("approval_limit", tape_ms)
        account.govern(
            token_seconds=life.number if life else None,
            kills_old=self.on("kill_old", tape_ms),
            rest_per_s=int(window.number) if window else None,
            approval_every_s=pause.number if pause else None,
        )

    def alter(self, path: str, rows: dict[str, Any], tape_ms: int) -> list[str]:
        """Change the rows of a good answer in place; return the faults that did."""
        struck = []
        if path == MULTI_PRICE.path:
            struck = [name for name in ("row_missing", "row_extra", "shuffle") if self.strikes(name, tape_ms)]
            rows["output"] = self._multi_price(rows["output"], struck)
        elif path == TRADES_BY_TIME.path:
            struck = [name for name in ("page_hole", "pbpr") if self.strikes(name, tape_ms)]
            rows["output2"] = self._by_time(rows["output2"], struck)
        return struck

    def _multi_price(self, rows: list[dict[str, str]], struck: list[str]) -> list[dict[str, str]]:
        rows = list(rows)
        if "row_missing" in struck and rows:
            del rows[self.choice("row_missing", len(rows))]
        if "row_extra" in struck and rows:
            rows.append(rows[-1] | {"inter_shrn_iscd": "000000"})
        if "shuffle" in struck and rows:
            place = self.choice("shuffle", len(rows))
            rows = [*reversed(rows[place:]), *rows[:place]]
        return rows

    def _by_time(self, rows: list[dict[str, str]], struck: list[str]) -> list[dict[str, str]]:
        inner = len(rows) - 2
        if "page_hole" in struck and inner > 0:
            place = 1 + self.choice("page_hole", inner)
            rows = rows[:place] + rows[place + 1 :]
        if "pbpr" in struck:
            rows = [
                {("stck_pbpr" if name == "stck_prpr" else name): text for name, text in row.items()}
                for row in rows
            ]
        return rows

    def _code(self, path: str, tape_ms: int) -> tuple[str, str]:
        if path == TOKEN_PATH:
            return ("egw00133", "EGW00133") if self._hits("egw00133", tape_ms) else ("", "")
        if path == APPROVAL_PATH or not path.startswith("/uapi/"):
            return "", ""
        for name, code in CALL_CODES.items():
            if self._hits(name, tape_ms):
                return name, code
        word = self.word("rest", tape_ms)
        return ("rest", word) if word else ("", "")

    def _hits(self, name: str, tape_ms: int) -> bool:
        return self.strikes(name, tape_ms) or self._once(name, tape_ms)

    def _once(self, name: str, tape_ms: int) -> bool:
        """Tell whether a moment of this name has come that did not happen yet, and let it happen."""
        due = [
            fault.at_ms
            for fault in self._faults.of(name)
            if fault.at_ms is not None
            and fault.at_ms <= tape_ms
            and (name, fault.at_ms) not in self._happened
        ]
        self._happened.update((name, at_ms) for at_ms in due)
        return bool(due)

    def _status(self, tape_ms: int) -> int:
        return int(self.word("status", tape_ms) or 0)
