"""A caller's JSON schema at each provider: the answer fits it, or it is refused before any call."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsonschema  # type: ignore[import-untyped]
import pytest

from local.emulator.client import Emulator
from parley.core.provider_names import PROVIDERS, ProviderName
from testing.functions import Functions
from testing.schemas import SHAPES, closed

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


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stream_that_a_stop_ends_before_its_form_is_whole_spends_the_unit(
    alone: Functions, token: Token, emulator: Emulator, provider: ProviderName
) -> None:
    # What is left of it where the caller's stop sequence follows.
    emulator.answer('{"text": "All there is to say.')
    schema = {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
        "additionalProperties": False,
    }  # fmt: skip
    body = {
        "message": "Write it all into text, then @@.",
        "provider": provider,
        "stop": ["@@"],
        "response_format": {"type": "json_schema", "schema": schema},
    }
    stream = alone.request("chat_stream", "POST", "/api/chat/stream", body, token=token("ada")).text
    assert "event: delta" in stream
    assert stream.rpartition("event: ")[2].startswith("error")
    assert units(alone, token) == 1


def test_an_answer_that_never_fits_its_callers_form_spends_one_unit(
    functions: Functions, token: Token, emulator: Emulator
) -> None:
    never = closed(text={"type": "string", "minLength": 5, "maxLength": 1})
    for spent, (form, answer) in enumerate(
        (({"type": "json_schema", "schema": never}, '{"text": "abc"}'), ({"type": "json_object"}, "In prose.")), 1
    ):
        emulator.reset()
        emulator.answer(answer)
        body = {"message": "Answer in prose.", "response_format": form}
        refused = functions.request("chat", "POST", "/api/chat", body, token=token("ada"))
        assert refused.status == 502
        assert units(functions, token) == spent
    emulator.reset()
    emulator.fault("bad_request", times=3)
    assert functions.request("chat", "POST", "/api/chat", body, token=token("ada")).status == 400
    assert units(functions, token) == spent


def units(functions: Functions, token: Token) -> int:
    """What ada has used today."""
    used: int = functions.request("account", "GET", "/api/usage", token=token("ada")).json["daily"]["used"]
    return used
