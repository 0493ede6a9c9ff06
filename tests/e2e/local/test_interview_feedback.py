"""An interview under `make run`, from its start to its feedback, with each provider."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

import pytest

from local.run.platform import Platform

SECONDS = 60
ANSWER = (
    "We moved the billing queue to a new broker in three weeks. I measured the lag before and after, wrote the "
    "rollback down, and we went back once because p95 had doubled. The second try held, and cost us 40% less."
)


class Candidate:
    """Somebody who calls the running API."""

    def __init__(self, platform: Platform, user: str) -> None:
        self._url = platform.url
        self._token = platform.token(user)

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return json.loads(response.read())


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_an_interview_ends_in_feedback_by_the_provider_that_was_chosen(provider: str, platform: Platform) -> None:
    ask = Candidate(platform, f"candidate-{provider}")
    ask("POST", "/api/ai-provider", {"provider": provider})
    questions = [{"question": "Which change to a running system are you proud of?"}, {"question": "What went wrong?"}]
    interview = ask("POST", "/api/interviews", {"questions": questions, "role": "Backend engineer"})
    path = f"/api/interviews/{interview['id']}"
    state = ask("POST", f"{path}/start")
    answers = 0
    while state["awaits"] == "answer":
        answers += 1
        answer = {
            "submission_id": f"answer-{answers}",
            "sequence_number": state["answer_sequence_number"],
            "content": ANSWER,
        }
        state = ask("POST", f"{path}/responses", answer)
    assert state["status"] == "completed"
    deadline = time.monotonic() + SECONDS
    while (feedback := ask("GET", f"{path}/feedback"))["feedback_status"] == "pending":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (feedback["feedback_status"], feedback["error"]) == ("ready", None)
    written = feedback["feedback"]
    assert written["provider"] == provider
    assert written["hiring_recommendation"] != "insufficient_evidence"
    assert all(quote["quote"] in ANSWER for item in written["competencies"] for quote in item["evidence"])
    assert all(item["evidenced"] for item in written["competencies"])
    # One unit for all of it.
    assert ask("GET", "/api/usage")["daily"]["used"] == 1
