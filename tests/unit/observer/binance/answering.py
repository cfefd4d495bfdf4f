"""Frames of the recorder's own for the tests of this package."""

from tests.binance import Venue

from veritape.observer.binance.questions import Question, answer_bytes
from veritape.observer.journal import Frame, Kind


def own(kind: Kind, data: bytes, received_ns: int = 10**18) -> Frame:
    """Return a note or an answer as it stands in the journal."""
    return Frame(kind, 0, 1, received_ns, received_ns, data)


def answered(question: Question, venue: Venue, received_ns: int = 10**18) -> Frame:
    """Return a question with the venue's answer."""
    status, body = venue.answer(question.endpoint.path, dict(question.parameters))
    return own(Kind.REST, answer_bytes(question, status, body), received_ns)
