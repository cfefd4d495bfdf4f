"""A wall clock that is set at random while the market trades: what was not watched stays covered, and lasts as long as it did.

The venue's time goes on as the monotonic clock does; ours shows it until it is set. Truth is the venue's.
"""

from typing import NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st
from tests.tape import CODES, DAY, MIDNIGHT_NS

from veritape.observer import gaps
from veritape.observer.clock_steps import CERTAIN
from veritape.observer.gaps import Cause
from veritape.observer.journal import Frame, Kind
from veritape.observer.notes import NoteKind, note
from veritape.observer.recorder import Recorder, kst

SECOND = 10**9
OPEN_S, CLOSE_S = 32_400, 55_800
BOOT_NS = 10_000 * SECOND


class Event(NamedTuple):
    """What happens after a while."""

    after_s: int
    what: str
    step_s: int = 0


EVENTS = st.lists(
    st.tuples(
        st.integers(1, 300),
        st.sampled_from(["lost", "back", "restarted", "set", "noted"]),
        st.sampled_from([-3_600, -61, -1, 1, 61, 3_600]),
    ).map(lambda parts: Event(*parts)),
    max_size=30,
)


class Market:
    """A recorder whose clock is set."""

    def __init__(self) -> None:
        self.recorder, self.second, self.ahead_s, self.is_set = Recorder(), 36_000, 0, False
        self.down: int | None = None
        self.missed: list[tuple[int, int]] = []
        self.tell(NoteKind.DAY, day=DAY, venue="KRX", open_s=OPEN_S, close_s=CLOSE_S, codes={})
        self.watch()

    def tell(self, kind: NoteKind, **facts: object) -> None:
        wall_ns = MIDNIGHT_NS + (self.second + self.ahead_s) * SECOND
        monotonic_ns = BOOT_NS + self.second * SECOND
        self.recorder.apply(Frame(Kind.NOTE, 0, 1, wall_ns, monotonic_ns, note(kind, **facts)))

    def watch(self) -> None:
        for code in CODES:
            self.tell(NoteKind.WATCH_OPENED, day=DAY, code=code, event_s=self.second + self.ahead_s)

    def happens(self, event: Event) -> None:
        self.second += event.after_s
        if event.what == "set":
            self.ahead_s, self.is_set = self.ahead_s + event.step_s, True
        elif event.what == "lost" and self.down is None:
            self.down = self.second
            for code in CODES:
                facts = {"code": code, "event_s": self.second + self.ahead_s, "cause": "ws_disconnect"}
                self.tell(NoteKind.WATCH_CLOSED, day=DAY, **facts)
        elif event.what == "back" and self.down is not None:
            self.missed.append((self.down, self.second))
            self.down = None
            self.watch()
        elif event.what == "restarted" and self.down is None:
            self.tell(NoteKind.OBSERVATION, day=DAY, name="a", value="1")
            self.missed.append((self.second, self.second + event.after_s))
            self.second += event.after_s
            self.ahead_s += min(0, event.step_s)
            self.is_set |= event.step_s < 0
            self.tell(NoteKind.STARTED)
            self.watch()
        elif event.what == "noted":
            self.tell(NoteKind.OBSERVATION, day=DAY, name="a", value="1")


@given(EVENTS)
@example([Event(1, "lost"), Event(1, "set", 1), Event(1, "back"), Event(1, "restarted", -3_600)])
@example([Event(1, "set", 61), Event(1, "restarted", -1), Event(1, "lost"), Event(1, "back")])
def test_what_was_not_watched_is_covered_however_the_clock_is_set(events: list[Event]) -> None:
    """OB-004, OB-673, OB-675: every second that nobody watched, by the venue's time; and no outage is longer than it was."""
    market = Market()
    for event in events:
        market.happens(event)
    market.tell(NoteKind.OBSERVATION, day=DAY, name="a", value="1")
    assert kst(MIDNIGHT_NS)[0] == DAY
    day = market.recorder.days[DAY]
    spans = [one for one in day.outages.spans if one.end_s is not None]
    assert len(spans) == len(market.missed)
    for outage, (start_s, end_s) in zip(spans, market.missed, strict=True):
        assert outage.latest_s is not None
        assert outage.earliest_s <= start_s < end_s <= outage.latest_s
        assert outage.seconds(0, 10**6) == end_s - start_s
        for code in CODES:
            causes = {
                event.cause
                for event in gaps.unwatched(day.watches[code])
                if event.start_s <= start_s and event.end_s >= end_s
            }
            assert causes & {Cause.WS_DISCONNECT, Cause.PROCESS_DOWN}
    if not market.is_set:
        assert [(one.start_s, one.end_s, one.margin) for one in spans] == [
            (*span, CERTAIN) for span in market.missed
        ]


def test_a_clock_that_was_set_yesterday_makes_no_moment_of_today_doubtful() -> None:
    """OB-675: a recorder runs for months."""
    market, today, code = Market(), "20991231", next(iter(CODES))
    market.happens(Event(1, "set", 3_600))
    market.happens(Event(1, "noted"))
    market.second += 86_400
    market.tell(NoteKind.DAY, day=today, venue="KRX", open_s=OPEN_S, close_s=CLOSE_S, codes={})
    for kind, event_s in ((NoteKind.WATCH_OPENED, 40_000), (NoteKind.WATCH_CLOSED, 40_100)):
        market.tell(kind, day=today, code=code, event_s=event_s, cause="ws_disconnect")
    assert [one.margin for one in market.recorder.days[today].outages.spans] == [CERTAIN]
    assert [(one.start_s, one.end_s) for one in market.recorder.days[today].watches[code]] == [
        (40_000, 40_100)
    ]
