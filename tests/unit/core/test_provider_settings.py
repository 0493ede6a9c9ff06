"""The providers' settings: trimmed, checked when they are read, and a bad one is one provider's matter."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.core import secrets
from parley.core.config import ConfigurationError, Settings
from parley.core.secrets import provider_keys
from parley.providers.registry import Providers


def settings(**environment: str) -> Settings:
    return Settings.from_environment(environment)


@pytest.mark.parametrize("around", ["\n", "\r\n", " ", "\t", "\u00a0", " \n "])
def test_white_space_around_a_setting_is_no_part_of_it(around: str) -> None:
    found = settings(
        OPENAI_API_KEY=f"{around}sk-one{around}",
        ANTHROPIC_BASE_URL=f"https://proxy.test{around}",
        AI_PROVIDER=f"{around}Gemini{around}",
        PARLEY_REQUEST_SECONDS=f"12{around}",
        PARLEY_TIMEZONE=around,
    )
    assert provider_keys(found) == {"openai": "sk-one"}
    assert found.provider_urls == {"anthropic": "https://proxy.test"}
    assert (found.default_provider, found.default_spelling) == ("google", "gemini")
    assert (found.request_seconds, found.timezone) == (12.0, "Europe/Stockholm")


@pytest.mark.parametrize(
    ("variable", "url", "base"),
    [
        ("ANTHROPIC_BASE_URL", "https://api.anthropic.com/v1", "https://api.anthropic.com"),
        ("ANTHROPIC_BASE_URL", "https://api.anthropic.com/v1/", "https://api.anthropic.com"),
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8080/anthropic", "http://127.0.0.1:8080/anthropic"),
        (
            "GEMINI_BASE_URL",
            "https://generativelanguage.googleapis.com/v1beta",
            "https://generativelanguage.googleapis.com",
        ),
        ("GEMINI_BASE_URL", "https://proxy.test/google/v1/", "https://proxy.test/google"),
        ("GEMINI_BASE_URL", "https://proxy.test/v1beta/models/", "https://proxy.test"),
        ("ANTHROPIC_BASE_URL", "https://proxy.test/v1/messages", "https://proxy.test"),
        ("OPENAI_BASE_URL", "https://proxy.test/v1/chat/completions", "https://proxy.test/v1"),
        ("OPENAI_BASE_URL", "https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("OPENAI_BASE_URL", "http://[::1]:4000/v1", "http://[::1]:4000/v1"),
    ],
)
def test_a_base_url_is_taken_with_or_without_what_the_sdk_adds(variable: str, url: str, base: str) -> None:
    assert list(settings(**{variable: url}).provider_urls.values()) == [base]


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai\n.com/v1",
        "https://api.openai.com/v1\r\nx: y",
        "https://api openai.com",
        "api.openai.com/v1",
        "ftp://api.openai.com",
        "https://",
        "https:///v1",
        "https://[::1",
        "https://api.openai.com:port/v1",
        "https://api.openai.com:99999/v1",
        "https://api.openai.com/v1?key=1",
        "https://api.openai.com/v1#x",
        "https://api.öpenai.com",
        '"https://api.openai.com/v1"',
        "None",
    ],
)
def test_a_bad_base_url_makes_its_provider_unavailable_and_no_other(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = settings(OPENAI_BASE_URL=url, ANTHROPIC_BASE_URL="https://proxy.test")
    assert found.provider_urls == {"openai": None, "anthropic": "https://proxy.test"}
    assert set(Providers(found.provider_urls)) == {"anthropic", "google"}
    assert len(caplog.records) == 1
    assert url not in caplog.text


@pytest.mark.parametrize(
    "key", ["sk-one\nsk-two", "sk one", "ключ", "sk-\x00", "sk-ünlaut", '"sk-one"', "\ufeffsk-one"]
)
def test_a_bad_key_makes_its_provider_unavailable_and_no_other(key: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        found = provider_keys(settings(OPENAI_API_KEY=key, GEMINI_API_KEY="good"))
    assert found == {"google": "good"}
    assert len(caplog.records) == 1
    assert key not in caplog.text


@pytest.mark.parametrize("name", ["PARLEY_REQUEST_SECONDS", "PARLEY_HISTORY_TOKENS", "PARLEY_ANONYMOUS_TOKENS"])
@pytest.mark.parametrize("value", ["inf", "nan", "-1", "many"])
def test_a_number_that_is_none_names_its_setting(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        settings(**{name: value})


@given(st.dictionaries(st.sampled_from(["OPENAI_BASE_URL", "GEMINI_API_KEY", "ANTHROPIC_BASE_URL"]), st.text()))
def test_no_providers_setting_stops_the_start(environment: dict[str, str]) -> None:
    found = settings(**environment)
    Providers(found.provider_urls)
    assert all(key.isprintable() and key.isascii() for key in provider_keys(found).values())


@pytest.mark.parametrize(
    ("value", "keys", "lines"),
    [
        ('{"openai": "sk-one\\n", " Gemini ": " two "}', {"openai": "sk-one", "google": "two"}, 0),
        ('{"openai": "sk one", "anthropic": "good", "google": null, "other": "x"}', {"anthropic": "good"}, 1),
        ('{"openai": 7, "anthropic": ""}', {"openai": "7"}, 0),
    ],
)
def test_a_secret_is_checked_when_it_is_read_and_stops_nothing_else(
    value: str, keys: dict[str, str], lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert secrets._keys(value) == keys
    assert len(caplog.records) == lines
