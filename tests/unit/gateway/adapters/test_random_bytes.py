"""Random bytes, drawn for many requests."""

from veritape.gateway.adapters.random_bytes import PIECE_BYTES, PIECES, RandomBytes


def test_no_piece_comes_twice() -> None:
    """GW-503: over the end of what was drawn at once."""
    drawn = RandomBytes()
    pieces = [drawn.take() for _ in range(2 * PIECES + 1)]
    assert {len(piece) for piece in pieces} == {PIECE_BYTES}
    assert len(set(pieces)) == len(pieces)
