"""A request as a provider and its model take it, and what of it had to be changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from parley.core.provider_names import ProviderName
from parley.providers.protocol import Message

if TYPE_CHECKING:
    from parley.providers.catalogue import Model
    from parley.providers.protocol import CompletionRequest

# The members of a caller's request that can be changed.
Adjustable = Literal["temperature", "top_p", "max_tokens"]

_HOTTEST_CLAUDE = 1.0
# What the user says before an assistant who spoke first, a greeting for instance.
_SILENCE = "."


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
    cut_at = tuple(stop for stop in request.stop if not _stops(provider, samples, stop))
    fitted_request = replace(
        request,
        temperature=temperature,
        top_p=top_p,
        max_output_tokens=most,
        stop=tuple(stop for stop in request.stop if stop not in cut_at),
        cut_at=cut_at,
    )
    return fitted_request, tuple(adjusted)


def dialogue(messages: Sequence[Message]) -> tuple[list[str], list[Message]]:
    """The system's texts, and the turns, as Claude and Gemini take them: nothing of white space alone, user and
    assistant by turns, the user first.
    """
    told = [message for message in messages if message.content.strip()]
    turns: list[Message] = []
    for message in told:
        if message.role == "system":
            continue
        if not turns and message.role == "assistant":
            turns.append(Message("user", _SILENCE))
        if turns and turns[-1].role == message.role:
            turns[-1] = Message(message.role, f"{turns[-1].content}\n\n{message.content}")
        else:
            turns.append(message)
    return [message.content for message in told if message.role == "system"], turns


def keeps_form(request: CompletionRequest, known: Model | None) -> bool:
    """Whether the model can give the answer the form that is asked for, where one is."""
    return request.schema is None or known is None or "structured_output" in known.capabilities


def _sampling(request: CompletionRequest) -> dict[Adjustable, float | None]:
    return {"temperature": request.temperature, "top_p": request.top_p}


def _stops(provider: ProviderName, samples: bool, stop: str) -> bool:
    """Whether the provider takes it: Claude no stop sequence of white space alone, OpenAI's reasoning models none."""
    if provider == "anthropic":
        return not stop.isspace()
    return samples or provider != "openai"
