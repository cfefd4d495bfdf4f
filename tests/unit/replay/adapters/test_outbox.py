"""What waits for a connection, and the bytes of the things that leave it."""

from veritape.replay.adapters.outbox import CUT_BYTES, HELD_BYTES, How, Outbox, Outgoing, fragments, message
from veritape.replay.sockets import Socket


async def test_things_leave_in_order_and_are_counted_until_they_do() -> None:
    """KIS-223: what is put and not written counts as behind."""
    box = Outbox(Socket(1), lambda: None, lambda: 5)
    box.put("abc")
    box.put("", How.CLOSE)
    assert box.behind_bytes() == 8
    assert [await box.take(), await box.take()] == [Outgoing("abc"), Outgoing("", How.CLOSE)]
    assert box.behind_bytes() == 5


def test_a_reader_far_behind_is_cut() -> None:
    """KIS-223: beyond 8 MiB of unsent data."""
    cut: list[int] = []
    box = Outbox(Socket(1), lambda: cut.append(1), lambda: CUT_BYTES - 1)
    box.put("a")
    assert not cut
    box.put("b")
    assert cut


def test_fragments_are_two_frames_of_one_message() -> None:
    """KIS-113: text without FIN, then a continuation with it; long ones carry two length bytes."""
    assert fragments("abcde") == b"\x01\x02ab\x80\x03cde"
    long = fragments("x" * 400)
    assert long[:4] == b"\x01\x7e\x00\xc8"
    assert long[204:208] == b"\x80\x7e\x00\xc8"


def test_a_message_is_one_frame_whatever_its_size() -> None:
    """KIS-113: FIN and text, no mask, no compression; the length takes one, three or nine bytes."""
    assert message("abc") == b"\x81\x03abc"
    assert message("x" * 126)[:4] == b"\x81\x7e\x00\x7e"
    assert message("x" * 65_536)[:10] == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"


def test_messages_that_wait_leave_together_up_to_a_size() -> None:
    """KIS-223: order is kept; what is no message, or more than is written at once, stays."""
    box = Outbox(Socket(1), lambda: None, lambda: 0)
    for text in ("a", "b"):
        box.put(text)
    box.put("", How.CLOSE)
    assert list(box.take_frames()) == [message("a"), message("b")]
    assert box.queue[0].how is How.CLOSE
    box.queue.clear()
    for _ in range(3):
        box.put("x" * HELD_BYTES)
    assert len(list(box.take_frames())) == 1
    assert box.behind_bytes() == 2 * HELD_BYTES
