"""The three adapters against the emulator: real SDKs over real connections."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest

from local.checkout import LAYER
from local.emulator.client import Emulator
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.errors import ProviderError
from parley.providers.protocol import Message, Provider, Usage
from testing.providers import KEY, MODELS, at_emulator, call, drain, event_stream, over, request, sse, unstreamed

Adapters = Mapping[ProviderName, Provider]
EMBEDDINGS: dict[ProviderName, str] = {"openai": "text-embedding-3-small", "google": "gemini-embedding-001"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "questions": {"type": "array", "items": {"type": "string"}},
        "max_score": {"type": ["integer", "null"]},
    },
    "required": ["questions", "max_score"],
    "additionalProperties": False,
}


@pytest.fixture
def adapters(emulator: Emulator) -> Iterator[Adapters]:
    """The adapters at the emulator."""
    with at_emulator(emulator.url) as adapters:
        yield adapters


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_comes_whole_with_its_usage(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, streamed: bool
) -> None:
    emulator.answer("Yes — \u2028 and “no”.", usage={"prompt": 100, "completion": 20, "cached": 64})
    completion = call(adapters[provider], request(provider), streamed)
    assert completion.text == "Yes — \u2028 and “no”."
    assert completion.finish_reason == "stop"
    assert completion.model == request(provider).model
    assert completion.usage == Usage(input_tokens=36, output_tokens=20, cached_input_tokens=64)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_streamed_and_unstreamed_answers_agree(adapters: Adapters, provider: ProviderName) -> None:
    adapter = adapters[provider]
    one, other = (call(adapter, request(provider), streamed) for streamed in (False, True))
    assert (one.text, one.finish_reason, one.usage) == (other.text, other.finish_reason, other.usage)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_parameter_reaches_the_provider_under_its_own_name(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, streamed: bool
) -> None:
    asked = request(
        provider,
        messages=[
            Message("system", "One."),
            Message("system", "Two."),
            Message("user", "Hello"),
            Message("assistant", "Hi"),
            Message("user", "And?"),
        ],
        temperature=0.5,
        top_p=0.25,
        stop=["END"],
        schema=SCHEMA,
        schema_name="quiz",
    )
    call(adapters[provider], asked, streamed)
    body = emulator.requests(provider)[0]["body"]
    turns = [("user", "Hello"), ("assistant", "Hi"), ("user", "And?")]
    if provider == "openai":
        turns = [("system", "One."), ("system", "Two."), *turns]
        expected: dict[str, Any] = {
            "model": asked.model,
            "messages": [{"role": role, "content": content} for role, content in turns],
            "max_completion_tokens": 200,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop": ["END"],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "quiz", "schema": SCHEMA, "strict": True},
            },
        }
        if streamed:
            expected |= {"stream": True, "stream_options": {"include_usage": True}}
    elif provider == "anthropic":
        expected = {
            "model": asked.model,
            "system": "One.\n\nTwo.",
            "messages": [{"role": role, "content": content} for role, content in turns],
            "max_tokens": 200,
            "temperature": 0.5,
            "top_p": 0.25,
            "stop_sequences": ["END"],
            "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        }
        if streamed:
            expected["stream"] = True
    else:
        roles = {"user": "user", "assistant": "model"}
        expected = {
            "contents": [{"role": roles[role], "parts": [{"text": content}]} for role, content in turns],
            "systemInstruction": {"parts": [{"text": "One."}, {"text": "Two."}]},
            "generationConfig": {
                "maxOutputTokens": 200,
                "temperature": 0.5,
                "topP": 0.25,
                "stopSequences": ["END"],
                "responseMimeType": "application/json",
                "responseJsonSchema": SCHEMA,
            },
        }
    assert body == expected


@pytest.mark.parametrize(
    "roles",
    ["assistant user", "user user", "assistant assistant user user", "system user blank user", "user blank user",
     "user system user", "system assistant blank system user"],
)  # fmt: skip
@pytest.mark.parametrize("provider", PROVIDERS)
def test_turns_in_any_order_are_put_as_the_provider_takes_them(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, roles: str
) -> None:
    texts = [(role, f"{role} {number}") for number, role in enumerate(roles.split())]
    messages = [Message("assistant", " \n") if role == "blank" else Message(role, text) for role, text in texts]  # type: ignore[arg-type]
    assert call(adapters[provider], request(provider, messages=messages), False).finish_reason == "stop"
    sent = json.dumps(emulator.requests(provider)[0]["body"])
    assert [text for role, text in texts if role != "blank" and text not in sent] == []


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_schema_is_kept(adapters: Adapters, provider: ProviderName, streamed: bool) -> None:
    completion = call(adapters[provider], request(provider, schema=SCHEMA), streamed)
    assert set(json.loads(completion.text)) == {"questions", "max_score"}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_answer_cut_by_the_token_limit_says_so(adapters: Adapters, provider: ProviderName, streamed: bool) -> None:
    assert call(adapters[provider], request(provider, max_output_tokens=5), streamed).finish_reason == "length"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_refusal_is_a_finish_reason(emulator: Emulator, adapters: Adapters, provider: ProviderName) -> None:
    emulator.fault("refusal", provider=provider)
    assert call(adapters[provider], request(provider), True).finish_reason == "refusal"


def test_an_unstreamed_refusal_is_a_finish_reason_or_a_refused_prompt(emulator: Emulator, adapters: Adapters) -> None:
    for provider in ("openai", "anthropic"):
        emulator.fault("refusal", provider=provider)
        assert adapters[provider].complete(request(provider), KEY).finish_reason == "refusal"
    emulator.fault("refusal", provider="google")
    with pytest.raises(ProviderError) as caught:
        adapters["google"].complete(request("google"), KEY)
    assert caught.value.code == "content_refused"


def answering(response: httpx2.Response) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _: response


HELD_BACK = ("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION")
IMAGES_HELD_BACK = ("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION")


@pytest.mark.parametrize("streamed", [False, True])
def test_every_finish_reason_of_the_sdk_is_an_answer_a_refusal_or_no_answer(streamed: bool) -> None:
    from google.genai.types import FinishReason

    reasons = [reason.name for reason in FinishReason]
    assert len(reasons) == 24
    found: dict[str, str] = {}
    for reason in reasons:
        body = {"candidates": [{"finishReason": reason}], "modelVersion": "m", "usageMetadata": {"promptTokenCount": 7}}
        answer = event_stream(sse(body)) if streamed else httpx2.Response(200, json=body)
        try:
            found[reason] = call(over(answering(answer))["google"], request("google"), streamed).finish_reason
        except ProviderError as error:
            found[reason] = error.code
    expected = dict.fromkeys(reasons, "no_answer") | dict.fromkeys(HELD_BACK + IMAGES_HELD_BACK, "refusal")
    expected |= {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
    assert found == expected | {"PUP_LIMITED_DISABLED": "credentials_rejected"}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_usage_that_was_not_reported_is_none(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, streamed: bool
) -> None:
    emulator.fault("no_usage", provider=provider)
    completion = call(adapters[provider], request(provider), streamed)
    assert completion.finish_reason == "stop"
    assert completion.usage is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_one_client_serves_many_keys_and_keeps_none(
    emulator: Emulator, adapters: Adapters, provider: ProviderName
) -> None:
    for key in ("first-key-0001", "other-key-0002"):
        adapters[provider].complete(request(provider), key)
        drain(adapters[provider].stream(request(provider), key))
    secrets = ("authorization", "x-api-key", "x-goog-api-key")
    shown = [
        [record["headers"][name] for name in secrets if name in record["headers"]] for record in emulator.requests()
    ]
    assert shown == [["...0001"], ["...0001"], ["...0002"], ["...0002"]]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("key", ["", "with space", "line\nbreak", "ключ"])
def test_a_key_that_cannot_be_sent_is_rejected_here(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, key: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        adapters[provider].complete(request(provider), key)
    assert caught.value.code == "credentials_rejected"
    assert emulator.counts() == {}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("model", ["../../v1/files", "a?key=1", "a b", "", "x" * 200])
def test_a_model_name_never_changes_the_address(
    emulator: Emulator, adapters: Adapters, provider: ProviderName, model: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        drain(adapters[provider].stream(request(provider, model=model), KEY))
    assert caught.value.code == "model_not_found"
    assert emulator.counts() == {}


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_embeddings_come_in_order_as_unit_vectors(adapters: Adapters, provider: ProviderName) -> None:
    adapter, model = adapters[provider], EMBEDDINGS[provider]
    both = adapter.embed(["cats", "quarterly revenue"], model, 1536, KEY, 5)
    alone = adapter.embed(["quarterly revenue"], model, 1536, KEY, 5)
    assert both.dimensions == 1536
    assert both.vectors[1] == pytest.approx(alone.vectors[0], abs=1e-6)
    assert both.vectors[0] != both.vectors[1]
    for vector in both.vectors:
        assert len(vector) == 1536
        assert math.hypot(*vector) == pytest.approx(1.0, abs=1e-5)


def test_truncated_gemini_embeddings_are_normalised() -> None:
    row = {"embeddings": [{"values": [3.0, 4.0]}]}
    found = over(lambda _: httpx2.Response(200, json=row))["google"].embed(["a"], "gemini-embedding-001", 2, KEY, 5)
    assert found.vectors == [[0.6, 0.8]]
    assert found.input_tokens is None


@pytest.mark.parametrize("provider", ["openai", "google"])
def test_embeddings_of_another_length_or_number_are_a_bad_response(provider: ProviderName) -> None:
    row = {"embeddings": [{"values": [3.0, 4.0]}], "data": [{"index": 0, "embedding": [3.0, 4.0]}], "model": "m"}
    adapter = over(lambda _: httpx2.Response(200, json=row))[provider]
    for texts, dimensions in ((["a"], 3), (["a", "b"], 2)):
        with pytest.raises(ProviderError) as caught:
            adapter.embed(texts, EMBEDDINGS[provider], dimensions, KEY, 5)
        assert caught.value.code == "bad_response"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_key_is_checked_on_what_costs_no_tokens(
    emulator: Emulator, adapters: Adapters, provider: ProviderName
) -> None:
    adapters[provider].check(MODELS[provider], "first-key-0001", 5)
    (record,) = emulator.requests()
    assert (record["method"], record["operation"], record["model"]) == ("GET", "model", MODELS[provider])
    secrets = ("authorization", "x-api-key", "x-goog-api-key")
    assert [record["headers"][name] for name in secrets if name in record["headers"]] == ["...0001"]


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("key", "model", "code"),
    [
        ("sk-invalid-0001", None, "credentials_rejected"),
        ("with space", None, "credentials_rejected"),
        (KEY, "unknown-model", "model_not_found"),
        (KEY, "../files", "model_not_found"),
    ],
)
def test_a_key_or_a_model_that_the_provider_refuses_fails_its_check(
    adapters: Adapters, provider: ProviderName, key: str, model: str | None, code: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        adapters[provider].check(model or MODELS[provider], key, 5)
    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"{}", b"<html>", b"[]", b""])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_is_no_models_metadata_proves_no_key(provider: ProviderName, body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        over(lambda _: httpx2.Response(200, content=body))[provider].check(MODELS[provider], KEY, 5)
    assert caught.value.code == "bad_response"


def test_anthropic_has_no_embeddings(adapters: Adapters) -> None:
    with pytest.raises(ProviderError) as caught:
        adapters["anthropic"].embed(["a"], "any", 1536, KEY, 5)
    assert caught.value.code == "unsupported"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_silent_provider_times_out(emulator: Emulator, adapters: Adapters, provider: ProviderName) -> None:
    emulator.fault("slow", provider=provider, delay=2)
    with pytest.raises(ProviderError) as caught:
        adapters[provider].complete(request(provider, timeout=0.2), KEY)
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_gemini_thoughts_and_other_blocks_are_not_part_of_the_text(provider: ProviderName) -> None:
    parts: dict[ProviderName, dict[str, Any]] = {
        "openai": {},
        "anthropic": {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi."}]},
        "google": {
            "candidates": [
                {
                    "content": {"parts": [{"text": "Hm.", "thought": True}, {"text": "Hi."}]},
                    "finishReason": "STOP",
                }
            ]
        },
    }
    body = unstreamed(provider, parts[provider])
    assert over(lambda _: httpx2.Response(200, content=body))[provider].complete(request(provider), KEY).text == "Hi."


def test_a_compressed_answer_is_read_although_none_was_asked_for() -> None:
    import gzip

    body = gzip.compress(unstreamed("google", {}))
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    adapter = over(lambda _: httpx2.Response(200, headers=headers, content=body))["google"]
    assert adapter.complete(request("google"), KEY).text == "Hi."


def test_importing_the_room_loads_no_sdk_and_no_http_client() -> None:
    program = (
        "import sys, parley.providers.registry, parley.providers.openai, parley.providers.anthropic;"
        "import parley.providers.google, parley.providers.catalogue, parley.completion.routing;"
        "parley.providers.registry.Providers();"
        "print([name for name in ('openai', 'anthropic', 'google.genai', 'httpx2', 'pydantic') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(LAYER)}, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("escaped", "read"), [("a\\u0000b", "ab"), ("a\\ud83dé", "a?é"), ("a\\ud83d\\ude00", "a😀")])
def test_what_neither_utf_8_nor_postgres_can_hold_is_left_out_of_an_answer(
    provider: ProviderName, escaped: str, read: str
) -> None:
    body = unstreamed(provider, {}).replace(b"Hi.", escaped.encode())
    adapter = over(lambda _: httpx2.Response(200, content=body))[provider]
    assert adapter.complete(request(provider), KEY).text == read


def test_nor_of_a_streamed_one() -> None:
    pieces = [{"choices": [{"delta": {"content": text}}]} for text in ("a\x00", "\ud83d", "é", "b\ud83d", "\ude00")]
    end = {"choices": [{"delta": {}, "finish_reason": "stop"}]}
    adapter = over(lambda _: event_stream(sse(*pieces, end, "[DONE]")))["openai"]
    deltas, completion = drain(adapter.stream(request("openai"), KEY))
    assert (deltas, completion.text) == (["a", "?é", "b", "😀"], "a?éb😀")
