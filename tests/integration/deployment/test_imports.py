"""What a fresh process has loaded after its first real request: a cold start pays for every module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from local.checkout import CHECKOUT
from testing.functions import api_event, make_token

# Powertools looks whether `botocore` is there (half a millisecond); its weight is in what a session loads.
SDKS = {"openai", "anthropic", "google.genai", "boto3", "botocore.session", "httpx2"}
SCRIPT = """
import json, sys
sys.path.insert(0, {folder!r})
import app
class Context:
    function_name = "fresh"
    memory_limit_in_mb = 128
    invoked_function_arn = aws_request_id = "run"
    @staticmethod
    def get_remaining_time_in_millis():
        return 20000
for hook in {hooks}:
    hook()
answers = [app.lambda_handler(event, Context()) for event in json.loads(sys.argv[1])]
print(json.dumps({{"answers": answers, "modules": sorted(sys.modules)}}))
"""


def fresh(environment: dict[str, str], function: str, *events: Any, snapshot: bool = False) -> tuple[Any, set[str]]:
    """The last answer of a new process, and which of the expensive packages it has loaded."""
    hooks = "[hook[0] for hook in __import__('snapshot_restore_py').get_before_snapshot()]" if snapshot else "[]"
    script = SCRIPT.format(folder=str(CHECKOUT / "functions" / function), hooks=hooks)
    variables = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE")}
    variables |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "layers" / "parley")} | environment
    if snapshot:
        variables["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
    run = subprocess.run(
        [sys.executable, "-c", script, json.dumps(events)], env=variables, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.strip().splitlines()[-1])
    return found["answers"][-1], SDKS & set(found["modules"])


def chat(message: str, **fields: Any) -> dict[str, Any]:
    return api_event("POST", "/api/chat", {"message": message, **fields}, token=make_token())


@pytest.mark.parametrize(
    ("function", "event"),
    [
        ("get_provider", api_event("GET", "/api/ai-provider", token=make_token())),
        ("set_provider", api_event("POST", "/api/ai-provider", {"provider": "gemini"}, token=make_token())),
        ("health", api_event("GET", "/api/health?ready=true")),
        ("account", api_event("GET", "/api/settings", token=make_token())),
        ("account", api_event("GET", "/api/ai-providers")),
        ("chat", chat("What is Parley?")),
        ("interviews", api_event("GET", "/api/interviews", token=make_token())),
    ],
)
def test_a_request_that_calls_no_model_loads_no_sdk_and_no_boto3(
    environment: dict[str, str], function: str, event: dict[str, Any]
) -> None:
    answer, loaded = fresh(environment, function, event)
    assert answer["statusCode"] == 200, answer
    assert loaded == set()


def test_a_schedule_loads_no_sdk_and_no_boto3(environment: dict[str, str], database: Any) -> None:
    answer, loaded = fresh(environment | {"DATABASE_URL": database.service_url}, "cache_cleanup", {})
    assert answer.pop("finished")
    assert set(answer.values()) == {0}
    assert loaded == set()


def test_a_schedule_does_not_pay_for_pydantic(environment: dict[str, str], database: Any) -> None:
    script = "import app, sys; app.services.maintenance; print('pydantic' in sys.modules)"
    folder = CHECKOUT / "functions" / "usage_reset"
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "layers" / "parley")} | environment
    run = subprocess.run([sys.executable, "-c", script], env=variables, cwd=folder, capture_output=True, text=True)
    assert run.stdout.strip() == "False", run.stderr


@pytest.mark.parametrize(
    ("provider", "sdk"), [("openai", "openai"), ("anthropic", "anthropic"), ("google", "google.genai")]
)
def test_a_call_loads_its_own_providers_sdk_alone(environment: dict[str, str], provider: str, sdk: str) -> None:
    answer, loaded = fresh(environment, "chat", chat("Hello", provider=provider))
    assert answer["statusCode"] == 200, answer
    assert loaded == {sdk, "httpx2"}


def test_a_first_chat_loads_less_than_half_of_openais_types_and_the_rest_is_there_for_whoever_asks(
    environment: dict[str, str],
) -> None:
    script = f"""
import json, sys
sys.path.insert(0, {str(CHECKOUT / "functions" / "chat")!r})
import app
provider = app.services.providers["openai"]
provider.load()
count = sum(name.startswith("openai.types.") for name in sys.modules)
import openai
client = openai.OpenAI(api_key="x", base_url={environment["OPENAI_BASE_URL"]!r})
said = client.chat.completions.create(model="gpt-5-mini", messages=[{{"role": "user", "content": "Hello"}}])
print(json.dumps([count, type(said).__name__, openai.types.Batch.__name__, openai.types.responses.Response.__name__,
    type(client.responses).__name__, sum(name.startswith("openai.types.") for name in sys.modules)]))
"""
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "layers" / "parley")} | environment
    run = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    first, *found, in_the_end = json.loads(run.stdout.strip().splitlines()[-1])
    assert first < in_the_end / 2
    assert found == ["ChatCompletion", "Batch", "Response", "Responses"]


def test_a_snapshot_holds_every_sdk(environment: dict[str, str]) -> None:
    _, loaded = fresh(environment, "chat", chat("What is Parley?"), snapshot=True)
    assert loaded == {"openai", "anthropic", "google.genai", "httpx2"}
