"""Where the broker really listens (KIS-010): what a client that knows nothing of a replay asks for."""

from typing import Final, NamedTuple


class Hosts(NamedTuple):
    """One environment's two services."""

    rest: tuple[str, int]
    """Name and port of the REST service, TLS."""
    websocket: tuple[str, int]
    """Name and port of the WebSocket service, plain."""


REAL: Final = Hosts(("openapi.koreainvestment.com", 9443), ("ops.koreainvestment.com", 21000))
"""Real accounts."""

PAPER: Final = Hosts(("openapivts.koreainvestment.com", 29443), ("ops.koreainvestment.com", 31000))
"""Paper accounts: REST on 29443."""
