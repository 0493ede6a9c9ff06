"""OpenAI's own SDK against /v1, over HTTP through the local gateway."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion

from local.run.platform import Platform

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
CITY: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "city",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["name", "people"],
            "additionalProperties": False,
        },
    },
}
MODELS = ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"]


@pytest.fixture
def client(platform: Platform, request: pytest.FixtureRequest) -> Iterator[OpenAI]:
    """The SDK with the token of a user of the test's own as its key; it tries nothing again."""
    token = platform.token(f"sdk-{request.node.name}")
    with OpenAI(base_url=f"{platform.url}/v1", api_key=token, max_retries=0) as made:
        yield made


def ask(client: OpenAI, text: str, model: str = "auto", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **more)


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_has_every_member_that_the_sdk_reads(client: OpenAI, model: str) -> None:
    answer: ChatCompletion = ask(client, f"What is a fjord, {model}?", model)
    (choice,) = answer.choices
    assert (answer.object, answer.model, choice.finish_reason) == ("chat.completion", model, "stop")
    assert choice.message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_says_the_same_as_the_answer_and_ends_with_usage(client: OpenAI, model: str) -> None:
    text = f"What is a strait, {model}?"
    whole: ChatCompletion = ask(client, text, model, extra_body={"cache": "off"})
    chunks = list(ask(client, text, model, stream=True, stream_options={"include_usage": True}))
    *pieces, usage = chunks
    assert usage.choices == []
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + usage.usage.completion_tokens > 0
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == whole.choices[0].message.content
    assert [piece.choices[0].finish_reason for piece in pieces] == [None] * (len(pieces) - 1) + ["stop"]
    assert {piece.usage for piece in pieces} == {None}
    assert len({piece.id for piece in chunks}) == 1


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_is_called_whole_and_streamed_and_its_result_is_taken(client: OpenAI, model: str) -> None:
    asked: dict[str, Any] = {"tools": [WEATHER], "tool_choice": "required", "extra_body": {"cache": "off"}}
    text = "What is the weather in 'Bergen'?"
    (call,) = ask(client, text, model, **asked).choices[0].message.tool_calls
    with client.chat.completions.stream(model=model, messages=[{"role": "user", "content": text}], **asked) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    (other,) = streamed.message.tool_calls or []
    assert (other.function.name, other.function.arguments) == (call.function.name, call.function.arguments)
    assert json.loads(call.function.arguments).keys() == {"city"}
    told: list[Any] = [
        {"role": "user", "content": text},
        {"role": "assistant", "content": None, "tool_calls": [call.model_dump()]},
        {"role": "tool", "tool_call_id": call.id, "content": "Rain."},
    ]
    answer = client.chat.completions.create(model=model, messages=told, tools=[WEATHER])
    assert answer.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_fits_the_schema_that_was_asked_for(client: OpenAI, model: str) -> None:
    answer = ask(client, "Tell me of Oslo.", model, response_format=CITY)
    assert json.loads(answer.choices[0].message.content).keys() == {"name", "people"}


def test_a_texts_vector_is_the_same_as_numbers_and_as_base64(client: OpenAI) -> None:
    texts = [f"text number {number}" for number in range(300)]
    numbers = client.embeddings.create(
        model="text-embedding-3-small", input=texts, dimensions=64, encoding_format="float"
    )
    packed = client.embeddings.create(model="openai/text-embedding-3-small", input=texts, dimensions=64)
    assert [len(row.embedding) for row in numbers.data] == [64] * 300
    assert [row.index for row in numbers.data] == list(range(300))
    assert [row.embedding for row in packed.data] == [row.embedding for row in numbers.data]
    assert numbers.usage.prompt_tokens > 0


def test_a_thousand_texts_are_embedded_at_once(client: OpenAI) -> None:
    found = client.embeddings.create(model="auto", input=[f"text {number}" for number in range(1_000)])
    assert {len(row.embedding) for row in found.data} == {1_536}
    assert len(found.data) == 1_000


def test_the_models_that_are_listed_can_be_read_and_asked(client: OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert {*MODELS, "auto", "text-embedding-3-small"} <= {*names}
    for name in names:
        assert client.models.retrieve(name).id == name
    assert client.models.retrieve("openai/gpt-6-luna").id == "gpt-6-luna"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.models.retrieve("gpt-1")
    assert unknown.value.code == "model_not_found"


def test_a_refusal_is_the_sdks_own_exception(platform: Platform, client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as bad:
        ask(client, "Hi", n=2)
    assert (bad.value.param, bad.value.type) == ("n", "invalid_request_error")
    assert bad.value.request_id
    with pytest.raises(openai.BadRequestError) as tokens:
        client.embeddings.create(model="auto", input=[[1, 2, 3]])
    assert "check_embedding_ctx_length" in tokens.value.message
    with pytest.raises(openai.NotFoundError) as unknown:
        ask(client, "Hi", "gpt-1")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="text-embedding-ada-002", input="Hi")
    stranger = client.with_options(api_key="nobody")
    with pytest.raises(openai.AuthenticationError):
        ask(stranger, "Hi")
    with pytest.raises(openai.PermissionDeniedError):
        ask(client.with_options(api_key=platform.token("op", role="service_role")), "Hi")


def test_a_used_up_allowance_says_when_it_starts_anew(client: OpenAI) -> None:
    create = client.chat.completions.with_raw_response.create
    limits: list[int] = []

    def use_up() -> None:
        while len(limits) < 100:
            answer = create(model="auto", messages=[{"role": "user", "content": f"Question {len(limits)}"}])
            limits.append(int(answer.headers["x-ratelimit-remaining-requests"]))

    with pytest.raises(openai.RateLimitError) as refused:
        use_up()
    assert limits == sorted(range(len(limits)), reverse=True)
    assert refused.value.code == "quota_exceeded"
    assert int(refused.value.response.headers["retry-after"]) > 0
    assert refused.value.response.headers["x-ratelimit-remaining-requests"] == "0"


def test_a_stream_that_breaks_off_raises_what_the_provider_failed_with(client: OpenAI) -> None:
    with pytest.raises(openai.APIError) as broken:
        list(ask(client, "Tell me a long story [[fault:mid_stream_error]]", stream=True))
    assert broken.value.code == "upstream_error"


def test_members_that_have_no_effect_are_named(client: OpenAI) -> None:
    answer = client.chat.completions.with_raw_response.create(
        model="auto",
        messages=[{"role": "user", "content": "What is a sound?", "name": "ada"}],
        logprobs=True,
        metadata={"team": "one"},
        user="ada@example.com",
        service_tier="flex",
    )
    assert answer.headers["x-parley-ignored"] == "logprobs, messages.name, service_tier"


def test_a_page_may_send_what_the_sdk_sends(platform: Platform) -> None:
    sent: list[str] = []
    http = openai.DefaultHttpxClient(event_hooks={"request": [lambda request: sent.extend(request.headers)]})
    with OpenAI(base_url=f"{platform.url}/v1", api_key=platform.token("page"), http_client=http) as client:
        client.models.list()
    assert {"authorization", "x-stainless-lang", "x-stainless-retry-count"} <= {*sent}
    address = urlsplit(platform.url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
    connection.request("OPTIONS", "/v1/models", headers={"Origin": "https://app.example.com"})
    allowed = connection.getresponse().headers["Access-Control-Allow-Headers"].lower().split(",")
    connection.close()
    # https://fetch.spec.whatwg.org/#cors-preflight-fetch: `*` is every header but this one.
    assert "authorization" in allowed
    assert "*" in allowed or {*sent} <= {*allowed}
