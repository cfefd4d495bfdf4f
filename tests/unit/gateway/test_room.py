"""The room of a worker."""

import math

from hypothesis import given
from hypothesis import strategies as st

from veritape.gateway.room import LEAST, Room

SAMPLES = st.lists(st.tuples(st.floats(0, 50), st.integers(0, 3_000)), max_size=200)


def test_there_is_room_for_all_that_is_allowed_until_the_loop_is_late() -> None:
    """GW-381: below the share that a level begins with; a burst from idle is taken as a whole."""
    room = Room()
    for _ in range(100):
        room.sample(0.6, 1_700, 2_000)
    assert (room.found, room.requests(2_000, 0.9)) == (math.inf, 1_799)
    assert [room.requests(allowed, 0.9) for allowed in (1, 2, 3, 20, 100)] == [1, 1, 2, 17, 89]


def test_a_late_loop_has_less_room_and_gets_it_back_bit_by_bit() -> None:
    """GW-381: less by as much as it was late, of what it had at hand, a quarter at least; a sixteenth more when it is in time."""
    room = Room()
    room.sample(1.4, 1_600, 2_000)
    assert room.found == 800
    room.sample(0.7, 2_000, 2_000)
    assert room.found == 800
    room.sample(50, 2_000, 2_000)
    assert room.found == 200
    room.sample(0.69, 200, 2_000)
    assert room.found == 200 * 17 / 16
    for _ in range(60):
        room.sample(0, 0, 2_000)
    assert room.requests(2_000, 0.9) == 1_799
    held = room.found
    room.sample(0, 0, 2_000)
    assert room.found == held


@given(SAMPLES, st.integers(1, 10_000))
def test_a_little_used_worker_has_room_whatever_others_do_to_its_loop(
    samples: list[tuple[float, int]], allowed: int
) -> None:
    """GW-381: a loop that is late with few requests waits for other programs: these few are served."""
    room = Room()
    for lag, in_flight in samples:
        room.sample(lag, in_flight, allowed)
    least = min(LEAST, max(1, math.ceil(0.9 * allowed) - 1))
    assert least <= room.requests(allowed, 0.9) <= max(1, 0.9 * allowed)
