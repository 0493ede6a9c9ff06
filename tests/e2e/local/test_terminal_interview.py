"""`python -m local interview`, against a running Parley."""

from __future__ import annotations

import re

import pytest

from local.interview import Client, Refused, candidate, interview, voice_interview
from local.run.platform import Platform


@pytest.mark.parametrize("language", ["en", "sv"])
def test_a_whole_interview_is_held_and_judged(
    platform: Platform, capsys: pytest.CaptureFixture[str], language: str
) -> None:
    client = Client(platform.url, platform.token(f"terminal-{language}"))
    request = {"role": "Train driver", "number": 2, "language": language, "follow_up_depth": "moderate"}
    assert interview(client, request) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^\[question, \d of 2\]$", shown, re.MULTILINE)) == 2
    assert shown.count("[follow-up") <= 4
    asked = re.findall(r"^Interviewer: (.*)$", shown, re.MULTILINE)
    assert len(set(asked)) == len(asked)
    assert re.search(r"^Score: \d+ of 100 \(\w+\)$", shown, re.MULTILINE)


def test_a_refusal_is_one_line(platform: Platform) -> None:
    with pytest.raises(Refused, match="400 invalid_request"):
        interview(Client(platform.url, platform.token("ada")), {"role": "Train driver", "number": 99})


def test_where_nothing_answers_it_says_what_to_start() -> None:
    with pytest.raises(Refused, match=r"nothing answers at http://127\.0\.0\.1:9 .*`make run`"):
        interview(Client("http://127.0.0.1:9", "token"), {"role": "Train driver"})


def test_a_candidate_answers_about_what_was_asked_in_the_interviews_language() -> None:
    assert "ledgers" in candidate("How do you test ledgers?", "en", 1)
    assert "jag" in candidate("Hur testar du bokföring?", "sv", 0)


def test_a_voice_call_is_played_to_its_feedback(platform: Platform, capsys: pytest.CaptureFixture[str]) -> None:
    client = Client(platform.url, platform.token("caller"))
    request = {"role": "Backend engineer", "number": 3}
    assert voice_interview(client, request, platform.keys.webhook_secret, seed=3) == 0
    out = capsys.readouterr().out
    assert "event end-of-call-report" in out
    assert "(again)" in out
    assert "words a minute" in out
    assert "Score: " in out
