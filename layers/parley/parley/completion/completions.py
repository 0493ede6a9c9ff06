"""The way to a model: admit the request, look in the caches, and hand out the call.

`Completions.admit` is the only way. A call costs two round trips to the database: three with a semantic lookup, or with
passages that are found for it; one where an FAQ, a cached or a replayed answer serves. No connection is held while a
model thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from parley.admission.held_request import Admission
from parley.admission.records import AdmittedModelCall, ModelCallRequest
from parley.admission.refusals import refusal
from parley.completion.cache import SemanticCache, cache_mode, prompt_hash
from parley.completion.call import ModelCall, embedding_tokens
from parley.completion.history import CHARACTERS_PER_TOKEN
from parley.completion.operator_models import OperatorModels
from parley.completion.prompt import CacheMode, Prompt
from parley.completion.routing import Router
from parley.core.caller import RequestContext
from parley.core.config import Settings
from parley.core.errors import Problem
from parley.core.observability import logger
from parley.core.provider_names import ProviderName
from parley.own_keys.cipher import KeyCipher
from parley.providers.catalogue import Catalogue

if TYPE_CHECKING:
    from parley.embedding.embedder import Embedder

_TOOL_HISTORY = 8  # times the usual history


@dataclass(frozen=True, slots=True)
class Completions:
    """Admits model calls.

    Args:
        embedder: gives what embeds a question, for the semantic cache.
        operator_keys: the operator's own provider keys, resolved at first use.
    """

    admission: Admission
    router: Router
    embedder: Callable[[], Embedder]
    semantic_cache: SemanticCache
    key_cipher: KeyCipher
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    catalogue: Catalogue
    settings: Settings

    def admit(self, context: RequestContext, prompt: Prompt) -> ModelCall:
        """Admit `prompt` and hold its unit; the call is a context manager that gives back what was not settled.

        Raises Problem where the request is refused. At the limit one that rests on passages is not yet, where a cached
        answer may serve: `refuse_unanswered` is for when they were found.
        """
        caller = context.caller
        if caller.is_service:
            raise Problem("user_required", "This acts for one user; call it with a user's token.", status=403)
        deadline = self.admission.deadline(context)
        self.key_cipher.forget_expired()
        operator_models = OperatorModels(self.catalogue, self.settings)
        operator_models.check(caller, prompt)
        mode = cache_mode(caller, prompt)
        exact_hash = None if mode == "off" else prompt_hash(prompt)
        request = ModelCallRequest(
            operation=prompt.operation,
            provider=self._provider_asked_for(prompt),
            model=prompt.model,
            offered_models=operator_models.instead_of(caller, prompt),
            default_provider=self.settings.default_provider,
            default_models=self.catalogue.default_chat_models(),
            message=prompt.faq_text if prompt.conversation_id is None else None,
            prompt_hash=exact_hash,
            cache_scope=prompt.cache_scope,
            conversation_id=prompt.conversation_id,
            question_tokens=_question_tokens(prompt, mode),
            daily_free_writes=self.settings.daily_free_writes,
            takes_unit=prompt.takes_unit,
            is_grounded=prompt.grounding is not None,
            history_characters=self._history_characters(prompt),
        )
        admitted = self.admission.admit_model_call(context, request, deadline, needs_database=prompt.keeps_turns)
        if admitted.outcome == "admitted" and not admitted.offline:
            self.key_cipher.confirm(admitted.caller, admitted.own_keys)
        if admitted.provider_source in ("user", "organization"):
            logger.info(f"API: Using DB preference: {admitted.provider_spelling or admitted.provider}")
        call = ModelCall(
            self.admission,
            context,
            admitted,
            prompt,
            deadline,
            router=self.router,
            keys=partial(self._keys, admitted),
            default_spelling=self.settings.default_spelling,
            prompt_hash=exact_hash,
            models=operator_models.offered(caller) if prompt.cheapest else (),
            history_tokens=self.settings.history_tokens,
        )
        if admitted.tier != "byok" and (unoffered := operator_models.unoffered_fallback(caller, prompt)) is not None:
            with call:
                raise refusal(unoffered)
        if mode == "semantic":
            call.look_in_semantic_cache(self.embedder(), self.semantic_cache)
        if prompt.grounding is None:
            call.refuse_unanswered()
        return call

    def _history_characters(self, prompt: Prompt) -> int:
        """How much of its conversation is read. Where the prompt is a tool's result, all since the user's last turn has
        to be there: as much as may be sent at once.
        """
        if prompt.conversation_id is None:
            return 0
        answers_calls = any(message.role == "tool" for message in prompt.messages)
        tokens = self.settings.history_tokens
        return (tokens * _TOOL_HISTORY if answers_calls else tokens) * CHARACTERS_PER_TOKEN

    def _keys(self, admitted: AdmittedModelCall) -> Mapping[ProviderName, str]:
        """The keys to call with: the caller's own for byok, which is never called with an operator's."""
        if admitted.tier != "byok":
            return self.operator_keys()
        if admitted.offline:
            return self.key_cipher.remembered(admitted.caller)
        return self.key_cipher.reveal(admitted.caller, admitted.own_keys)

    def _provider_asked_for(self, prompt: Prompt) -> ProviderName | Literal["auto"] | None:
        """The provider the request names; a model that it names instead says whose it is."""
        if prompt.model is not None and prompt.provider in (None, "auto"):
            known = self.catalogue.find(prompt.model)
            return known.provider if known else prompt.provider
        return prompt.provider


def _question_tokens(prompt: Prompt, mode: CacheMode) -> int | None:
    """What looking for a stored answer takes, where that cannot be told before."""
    if mode == "off" or (mode == "exact" and prompt.grounding is None):
        return None
    if prompt.grounding is None:
        return embedding_tokens(prompt.messages[-1].content)
    return 0 if prompt.grounding["mode"] == "keyword" else embedding_tokens(prompt.grounding["query"])
