"""What a container has imported once it has answered a chat: what this answer took, and nothing for other ones."""

from __future__ import annotations

import json
import subprocess
import sys

from local.checkout import FUNCTIONS, LAYER
from testing.functions import Functions, api_event, make_token

# What outages, refusals, streams, the semantic cache and other providers need.
FOR_OTHERS = {
    "parley.admission.degraded",
    "parley.api.invalid_fields",
    "parley.completion.equivalence",
    "parley.core.queues",
    "parley.embedding.embedder",
    "parley.providers.anthropic",
    "parley.providers.google",
    "parley.providers.problems",
    "parley.providers.sentences",
    "parley.runtime.response",
}
PROGRAM = """
import json, sys
import app

class Context:
    function_name, memory_limit_in_mb, aws_request_id = "chat", "1024", "run"
    invoked_function_arn = "arn:aws:lambda:eu-north-1:000000000000:function:chat"
    def get_remaining_time_in_millis(self):
        return 20_000

answer = app.lambda_handler(json.loads(sys.argv[1]), Context())
print(json.dumps([answer["statusCode"], sorted(name for name in sys.modules if name.startswith("parley."))]))
"""


def test_an_answer_imports_nothing_that_other_requests_need(functions: Functions) -> None:
    event = api_event("POST", "/api/chat", {"message": "What is a fjord?"}, token=make_token("ada"))
    path = f"{FUNCTIONS / 'chat'}:{LAYER}"
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(event)],
        env=functions.environment | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    status, modules = json.loads(found.stdout.splitlines()[-1])
    assert status == 200
    assert "parley.providers.openai" in modules
    assert FOR_OTHERS.intersection(modules) == set()
