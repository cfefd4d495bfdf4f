"""The scripts that decide in Redis, and the commands that call them."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import hiredis

DECIDE_PARTS: Final = 10
"""Words of the command that decides: EVALSHA, script, number of keys, four keys, three arguments."""


@dataclass(frozen=True)
class Script:
    """A script and its name for EVALSHA."""

    text: bytes
    digest: bytes

    @classmethod
    def load(cls, *names: str) -> "Script":
        """Join parts of the package, the one that all begin with in front."""
        folder = files("veritape.gateway.adapters").joinpath("lua")
        text = b"\n".join(folder.joinpath(f"{part}.lua").read_bytes() for part in ("begin", *names))
        return cls(text, hashlib.sha1(text).hexdigest().encode())  # noqa: S324 - Redis names scripts by it


DECIDE: Final = Script.load("usual", "common", "decide")
MONTH: Final = Script.load("common", "month")
STATUS: Final = Script.load("common", "status")
OWE: Final = Script.load("common", "owe")
LEASE: Final = Script.load("common", "lease")
CLAMP: Final = Script.load("common", "clamp")

KINDS: Final = {
    DECIDE.digest: "decide", MONTH.digest: "month", STATUS.digest: "admin", OWE.digest: "admin", LEASE.digest: "lease",
    CLAMP.digest: "admin",
}  # fmt: skip
"""Script -> kind of call in the figures."""


def words(*parts: bytes) -> bytes:
    """Return words of a command as the protocol writes them, without the count in front of a whole command."""
    return b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


DECIDE_BY_NAME: Final = b"*%d\r\n%b" % (DECIDE_PARTS, words(b"EVALSHA", DECIDE.digest, b"4"))
"""How the command of a decision begins; four keys and three arguments follow."""

DECIDE_BY_TEXT: Final = b"*%d\r\n%b" % (DECIDE_PARTS, words(b"EVAL", DECIDE.text, b"4"))
"""The same for a store that does not know the script yet."""


def is_unknown_script(answer: object) -> bool:
    """Tell whether the store wants the text of a script."""
    return isinstance(answer, hiredis.ReplyError) and str(answer).startswith("NOSCRIPT")
