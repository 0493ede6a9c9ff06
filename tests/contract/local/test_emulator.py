"""The emulator of the model providers, held to what the providers' own SDKs accept, over real HTTP."""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import Any

import anthropic
import httpx2
import jsonschema  # type: ignore[import-untyped]
import openai
import pytest
from google import genai
from google.genai import errors as google_errors
from google.genai import types
from pydantic import BaseModel, Field

from local.checkout import CHECKOUT
from local.emulator.client import Emulator

GPT, CLAUDE, GEMINI = "gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"
ASK = "What is a vector index?"
PROVIDERS = ("openai", "anthropic", "google")


ERRORS: dict[str, Any] = {
    "openai": openai.APIStatusError,
    "anthropic": anthropic.APIStatusError,
    "google": google_errors.APIError,
}
_COMMON = {"forbidden": 403, "not_found": 404, "context_length": 400, "bad_request": 400, "rate_limit": 429}
_COMMON |= {"server_error": 500, "bad_gateway": 502, "unavailable": 503}
STATUSES = {
    "openai": _COMMON | {"unauthorized": 401, "quota_exhausted": 429, "overloaded": 503},
    "anthropic": _COMMON | {"unauthorized": 401, "quota_exhausted": 400, "overloaded": 529},
    "google": _COMMON | {"unauthorized": 400, "quota_exhausted": 429, "overloaded": 503},
}


class Item(BaseModel):
    question: str
    difficulty: str = Field(json_schema_extra={"enum": ["easy", "hard"]})


class Questions(BaseModel):
    questions: list[Item]
    description: str
    note: str | None


@pytest.fixture(scope="module")
def running() -> Iterator[Emulator]:
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(running: Emulator) -> Emulator:
    running.reset()
    return running


@pytest.fixture(scope="module")
def http() -> Iterator[httpx2.Client]:
    with httpx2.Client(timeout=5) as client:
        yield client


class Clients:
    """The three SDKs on one HTTP client, without retries, as the adapters use them."""

    def __init__(self, url: str, http: httpx2.Client, key: str = "sk-test-1234") -> None:
        self.openai = openai.OpenAI(api_key=key, base_url=f"{url}/openai/v1", http_client=http, max_retries=0)
        self.anthropic = anthropic.Anthropic(api_key=key, base_url=f"{url}/anthropic", http_client=http, max_retries=0)
        options = types.HttpOptions(base_url=f"{url}/google", httpx_client=http)
        self.google = genai.Client(api_key=key, http_options=options)

    def complete(self, provider: str, text: str = ASK, model: str | None = None) -> Any:
        """One unstreamed completion in the SDK's own type."""
        messages: Any = [{"role": "user", "content": text}]
        if provider == "openai":
            return self.openai.chat.completions.create(model=model or GPT, messages=messages)
        if provider == "anthropic":
            return self.anthropic.messages.create(model=model or CLAUDE, max_tokens=500, messages=messages)
        return self.google.models.generate_content(model=model or GEMINI, contents=text)

    def stream(self, provider: str, text: str = ASK) -> Any:
        """One streamed completion as the SDK's raw stream."""
        messages: Any = [{"role": "user", "content": text}]
        if provider == "openai":
            return self.openai.chat.completions.create(
                model=GPT, messages=messages, stream=True, stream_options={"include_usage": True}
            )
        if provider == "anthropic":
            return self.anthropic.messages.create(model=CLAUDE, max_tokens=500, messages=messages, stream=True)
        return self.google.models.generate_content_stream(model=GEMINI, contents=text)


@pytest.fixture
def clients(emulator: Emulator, http: httpx2.Client) -> Clients:
    return Clients(emulator.url, http)


def text_of(provider: str, answer: Any) -> Any:
    if provider == "openai":
        return answer.choices[0].message.content
    return answer.content[0].text if provider == "anthropic" else answer.text


def piece_of(provider: str, event: Any) -> str:
    if provider == "openai":
        return (event.choices[0].delta.content or "") if event.choices else ""
    if provider == "anthropic":
        return str(event.delta.text) if event.type == "content_block_delta" else ""
    return event.text or ""


def counts_of(provider: str, usage: Any) -> tuple[int, int]:
    names = {
        "openai": ("prompt_tokens", "completion_tokens"),
        "anthropic": ("input_tokens", "output_tokens"),
        "google": ("prompt_token_count", "candidates_token_count"),
    }
    return getattr(usage, names[provider][0]), getattr(usage, names[provider][1])


def usage_of(provider: str, answer: Any) -> Any:
    return answer.usage_metadata if provider == "google" else answer.usage


def collect(stream: Any, received: list[Any]) -> None:
    """Read a stream into a list that keeps what came before it failed."""
    for event in stream:
        received.append(event)


def status_of(error: Any) -> int:
    """The HTTP status in an SDK's exception."""
    return int(error.code if isinstance(error, google_errors.APIError) else error.status_code)


def tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


@pytest.mark.parametrize("provider", PROVIDERS)
class TestEveryProvider:
    def test_answers_what_was_asked_and_counts_a_token_for_four_characters(
        self, clients: Clients, provider: str
    ) -> None:
        answer = clients.complete(provider)
        text = text_of(provider, answer)
        assert ASK in text
        assert counts_of(provider, usage_of(provider, answer)) == (tokens(ASK), tokens(text))

    def test_gives_the_same_answer_to_the_same_request_under_another_id(self, clients: Clients, provider: str) -> None:
        first, second = clients.complete(provider), clients.complete(provider)
        assert text_of(provider, first) == text_of(provider, second)
        name = "response_id" if provider == "google" else "id"
        assert getattr(first, name) != getattr(second, name)

    def test_streams_the_same_text_and_the_same_usage(self, clients: Clients, provider: str) -> None:
        whole = clients.complete(provider)
        events = list(clients.stream(provider))
        pieces = [piece for event in events if (piece := piece_of(provider, event))]
        assert len(pieces) > 2
        assert "".join(pieces) == text_of(provider, whole)
        last = next(event for event in reversed(events) if getattr(event, "usage", None) or provider == "google")
        assert counts_of(provider, usage_of(provider, last)) == counts_of(provider, usage_of(provider, whole))

    def test_gives_exactly_the_scripted_answer_and_usage(
        self, emulator: Emulator, clients: Clients, provider: str
    ) -> None:
        emulator.answer("Forty-two.", match="vector", usage={"prompt": 1000, "completion": 7}, times=1)
        scripted, usual = clients.complete(provider), clients.complete(provider)
        assert text_of(provider, scripted) == "Forty-two."
        assert counts_of(provider, usage_of(provider, scripted)) == (1000, 7)
        assert ASK in text_of(provider, usual)

    def test_refuses_a_key_it_knows_to_be_wrong(self, emulator: Emulator, http: httpx2.Client, provider: str) -> None:
        with pytest.raises(ERRORS[provider]) as e:
            Clients(emulator.url, http, key="sk-invalid-9876").complete(provider)
        assert "sk-invalid-9876" not in str(e.value)
        assert status_of(e.value) == (400 if provider == "google" else 401)
        if provider == "google":
            assert e.value.details["error"]["details"][0]["reason"] == "API_KEY_INVALID"

    def test_does_not_know_another_providers_model(self, clients: Clients, provider: str) -> None:
        other = CLAUDE if provider == "openai" else GPT
        with pytest.raises(ERRORS[provider]) as e:
            clients.complete(provider, model=other)
        assert status_of(e.value) == 404

    def test_lists_its_models(self, clients: Clients, provider: str) -> None:
        listed = {
            "openai": lambda: [model.id for model in clients.openai.models.list()],
            "anthropic": lambda: [model.id for model in clients.anthropic.models.list()],
            "google": lambda: [str(model.name).removeprefix("models/") for model in clients.google.models.list()],
        }[provider]()
        assert {"openai": GPT, "anthropic": CLAUDE, "google": GEMINI}[provider] in listed

    def test_records_requests_without_their_keys(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        clients.complete(provider)
        (record,) = emulator.requests(provider)
        assert (record["operation"], record["streamed"], record["status"]) == ("complete", False, 200)
        assert ASK in json.dumps(record["body"])
        assert "sk-test" not in json.dumps(record)
        assert sum(emulator.counts().values()) == 1

    def test_notices_a_client_that_closes_a_stream(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        emulator.fault("slow", delay=0.0, between=0.02)
        stream = clients.stream(provider)
        next(event for event in stream if piece_of(provider, event))
        stream.close()
        record = emulator.closed(emulator.requests()[0]["number"])
        assert record["finished_at"] is None

    def test_fails_as_its_sdk_knows_it(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        for fault, status in STATUSES[provider].items():
            emulator.fault(fault, provider=provider)
            with pytest.raises(ERRORS[provider]) as e:
                clients.complete(provider)
            assert status_of(e.value) == status, fault
        assert emulator.requests()[-1]["fault"] == list(STATUSES[provider])[-1]

    def test_says_when_to_come_back_in_seconds_or_as_a_date(
        self, emulator: Emulator, clients: Clients, provider: str
    ) -> None:
        for value in ("11", format_datetime(datetime(2030, 1, 1, tzinfo=UTC), usegmt=True)):
            emulator.fault("rate_limit", retry_after=value)
            with pytest.raises(ERRORS[provider]) as e:
                clients.stream(provider).__next__()
            assert e.value.response.headers["retry-after"] == value

    def test_fails_in_the_middle_of_a_stream(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        emulator.fault("mid_stream_error")
        received: list[Any] = []
        with pytest.raises((openai.APIError, anthropic.APIStatusError, google_errors.ServerError)):
            collect(clients.stream(provider), received)
        assert "".join(piece_of(provider, event) for event in received)

    def test_cuts_a_stream(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        emulator.fault("cut")
        received: list[Any] = []
        with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
            collect(clients.stream(provider), received)
        assert received

    @pytest.mark.parametrize("fault", ["reset", "cut"])
    def test_loses_the_connection(self, emulator: Emulator, clients: Clients, provider: str, fault: str) -> None:
        emulator.fault(fault)
        with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError, httpx2.TransportError)):
            clients.complete(provider)

    def test_falls_silent_after_the_first_chunk(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        emulator.fault("silent", delay=0.1)
        received: list[Any] = []
        with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
            collect(clients.stream(provider), received)
        assert len(received) == 1
        emulator.fault("silent", delay=0.1)
        with pytest.raises((openai.APIConnectionError, anthropic.APIConnectionError, httpx2.TransportError)):
            clients.complete(provider)

    @pytest.mark.parametrize("fault", ["html", "empty", "invalid_json"])
    def test_answers_200_with_a_body_that_is_no_completion(
        self, emulator: Emulator, clients: Clients, provider: str, fault: str
    ) -> None:
        # The SDKs differ: some raise, some hand on the body as a string, Google's takes nothing for an empty answer.
        emulator.fault(fault)
        text = None
        with contextlib.suppress(json.JSONDecodeError, AttributeError, TypeError):
            text = text_of(provider, clients.complete(provider))
        assert text is None

    def test_forgets_the_usage(self, emulator: Emulator, clients: Clients, provider: str) -> None:
        emulator.fault("no_usage", times=2)
        assert usage_of(provider, clients.complete(provider)) is None
        assert not any(getattr(event, "usage", None) for event in clients.stream(provider))

    def test_obeys_a_fault_asked_for_in_the_message(self, clients: Clients, provider: str) -> None:
        with pytest.raises(ERRORS[provider]) as e:
            clients.complete(provider, f"{ASK} [[fault:unavailable retry_after=4]]")
        assert e.value.response.headers["retry-after"] == "4"


class TestFinishReasons:
    def test_max_tokens_cut_the_answer(self, clients: Clients) -> None:
        messages: Any = [{"role": "user", "content": ASK}]
        chat = clients.openai.chat.completions.create(model=GPT, messages=messages, max_completion_tokens=5)
        message = clients.anthropic.messages.create(model=CLAUDE, messages=messages, max_tokens=5)
        config = types.GenerateContentConfig(max_output_tokens=5)
        candidate = clients.google.models.generate_content(model=GEMINI, contents=ASK, config=config)
        assert chat.choices[0].finish_reason == "length"
        assert chat.usage is not None
        assert chat.usage.completion_tokens == message.usage.output_tokens == 5
        assert message.stop_reason == "max_tokens"
        assert candidate.candidates is not None
        assert candidate.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS

    def test_stop_sequences_end_the_answer(self, clients: Clients) -> None:
        messages: Any = [{"role": "user", "content": ASK}]
        chat = clients.openai.chat.completions.create(model=GPT, messages=messages, stop="vector")
        message = clients.anthropic.messages.create(
            model=CLAUDE, messages=messages, max_tokens=99, stop_sequences=["vector"]
        )
        assert "vector" not in str(chat.choices[0].message.content)
        assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "vector")

    def test_each_provider_refuses_in_its_own_way(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("refusal", times=4)
        assert clients.complete("openai").choices[0].message.refusal
        assert clients.complete("anthropic").stop_reason == "refusal"
        assert clients.complete("google").prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
        (event,) = clients.stream("google")
        assert event.candidates[0].finish_reason == types.FinishReason.SAFETY

    def test_an_unknown_finish_reason_reaches_the_client(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("unknown_finish", times=3)
        assert clients.complete("openai").choices[0].finish_reason == "provider_specific"
        assert clients.complete("anthropic").stop_reason == "provider_specific"
        with pytest.warns(UserWarning, match="PROVIDER_SPECIFIC"):
            assert clients.complete("google").candidates[0].finish_reason.value == "PROVIDER_SPECIFIC"


class TestUsage:
    def test_openai_sends_usage_only_when_asked_to(self, clients: Clients) -> None:
        messages: Any = [{"role": "user", "content": ASK}]
        stream = clients.openai.chat.completions.create(model=GPT, messages=messages, stream=True)
        assert all(chunk.usage is None and chunk.choices for chunk in stream)

    def test_openai_may_put_usage_beside_a_choice(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("usage_in_choice_chunk")
        with_usage = [chunk for chunk in clients.stream("openai") if chunk.usage]
        assert [bool(chunk.choices) for chunk in with_usage] == [True]

    def test_a_long_prompt_is_partly_cached(self, clients: Clients) -> None:
        long = "word " * 1000
        chat = clients.complete("openai", long)
        assert chat.usage.prompt_tokens == 1250
        assert chat.usage.prompt_tokens_details.cached_tokens == 1152
        assert clients.complete("google", long).usage_metadata.cached_content_token_count == 625

    def test_cache_marks_are_written_first_and_read_later(self, clients: Clients) -> None:
        hour: Any = {"type": "text", "text": "h" * 400, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        five: Any = {"type": "text", "text": "f" * 200, "cache_control": {"type": "ephemeral"}}
        turns: Any = [{"role": "user", "content": "Hej!"}]

        def usage(messages: Any) -> anthropic.types.Usage:
            return clients.anthropic.messages.create(
                model=CLAUDE, max_tokens=500, system=[hour, five], messages=messages
            ).usage

        first = usage(turns)
        assert first.cache_creation is not None
        assert first.cache_creation.ephemeral_1h_input_tokens == 100
        assert first.cache_creation.ephemeral_5m_input_tokens == 50
        later = usage([*turns, {"role": "assistant", "content": "Hej."}, *turns])
        assert (later.cache_read_input_tokens, later.cache_creation_input_tokens, later.input_tokens) == (150, 0, 3)

    def test_what_reasoning_models_do_not_take_is_refused(self, clients: Clients) -> None:
        tools = [{"type": "function", "function": {"name": "clock"}}]
        create = partial(clients.openai.chat.completions.create, model=GPT, messages=[{"role": "user", "content": ASK}])
        refused: list[dict[str, Any]] = [
            {"tools": tools},
            {"tools": tools, "reasoning_effort": "low"},
            {"reasoning_effort": "minimal"},
            {"frequency_penalty": 1},
        ]
        for more in refused:
            with pytest.raises(openai.BadRequestError):
                create(**more)
        taken: dict[str, Any] = {"tools": tools, "reasoning_effort": "none"}
        create(**taken)
        config = types.GenerateContentConfig(presence_penalty=0.5)
        with pytest.raises(google_errors.ClientError, match="Penalty is not enabled"):
            clients.google.models.generate_content(model=GEMINI, contents=ASK, config=config)

    def test_reasoning_is_counted_and_takes_from_max_tokens(self, clients: Clients) -> None:
        messages: Any = [{"role": "user", "content": ASK}]
        chat = clients.openai.chat.completions.create(
            model=GPT, messages=messages, reasoning_effort="low", max_completion_tokens=64
        )
        assert chat.choices[0].message.content == ""
        assert chat.usage is not None
        assert chat.usage.completion_tokens_details is not None
        assert chat.usage.completion_tokens_details.reasoning_tokens == 64
        message = clients.anthropic.messages.create(
            model=CLAUDE, messages=messages, max_tokens=500, thinking={"type": "adaptive"}
        )
        assert [block.type for block in message.content] == ["thinking", "text"]
        config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(thinking_budget=100))
        google = clients.google.models.generate_content(model=GEMINI, contents=ASK, config=config)
        assert google.usage_metadata is not None
        assert google.usage_metadata.thoughts_token_count == 64


def as_openai(clients: Clients, prompt: str) -> Questions | None:
    messages: Any = [{"role": "user", "content": prompt}]
    parsed = clients.openai.chat.completions.parse(model=GPT, messages=messages, response_format=Questions)
    return parsed.choices[0].message.parsed


def as_openai_response(clients: Clients, prompt: str) -> Questions | None:
    return clients.openai.responses.parse(model=GPT, input=prompt, text_format=Questions).output_parsed


def as_anthropic(clients: Clients, prompt: str) -> Questions | None:
    messages: Any = [{"role": "user", "content": prompt}]
    parsed = clients.anthropic.messages.parse(model=CLAUDE, max_tokens=4000, messages=messages, output_format=Questions)
    return parsed.parsed_output


def as_anthropic_tool(clients: Clients, prompt: str) -> Questions | None:
    message = clients.anthropic.messages.create(
        model=CLAUDE,
        max_tokens=4000,
        messages=[{"role": "user", "content": prompt}],
        tools=[{"name": "ask", "input_schema": Questions.model_json_schema()}],
        tool_choice={"type": "tool", "name": "ask"},
    )
    assert message.stop_reason == "tool_use"
    return Questions.model_validate(message.content[0].model_dump()["input"])


def as_google(clients: Clients, prompt: str) -> Questions | None:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=Questions)
    parsed = clients.google.models.generate_content(model=GEMINI, contents=prompt, config=config).parsed
    return parsed if isinstance(parsed, Questions) else None


def as_google_json_schema(clients: Clients, prompt: str) -> Questions | None:
    config = types.GenerateContentConfig(
        response_mime_type="application/json", response_json_schema=Questions.model_json_schema()
    )
    text = clients.google.models.generate_content(model=GEMINI, contents=prompt, config=config).text
    return Questions.model_validate_json(str(text))


class TestStructuredOutput:
    @pytest.mark.parametrize(
        "ask",
        [as_openai, as_openai_response, as_anthropic, as_anthropic_tool, as_google, as_google_json_schema],
    )
    def test_fits_the_schema_with_as_many_questions_as_asked_for(
        self, clients: Clients, ask: Callable[[Clients, str], Questions | None]
    ) -> None:
        answer = ask(clients, "Write 7 interview questions about Postgres indexing and Python.")
        assert answer is not None
        texts = [item.question for item in answer.questions]
        assert len(set(texts)) == 7
        assert all(len(text.split()) < 30 and text.endswith("?") for text in texts)
        assert {item.difficulty for item in answer.questions} <= {"easy", "hard"}

    @pytest.mark.parametrize(
        "schema",
        [
            {"type": "array", "items": {"type": "number", "minimum": 0.5, "maximum": 0.9}, "minItems": 6},
            {"type": "array", "items": {"type": "string"}, "maxItems": 2},
            {"type": "array", "items": {"type": "integer", "multipleOf": 5, "exclusiveMinimum": 1, "maximum": 11}},
            {"type": "object", "properties": {"kind": {"const": "x"}, "at": {"type": "string", "format": "date"}}},
            {"type": ["string", "null"], "minLength": 80, "maxLength": 90},
            {"oneOf": [{"type": "null"}, {"type": "boolean"}]},
            {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}]},
            {
                "$defs": {
                    "node": {
                        "type": "object",
                        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                        "required": ["next"],
                        "additionalProperties": False,
                    }
                },
                "$ref": "#/$defs/node",
            },
        ],
    )
    def test_fits_any_schema(self, clients: Clients, schema: dict[str, Any]) -> None:
        answer = clients.openai.chat.completions.create(
            model=GPT,
            messages=[{"role": "user", "content": "Something about gardening"}],
            response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
        )
        jsonschema.validate(json.loads(str(answer.choices[0].message.content)), schema)

    def test_can_be_fenced_or_cut(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("fenced_json")
        emulator.fault("truncated_json")
        wanted: Any = {"type": "json_object"}
        messages: Any = [{"role": "user", "content": "Two questions, as JSON"}]
        fenced, cut = (
            clients.openai.chat.completions.create(model=GPT, messages=messages, response_format=wanted).choices[0]
            for _ in range(2)
        )
        assert "```json" in str(fenced.message.content)
        assert cut.finish_reason == "length"
        with pytest.raises(json.JSONDecodeError):
            json.loads(str(cut.message.content))

    def test_has_each_named_thing_once_and_quotes_what_was_said(self, clients: Clients) -> None:
        judged = self.judged(clients, "The retry storm ended when we capped the queue.")
        assert [item["topic"] for item in judged["items"]] == ["a", "b", "c"]
        assert all(item["quote"] in "The retry storm ended when we capped the queue." for item in judged["items"])
        assert {item["turn"] for item in judged["items"]} == {7}
        assert {item["grade"] for item in judged["items"]} <= {"1", "2", "3", "4", "5"}

    def test_grades_who_said_nothing_as_unknown(self, clients: Clients) -> None:
        assert {item["grade"] for item in self.judged(clients, " ")["items"]} == {"unknown"}

    @pytest.mark.parametrize("fault", ["wrong_enum", "missing_keys"])
    def test_can_miss_the_schema_by_a_little(self, fault: str, emulator: Emulator, clients: Clients) -> None:
        emulator.fault(fault)
        with pytest.raises(jsonschema.ValidationError):
            self.judged(clients, "We measured first.")

    @staticmethod
    def judged(clients: Clients, text: str) -> Any:
        texts = {"topic": ["a", "b", "c"], "grade": ["1", "2", "3", "4", "5", "unknown"]}
        properties: dict[str, Any] = {name: {"type": "string", "enum": choices} for name, choices in texts.items()}
        properties |= {"quote": {"type": "string"}, "turn": {"type": "integer"}}
        item = {"type": "object", "properties": properties, "required": list(properties)}
        schema = {
            "type": "object",
            "properties": {"items": {"type": "array", "items": item}},
            "required": ["items"],
        }
        said = [
            {"turn": 6, "speaker": "interviewer", "text": "And then?"},
            {"turn": 7, "speaker": "candidate", "text": text},
        ]
        wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        answer = clients.openai.chat.completions.create(
            model=GPT,
            messages=[{"role": "user", "content": f"Judge this: {json.dumps({'transcript': said})}"}],
            response_format=wanted,
        )
        found = json.loads(str(answer.choices[0].message.content))
        jsonschema.validate(found, schema)
        return found

    def test_a_share_of_the_requests_can_be_hit(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("refusal", times=1000, share=0.3)
        messages: Any = [{"role": "user", "content": "Hi"}]
        refused = [
            clients.openai.chat.completions.create(model=GPT, messages=messages).choices[0].message.refusal is not None
            for _ in range(60)
        ]
        assert 8 <= sum(refused) <= 28

    def test_streams(self, clients: Clients) -> None:
        with clients.openai.responses.stream(model=GPT, input="Write 3 questions", text_format=Questions) as stream:
            parsed = stream.get_final_response().output_parsed
        assert parsed is not None
        assert len(parsed.questions) == 3


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


class TestEmbeddings:
    def test_texts_that_share_words_are_near_and_others_are_not(self, clients: Clients) -> None:
        texts = ["How do I reset my password?", "password reset instructions", "Best pasta recipes for the summer"]
        made = clients.openai.embeddings.create(model="text-embedding-3-small", input=texts)
        one, near, far = (item.embedding for item in made.data)
        assert len(one) == 1536
        assert math.isclose(cosine(one, one), 1, abs_tol=1e-6)
        assert cosine(one, near) > 0.5
        assert abs(cosine(one, far)) < 0.15
        assert made.usage.prompt_tokens == sum(map(tokens, texts))

    def test_floats_and_base64_are_the_same_vector(self, clients: Clients) -> None:
        create = clients.openai.embeddings.create
        encoded = create(model="text-embedding-3-small", input=ASK, dimensions=256).data[0].embedding
        floats = create(model="text-embedding-3-small", input=ASK, dimensions=256, encoding_format="float").data[0]
        assert floats.embedding == pytest.approx(encoded, abs=1e-6)

    @pytest.mark.parametrize("model", ["gemini-embedding-001", "gemini-embedding-2"])
    def test_google_embeds_each_content(self, clients: Clients, model: str) -> None:
        contents: Any = [types.Content(parts=[types.Part(text=text)]) for text in (ASK, "Something else")]
        config = types.EmbedContentConfig(output_dimensionality=768)
        made = clients.google.models.embed_content(model=model, contents=contents, config=config)
        assert made.embeddings is not None
        first, second = (embedding.values or [] for embedding in made.embeddings)
        assert len(first) == len(second) == 768
        assert abs(cosine(first, second)) < 0.2
        assert made.usage_metadata is not None
        assert made.usage_metadata.prompt_token_count == tokens(ASK) + tokens("Something else")


class TestMediaOfTools:
    """Who takes an image as a tool's result, in which form."""

    DATA = "AAAAAAAA"

    def test_openai_takes_text_alone_and_the_users_media_after_all_results(self, clients: Clients) -> None:
        image: Any = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{self.DATA}"}}
        file: Any = {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{self.DATA}"},
        }
        text: Any = {"type": "text", "text": "It follows."}
        calls = [{"id": one, "type": "function", "function": {"name": "look", "arguments": "{}"}} for one in "ab"]
        begun: Any = [{"role": "user", "content": ASK}, {"role": "assistant", "tool_calls": calls}]
        results: Any = [{"role": "tool", "tool_call_id": one, "content": [text]} for one in "ab"]
        media: Any = {"role": "user", "content": [image, file]}
        create = partial(clients.openai.chat.completions.create, model=GPT)
        for part, said in ((image, "only allowed for messages with role 'user'"), (file, "'file' in a message")):
            with pytest.raises(openai.BadRequestError, match=said):
                create(messages=[*begun, results[0], results[1] | {"content": [text, part]}])
        with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
            create(messages=[*begun, results[0], media, results[1]])
        wrong: Any = {"type": "image_url", "image_url": {"url": f"data:image/tiff;base64,{self.DATA}"}}
        with pytest.raises(openai.BadRequestError, match="image/tiff"):
            create(messages=[*begun, *results, {"role": "user", "content": [wrong]}])
        answer = text_of("openai", create(messages=[*begun, *results, media]))
        assert "It follows.; It follows.; " in answer
        assert "[image/png, 6 bytes]\n[application/pdf, 6 bytes]" in answer

    def test_anthropic_takes_them_in_a_result_that_is_no_error(self, clients: Clients) -> None:
        def ask(**result: Any) -> Any:
            block = {"type": "tool_result", "tool_use_id": "a"} | result
            messages: Any = [
                {"role": "user", "content": ASK},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "look", "input": {}}]},
                {"role": "user", "content": [block]},
            ]
            tools: Any = [{"name": "look", "input_schema": {"type": "object"}}]
            return clients.anthropic.messages.create(model=CLAUDE, max_tokens=500, messages=messages, tools=tools)

        def media(kind: str, media_type: str) -> dict[str, Any]:
            return {"type": kind, "source": {"type": "base64", "media_type": media_type, "data": self.DATA}}

        image = media("image", "image/gif")
        refused: list[tuple[dict[str, Any], str]] = [
            ({"content": [image], "is_error": True}, "must be type `text`"),
            ({"is_error": True}, "cannot be empty"),
            ({"content": [media("document", "image/png")]}, "image/png"),
            ({"content": [media("image", "image/png") | {"type": "file"}]}, "expected tags"),
            ({"content": [{"type": "text", "text": " "}]}, "non-whitespace"),
        ]
        for result, said in refused:
            with pytest.raises(anthropic.BadRequestError, match=said):
                ask(**result)
        url = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
        answer = text_of("anthropic", ask(content=[image, url]))
        assert "[image/gif, 6 bytes]\n[https://example.org/a.pdf]" in answer

    def test_gemini_takes_their_data_inside_the_response(self, emulator: Emulator, http: httpx2.Client) -> None:
        def ask(part: dict[str, Any], model: str = GEMINI) -> tuple[int, str]:
            response = {"name": "look", "response": {"output": "Look:"}, "parts": [part]}
            contents = [
                {"role": "user", "parts": [{"text": ASK}]},
                {
                    "role": "model",
                    "parts": [{"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "eA=="}],
                },
                {"role": "user", "parts": [{"functionResponse": response}]},
            ]
            path = f"{emulator.url}/google/v1/models/{model}:generateContent"
            answer = http.post(path, json={"contents": contents}, headers={"x-goog-api-key": "sk-test-1234"})
            return answer.status_code, answer.text

        def data(media_type: str) -> dict[str, Any]:
            return {"inlineData": {"mimeType": media_type, "data": self.DATA}}

        refused: list[tuple[dict[str, Any], str, str]] = [
            (
                {"fileData": {"mimeType": "image/png", "fileUri": "https://a.test/a.png"}},
                GEMINI,
                "https://a.test/a.png",
            ),
            ({"text": "Look!"}, GEMINI, "no inlineData"),
            (data("image/gif"), GEMINI, "image/gif"),
            (data("image/png"), "gemini-2.5-flash", "not supported for this model"),
        ]
        for part, model, said in refused:
            status, text = ask(part, model)
            assert status == 400
            assert said in text
        for media_type in ("image/png", "application/pdf"):
            status, text = ask(data(media_type))
            assert status == 200
            assert f"Look:\\n[{media_type}, 6 bytes]" in text


class TestTheRest:
    def test_a_missing_key_is_refused(self, emulator: Emulator, http: httpx2.Client) -> None:
        body = {"model": GPT, "messages": [{"role": "user", "content": ASK}]}
        answer = http.post(f"{emulator.url}/openai/v1/chat/completions", json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")
        answer = http.post(f"{emulator.url}/anthropic/v1/messages", json=body)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "authentication_error")
        answer = http.post(f"{emulator.url}/google/v1/models/{GEMINI}:generateContent", json=body)
        assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")

    def test_openai_ends_a_stream_with_done_and_anthropic_names_its_events(
        self, emulator: Emulator, http: httpx2.Client
    ) -> None:
        body = {"model": GPT, "stream": True, "max_tokens": 99, "messages": [{"role": "user", "content": ASK}]}
        key = {"authorization": "Bearer sk-test", "anthropic-version": "2026-10-21"}
        lines = http.post(f"{emulator.url}/openai/v1/chat/completions", json=body, headers=key).text
        assert lines.endswith("data: [DONE]\n\n")
        lines = http.post(f"{emulator.url}/anthropic/v1/messages", json=body | {"model": CLAUDE}, headers=key).text
        names = [line.removeprefix("event: ") for line in lines.splitlines() if line.startswith("event: ")]
        start = ["message_start", "content_block_start", "ping"]
        end = ["content_block_stop", "message_delta", "message_stop"]
        assert names[:3] == start
        assert names[-3:] == end
        assert set(names[3:-3]) == {"content_block_delta"}

    def test_quota_exhausted_can_be_told_from_a_rate_limit(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("quota_exhausted", times=2)
        with pytest.raises(openai.RateLimitError) as e:
            clients.complete("openai")
        assert e.value.code == "insufficient_quota"
        with pytest.raises(google_errors.ClientError) as g:
            clients.complete("google")
        assert "QuotaFailure" in g.value.details["error"]["details"][0]["@type"]
        emulator.fault("quota_exhausted", status=402)
        with pytest.raises(anthropic.PaymentRequiredError) as a:
            clients.complete("anthropic")
        assert a.value.type == "billing_error"

    def test_a_fault_hits_only_what_it_is_meant_for(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("server_error", provider="openai", path="embeddings")
        emulator.fault("server_error", provider="openai", model="gpt-5")
        clients.complete("anthropic")
        clients.complete("openai")
        with pytest.raises(openai.InternalServerError):
            clients.openai.embeddings.create(model="text-embedding-3-small", input=ASK)

    def test_an_unknown_fault_is_refused(self, emulator: Emulator) -> None:
        with pytest.raises(ValueError, match=r"unknown fault 'rate_limitt'; there are .*rate_limit,"):
            emulator.fault("rate_limitt")
        with pytest.raises(ValueError, match="unknown provider 'nope' of a fault; there are openai, anthropic, google"):
            emulator.fault("rate_limit", provider="nope")
        with pytest.raises(ValueError, match="unknown parameter 'tmes' of a fault; there are provider, times,"):
            emulator.fault("rate_limit", tmes=3)

    @pytest.mark.parametrize("asked", ["bogus", "", "rate_limit provider=gemini/nope", "rate_limit x=1", 'reset "'])
    @pytest.mark.parametrize("provider", PROVIDERS)
    def test_a_message_that_asks_for_no_fault_there_is_is_told_so(
        self, clients: Clients, capsys: pytest.CaptureFixture[str], provider: str, asked: str
    ) -> None:
        said = text_of(provider, clients.complete(provider, f"{ASK} [[fault:{asked}]]"))
        assert said.startswith("The emulator cannot fail like that: ")
        assert said in capsys.readouterr().out

    def test_gemini_is_google_in_a_fault(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("rate_limit", provider="gemini")
        clients.complete("openai")
        with pytest.raises(ERRORS["google"]):
            clients.complete("google")

    def test_a_slow_model_times_out(self, emulator: Emulator, clients: Clients) -> None:
        emulator.fault("slow", delay=5)
        with pytest.raises(openai.APITimeoutError):
            clients.openai.with_options(timeout=0.1).chat.completions.create(
                model=GPT, messages=[{"role": "user", "content": ASK}]
            )
        assert emulator.closed(emulator.requests()[0]["number"])["status"] is None

    def test_runs_as_a_process_until_it_is_told_to_end(self) -> None:
        root = CHECKOUT
        command = [sys.executable, "-m", "local.emulator", "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root, env=dict(os.environ)) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("emulator listening on http://127.0.0.1:")
            assert Emulator.at(line.split()[-1]).requests() == []
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0
            assert process.stdout.read() == ""
