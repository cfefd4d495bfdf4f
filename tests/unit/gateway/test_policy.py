"""Which pages of other origins may call."""

from veritape.gateway.policy import Cors


def test_origins() -> None:
    """GW-503: named origins, or any."""
    cors = Cors(("https://a",), (), (), credentials=False, max_age_s=1)
    assert cors.allows("https://a")
    assert not cors.allows("https://b")
    assert cors._replace(origins=("*",)).allows("https://b")
