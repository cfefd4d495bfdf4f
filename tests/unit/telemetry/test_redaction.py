"""Secrets by key and by shape."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from veritape.telemetry.redaction import SECRET_KEYS, redact, redact_text

KEY = "vt_live_0123456789ABCDEFGHIJKLMNOPQRSTUVWX0mnbB4"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN PRIVATE KEY-----\nMIIplanted\n-----END PRIVATE KEY-----"


@pytest.mark.parametrize("name", sorted(SECRET_KEYS))
def test_a_field_with_a_secret_name_is_starred(name: str) -> None:
    """TL-640: by key name, in any case and with either dash, at any depth."""
    assert redact(name.upper(), "planted") == "***"
    assert "planted" not in repr(redact("detail", [{name.replace("-", "_"): "planted"}]))


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"key {KEY} refused", KEY),
        ("Authorization: Bearer planted.value", "planted.value"),
        (f"got {JWT}", JWT),
        (PEM, "MIIplanted"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIplanted", "MIIplanted"),
        ("redis://user:planted@host:6379/0", "planted"),
        ("GET https://host/path?appkey=planted", "planted"),
        ("/v1/trades?cursor=planted", "planted"),
        ('{"approval_key": "planted-36-characters"}', "planted"),
        ("appsecret=planted&x=1", "planted"),
        ("peer 203.0.113.77 left", "203.0.113.77"),
        ("2001:db8:1:2:3:4:5:6", "3:4:5:6"),
    ],
    ids=[
        "key",
        "bearer",
        "jwt",
        "pem",
        "torn-pem",
        "dsn",
        "query",
        "path",
        "approval",
        "form",
        "ipv4",
        "ipv6",
    ],
)
def test_a_secret_goes_by_its_shape(text: str, secret: str) -> None:
    """TL-640 and TL-650: wherever it stands in a text."""
    assert secret not in redact_text(text)


def test_what_is_no_secret_stays() -> None:
    """TL-640: addresses of our own listeners, names and numbers are readable."""
    for text in ("listening on 127.0.0.1:9464", "segment 2013-10-07/09 sealed", "is it? yes", "::1"):
        assert redact_text(text) == text
    assert redact("size", 5) == 5
    assert redact("frame", b"abc") == "3 bytes"
    assert redact("token", None) is None
    assert redact_text("peer 203.0.113.77") == "peer 203.0.113.0/24"


SECRETS = (
    "Bearer Hunter22Hunter22", "basic Hunter22Hunter22==", "eyJHunter22.Hunter22.Hunter22", "vt_live_Hunter22Hunter22",
    "https://name:Hunter22@host/path", "https://host/path?key=Hunter22", "/path?key=Hunter22", "password=Hunter22",
    '"appsecret": "Hunter22"', "-----BEGIN KEY-----\nHunter22\n-----END KEY-----",
)  # fmt: skip
"""What a text may hold, each with a word that must not be left."""

PIECES = (
    st.sampled_from(SECRETS) | st.text() | st.sampled_from(["203.0.113.77", "2001:db8::7", "Bearer", "***"])
)


@given(st.lists(PIECES), st.sampled_from([" ", "\n", "\t"]))
@example(["Bearer", "Bearer Hunter22"], " ")
@example(["203.0.113.77"], " ")
def test_any_text_is_safe(pieces: list[str], between: str) -> None:
    """TL-640: redaction never raises, no secret is left whatever stands around it, and what was redacted stays as it is."""
    once = redact_text(between.join(pieces))
    assert "Hunter22" not in once
    assert redact_text(once) == once
