"""What is found once."""

from veritape.gateway.remembered import Remembered


def test_at_the_bound_all_is_forgotten() -> None:
    """GW-908: never more than the limit; what was kept last is there."""
    kept: Remembered[int, str] = Remembered(3)
    for number in range(8):
        assert kept.keep(number, str(number)) == str(number)
        assert kept[number] == str(number)
        assert len(kept) <= 3
    assert dict(kept) == {6: "6", 7: "7"}
