"""How an attempt at an upstream may fail, and what the client is told (GW-507, GW-582)."""

from veritape.gateway.reasons import Reason


class UpstreamFailedError(Exception):
    """An attempt at a target failed. Expected: it is retried, or ends as a problem answer."""

    def __init__(self, reason: Reason, *, request_begun: bool = True, answer_begun: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        """``upstream_unreachable``, ``_protocol_error``, ``_closed``, ``_timeout`` or ``no_healthy_upstream``."""
        self.request_begun = request_begun
        """A byte of the request was written."""
        self.answer_begun = answer_begun
        """A byte of the answer came."""

    @property
    def metric_class(self) -> str:
        """Return the class of the attempt on the metrics page."""
        return "timeout" if self.reason is Reason.UPSTREAM_TIMEOUT else "error"


FAILURES = frozenset({
    Reason.NO_HEALTHY_UPSTREAM, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_PROTOCOL_ERROR, Reason.UPSTREAM_CLOSED,
    Reason.UPSTREAM_TIMEOUT,
})  # fmt: skip
"""Problem answers after which the month's units are given back (GW-216)."""
