"""Cached answers: whether an answer may be cached, under which hash, and the search for one to an equivalent question.

`cache_mode` decides before a model is asked, `cache_entry` once it has answered.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from parley.admission.records import CacheEntry, LedgerEntry, SemanticKey, StoredAnswer
from parley.completion.prompt import CacheMode, Prompt
from parley.core.caller import Caller
from parley.core.provider_names import ProviderName
from parley.database.connection import Database
from parley.database.values import Vector
from parley.providers.fitting import is_text
from parley.providers.protocol import Completion, Embeddings, Message

_HASH_VERSION = 2  # changes when what shapes an answer changes
# Members of a prompt that most have not.
_SHAPING = (
    "json_object",
    "must_fit",
    "tools",
    "reasoning_effort",
    "seed",
    "frequency_penalty",
    "presence_penalty",
)
_TTL_SECONDS = 24 * 3600
# Stored questions below this cosine are not looked at; a fourth one never served where the first three did not.
_LEAST_COSINE = 0.8
_NEIGHBOURS = 3


def cache_mode(caller: Caller, prompt: Prompt) -> CacheMode:
    """How an answer to this prompt is looked for in the cache; `off`: it must neither come from there nor go into it.

    A conversation is never cached, nor is an answer to a caller without a token. An equivalent question is looked for
    only where this one stands alone: what was said before, or found for it, decides what its answer is.
    """
    if prompt.cache_mode == "off" or prompt.keeps_turns or not caller.is_user:
        return "off"
    alone = sum(message.role != "system" for message in prompt.messages) == 1 and not prompt.messages[-1].parts
    plain = prompt.tools is None and prompt.context is None and prompt.grounding is None
    return prompt.cache_mode if alone and plain else "exact"


def _shape(message: Message) -> list[Any]:
    """What of a message shapes the answer."""
    if is_text(message):
        return [message.role, message.content]
    more = asdict(message)
    del more["cache"]
    return [message.role, more]


def prompt_hash(prompt: Prompt, *, with_text: bool = True) -> str:
    """Hex SHA-256 over every parameter that shapes the answer; provider and model are added by the database.

    Args:
        with_text: False leaves the last message out: what must be equal for an equivalent question.
    """
    messages = prompt.messages if with_text else prompt.messages[:-1]
    shape = {
        "version": _HASH_VERSION,
        "operation": prompt.operation,
        "messages": [_shape(message) for message in messages],
        "context": prompt.context,
        "grounding": prompt.grounding,
        "max_output_tokens": prompt.max_output_tokens,
        "temperature": prompt.temperature,
        "top_p": prompt.top_p,
        "stop": list(prompt.stop),
        "schema": prompt.schema,
        "pinned": [prompt.provider, prompt.model],
    }
    for name in _SHAPING:
        if (value := getattr(prompt, name)) is not None and value is not False:
            shape[name] = value
    return hashlib.sha256(json.dumps(shape, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SemanticCache:
    """Finds the answer to an equivalent question in the caller's tenant."""

    database: Database

    def find(
        self, caller: Caller, prompt: Prompt, provider: ProviderName, model: str, embedded: Embeddings
    ) -> StoredAnswer | None:
        """The stored answer that was asked of `provider` and `model`, or None. One round trip.

        The prompt's own threshold raises the default; a lower one is ignored.
        """
        query = {
            "scope": prompt.cache_scope,
            "parameters_hash": prompt_hash(prompt, with_text=False),
            "provider": provider,
            "model": model,
            "embedding_model": embedded.model,
            "threshold": _LEAST_COSINE,
            "limit": _NEIGHBOURS,
        }
        found = self.database.call(
            "select app.find_semantic_answer(%s, %s, app.pad_embedding(%s))",
            (caller.claims, query, Vector(embedded.vectors[0])),
            idempotent=True,
        )
        from parley.completion import equivalence  # its word lists take milliseconds to read: only for a lookup

        least = max(equivalence.DEFAULT_THRESHOLD, prompt.least_similarity or 0.0)
        question = prompt.messages[-1].content
        for answer in found:
            if equivalence.score(question, answer["message"], answer["similarity"]) >= least:
                return StoredAnswer("semantic", answer["text"], answer["provider"], answer["model"])
        return None


def cache_entry(
    prompt: Prompt,
    exact_hash: str,
    asked: tuple[ProviderName, str],
    call: LedgerEntry,
    completion: Completion,
    embedded: Embeddings | None,
    passages: str | None,
) -> CacheEntry | None:
    """What is stored so that the answer serves the same prompt again, or an equivalent one where it was embedded.

    Only a finished answer is. It is filed under the provider and model that were asked for, where the next lookup will
    look. None where others answered in their place: they would go on answering when those are back. With `auto` any
    provider's answer serves, and the answer names it. None also where passages were to be found and could not be.

    Args:
        asked: provider and model.
        call: the one that gave the answer.
        passages: the fingerprint of those that the answer was made from.
    """
    answered_by = (call.provider, call.model)
    if completion.finish_reason != "stop" or not completion.text:
        return None
    if prompt.provider != "auto" and answered_by != asked:
        return None
    if prompt.grounding is not None and passages is None:
        return None
    semantic_key = None
    if embedded is not None:
        semantic_key = SemanticKey(
            parameters_hash=prompt_hash(prompt, with_text=False),
            message=prompt.messages[-1].content,
            embedding=embedded.vectors[0],
            embedding_model=embedded.model,
        )
    provider, model = asked
    return CacheEntry(
        prompt_hash=exact_hash,
        provider=provider,
        model=model,
        answered_by=answered_by,
        scope=prompt.cache_scope,
        ttl_seconds=_TTL_SECONDS,
        text=completion.text,
        tokens=0 if call.usage is None else call.usage.total_tokens,
        semantic_key=semantic_key,
        passages=passages,
    )
