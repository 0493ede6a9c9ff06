"""POST /v1/chat/completions in one process: what is told to the model, kept, counted and refused."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.emulator.client import Emulator
from testing.contract import events
from testing.functions import Answer, Functions

Token = Callable[..., str]
PATH = "/v1/chat/completions"
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lund"}'}}


@pytest.fixture
def ask(functions: Functions, token: Token) -> Callable[..., Answer]:
    """Sends messages, or one of the user's."""

    def send(messages: Any, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        said = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
        body = {"model": "auto", "messages": said} | more
        return functions.request("wire", "POST", PATH, body, token=token("ada"), headers=headers)

    return send


def text_of(stream: Answer) -> str:
    """The text that a stream's chunks say together."""
    return "".join(chunk["choices"][0]["delta"].get("content", "") for _, chunk in events(stream.text))


def told(emulator: Emulator) -> Any:
    """The body of the last request to a provider."""
    return emulator.requests()[-1]["body"]


def test_a_request_reaches_the_provider_with_what_was_asked(ask: Callable[..., Answer], emulator: Emulator) -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": [{"type": "text", "text": "What is"}, {"type": "text", "text": "a fjord?"}]},
    ]
    more = {"temperature": 0.5, "top_p": 0.9, "stop": "END", "seed": 2**40 + 7, "max_tokens": 5, "user": "ada@example"}
    answer = ask(messages, model="openai/gpt-6-luna", frequency_penalty=1, **more)
    assert answer.status == 200, answer.text
    body = told(emulator)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "What is\n\na fjord?"
    assert body["max_completion_tokens"] == 5
    assert body["seed"] == 7
    assert "frequency_penalty" not in body
    assert set(answer.json["parley"]["adjusted"]) == {"temperature", "top_p", "frequency_penalty"}
    assert "ada@example" not in json.dumps(body)


def test_an_answer_without_a_limit_may_be_long_and_a_longer_one_is_lowered_and_says_so(
    ask: Callable[..., Answer], emulator: Emulator
) -> None:
    assert ask("What is a fjord?", model="gpt-6-luna").json["parley"]["adjusted"] == []
    assert told(emulator)["max_completion_tokens"] == 16_384
    assert ask("What is a floe?", model="gpt-6-luna", max_tokens=60_000).json["parley"]["adjusted"] == ["max_tokens"]
    assert told(emulator)["max_completion_tokens"] == 16_384


def test_instructions_may_stand_anywhere_and_alone(ask: Callable[..., Answer], emulator: Emulator) -> None:
    instructions = {"role": "system", "content": "Be brief."}
    assert ask([{"role": "user", "content": "What is a fjord?"}, instructions], model="gpt-6-luna").status == 200
    assert [message["role"] for message in told(emulator)["messages"]] == ["system", "user"]
    for model in ("gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"):
        assert ask([instructions], model=model).status == 200


def test_turns_that_say_nothing_are_left_out(ask: Callable[..., Answer], emulator: Emulator) -> None:
    messages = [
        {"role": "system", "content": ""},
        {"role": "user", "content": "What is a fjord?"},
        {"role": "assistant", "content": None, "refusal": None},
        {"role": "user", "content": "And a floe?"},
    ]
    for model in ("gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"):
        assert ask(messages, model=model).status == 200
    assert ask([{"role": "user", "content": ""}]).json["code"] == "invalid_request"


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_a_result_of_a_tool_and_parts_of_every_kind_are_told(ask: Callable[..., Answer], model: str) -> None:
    png = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(31)).decode()
    pdf = "data:application/pdf;base64,JVBERi0xLjcK"
    media: list[dict[str, Any]] = [
        {"type": "image_url", "image_url": {"url": png, "detail": "low"}},
        {"type": "file", "file": {"file_data": pdf, "filename": "a.pdf"}},
    ]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "What is the weather?"}, *media]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Rain."}]},
    ]
    answer = ask(messages, model=model)
    assert answer.status == 200, answer.text
    assert answer.json["choices"][0]["finish_reason"] == "stop"
    assert "bytes" not in answer.json["choices"][0]["message"]["content"]
    messages[2] = messages[2] | {"content": [{"type": "text", "text": "Rain."}, *media]}
    seen = ask(messages, model=model).json["choices"][0]["message"]["content"]
    for told in ("Rain.", "[image/png, 39 bytes]", "[application/pdf, 9 bytes]"):
        assert told in seen


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages.0"),
        ({"messages": [{"role": "assistant", "content": ""}]}, "messages"),
        ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [CALL]}]}, None),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]}, None),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.content.0"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools.0.type"),
        ({"tool_choice": "required"}, None),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type"),
        ({"functions": [{"name": "weather", "parameters": {"type": "object"}}]}, "functions"),
        ({"functions": [{"name": "weather"}], "function_call": {"name": "weather"}}, "functions"),
        ({"messages": [{"role": "function", "name": "weather", "content": "Rain."}]}, "messages.0"),
        (
            {
                "messages": [
                    {"role": "assistant", "content": None, "function_call": {"name": "weather", "arguments": "{}"}},
                    {"role": "user", "content": "And?"},
                ]
            },
            "messages.0",
        ),
        ({"tool_choice": {"type": "any"}}, None),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "array"}}}},
            "response_format.json_schema.schema",
        ),
    ],
)
def test_what_cannot_be_asked_is_400_and_names_the_member(
    ask: Callable[..., Answer], emulator: Emulator, change: dict[str, Any], param: str | None
) -> None:
    answer = ask(**({"messages": "Hi"} | change))
    assert answer.status == 400, answer.text
    assert answer.json["error"]["param"] == param
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert emulator.requests() == []


def test_without_a_token_nothing_is_answered(functions: Functions) -> None:
    answer = functions.request("wire", "POST", PATH, {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]})
    assert (answer.status, answer.json["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_counted_and_booked_as_any_other(ask: Callable[..., Answer], database: Any, stream: bool) -> None:
    assert ask("What is a fjord?", model="gpt-6-luna", stream=stream).status == 200
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings where user_id = 'ada'").fetchone() == (1,)
        rows = owner.execute("select user_id, model, operation_type, cost > 0 from ai_usage").fetchall()
    assert rows == [("ada", "gpt-6-luna", "chat", True)]


def test_an_answer_of_chat_serves_from_the_cache_and_takes_no_unit(
    functions: Functions, token: Token, ask: Callable[..., Answer]
) -> None:
    body = {"message": "What is a fjord?", "model": "gpt-6-luna", "max_tokens": 16_384}
    first = functions.request("chat", "POST", "/api/chat", body, token=token("ada"))
    answer = ask("What is a fjord?", model="gpt-6-luna")
    assert answer.json["parley"]["cache"] == "exact"
    assert answer.json["choices"][0]["message"]["content"] == first.json["message"]["content"]
    assert answer.json["usage"]["total_tokens"] == 0
    assert answer.headers["X-RateLimit-Remaining-Requests"] == first.headers["X-RateLimit-Remaining-Requests"] == "9"
    streamed = [data for _, data in events(ask("What is a fjord?", model="gpt-6-luna", stream=True).text)]
    assert (
        "".join(one["choices"][0]["delta"].get("content", "") for one in streamed) == first.json["message"]["content"]
    )


@pytest.mark.parametrize("stream", [False, True])
def test_a_keyed_answer_is_given_again_and_is_not_that_of_another_format(
    functions: Functions, token: Token, ask: Callable[..., Answer], stream: bool
) -> None:
    key = {"Idempotency-Key": "one"}
    said = [{"role": "user", "content": "What is a fjord?"}]
    first, again = (ask(said, key, stream=stream, model="gpt-6-luna") for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    if not stream:
        assert again.text == first.text
        body = {"model": "gpt-6-luna", "messages": said}
        other = {"Idempotency-Key": "two"}
        assert functions.request("chat", "POST", "/api/chat", body, token=token("ada"), headers=other).status == 200
        same = functions.request("wire", "POST", PATH, body, token=token("ada"), headers=other)
        assert (same.status, same.json["code"]) == (422, "idempotency_key_reused")
    else:
        texts = [
            "".join(d["choices"][0]["delta"].get("content", "") for _, d in events(one.text)) for one in (first, again)
        ]
        assert texts[0] == texts[1] != ""


@pytest.mark.parametrize("key", ["bearer", "x-api-key"])
def test_a_machine_key_is_taken_where_its_scope_reaches(functions: Functions, token: Token, key: str) -> None:
    made = functions.request(
        "account", "POST", "/api/settings/access-keys", {"name": "a program", "scopes": ["chat"]}, token=token("ada")
    ).json["key"]
    sent: dict[str, Any] = {"token": made} if key == "bearer" else {"headers": {"x-api-key": made}}
    body = {"model": "auto", "messages": [{"role": "user", "content": "Hi"}]}
    assert functions.request("wire", "POST", PATH, body, **sent).status == 200
    assert functions.request("wire", "GET", "/v1/models", **sent).status == 200
    refused = functions.request("wire", "POST", "/v1/embeddings", {"model": "auto", "input": "Hi"}, **sent)
    assert (refused.status, refused.json["code"]) == (403, "access_key_scope_missing")


def test_a_refused_prompt_is_a_refusal_and_not_content(ask: Callable[..., Answer], emulator: Emulator) -> None:
    emulator.fault("refusal")
    (choice,) = ask("Do something bad", model="gpt-6-luna").json["choices"]
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"]["content"] is None
    assert choice["message"]["refusal"]


def test_a_streamed_refusal_is_not_content_either_nor_where_it_is_given_again(
    ask: Callable[..., Answer], emulator: Emulator
) -> None:
    emulator.fault("refusal")
    for _ in range(2):
        answer = ask("Do something bad", model="gpt-6-luna", stream=True, headers={"Idempotency-Key": "refused"})
        deltas = [chunk["choices"][0]["delta"] for _, chunk in events(answer.text)]
        assert not any(delta.get("content") for delta in deltas)
        assert "".join(delta.get("refusal") or "" for delta in deltas)
    assert len(emulator.requests()) == 1


def test_a_stream_that_breaks_off_ends_with_an_error_and_without_the_word_for_the_end(
    ask: Callable[..., Answer], emulator: Emulator
) -> None:
    emulator.fault("mid_stream_error")
    text = ask("Tell me a long story", model="gpt-6-luna", stream=True).text
    name, problem = events(text)[-1]
    assert (name, problem["error"]["code"]) == ("error", "upstream_error")
    assert text.rpartition("data: ")[2].startswith('{"error":')
    assert "[DONE]" not in text


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_takes_two_round_trips_by_token_and_by_machine_key(
    functions: Functions, token: Token, stream: bool
) -> None:
    wanted = {"name": "a program", "scopes": ["chat"]}
    made = functions.request("account", "POST", "/api/settings/access-keys", wanted, token=token("ada")).json["key"]
    database = functions.module("wire").services.database
    for number, credential in enumerate((token("ada"), made)):
        body = {"model": "auto", "messages": [{"role": "user", "content": f"Question {number}"}], "stream": stream}
        before = database.round_trips
        assert functions.request("wire", "POST", PATH, body, token=credential).status == 200
        assert database.round_trips - before == 2


JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(35)).decode()
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(31)).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + bytes(30)).decode()


def assert_shown(emulator: Emulator, media_type: str) -> None:
    """The last request shows one file, of this type, in base64 as every provider takes it."""
    sent = json.dumps(told(emulator))
    data = {"image/jpeg": JPEG, "image/png": PNG, "application/pdf": PDF}[media_type]
    assert f'{data}"' in sent
    assert re.findall(r"(?:image|application)/[a-z-]+", sent) == [media_type]


@pytest.mark.parametrize("more", [{"stop": [""]}, {"stop": ""}, {"stop": ["END", ""]}, {"reasoning_effort": "default"}])
def test_a_value_that_asks_for_nothing_is_ignored_and_named(
    ask: Callable[..., Answer], emulator: Emulator, more: dict[str, Any]
) -> None:
    answer = ask("What is a fjord?", model="claude-haiku-5-5", **more)
    assert answer.status == 200, answer.text
    assert answer.headers["X-Parley-Ignored"] == next(iter(more))
    assert told(emulator).get("stop_sequences") == (["END"] if "END" in more.get("stop", ()) else None)


@pytest.mark.parametrize(
    ("schema", "status"), [("object", 200), ("list", 200), ("choice", 200), ("deeper", 400), ("endless", 400)]
)
def test_a_schema_may_be_as_deep_as_its_own_bound(ask: Callable[..., Answer], schema: str, status: int) -> None:
    nested: dict[str, Any] = {"type": "object", "properties": {"n": {"enum": [1]}}}
    for _ in range({"object": 32, "list": 16, "choice": 16, "deeper": 33, "endless": 40}[schema] - 1):
        if schema == "list":
            nested = {"type": "array", "items": nested}
        if schema == "choice":
            nested = {"anyOf": [nested, {"type": "string"}]}
        nested = {"type": "object", "properties": {"n": nested}}
    tool = {"type": "function", "function": {"name": "nest", "parameters": nested}}
    answer = ask("Nest.", model="gemini-3.8-flash", tools=[tool])
    assert answer.status == status, answer.text
    if status == 400:
        assert "deep" in answer.json["detail"]


# What was reported of other gateways


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/models"), ("GET", "/v1/models/auto"), ("POST", PATH), ("POST", "/v1/embeddings")]
)
def test_parameters_that_clients_add_to_the_url_are_ignored_and_named(
    functions: Functions, token: Token, method: str, path: str
) -> None:
    """Codex asks for /v1/models?client_version=0.133.0 (lmstudio-ai/lmstudio-bug-tracker 1964), Azure's clients send an
    api-version with each request.
    """
    body = {"model": "auto", "input": "Hi", "messages": [{"role": "user", "content": "Hi"}]}
    target = f"{path}?client_version=0.133.0&api-version=2026-01-01"
    answer = functions.request("wire", method, target, body if method == "POST" else None, token=token("ada"))
    assert answer.status == 200, answer.text
    assert {"api-version", "client_version"} <= {*answer.headers["X-Parley-Ignored"].split(", ")}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_an_answer_ends_at_any_of_many_stop_sequences(
    ask: Callable[..., Answer], emulator: Emulator, model: str, stream: bool
) -> None:
    """Continue sends fourteen with its completions (continuedev/continue 1572 and 2461); OpenAI takes four."""
    stops = [f"word{number}" for number in range(14)]
    for at in (4, 13):  # a model keeps to the others itself
        emulator.answer(f"Before. word{at} and after.", match=f"number {at}")
        answer = ask(f"Tell me number {at}", model=model, stop=stops, stream=stream, cache="off")
        text = text_of(answer) if stream else answer.json["choices"][0]["message"]["content"]
        assert text.strip() == "Before."
        assert sum(f'"{stop}"' in json.dumps(told(emulator)) for stop in stops) == (0 if model == "gpt-6-luna" else 4)
    refused = ask("Hi", model=model, stop=["a"] * 33)
    assert (refused.status, refused.json["error"]["param"]) == (400, "stop")


@pytest.mark.parametrize("content", ["What is a fjord?", "What is JSON?"])
def test_an_object_may_be_asked_for_without_speaking_of_json(
    ask: Callable[..., Answer], emulator: Emulator, content: str
) -> None:
    """OpenAI refuses that, the others do not, so that a fallback would end in 400."""
    emulator.answer('{"a": 1}')
    answer = ask(content, model="gpt-6-luna", models=["gpt-6-luna"], response_format={"type": "json_object"})
    assert answer.status == 200, answer.text
    assert [message["role"] for message in told(emulator)["messages"]] == (
        ["user"] if "JSON" in content else ["system", "user"]
    )


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_a_result_may_hold_what_no_text_can(
    functions: Functions, ask: Callable[..., Answer], token: Token, emulator: Emulator, model: str
) -> None:
    """A file that a tool reads as text has NULs, and a cut emoji half of one. A history that is refused for it is so
    for good (anthropics/claude-code 94055, aebrer/dreb 352).
    """
    messages = [
        {"role": "user", "content": "Read it, please. 😀"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a\x00b \ud83d c"},
    ]
    answer = ask(messages, model=model, metadata={"a\x00": "b"})
    assert answer.status == 200, answer.text
    sent = json.dumps(told(emulator), ensure_ascii=False)
    assert "a\ufffdb \ufffd c" in sent
    assert "😀" in sent
    body = {"model": "auto", "input": ["a\x00b"]}
    assert functions.request("wire", "POST", "/v1/embeddings", body, token=token("ada")).status == 200
    deep: Any = "\x00"
    for _ in range(900):
        deep = [deep]
    assert ask(messages, model=model, deep=deep).status == 400


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(
    ("sent", "media_type"),
    [
        (f"data:image/jpg;base64,{JPEG}", "image/jpeg"),
        (f"data:image/png;base64,{JPEG}", "image/jpeg"),
        (f"data:image/PNG;base64,{PNG}", "image/png"),
        (f"DATA:image/png;charset=utf-8;name=a,b.png;BASE64,{PNG}", "image/png"),
        (f"data:image/png; base64, {PNG[:20]}\r\n{PNG[20:]}\n", "image/png"),
        (f"data:;base64,{PNG}", "image/png"),
        (f"data:application/octet-stream;base64,{PNG.rstrip('=')}", "image/png"),
        (JPEG.replace("/", "_").replace("+", "-"), "image/jpeg"),
        (f"data:application/pdf;base64,{PDF}", "application/pdf"),
    ],
)
def test_an_image_is_what_its_bytes_say_however_it_is_labelled(
    ask: Callable[..., Answer], emulator: Emulator, model: str, sent: str, media_type: str
) -> None:
    """A JPEG that is called a PNG ends a session at Anthropic (anthropics/claude-code-action 1396), and programs send
    the URL without an object around it (microsoft/promptflow 3946).
    """
    for image_url in ({"url": sent}, {"url": sent, "detail": "original"}, {"url": sent, "detail": ""}, sent):
        content = [{"type": "image_url", "image_url": image_url}]
        answer = ask([{"role": "user", "content": content}], model=model, cache="off")
        assert answer.status == 200, answer.text
        assert_shown(emulator, media_type)


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(
    "label", ["", "data:application/octet-stream;base64,", "data:application/pdf;name=a.pdf;base64,"]
)
def test_a_file_is_what_its_bytes_say(ask: Callable[..., Answer], emulator: Emulator, model: str, label: str) -> None:
    """Stores and messengers call every file application/octet-stream (RightNow-AI/openfang 529)."""
    for data, media_type in ((PDF, "application/pdf"), (JPEG, "image/jpeg")):
        file = {"file_data": label + data, "filename": "a.pdf"}
        answer = ask([{"role": "user", "content": [{"type": "file", "file": file}]}], model=model)
        assert answer.status == 200, answer.text
        assert_shown(emulator, media_type)


@pytest.mark.parametrize(
    "url",
    [
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/png;base64,",
        "data:image/png;base64,iVBORw0KG",
        "data:image/png;base64,iVBORw0KGg%3D",
        "http://127.0.0.1/a.png",
        "file:///etc/passwd",
        "a.png",
    ],
)
def test_what_no_model_sees_is_refused_whatever_it_is_called(
    ask: Callable[..., Answer], emulator: Emulator, url: str
) -> None:
    for part in ({"type": "image_url", "image_url": url}, {"type": "file", "file": {"file_data": url}}):
        answer = ask([{"role": "user", "content": [part]}])
        assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert emulator.requests() == []


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_what_other_interfaces_call_a_part_is_taken_and_thoughts_are_left_out(
    ask: Callable[..., Answer], emulator: Emulator, model: str
) -> None:
    """Clients put what they got into their history (theopenco/llmgateway 2745, langchain-ai/langchainjs 11175)."""
    thoughts = [
        {"type": "thinking", "thinking": "A secret.", "signature": "x"},
        {"type": "redacted_thinking", "data": "secret"},
        {"type": "reasoning", "summary": [{"text": "A secret."}]},
    ]
    messages = [
        {"role": "user", "content": [{"type": "input_text", "text": "What is a fjord?"}]},
        {"role": "assistant", "content": [*thoughts, {"type": "output_text", "text": "Water.", "annotations": []}]},
        {"role": "user", "content": "And?"},
    ]
    answer = ask(messages, model=model)
    assert answer.status == 200, answer.text
    assert "messages.content.thinking" in answer.headers["X-Parley-Ignored"]
    sent = json.dumps(told(emulator))
    assert "Water." in sent
    assert "secret" not in sent


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize("empty", [None, [], "absent"])
def test_messages_of_any_role_may_have_no_content(ask: Callable[..., Answer], model: str, empty: Any) -> None:
    def message(role: str, **more: Any) -> dict[str, Any]:
        return {"role": role, **({} if empty == "absent" else {"content": empty}), **more}

    messages = [
        message("system"),
        message("user"),
        {"role": "user", "content": "What is the weather?"},
        message("assistant", tool_calls=[CALL]),
        message("tool", tool_call_id="call_1"),
        message("user"),
    ]
    answer = ask(messages, model=model)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ("any", "tool_calls"),
        ({"type": "any"}, "tool_calls"),
        ({"type": "required"}, "tool_calls"),
        ({"type": "auto"}, "stop"),
        ({"type": "none"}, "stop"),
    ],
)
def test_a_choice_may_be_made_in_anthropics_words(
    ask: Callable[..., Answer], model: str, choice: Any, reason: str
) -> None:
    """Frameworks send one word to every vendor (langchain-ai/langchain 28198)."""
    described = {"name": "weather", "description": "The weather. " * 2_000, "parameters": {"type": "object"}}
    tools = [{"type": "function", "function": described}]
    answer = ask("Good morning.", model=model, tools=tools, tool_choice=choice)
    assert answer.status == 200, answer.text
    assert answer.json["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(("mode", "reason"), [("auto", "stop"), ("required", "tool_calls")])
def test_of_the_tools_those_may_be_called_that_the_choice_allows(
    ask: Callable[..., Answer], emulator: Emulator, model: str, mode: str, reason: str
) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("weather", "clock", "camera")]
    allowed = [{"type": "function", "function": {"name": name}} for name in ("clock", "camera")]
    choice: dict[str, Any] = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}
    answer = ask("What is the weather?", model=model, tools=tools, tool_choice=choice)
    assert answer.status == 200, answer.text
    assert answer.json["choices"][0]["finish_reason"] == reason
    sent = json.dumps(told(emulator))
    assert all(f'"name": "{name}"' in sent for name in ("clock", "camera"))
    assert '"name": "weather"' not in sent
    choice["allowed_tools"]["tools"] = [{"type": "function", "function": {"name": "other"}}]
    refused = ask("What is the weather?", model=model, tools=tools, tool_choice=choice)
    assert (refused.status, "not among the tools" in refused.json["detail"]) == (400, True)


@pytest.mark.parametrize("more", [{"function_call": "none"}, {"functions": None}, {"functions": []}])
def test_functions_that_may_not_be_called_are_ignored(ask: Callable[..., Answer], more: dict[str, Any]) -> None:
    """OpenAI's own tests send them so, beside tools."""
    answer = ask("Hi", **({"functions": [{"name": "weather"}], "function_call": "auto"} | more))
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(("fault", "status"), [("rate_limit", 429), ("quota_exhausted", 502), ("context_length", 400)])
def test_a_provider_that_fails_before_its_first_word_is_told_by_the_status(
    ask: Callable[..., Answer], emulator: Emulator, database: Any, fault: str, status: int
) -> None:
    """As an event of a 200 the SDKs would not try again (secretgate/secretgate 31, BerriAI/litellm 33222)."""
    for provider in ("openai", "anthropic", "google"):
        emulator.fault(fault, provider=provider, times=9, retry_after="60")
    answer = ask("What is a fjord?", model="gpt-6-luna", stream=True)
    assert (answer.status, answer.json["status"]) == (status, status)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert ("Retry-After" in answer.headers) is (status == 429)
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings where user_id = 'ada'").fetchone() == (0,)


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_parallel_calls_have_an_index_each_and_arguments_that_are_text(ask: Callable[..., Answer], model: str) -> None:
    """One index for two calls makes one broken call of them (ai-dynamo/dynamo 4723, BerriAI/litellm 37792), and a
    reason `stop` ends an agent's loop (googleapis/python-genai 2868).
    """
    tools = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {"n": {}}}}}
        for name in ("alpha", "beta")
    ]
    more = {"tools": tools, "model": model, "cache": "off"}
    (whole,) = ask("Call alpha(1) and beta(2)", **more).json["choices"]
    chunks = [chunk for _, chunk in events(ask("Call alpha(1) and beta(2)", stream=True, **more).text)]
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for piece in chunk["choices"][0]["delta"].get("tool_calls", ()):
            call = calls.setdefault(piece["index"], {"arguments": ""})
            if "id" in piece:
                assert piece.keys() >= {"index", "id", "type", "function"}
                assert "id" not in call
                call |= {"id": piece["id"], "name": piece["function"]["name"]}
            call["arguments"] += piece["function"]["arguments"]
    assert [call["name"] for call in calls.values()] == ["alpha", "beta"]
    assert [*calls] == [0, 1]
    assert len({call["id"] for call in calls.values()}) == 2
    asked = [(one["function"]["name"], one["function"]["arguments"]) for one in whole["message"]["tool_calls"]]
    assert [(call["name"], call["arguments"]) for call in calls.values()] == asked
    assert whole["message"]["content"] is None
    assert [chunks[-1]["choices"][0]["finish_reason"], whole["finish_reason"]] == ["tool_calls", "tool_calls"]
    assert len({(chunk["id"], chunk["created"]) for chunk in chunks}) == 1


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
def test_what_clients_leave_empty_in_a_history_is_taken(ask: Callable[..., Answer], model: str) -> None:
    """`content` null or missing beside calls (lmstudio-bug-tracker 261, mistral-common 324), an answer that was empty
    (tashfeenahmed/freellmapi 165), no tools and no calls as empty lists, and every member null.
    """
    without_content = {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "weather", "arguments": ""}}]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": ""}
    user = {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "And now?"}]}
    messages = [
        {"role": "user", "content": "What is the weather?"},
        without_content,
        result,
        {"role": "assistant", "content": "", "tool_calls": []},
        user,
        {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "audio": None},
        result,
        {"role": "assistant", "content": []},
        user,
    ]
    nulls = dict.fromkeys(
        ("max_tokens", "stop", "tool_choice", "response_format", "stream_options", "seed", "user", "metadata", "models")
    )
    answer = ask(messages, model=model, tools=[], **nulls)
    assert answer.status == 200, answer.text
    assert "X-Parley-Ignored" not in answer.headers


@pytest.mark.parametrize("model", ["gpt-6-luna", "claude-haiku-5-5", "gemini-3.8-flash"])
@pytest.mark.parametrize(
    ("more", "asked"),
    [
        ([{"role": "assistant", "content": ""}], "What is a fjord?"),
        ([{"role": "assistant", "content": [{"type": "text", "text": " "}]}], "What is a fjord?"),
        ([{"role": "assistant", "content": "A fjord is"}], "Go on."),
        ([{"role": "assistant", "content": "A fjord is"}, {"role": "assistant", "content": None}], "Go on."),
        ([{"role": "assistant", "content": "Wet."}, {"role": "system", "content": "Say more."}], "Say more."),
    ],
)
def test_a_history_may_end_with_the_assistant(
    ask: Callable[..., Answer], emulator: Emulator, model: str, more: list[Any], asked: str
) -> None:
    """Interrupted clients send what there was (anomalyco/opencode 27920), and Claude refuses to end with it."""
    assert ask([{"role": "user", "content": "What is a fjord?"}, *more], model=model).status == 200
    body = told(emulator)
    last = (body.get("messages") or body["contents"])[-1]
    assert last["role"] == "user"
    assert asked in json.dumps(last)


def test_usage_comes_in_a_chunk_without_choices_only_to_who_asks_for_it(ask: Callable[..., Answer]) -> None:
    """Clients that do not expect it read choices[0] (pydantic/logfire 64, KiCad-AI-Assistant 90)."""
    for options, expected in ((None, 0), ({"include_usage": False}, 0), ({"include_usage": True}, 1)):
        answer = ask("What is a fjord?", model="gpt-6-luna", stream=True, stream_options=options, cache="off")
        chunks = [chunk for _, chunk in events(answer.text)]
        assert sum(not chunk["choices"] for chunk in chunks) == expected
        assert all(("usage" in chunk) is bool(expected) for chunk in chunks)
        assert answer.text.endswith("data: [DONE]\n\n")


def test_no_character_of_an_answer_ends_a_line_of_its_event(ask: Callable[..., Answer], emulator: Emulator) -> None:
    """Readers that split text, and not bytes, into lines break a chunk at these."""
    said = "One\x85two\u2028three\u2029four, and ä."
    emulator.answer(said, match="lines")
    answer = ask("What are lines?", model="gpt-6-luna", stream=True)
    assert text_of(answer) == said
    assert all(line.startswith("data: ") for line in answer.text.splitlines() if line)


def test_a_list_of_models_is_asked_in_its_order(ask: Callable[..., Answer], emulator: Emulator) -> None:
    listed = ["claude-haiku-5-5", "google/gemini-3.8-flash"]
    emulator.fault("unavailable", provider="openai", times=1)
    emulator.fault("overloaded", provider="anthropic", times=1)
    answer = ask("What is a fjord?", model="gpt-6-luna", models=listed)
    assert answer.status == 200, answer.text
    assert answer.json["model"] == "gemini-3.8-flash"
    assert answer.json["parley"] == {"provider": "google", "fallback": True, "adjusted": [], "cache": "none"}
    assert [request["provider"] for request in emulator.requests()] == ["openai", "anthropic", "google"]
    assert ask("What is a floe?", model="auto", models=listed).json["model"] == "claude-haiku-5-5"


def test_a_list_of_one_model_is_a_list(ask: Callable[..., Answer], emulator: Emulator) -> None:
    for model in ("auto", "claude-haiku-5-5"):
        emulator.fault("quota_exhausted", provider="anthropic")
        assert ask("What is a fjord?", model=model, models=["claude-haiku-5-5"]).status == 502
    assert {request["provider"] for request in emulator.requests()} == {"anthropic"}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "detail"),
    [
        ("gpt-1", 'there is no model "gpt-1"'),
        ("openai/claude-haiku-5-5", 'there is no model "claude-haiku-5-5" at openai'),
        ("text-embedding-3-small", "text-embedding-3-small embeds texts, at POST /v1/embeddings"),
        ("gpt-6-luna", 'There is no model "gpt-6-luna" at openai'),
    ],
)
def test_a_model_that_may_not_be_asked_is_404_as_at_openai(
    ask: Callable[..., Answer], emulator: Emulator, model: str, detail: str, stream: bool
) -> None:
    """SDKs raise what they raise for OpenAI (Wei-Shaw/sub2api 1489, ollama/ollama 6646)."""
    emulator.fault("not_found", times=3)
    answer = ask("Hi", model=model, stream=stream)
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found"), answer.text
    assert answer.json["error"]["param"] == "model"
    assert detail in answer.json["error"]["message"]
    assert "GET /v1/models" in answer.json["error"]["message"]


def test_a_model_of_a_list_that_may_not_be_named_is_404_and_gives_its_unit_back(
    ask: Callable[..., Answer], emulator: Emulator, database: Any
) -> None:
    answer = ask("What is a fjord?", model="gpt-6-luna", models=["gpt-1"])
    assert (answer.status, answer.json["code"]) == (404, "model_not_found")
    assert '"gpt-1"' in answer.json["detail"]
    assert ask("Hi", models=["auto"]).status == 400
    assert emulator.requests() == []
    with database.connect() as owner:
        assert owner.execute("select daily_usage from user_ai_settings where user_id = 'ada'").fetchone() == (0,)


def test_auto_asks_the_cheapest_and_the_next_where_it_fails(ask: Callable[..., Answer], emulator: Emulator) -> None:
    first = ask("What is a fjord?").json
    assert first["parley"]["fallback"] is False
    emulator.fault("unavailable", provider=first["parley"]["provider"], times=2)
    second = ask("What is a floe?").json
    assert second["parley"]["fallback"] is True
    assert second["parley"]["provider"] != first["parley"]["provider"]


def test_a_conversation_of_more_than_a_hundred_messages_is_answered(ask: Callable[..., Answer]) -> None:
    turns = [{"role": role, "content": "More."} for _ in range(150) for role in ("user", "assistant")]
    assert ask([*turns, {"role": "user", "content": "And?"}]).status == 200
