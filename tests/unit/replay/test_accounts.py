"""Accounts: tokens, approval keys, the sliding window."""

from veritape.replay.accounts import APPKEY, APPSECRET, TOKENS_KEPT, Account, Accounts

SECOND = 1_000_000_000


def account() -> Account:
    return Account(APPKEY, APPSECRET, seed=7)


def test_the_default_pair_has_the_lengths_that_clients_require() -> None:
    """KIS-020: appkey of 36 characters, secret of 180."""
    assert (len(APPKEY), len(APPSECRET)) == (36, 180)


def test_a_second_request_within_six_hours_returns_the_same_token() -> None:
    """KIS-032, KIS-033: at most one attempt a minute; the same token within 6 h, a new one later."""
    one = account()
    first = one.issue_token(0)
    assert first is not None
    assert one.issue_token(59 * SECOND) is None
    assert one.issue_token(118 * SECOND) is None
    assert one.issue_token(178 * SECOND) is first
    later = one.issue_token(6 * 3600 * SECOND)
    assert later is not None
    assert later.text != first.text


def test_a_token_is_refused_when_unknown_or_expired() -> None:
    """KIS-220: unknown EGW00122, expired EGW00123."""
    one = account()
    token = one.issue_token(0)
    assert token is not None
    assert one.token_refusal("other", 1) == "EGW00122"
    assert one.token_refusal(token.text, token.expires_ns - 1) is None
    assert one.token_refusal(token.text, token.expires_ns) == "EGW00123"


def test_every_approval_key_lives_a_day_and_old_ones_are_forgotten() -> None:
    """KIS-030, KIS-035: a UUID of 36 characters; any unexpired key of the appkey is valid."""
    one, accounts = account(), Accounts()
    accounts.add(one)
    keys = [one.issue_approval(0) for _ in range(TOKENS_KEPT + 1)]
    assert {len(key.text) for key in keys} == {36}
    assert accounts.of_approval(keys[-1].text, 1) is one
    assert accounts.of_approval(keys[-1].text, keys[-1].expires_ns) is None
    assert accounts.of_approval(keys[0].text, 1) is None


def test_equal_seeds_give_equal_secrets() -> None:
    """KIS-222: tokens and keys are derived from the seed."""
    assert account().issue_token(0) == account().issue_token(0)
    assert account().issue_approval(0) != Account(APPKEY, APPSECRET, seed=8).issue_approval(0)
