"""The whole contract over HTTP: the same requests to `make run` and, with `--deployed`, to a stack."""

from __future__ import annotations

import time
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from local.deployment.api import Answer, Api
from testing.contract import contract
from tests.integration.api.test_contract import REDIRECTIONS, every_operation

# What MiniStack cannot answer, with the reason. tests/e2e/chat, tests/e2e/wire and
# tests/e2e/deployment/test_sam_local.py have them.
STREAMS = "its integration streams, which MiniStack answers with 500"
NOT_DEPLOYED = {
    "stream_chat_completion": STREAMS,
    "create_openai_chat_completion": STREAMS,
    "create_openai_embeddings": STREAMS,
    "list_openai_models": STREAMS,
    "retrieve_openai_model": STREAMS,
}


def test_every_operation_answers_as_it_says(api: Api, is_deployed: bool) -> None:
    answered = set()

    def ask(token: str, _function: str, method: str, path: str, body: Any = None) -> Answer:
        operation = contract().operation(method, urlsplit(path).path)
        assert operation is not None
        if is_deployed and operation["operationId"] in NOT_DEPLOYED:
            return Answer(200, {}, "")
        answer = api.request(method, path, body, token)
        headers = answer.headers
        if is_deployed and answer.status == 204:
            # API Gateway gives each answer of a function a type, also one without a body.
            headers = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        faults = contract().faults(method, urlsplit(path).path, answer.status, headers, answer.text)
        assert faults == [], f"{method} {path}"
        assert answer.status < 300, f"{method} {path}: {answer.text}"
        answered.add(operation["operationId"])
        return answer

    ada, operator = api.token("ada", "acme", "admin"), api.token("op", role="service_role")

    def webhook(event: Any) -> Answer:
        answer = api.webhook(event)
        assert contract().faults("POST", "/api/webhooks/vapi", answer.status, answer.headers, answer.text) == []
        assert answer.status == 200, answer.text
        answered.add("receive_voice_event")
        interview = event["message"]["call"]["id"].removeprefix("call-")
        while api.request("GET", f"/api/interviews/{interview}", None, ada).json["status"] == "in_progress":
            time.sleep(0.2)
        return answer

    leaver = api.token("leaver")
    every_operation(partial(ask, ada), partial(ask, operator), partial(ask, leaver), webhook)
    missing = REDIRECTIONS | (set(NOT_DEPLOYED) if is_deployed else set())
    assert answered == contract().operations.keys() - missing


def test_an_id_with_a_bar_a_percent_sign_and_an_umlaut_finds_its_user(api: Api) -> None:
    user, operator = "auth0|ü%ada", api.token("op", role="service_role")
    api.request("POST", "/api/ai-provider", {"provider": "openai"}, api.token(user))
    changed = api.request("PUT", "/api/admin/users/auth0%7C%C3%BC%25ada/tier", {"tier": "premium"}, operator)
    assert changed.json == {"user_id": user, "tier": "premium", "is_new": False}
    assert api.request("GET", "/api/settings", token=api.token(user)).json["tier"] == "premium"
