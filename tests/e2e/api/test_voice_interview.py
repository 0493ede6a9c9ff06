"""An interview by voice from its start to its feedback, with each provider: to `make run`, or to a stack."""

from __future__ import annotations

import time
from random import Random

import pytest

from local.deployment.api import Api
from local.emulator.voice import make_call

QUESTIONS = [
    "Which technical decision are you most proud of?", "How did you narrow down the hardest defect?",
    "When did a measurement change your plan?", "How do you handle disagreement with colleagues?",
    "What would you build differently today?", "What makes you a fit for this role?",
]  # fmt: skip


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_voice_interview_goes_from_its_start_to_its_feedback(provider: str, api: Api) -> None:
    token = api.token(f"speaker-{provider}")
    assert api.request("POST", "/api/ai-provider", {"provider": provider}, token).status == 200
    body = {"interview_type": "voice", "questions": [{"question": text} for text in QUESTIONS]}
    made = api.request("POST", "/api/interviews", body, token).json
    path = f"/api/interviews/{made['id']}"
    started = api.request("POST", f"{path}/start", None, token).json
    assert started["voice"]["assistant"]["model"]["provider"] == provider

    call = make_call(Random(4), f"call-{made['id']}", started, QUESTIONS, has_messages=True)
    events = [*call.events(), call.report(2), *call.transcripts()]
    Random(5).shuffle(events)
    for event in events:
        assert api.webhook(event).status == 200
    while (state := api.request("GET", f"{path}/feedback", None, token).json)["feedback_status"] in ("none", "pending"):
        time.sleep(0.2)
    assert (state["feedback_status"], state["versions"]) == ("ready", 1)
    assert state["feedback"]["provider"] == provider
    assert state["feedback"]["overall_score"] is not None
    said = api.request("GET", f"{path}/responses", None, token).json["data"]
    assert [turn["role"] for turn in said] == ["assistant", "user"] * len(QUESTIONS)
    events_paid = api.request("GET", "/api/xp-events", None, token).json["data"]
    assert sum(one["reason"] == "interview_completed" for one in events_paid) == 1
    assert api.request("GET", f"{path}/voice-analytics", None, token).json["words_per_minute"] > 0
