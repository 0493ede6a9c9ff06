"""What may be asked with the operator's key, which a unit alone does not bound: it counts calls, not money."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from parley.completion.prompt import Prompt
from parley.core.caller import Caller
from parley.core.config import Settings
from parley.core.errors import Problem
from parley.own_keys.cipher import looks_like_a_key
from parley.providers.catalogue import Catalogue

# Segments of letters, digits and a few signs: nothing that has a meaning of its own in a URL, whose path some
# providers want a model's name in.
_MODEL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9:@+-]|[._](?!\.))*(?:/[A-Za-z0-9](?:[A-Za-z0-9:@+-]|[._](?!\.))*)*")

_LARGEST_TEXT = 512 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class OperatorModels:
    """The models that callers may name, and how much a caller without a token may ask."""

    catalogue: Catalogue
    settings: Settings

    def check(self, caller: Caller, prompt: Prompt) -> None:
        """Raises Problem (400) for a name that no model has, and for what is too much without a token."""
        for model in (prompt.model, *(model for _, model in prompt.fallbacks)):
            if model is not None and looks_like_a_key(model):
                raise Problem("invalid_model", "This takes the name of a model, not a key.", status=400, param="model")
            if model is not None and not _MODEL_NAME.fullmatch(model):
                raise Problem(
                    "invalid_model",
                    "A model's name has letters, digits and . _ : @ + - only, also after a slash.",
                    status=400,
                    param="model",
                )
        told = _told(prompt)
        if sum(map(len, told)) > _LARGEST_TEXT // 4 and sum(len(text.encode()) for text in told) > _LARGEST_TEXT:
            raise Problem(
                "body_too_large",
                f"Beside its images and documents, a prompt may have at most {_LARGEST_TEXT // 1024} KiB.",
                status=413,
            )
        if caller.is_user:
            return
        most_characters, most_tokens = self.settings.anonymous_characters, self.settings.anonymous_tokens
        characters = sum(map(len, told))
        if characters > most_characters or prompt.max_output_tokens > most_tokens:
            raise Problem(
                "request_too_large",
                f"Without a token a prompt has at most {most_characters} characters and an answer at most "
                f"{most_tokens} tokens; this asks for {characters} and {prompt.max_output_tokens}. "
                "Shorten it, ask for less, or sign in.",
                status=400,
            )

    def instead_of(self, caller: Caller, prompt: Prompt) -> list[str] | None:
        """The models that the caller may name; None where the prompt's is one of them, or where it names none."""
        return None if prompt.model is None else self._instead_of(caller, prompt.provider, prompt.model)

    def unoffered_fallback(self, caller: Caller, prompt: Prompt) -> dict[str, Any] | None:
        """The first of the prompt's fallbacks that the caller may not name, as begin_request refuses a model."""
        for provider, model in prompt.fallbacks:
            if (offered := self._instead_of(caller, provider, model)) is not None:
                names = {"provider": provider or "any provider", "model": model, "offered_models": offered}
                return {"outcome": "model_not_offered", **names}
        return None

    def _instead_of(self, caller: Caller, provider: str | None, model: str) -> list[str] | None:
        offered = [one for one in self.offered(caller) if self._may_be_at(provider, one)]
        known = self.catalogue.find(model)
        names = {name.lower() for name in offered}
        return None if model.lower() in names or (known is not None and known.id.lower() in names) else offered

    def _may_be_at(self, provider: str | None, model: str) -> bool:
        """Whether the model may be one of the provider that is asked for; of one that is not known, nothing is said."""
        known = self.catalogue.find(model)
        return provider in (None, "auto") or known is None or known.provider == provider

    def offered(self, caller: Caller) -> list[str]:
        """The operator's list, or the catalogue's chat models; without a token a list of its own, or the defaults
        alone. A default is always among them: it is what answers where nobody names a model.
        """
        defaults = list(self.catalogue.default_chat_models().values())
        if not caller.is_user:
            listed = list(self.settings.anonymous_models)
        else:
            listed = list(self.settings.models) or [model.id for model in self.catalogue.models("chat")]
        return list(dict.fromkeys([*defaults, *listed]))


def _told(prompt: Prompt) -> list[str]:
    """Everything that a prompt tells a model beside media, as text."""
    told = [message.content for message in prompt.messages]
    told += [call.arguments for message in prompt.messages for call in message.tool_calls]
    shown = [tool.parameters for tool in prompt.tools.definitions] if prompt.tools is not None else []
    # Our own schemas are not the caller's to bear.
    asked_for = prompt.schema if prompt.must_fit else None
    told += [tool.description or "" for tool in prompt.tools.definitions] if prompt.tools is not None else []
    told += [json.dumps(part, ensure_ascii=False) for part in (prompt.context, asked_for, *shown) if part]
    return told
