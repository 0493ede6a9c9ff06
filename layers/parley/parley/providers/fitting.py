"""A request as a provider and its model take it, and what of it had to be changed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from parley.core.errors import Problem
from parley.core.provider_names import ProviderName
from parley.providers.errors import ProviderError
from parley.providers.protocol import Message

if TYPE_CHECKING:
    from parley.providers.catalogue import Model
    from parley.providers.protocol import Completion, CompletionRequest, Media, ReasoningEffort, ToolDefinition, ToolUse

# The members of a caller's request that can be changed.
Adjustable = Literal[
    "temperature", "top_p", "max_tokens", "reasoning_effort", "seed", "frequency_penalty", "presence_penalty"
]

_HOTTEST_CLAUDE = 1.0
# The most stop sequences that OpenAI takes; Gemini takes one more.
_MOST_STOPS = 4
# What each provider takes in place of an effort that it does not have.
_EFFORTS: dict[ProviderName, dict[ReasoningEffort, ReasoningEffort]] = {
    "openai": {"minimal": "low", "max": "xhigh"},
    "anthropic": {"none": "low", "minimal": "low"},
    "google": {"none": "minimal", "xhigh": "high", "max": "high"},
}
# What the user says before an assistant who spoke first, a greeting for instance.
_SILENCE = "."
# What Anthropic takes for the name of a tool's argument.
_MEMBER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_JSON_ALONE = "Answer with one JSON object and nothing else: no fence, no words around it."


def fitted(
    request: CompletionRequest, provider: ProviderName, known: Model | None
) -> tuple[CompletionRequest, tuple[Adjustable, ...]]:
    """The request with what the model takes, and the members that were lowered or left out.

    A stop sequence that the provider does not take is not lost: the adapter ends the text there.

    Args:
        known: the model; None for one that the catalogue does not have, which is taken to sample.
    """
    adjusted: dict[Adjustable, None] = {}
    temperature, top_p = request.temperature, request.top_p
    samples = known is None or "sampling" in known.capabilities
    if not samples:
        adjusted |= {name: None for name, value in _sampling(request).items() if value is not None}
        temperature = top_p = None
    elif provider == "anthropic":
        if temperature is not None and temperature > _HOTTEST_CLAUDE:
            temperature = _HOTTEST_CLAUDE
            adjusted["temperature"] = None
        # Claude takes either of the two.
        if temperature is not None and top_p is not None:
            top_p = None
            adjusted["top_p"] = None
    most = request.max_output_tokens
    if known is not None and known.max_output_tokens is not None and most > known.max_output_tokens:
        most = known.max_output_tokens
        adjusted["max_tokens"] = None
    steering = _steering(request, provider, known)
    adjusted |= {name: None for name in steering if getattr(request, name) is not None}
    stops = [stop for stop in request.stop if _stops(provider, samples, stop)][:_MOST_STOPS]
    fitted_request = replace(
        request,
        **steering,
        temperature=temperature,
        top_p=top_p,
        max_output_tokens=most,
        stop=tuple(stops),
        cut_at=tuple(stop for stop in request.stop if stop not in stops),
    )
    if fitted_request.must_fit:
        fitted_request = _formed(fitted_request, provider)
    if request.tools is not None:
        fitted_request = replace(fitted_request, tools=_tools(request.tools, fitted_request, provider))
    return fitted_request, tuple(adjusted)


def dialogue(messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
    """The system's messages, and the turns, as Claude and Gemini take them: nothing of white space alone, the user
    first. Neighbours of one role are one turn where both are text alone; a `tool` message is a part of the user's turn.
    """
    told = [message for message in messages if message.content.strip() or not is_text(message)]
    turns: list[Message] = []
    for message in told:
        if message.role == "system":
            continue
        if not turns and message.role == "assistant":
            turns.append(Message("user", _SILENCE))
        if turns and turns[-1].role == message.role and is_text(message) and is_text(turns[-1]):
            text = f"{turns[-1].content}\n\n{message.content}"
            turns[-1] = Message(message.role, text, cache=message.cache)
        else:
            turns.append(message)
    return [message for message in told if message.role == "system"], turns


def is_text(message: Message) -> bool:
    """Whether a message is text and nothing else."""
    return not message.parts and not message.tool_calls and message.role != "tool"


def unmet_by(request: CompletionRequest, provider: ProviderName, known: Model | None) -> Problem | None:
    """Why the model cannot answer the request in the form that is asked for, or does not take what it holds; None where
    it can.
    """
    if request.schema is not None or request.tools is not None:
        from parley.providers.json_schema.keywords import UnsupportedSchema
        from parley.providers.json_schema.subsets import for_provider
    if request.schema is not None:
        if known is not None and "structured_output" not in known.capabilities:
            return Problem("unsupported", "The model has no structured output.", status=400)
        if request.must_fit:
            try:
                for_provider(request.schema, provider)
            except UnsupportedSchema as error:
                return error.problem("response_format.schema")
    if request.tools is not None and provider == "anthropic":
        for number, tool in enumerate(request.tools.definitions):
            if (member := _refused_member(tool)) is not None:
                unfit = UnsupportedSchema("properties", [], f"has a name that Anthropic does not take: {member!r:.80}")
                return unfit.problem(f"tools.{number}.parameters")
    for message in request.messages:
        for part in message.parts:
            if not isinstance(part, str) and (reason := _refused(part, provider, message.role)):
                return Problem("unsupported", reason, status=400)
    return None


def _refused_member(tool: ToolDefinition) -> str | None:
    """A name of a tool's argument that Anthropic refuses: it looks at those of the root alone
    (aws-solutions-library-samples/accelerated-intelligent-document-processing-on-aws#709).
    """
    from parley.providers.json_schema.subsets import for_tool

    if tool.parameters is None:
        return None
    members = for_tool(tool.parameters, "anthropic", strict=False)[0].get("properties", {})
    return next((name for name in members if not _MEMBER.fullmatch(name)), None)


def _refused(media: Media, provider: ProviderName, role: str) -> str | None:
    """Why a provider does not take an image or a PDF in a message of this role."""
    if media.url is not None:
        if provider == "google" and role == "tool":
            return "Google fetches nothing from a URL for a tool's result. Send its data."
        if provider == "openai" and media.kind == "document":
            return "OpenAI fetches no PDF from a URL, and neither does this service. Send its data."
        if provider == "google" and media.media_type is None:
            return "Google fetches an image only where its media_type is given, or its URL ends with one (.png)."
    if provider == "google" and media.media_type == "image/gif":
        return "Google takes no GIF. Send a PNG, a JPEG or a WebP."
    return None


def _formed(request: CompletionRequest, provider: ProviderName) -> CompletionRequest:
    """The request with the form of its answer as the provider takes it."""
    if request.schema is not None:
        from parley.providers.json_schema.subsets import for_provider

        schema, exact = for_provider(request.schema, provider)
        return replace(request, schema=schema, may_not_fit=not exact)
    if request.json_object and provider != "google":
        # Anthropic has no such mode. OpenAI refuses its own where nothing says "JSON":
        # https://platform.openai.com/docs/guides/structured-outputs#json-mode
        has_mode = provider == "openai"
        if not has_mode or not any("json" in message.content.lower() for message in request.messages):
            messages = [Message("system", _JSON_ALONE), *request.messages]
            return replace(request, messages=messages, may_not_fit=not has_mode)
    return request


def _tools(tools: ToolUse, request: CompletionRequest, provider: ProviderName) -> ToolUse:
    """The tools with names and arguments as the provider takes them: strict as many of them, in their order, as it
    enforces beside the form of the answer.
    """
    from parley.providers.json_schema.subsets import MOST_STRICT_TOOLS, beyond_limits, for_tool
    from parley.providers.tool_calls import with_names_for

    definitions: list[ToolDefinition] = []
    enforced = [] if request.schema is None or not request.must_fit else [request.schema]
    for tool in tools.definitions:
        if tool.parameters is not None:
            parameters, strict = for_tool(tool.parameters, provider, strict=tool.strict)
            if strict and provider == "anthropic":
                many = sum(one.strict for one in definitions) >= MOST_STRICT_TOOLS
                if many or beyond_limits([*enforced, parameters], provider):
                    parameters, strict = for_tool(tool.parameters, provider, strict=False)
                else:
                    enforced.append(parameters)
            tool = tool._replace(parameters=parameters, strict=strict)
        definitions.append(tool)
    return with_names_for(tools._replace(definitions=definitions), provider)


def fitting_answer(provider: ProviderName, request: CompletionRequest, completion: Completion) -> Completion:
    """The answer in the form that was asked for. One that was cut off, refused or calls tools has none.

    Raises ProviderError, with the usage, for any other that does not fit.
    """
    if completion.finish_reason != "stop":
        return completion
    from parley.providers.json_schema.answers import answer_that_fits
    from parley.providers.json_schema.values import from_json

    try:
        if request.schema is not None:
            text = answer_that_fits(completion.text, request.schema)
        else:
            text = _fenced(completion.text)
            if not isinstance(from_json(text), dict):
                raise ValueError("no object")
    except (ValueError, OverflowError, RecursionError) as error:
        raise ProviderError(
            provider,
            "no_answer",
            upstream_status=200,
            upstream_code="invalid_structured_output",
            usage=completion.usage,
            model=completion.model,
        ) from error
    return replace(completion, text=text)


def _fenced(text: str) -> str:
    """What stands in a Markdown fence where the text is one."""
    lines = text.strip().splitlines()
    return "\n".join(lines[1:-1]) if len(lines) > 2 and lines[0].startswith("```") and lines[-1] == "```" else text


def _sampling(request: CompletionRequest) -> dict[Adjustable, float | None]:
    return {"temperature": request.temperature, "top_p": request.top_p}


def _steering(request: CompletionRequest, provider: ProviderName, known: Model | None) -> dict[Adjustable, Any]:
    """Effort, seed and penalties as the model takes them: those that change, None where it takes none.

    OpenAI's reasoning models refuse penalties (oracle/ai-optimizer#240), some efforts (mnfst/modelparams.dev#236), and
    tools in chat completions unless the effort is `none`, also where none is sent (onyx-dot-app/onyx#15008,
    livekit/agents#7169). Gemini refuses penalties (google-gemini/cookbook#1290), and Claude has neither penalties nor a
    seed; its models that still sample take no effort. A model of OpenAI's that the catalogue does not have is sent what
    was asked.
    """
    samples = known is None or "sampling" in known.capabilities
    wanted: dict[Adjustable, Any] = {}
    if provider != "openai" or not samples:
        wanted = {"frequency_penalty": None, "presence_penalty": None}
        if request.reasoning_effort is not None:
            wanted["reasoning_effort"] = _EFFORTS[provider].get(request.reasoning_effort, request.reasoning_effort)
    if provider == "openai" and not samples and request.tools is not None:
        wanted["reasoning_effort"] = "none"
    if provider == "anthropic":
        wanted["seed"] = None
        if known is not None and samples:
            wanted["reasoning_effort"] = None
    return {name: value for name, value in wanted.items() if value != getattr(request, name)}


def _stops(provider: ProviderName, samples: bool, stop: str) -> bool:
    """Whether the provider takes it: Claude no stop sequence of white space alone, OpenAI's reasoning models none."""
    if provider == "anthropic":
        return not stop.isspace()
    return samples or provider != "openai"
