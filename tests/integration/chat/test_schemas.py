"""A caller's JSON schema at each provider: the answer fits it, or it is refused before any call."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema  # type: ignore[import-untyped]
import pytest

from local.emulator.client import Emulator
from parley.core.provider_names import PROVIDERS, ProviderName
from testing.functions import Functions
from testing.schemas import SHAPES

Token = Callable[..., str]
KEYS: dict[ProviderName, str] = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "google": "GEMINI_API_KEY",
}


@pytest.fixture
def alone(functions: Functions, request: pytest.FixtureRequest) -> Functions:
    """The functions where no other provider can answer."""
    for provider, name in KEYS.items():
        if provider != request.getfixturevalue("provider"):
            del functions.environment[name]
    return functions


@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_fits_its_callers_schema_or_the_keyword_is_named_before_any_call(
    alone: Functions, token: Token, emulator: Emulator, provider: ProviderName
) -> None:
    faults = {}
    for number, (name, shape) in enumerate(SHAPES.items()):
        called = len(emulator.requests())
        body = {
            "message": f"Make something up about {name}.",
            "provider": provider,
            "max_tokens": 16_384,
            "response_format": {"type": "json_schema", "schema": shape.schema},
        }
        answer = alone.request("chat", "POST", "/api/chat", body, token=token(f"user-{number}"))
        if keyword := shape.refused.get(provider):
            refused = (answer.status, answer.json.get("code"), answer.json.get("keyword"))
            if refused != (400, "schema_unsupported", keyword) or len(emulator.requests()) != called:
                faults[name] = f"{refused}, {len(emulator.requests()) - called} calls, {keyword} expected"
        elif answer.status != 200:
            faults[name] = answer.text
        else:
            try:
                value = json.loads(answer.json["message"]["content"])
                jsonschema.Draft202012Validator(shape.schema).validate(value)
            except ValueError as error:
                faults[name] = str(error)
            except jsonschema.ValidationError as error:
                faults[name] = f"{error.json_path}: {error.message}"
    assert faults == {}
