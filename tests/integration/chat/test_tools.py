"""Tools, structured answers, images and PDFs over HTTP: what is asked, answered, kept and refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from local.emulator.client import Emulator
from testing.functions import Answer, Functions

Token = Callable[..., str]
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"canary-of-an-image" * 8).decode()
PDF = base64.b64encode(b"%PDF-1.7\n" + b"canary-of-a-document" * 8).decode()
WEATHER = {
    "name": "weather",
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def ask(functions: Functions, token: Token) -> Callable[..., Answer]:
    def send(messages: Any, **more: Any) -> Answer:
        body = ({"message": messages} if isinstance(messages, str) else {"messages": messages}) | more
        return functions.request("chat", "POST", "/api/chat", body, token=token("ada"))

    return send


def looked_at(*content: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """A history that ends with what a tool gave."""
    return [
        {"role": "user", "content": "Look at it."},
        {"role": "assistant", "tool_calls": [{"id": "call_1", "name": "camera", "arguments": "{}"}]},
        {"role": "tool", "tool_call_id": "call_1", "content": [*content]} | more,
    ]


def image(**source: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image", **source}]}]


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_tool_is_called_and_its_result_answered_in_a_conversation_that_keeps_both(
    functions: Functions, token: Token, ask: Callable[..., Answer], provider: str
) -> None:
    asked = ask("What is the weather in Lund?", conversation_id="new", tools=[WEATHER], provider=provider)
    assert asked.status == 200, asked.text
    call = asked.json["message"]["tool_calls"][0]
    assert asked.json["finish_reason"] == "tool_calls"
    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Lund"})
    conversation = asked.json["conversation_id"]
    result = [{"role": "tool", "tool_call_id": call["id"], "content": "Rain."}]
    answered = ask(result, conversation_id=conversation, tools=[WEATHER], provider="anthropic")
    assert answered.status == 200, answered.text
    assert answered.json["message"] == {"role": "assistant", "content": "Here is what came of it: Rain.."}
    kept = functions.request("account", "GET", f"/api/conversations/{conversation}", token=token("ada")).json
    turns = [(m["role"], m["content"], "tool_calls" in m, m.get("tool_call_id")) for m in kept["messages"]]
    assert turns == [
        ("user", "What is the weather in Lund?", False, None),
        ("assistant", "", True, None),
        ("tool", "Rain.", False, call["id"]),
        ("assistant", "Here is what came of it: Rain..", False, None),
    ]
    again = ask("And now?", conversation_id=conversation, provider="google")
    assert again.status == 200, again.text
    stray = ask(result, conversation_id=conversation, tools=[WEATHER])
    assert (stray.status, stray.json["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("tool", ["closed", "optional", "bounded", "a map", "a choice", "nothing"])
def test_whatever_schema_a_tools_arguments_have_they_reach_the_provider_and_what_comes_back_fits(
    ask: Callable[..., Answer], emulator: Emulator, provider: str, tool: str
) -> None:
    city: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    place = {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]}
    parameters = {
        "closed": city | {"additionalProperties": False},
        "optional": city | {"properties": city["properties"] | {"days": {"type": "integer"}}},
        "bounded": city | {"properties": {"city": {"type": "string", "maxLength": 40}}, "additionalProperties": False},
        "a map": city | {"properties": city["properties"] | {"tags": {"type": "object"}}, "$id": "https://x.test"},
        "a choice": {"oneOf": [{"$ref": "#/$defs/city"}, place], "$defs": {"city": city}, "description": "One."},
        "nothing": {},
    }[tool]
    made = WEATHER | {"parameters": parameters, "strict": True}
    answer = ask("What is the weather in the city of Lund?", tools=[made], provider=provider, cache="off")
    assert (answer.status, answer.json.get("provider")) == (200, provider), answer.text
    arguments = json.loads(answer.json["message"]["tool_calls"][0]["arguments"])
    jsonschema.validate(arguments, parameters)
    sent = json.dumps(emulator.requests()[-1]["body"])
    enforced = {"openai": ["closed"], "anthropic": ["closed", "optional"], "google": []}[provider]
    assert ('"strict": true' in sent) is (tool in enforced)


def test_a_tools_argument_whose_name_anthropic_refuses_goes_to_another_provider_or_is_refused(
    functions: Functions, ask: Callable[..., Answer], emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = WEATHER | {"name": "odd", "parameters": {"type": "object", "properties": {"filter[id]": {"type": "string"}}}}
    answer = ask("What is the weather in Lund?", tools=[WEATHER, odd], provider="anthropic", cache="off")
    assert (answer.status, answer.json["fallback"]) == (200, True), answer.text
    called = len(emulator.requests())
    services = functions.module("chat").services
    monkeypatch.setattr(type(services), "operator_keys", property(lambda _: {"anthropic": "sk-emulated"}))
    answer = ask("What is the weather in Lund?", tools=[WEATHER, odd], provider="anthropic", cache="off")
    assert (answer.status, answer.json["code"], answer.json["keyword"]) == (400, "schema_unsupported", "properties")
    assert "filter[id]" in answer.json["detail"]
    assert len(emulator.requests()) == called


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_more_strict_tools_than_a_provider_enforces_are_still_offered(
    ask: Callable[..., Answer], emulator: Emulator, provider: str
) -> None:
    members = {f"member_{n}": {"type": "boolean"} for n in range(10)}
    optional = {"type": "object", "properties": members, "additionalProperties": False}
    full = optional | {"required": list(members)}
    tools = [WEATHER | {"name": f"tool_{n}", "parameters": (full, optional)[n % 2], "strict": True} for n in range(40)]
    answer = ask("Use tool_39.", tools=tools, provider=provider, cache="off")
    assert (answer.status, answer.json["provider"]) == (200, provider), answer.text
    assert answer.json["message"]["tool_calls"][0]["name"] == "tool_39"
    sent = json.dumps(emulator.requests()[-1]["body"])
    assert sent.count('"strict": true') == 20


# Members as they come from zod, pydantic, MCP servers and older drafts.
MEMBERS: dict[str, Any] = {
    "email": {"type": "string", "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@example\.com$"},
    "price": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$"}]},
    "letters": {"type": "string", "pattern": r"^\p{L}[\w-.]*$"},
    "text": {"type": "string", "pattern": "^[^<>]{1,5000}$"},
    "maybe": {"anyOf": [{"not": {}}, {"type": "string"}]},
    "map": {"type": "object", "propertyNames": {"pattern": "^[a-z]+$"}, "additionalProperties": {"type": "string"}},
    "headers": {"type": "object", "patternProperties": {"^x-": {"type": "string"}}},
    "pair": {"type": "array", "items": [{"type": "number"}, {"type": "number"}], "additionalItems": False},
    "list": {"type": "array"},
    "free": {"type": "object"},
    "closed": {"type": "object", "unevaluatedProperties": False},
    "never": False,
    "none": {"enum": []},
    "old": {"type": "string", "required": True},
    "positive": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
    "any": {"type": "any"},
    "user": {
        "type": "object",
        "properties": {"address": {"type": "object", "properties": {"zip": {"type": "string"}}}},
    },
    "home": {"$ref": "#/properties/user/properties/address"},
    "more": {"$ref": "#/components/schemas/More"},
}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
@pytest.mark.parametrize("strict", [False, True])
def test_a_tool_whose_schema_is_not_handled_whole_reaches_the_provider_beside_the_others(
    ask: Callable[..., Answer], emulator: Emulator, provider: str, strict: bool
) -> None:
    parameters = {
        "type": "object", "properties": MEMBERS, "required": ["email", "never"], "if": {"required": ["map"]},
        "then": {"required": ["free"]}, "components": {"schemas": {"More": {"type": "object"}}},
    }  # fmt: skip
    odd = WEATHER | {"name": "odd", "parameters": parameters, "strict": strict}
    answer = ask("What is the weather in Lund?", tools=[WEATHER, odd], provider=provider, cache="off")
    assert (answer.status, answer.json.get("provider")) == (200, provider), answer.text
    (call,) = answer.json["message"]["tool_calls"]
    assert (call["name"], json.loads(call["arguments"])) == ("weather", {"city": "Lund"})
    used = ask("Use odd.", tools=[WEATHER, odd], provider=provider, cache="off")
    assert used.json["message"]["tool_calls"][0]["name"] == "odd", used.text
    sent = json.dumps(emulator.requests()[-1]["body"])
    assert '"strict": true' not in sent
    for told in ("if: ", "patternProperties: ", "exclusiveMinimum: true", "never", "unevaluatedProperties: false"):
        assert told in sent


def test_images_and_documents_reach_the_model_and_of_them_hash_and_size_are_kept(
    functions: Functions, token: Token, ask: Callable[..., Answer], emulator: Emulator, database: Any, capfd: Any
) -> None:
    content = [
        {"type": "text", "text": "Compare these."},
        {"type": "image", "media_type": "image/png", "data": PNG},
        {"type": "document", "data": PDF, "name": "report.pdf"},
    ]
    for provider in ("openai", "anthropic", "google"):
        answer = ask([{"role": "user", "content": content}], conversation_id="new", provider=provider)
        assert answer.status == 200, answer.text
        sent = json.dumps(emulator.requests()[-1]["body"])
        assert PNG in sent
        assert PDF in sent
    conversation = answer.json["conversation_id"]
    kept = functions.request("account", "GET", f"/api/conversations/{conversation}", token=token("ada"))
    media = kept.json["messages"][0]["media"]
    assert [one["size"] for one in media] == [len(base64.b64decode(PNG)), len(base64.b64decode(PDF))]
    assert media[0]["sha256"] == hashlib.sha256(base64.b64decode(PNG)).hexdigest()
    assert ask("And in short?", conversation_id=conversation).status == 200
    assert "no longer shown" in json.dumps(emulator.requests()[-1]["body"])
    with database.connect() as owner:
        tables = owner.execute(
            "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "where c.relkind = 'r' and n.nspname in ('public', 'app')"
        ).fetchall()
        for (table,) in tables:
            dumped = str(owner.execute(f"select to_jsonb(t) from {table} t").fetchall())
            assert PNG[:40] not in dumped, table
            assert "canary-of" not in dumped, table
    written = "".join(capfd.readouterr())
    assert PNG[:40] not in written


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_tools_images_and_documents_are_seen_and_kept_as_a_users_are(
    functions: Functions, token: Token, ask: Callable[..., Answer], database: Any, provider: str
) -> None:
    camera = [WEATHER | {"name": "camera"}]
    asked = ask("Use the camera in Lund.", conversation_id="new", tools=camera, provider=provider)
    (call,) = asked.json["message"]["tool_calls"]
    conversation = asked.json["conversation_id"]
    content = [
        {"type": "text", "text": "It is dark."},
        {"type": "image", "media_type": "image/png", "data": PNG},
        {"type": "document", "data": PDF, "name": "manual.pdf"},
    ]
    result = [{"role": "tool", "tool_call_id": call["id"], "content": content, "failed": True}]
    answer = ask(result, conversation_id=conversation, tools=camera, provider=provider)
    assert answer.status == 200, answer.text
    sizes = [len(base64.b64decode(one)) for one in (PNG, PDF)]
    for seen in ("It is dark.", f"[image/png, {sizes[0]} bytes]", f"[application/pdf, {sizes[1]} bytes]"):
        assert seen in answer.json["message"]["content"]
    kept = functions.request("account", "GET", f"/api/conversations/{conversation}", token=token("ada")).json
    turn = kept["messages"][2]
    assert (turn["role"], turn["content"], turn["failed"]) == ("tool", "It is dark.", True)
    assert [one["size"] for one in turn["media"]] == sizes
    assert turn["media"][0]["sha256"] == hashlib.sha256(base64.b64decode(PNG)).hexdigest()
    for later in ("openai", "anthropic", "google"):
        assert ask("And now?", conversation_id=conversation, provider=later).status == 200
    with database.connect() as owner:
        rows = owner.execute("select to_jsonb(c)::text from ai_conversations c").fetchall()
        rows += owner.execute("select to_jsonb(r)::text from app.ai_requests r").fetchall()
    assert PNG[:40] not in str(rows)
    assert "canary-of" not in str(rows)


def test_a_tools_media_need_a_token_have_the_same_bound_and_are_all_in_the_hash(
    functions: Functions, ask: Callable[..., Answer], emulator: Emulator
) -> None:
    png = {"type": "image", "media_type": "image/png", "data": PNG}
    other = png | {"data": base64.b64encode(b"\x89PNG\r\n\x1a\nanother").decode()}
    anonymous = functions.request("chat", "POST", "/api/chat", {"messages": looked_at(png)})
    assert (anonymous.status, anonymous.json["code"]) == (401, "token_missing")
    bodies = [looked_at(png), looked_at(other), looked_at(other, failed=True), looked_at(other, png)]
    for messages in bodies:
        first = ask(messages, cache="semantic")
        assert (first.status, first.json["cache"]) == (200, "none"), first.text
    assert not [one for one in emulator.requests() if "embed" in one["path"]]
    for messages in bodies:
        assert ask(messages, cache="semantic").json["cache"] == "exact"
    largest = PNG[:-4] + "A" * (4 * 1024 * 1024 - 2000 - len(PNG))
    largest = largest[: len(largest) // 4 * 4]
    assert ask(looked_at(png | {"data": largest})).status == 200
    larger = ask(looked_at(png | {"data": largest + "A" * 2000}))
    assert (larger.status, larger.json["code"]) == (413, "body_too_large")


def test_a_tools_url_goes_to_a_provider_that_fetches_it(ask: Callable[..., Answer], emulator: Emulator) -> None:
    there = looked_at({"type": "document", "url": "https://example.org/a.pdf"})
    answer = ask(there, provider="google")
    assert (answer.status, answer.json["provider"], answer.json["fallback"]) == (200, "anthropic", True), answer.text
    assert [one["provider"] for one in emulator.requests()] == ["anthropic"]
    assert "https://example.org/a.pdf" in answer.json["message"]["content"]
    broken = looked_at({"type": "image", "media_type": "image/png", "data": PDF})
    assert ask(broken).status == 400


@pytest.mark.parametrize(
    ("provider", "part", "status"),
    [
        ("openai", {"type": "image", "url": "https://example.org/a.png"}, 200),
        ("anthropic", {"type": "image", "url": "https://example.org/a.png"}, 200),
        ("anthropic", {"type": "document", "url": "https://example.org/a.pdf"}, 200),
        ("google", {"type": "document", "url": "https://example.org/a.pdf"}, 200),
        ("openai", {"type": "document", "url": "https://example.org/a.pdf"}, 400),
        ("google", {"type": "image", "url": "https://example.org/a"}, 400),
        ("google", {"type": "image", "url": "https://example.org/a.JPG?size=large"}, 200),
        ("google", {"type": "image", "url": "https://example.org/a.gif"}, 400),
        ("google", {"type": "image", "media_type": "image/gif", "data": "R0lGODlhAQABAAAAACw="}, 400),
        ("openai", {"type": "image", "url": "http://169.254.169.254/latest"}, 400),
        ("openai", {"type": "image", "media_type": "image/jpeg", "data": PNG}, 400),
        ("openai", {"type": "image", "data": PNG}, 400),
    ],
)
def test_a_url_goes_to_providers_that_fetch_it_and_is_refused_for_others(
    functions: Functions, ask: Callable[..., Answer], emulator: Emulator, monkeypatch: pytest.MonkeyPatch,
    provider: str, part: dict[str, Any], status: int,
) -> None:  # fmt: skip
    services = functions.module("chat").services
    monkeypatch.setattr(type(services), "operator_keys", property(lambda _: {provider: "sk-emulated"}))
    answer = ask([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, part]}], provider=provider)
    assert answer.status == status, answer.text
    if status == 200 and "url" in part:
        assert part["url"] in json.dumps(emulator.requests()[-1]["body"])


def test_a_body_of_four_mebibytes_is_taken_and_a_larger_one_is_413(ask: Callable[..., Answer]) -> None:
    largest = PNG[:-4] + "A" * (4 * 1024 * 1024 - 1000 - len(PNG))
    largest = largest[: len(largest) // 4 * 4]
    assert ask(image(media_type="image/png", data=largest)).status == 200
    larger = ask(image(media_type="image/png", data=largest + "A" * 1000))
    assert (larger.status, larger.json["code"]) == (413, "body_too_large")
    assert "4096 KiB" in larger.json["detail"]
    texts = ask([{"role": "user", "content": "x" * 90_000}] * 6)
    assert (texts.status, texts.json["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"n": 2}, "n"),
        ({"tool_choice": "required"}, "no tools"),
        ({"tools": [WEATHER], "tool_choice": {"name": "other"}}, "none of the tools"),
        ({"tools": [WEATHER, WEATHER]}, "same name"),
        ({"tools": [WEATHER | {"name": "wea ther"}]}, "name"),
        ({"tools": [WEATHER | {"parameters": {"type": "array", "items": {}}}]}, '"type"'),
        ({"tools": [WEATHER | {"parameters": {"properties": {"a": {"$ref": "#/$defs/b"}}}}]}, '"$ref"'),
        (
            {"response_format": {"type": "json_schema", "schema": {"type": "object", "if": {}, "properties": {}}}},
            '"if"',
        ),
        ({"response_format": {"type": "json_schema", "schema": {"type": "array"}}}, '"type"'),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_call(
    ask: Callable[..., Answer], emulator: Emulator, body: dict[str, Any], said: str
) -> None:
    answer = ask("What is it?", **body)
    assert answer.status == 400
    assert said in answer.text.replace('\\"', '"')
    assert not emulator.requests()


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "Hi"}, {"role": "tool", "tool_call_id": "a", "content": "x"}],
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [{"id": "a", "name": "weather", "arguments": "{}"}]},
            {"role": "user", "content": "Well?"},
        ],
        [{"role": "user", "content": "  "}],
        [{"role": "user", "content": "Hi", "tool_call_id": "a"}],
        [{"role": "system", "content": [{"type": "text", "text": "x"}]}, {"role": "user", "content": "Hi"}],
    ],
)
def test_a_history_that_no_provider_takes_is_refused(
    ask: Callable[..., Answer], emulator: Emulator, messages: list[Any]
) -> None:
    assert ask(messages, tools=[WEATHER]).status == 400
    assert not emulator.requests()


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_broken_call_ends_no_history_and_no_conversation(ask: Callable[..., Answer], provider: str) -> None:
    call = {"id": "a", "name": "weather today?", "arguments": "["}
    result = {"role": "tool", "tool_call_id": "a", "content": "This is no call."}
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}, result]
    assert ask(said, tools=[WEATHER], provider=provider).status == 200
    more = {"tools": [WEATHER], "provider": provider, "conversation_id": "new", "max_tokens": 1, "cache": "off"}
    cut = ask("What is the weather in Lund?", **more)
    assert cut.json["finish_reason"] == "length", cut.text
    more |= {"conversation_id": cut.json["conversation_id"], "max_tokens": 100}
    for one in cut.json["message"].get("tool_calls", ()):
        answered = ask([result | {"tool_call_id": one["id"]}], **more)
        assert (answered.status, answered.json["message"]["content"]) == (
            200,
            "Here is what came of it: This is no call..",
        )
    assert ask("And now?", **more).status == 200


def test_prompts_with_tools_or_images_are_never_looked_for_by_meaning_and_the_hash_covers_all_of_them(
    ask: Callable[..., Answer], emulator: Emulator
) -> None:
    other = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"another" * 8).decode()
    told = [WEATHER | {"name": "clock"}]
    bodies: list[dict[str, Any]] = [
        {"messages": image(media_type="image/png", data=PNG)},
        {"messages": image(media_type="image/png", data=other)},
        {"messages": image(url="https://example.org/a.png")},
        {"messages": "What is it?", "tools": told},
        {"messages": "What is it?", "tools": told, "tool_choice": "none"},
        {"messages": "What is it?", "seed": 0},
        {"messages": "What is it?", "reasoning_effort": "low"},
        {"messages": "What is it?", "presence_penalty": 0.0},
        {"messages": "What is it?", "response_format": {"type": "json_object"}},
    ]
    for body in bodies:
        first = ask(cache="semantic", **body)
        assert (first.status, first.json["cache"]) == (200, "none"), first.text
    embedded = [one for one in emulator.requests() if "embed" in one["path"]]
    assert len(embedded) <= 4  # none of tools and images
    for body in bodies:
        assert ask(cache="semantic", **body).json["cache"] == "exact"


def test_what_the_provider_read_from_its_cache_is_in_usage_and_ledger(
    ask: Callable[..., Answer], database: Any
) -> None:
    turns = [
        {"role": "system", "content": "Rules. " * 300, "cache": "1h"},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "Well?", "cache": "5m"},
    ]
    answer = ask(turns, provider="anthropic", cache="off")
    assert answer.json["usage"]["cached_input_tokens"] > 500
    first = ask(turns[:2], provider="anthropic", cache="off")
    assert first.json["usage"]["cache_write_tokens"] > 500
    with database.connect() as owner:
        rows = owner.execute("select tokens_cached, tokens_cache_write from ai_usage order by created_at").fetchall()
    assert [tuple(map(bool, row)) for row in rows] == [(True, False), (False, True)]
