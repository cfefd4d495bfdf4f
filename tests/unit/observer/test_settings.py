"""Settings of the recorder: every bad key named."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from veritape.kernel.errors import MisuseError
from veritape.kernel.settings import load_settings
from veritape.observer.settings import RecordSettings

GOOD = """
[observer]
data_dir = "data"
[kis]
appkey = "the-key"
appsecret = "the-secret"
"""


def load(text: str, environment: dict[str, str] | None = None) -> RecordSettings:
    return load_settings(RecordSettings, text.encode(), environment or {}, "VERITAPE_RECORD", "record.toml")


def test_the_defaults_are_the_brokers_limits() -> None:
    """OB-981: 18 requests a second, 41 registrations, a sweep every 10 minutes, a commit after 5 ms."""
    settings = load(GOOD)
    assert (settings.pacing.requests_per_second, settings.track_b.limit) == (18, 41)
    assert (settings.track_a.interval_minutes, settings.journal.commit_ms) == (10, 5)


def test_secrets_may_come_from_the_environment_and_print_as_stars() -> None:
    """OB-981, KIS-006: redacted."""
    settings = load(
        GOOD.replace('appsecret = "the-secret"', ""), {"VERITAPE_RECORD_KIS__APPSECRET": "from-outside"}
    )
    assert settings.kis.appsecret.get_secret_value() == "from-outside"
    assert "from-outside" not in repr(settings)
    assert "the-key" not in repr(settings)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("[pacing]\nrequests_per_second = 21", "pacing.requests_per_second"),
        ("[track_b]\nlimit = 42", "track_b.limit"),
        ('[track_b]\nmanual = ["12"]', "12 is no symbol"),
        ('[track_b]\nlimit = 1\nmanual = ["000001"]', "1 codes, at most 0 of 1 slots: 000001"),
        ('[track_b]\nlimit = 5\nbooks = true\nmanual = ["000001", "000002"]', "at most 1 of 2 slots"),
        ("[track_b]\nhysteresis = 0.9", "track_b.hysteresis"),
        ("[triggers.volume_surge]\nthreshold = 0", "triggers.volume_surge.threshold"),
        ("[triggers.manual]\nweight = 1", "triggers.manual"),
        ("[journal]\ncommit = 5", "journal.commit"),
        ('[telemetry]\nlisten = "9464"', "telemetry.listen"),
        ('[telemetry]\nlisten = "127.0.0.1:65536"', "telemetry.listen"),
        ("[telemetry]\ndescriptor = 2", "telemetry.descriptor"),
        ("[unknown]\nx = 1", "unknown"),
    ],
)
def test_a_bad_key_is_named(more: str, words: str) -> None:
    """OB-981: unknown key, out of range: the message names it; exit 2."""
    with pytest.raises(MisuseError, match=words):
        load(GOOD + more)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('rest_url = "http://example.com"', "https"),
        ('ws_url = "http://example.com"', "ws://"),
        ("follow_replay_clock = true", "on this machine"),
    ],
)
def test_plain_http_is_for_loopback_only(line: str, words: str) -> None:
    """KIS-014, KIS-017: certificates are verified always; plain HTTP for loopback hosts only."""
    with pytest.raises(MisuseError, match=words):
        load(GOOD + line)
    assert load(
        GOOD + 'rest_url = "http://127.0.0.1:9443/"\nfollow_replay_clock = true'
    ).kis.rest_url.endswith("9443")


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            assert field.description, name
            yield prefix + name


def test_every_setting_stands_in_the_guide() -> None:
    """OB-981: every setting is documented."""
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "record.md").read_text()
    assert [key for key in keys(RecordSettings) if f"`{key}`" not in guide] == []
