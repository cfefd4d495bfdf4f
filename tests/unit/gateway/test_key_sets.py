"""When a published key set is fetched, and how long it serves."""

from hypothesis import given
from hypothesis import strategies as st
from tests.tokens import SECRET

from veritape.gateway.key_sets import FIRST_RETRY_NS, RENEW_NS, RETRY_NS, STALE_NS, KeySet, Need
from veritape.gateway.look_ups import SECOND_NS
from veritape.gateway.token_keys import secret_key
from veritape.gateway.tokens import TokenReason

KEY, OTHER = secret_key(SECRET), secret_key(SECRET[::-1])


def fetched(now_ns: int = 0) -> KeySet:
    known = KeySet()
    known.begin(now_ns)
    known.take({"a": KEY, "b": OTHER}, now_ns)
    return known


def test_the_specifications_times() -> None:
    """GW-433: cached 10 min, renewed at most each 30 s, stale for 24 h."""
    assert (RENEW_NS, RETRY_NS, STALE_NS) == (600 * SECOND_NS, 30 * SECOND_NS, 86_400 * SECOND_NS)


def test_the_first_token_waits_for_the_set() -> None:
    """GW-433: without a set nothing serves; a failed fetch is tried again after a second."""
    known = KeySet()
    assert known.need("a", 5) is Need.NOW
    known.begin(5)
    assert not known.serves(5)
    assert known.need("a", 5 + FIRST_RETRY_NS - 1) is Need.NOTHING
    assert known.need("a", 5 + FIRST_RETRY_NS) is Need.NOW


def test_a_set_is_renewed_behind_the_requests_after_ten_minutes() -> None:
    """GW-433: a failed renewal is tried again after 30 s; the old set serves meanwhile."""
    known = fetched()
    assert known.need("a", RENEW_NS - 1) is Need.NOTHING
    assert known.need("a", RENEW_NS) is Need.SOON
    known.begin(RENEW_NS)
    assert known.need("a", RENEW_NS + RETRY_NS - 1) is Need.NOTHING
    assert known.need("a", RENEW_NS + RETRY_NS) is Need.SOON
    assert known.serves(STALE_NS - 1)
    assert not known.serves(STALE_NS)
    assert known.need("a", STALE_NS) is Need.NOW


def test_an_unknown_key_id_is_fetched_at_most_each_30_s() -> None:
    """GW-433: made-up ids do not make us ask the issuer at their pace."""
    known = fetched()
    assert known.need("new", RETRY_NS - 1) is Need.NOTHING
    assert known.need("new", RETRY_NS) is Need.NOW
    assert known.choose("new") is TokenReason.UNKNOWN_KEY
    known.take({"new": KEY}, RETRY_NS)
    assert known.choose("new") is KEY
    assert known.choose("a") is TokenReason.UNKNOWN_KEY


def test_a_token_without_a_key_id_is_for_the_only_key() -> None:
    """GW-432: with two keys nobody guesses."""
    known = fetched()
    assert known.choose(None) is TokenReason.UNKNOWN_KEY
    known.take({"a": KEY}, 1)
    assert known.choose(None) is KEY
    known.take({"a": TokenReason.WEAK_KEY}, 1)
    assert known.choose("a") is TokenReason.WEAK_KEY


@given(
    st.lists(st.tuples(st.sampled_from([None, "a", "new"]), st.integers(0, 700), st.booleans()), max_size=60)
)
def test_fetches_are_never_closer_than_allowed(steps: list[tuple[str | None, int, bool]]) -> None:
    """GW-433: whatever is asked and whether or not the issuer answers."""
    known, now_ns, tried_ns = KeySet(), 0, None
    for key_id, seconds, answers in steps:
        now_ns += seconds * SECOND_NS
        if known.need(key_id, now_ns) is Need.NOTHING:
            continue
        pause_ns = RETRY_NS if known.serves(now_ns) else FIRST_RETRY_NS
        assert tried_ns is None or now_ns - tried_ns >= pause_ns
        known.begin(now_ns)
        tried_ns = now_ns
        if answers:
            known.take({"a": KEY}, now_ns)
