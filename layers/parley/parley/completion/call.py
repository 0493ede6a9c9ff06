"""One model call, from its admission to its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import takewhile
from typing import TYPE_CHECKING, Any, TypeVar, cast

from parley.admission.held_request import Admission, HeldRequest
from parley.admission.quota import Quota
from parley.admission.records import AdmittedModelCall, CacheEntry, Conversation, LedgerEntry, StoredAnswer
from parley.admission.requests import semantic_reply
from parley.completion.cache import SemanticCache, cache_entry
from parley.completion.history import fit, message_tokens, told, tools_tokens
from parley.completion.prompt import Prompt, context_message
from parley.completion.routing import Candidate, Plan, Router
from parley.core.caller import RequestContext
from parley.core.errors import Problem
from parley.core.fields import LONGEST_TEXT, CallUsage, ProviderSource
from parley.core.observability import log_fault, logger
from parley.core.provider_names import ProviderName
from parley.database.errors import DatabaseUnavailable
from parley.providers.errors import ProviderError
from parley.providers.fitting import Adjustable
from parley.providers.protocol import Completion, CompletionRequest, Delta, Embeddings, Message, Passage

if TYPE_CHECKING:
    from parley.completion.structured import InvalidAnswer
    from parley.embedding.embedder import Embedder

_Read = TypeVar("_Read")
_LOOKUP_SECONDS = 2.0  # a semantic lookup that takes longer is not worth what it may save


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What a service hands its handler of a request that a model, or something in its place, answered.

    Attributes:
        body: the answer, JSON values.
        quota: the caller's, with this request counted.
        degraded: whether the database was away.
        replayed: whether the body repeats an earlier request's with this idempotency key.
    """

    body: Mapping[str, Any]
    quota: Quota
    degraded: bool
    replayed: bool


class ModelCall(HeldRequest):
    """An admitted model call. `replay` or `stored_answer` serves it, or `complete`/`stream` and then `settle` do.

    Args:
        keys: gives the keys to call with, by provider.
        default_spelling: the deployment's default provider, as the operator spelled it.
        prompt_hash: what the exact cache finds the answer by; None keeps it out of both caches.
        models: those that the caller may be given where the choice is the router's.
        history_tokens: how much of its conversation a model is told at most.

    Attributes:
        stored_answer: an FAQ or a cached answer; no model is needed then.
        passages_told: how many of the passages the model that was asked last was told: the first ones.
        turns_left_out: how many turns of the conversation the model that was asked last was not told.
    """

    def __init__(
        self,
        admission: Admission,
        context: RequestContext,
        admitted: AdmittedModelCall,
        prompt: Prompt,
        deadline: float,
        *,
        router: Router,
        keys: Callable[[], Mapping[ProviderName, str]],
        default_spelling: str,
        prompt_hash: str | None,
        models: Sequence[str],
        history_tokens: int,
    ) -> None:
        super().__init__(admission, context, admitted, prompt.operation, deadline, own_key=admitted.tier == "byok")
        self.stored_answer: StoredAnswer | None = admitted.stored_answer
        self._route = admitted
        self._prompt = prompt
        self._router = router
        self._keys = keys
        self._default_spelling = default_spelling
        self._prompt_hash = prompt_hash
        self._models = models
        self._history_tokens = history_tokens
        self.turns_left_out = 0
        self.passages_told = 0
        self._passages: Sequence[Passage] | None = None
        self._fingerprint: str | None = None
        self._question: Embeddings | None = None
        self._chosen = Candidate(admitted.provider, admitted.model)

    @property
    def provider(self) -> ProviderName:
        """The provider that was asked for: by the request, the user, the organization or the deployment."""
        return self._route.provider

    @property
    def provider_source(self) -> ProviderSource:
        """Where that choice comes from (docs/database-contract.md); `faq` where one served before any."""
        return cast("ProviderSource", self._route.provider_source)

    @property
    def provider_spelling(self) -> str:
        """`provider`, as the saved preference or the deployment spells it (`gemini`)."""
        if self._route.provider_source == "environment":
            return self._default_spelling
        return self._route.provider_spelling or self._route.provider

    @property
    def model(self) -> str:
        """The model that was asked for; empty where that was not needed."""
        return self._route.model

    @property
    def conversation(self) -> Conversation | None:
        """The existing conversation that the prompt names."""
        return self._route.conversation

    @property
    def answered_by(self) -> LedgerEntry | None:
        """The last upstream call that used tokens: the one that gave the answer, where there is one."""
        return self._ledger[-1] if self._ledger else None

    @property
    def fell_back(self) -> bool:
        """Whether another provider answered than the one that was asked for, or that `auto` chose; of a list of models,
        whether it was not the first.
        """
        answered = self.answered_by
        if answered is None:
            return False
        other = bool(self._prompt.fallbacks) and answered.model != self._chosen.model
        return other or answered.provider != self._chosen.provider

    @property
    def adjusted(self) -> list[Adjustable]:
        """The members of the request that the model which answered does not take as they were."""
        return list(self._attempts[-1].adjusted) if self._attempts else []

    @property
    def usage(self) -> CallUsage | None:
        """What all calls of this request used together; None where a provider reported nothing."""
        used = [entry.usage for entry in self._ledger if entry.usage is not None]
        if not used or len(used) < len(self._ledger):
            return None
        costs = [entry.cost for entry in self._ledger]
        known = [cost for cost in costs if cost is not None]
        return {
            "input_tokens": sum(usage.prompt_tokens for usage in used),
            "output_tokens": sum(usage.output_tokens for usage in used),
            "cached_input_tokens": sum(usage.cached_input_tokens for usage in used),
            "cache_write_tokens": sum(usage.cache_write_5m_tokens + usage.cache_write_1h_tokens for usage in used),
            "reasoning_tokens": sum(usage.reasoning_tokens for usage in used),
            "cost_usd": format(sum(known, Decimal()), "f") if len(known) == len(costs) else None,
        }

    @property
    def is_at_limit(self) -> bool:
        """Whether no model may be called: a stored answer alone may serve."""
        return self._route.refusal is not None

    def refuse_unanswered(self) -> None:
        """At the limit, raise the Problem (429) that says so where no stored answer serves."""
        if self._route.refusal is not None and self.stored_answer is None:
            with self:
                raise self._route.refusal

    def look_in_semantic_cache(self, embedder: Embedder, semantic_cache: SemanticCache) -> None:
        """Set `stored_answer` where an equivalent question has one, and settle without the unit.

        A lookup that fails is a miss, as is one beyond the day's tokens or against the organization's policy: the
        caller asked a question, not for a cache.
        Raises Problem (409) as `settle` does.
        """
        if self._finished or self.degraded or self._prompt_hash is None:
            return
        answer: StoredAnswer | None = None
        try:
            question = self._prompt.messages[-1].content
            self._question = self.embed(embedder, question, self._keys(), own_key=self._own_key)
            if self._question is None:
                return
            answer = semantic_cache.find(self.caller, self._prompt, self.provider, self.model, self._question)
        except (ProviderError, Problem, DatabaseUnavailable) as error:
            logger.warning("semantic lookup failed", error_type=type(error).__name__)
        except Exception as error:
            log_fault("semantic lookup failed", error)
        if answer is None:
            return
        self.stored_answer = answer
        with self:  # the caller of `admit` has not entered the call yet: an error here must release it
            self.settle(semantic_reply(self._route, answer), takes_unit=False)

    def embed(
        self, embedder: Embedder, text: str, keys: Mapping[ProviderName, str], *, own_key: bool
    ) -> Embeddings | None:
        """The vector of `text`, charged to this request; None where there is none to be had: it is too long, goes
        beyond the day's tokens, or no provider embeds. Raises ProviderError, and Problem (403) where the organization
        forbids it.

        Args:
            own_key: whether `keys` are the caller's, whose tokens are not limited.
        """
        tokens, window = embedding_tokens(text), self.quota.embedding_tokens
        # A refused request holds the tokens.
        limit = None if window is None or own_key or self._route.refusal is not None else window.remaining
        if tokens is None or (limit is not None and tokens > limit):
            return None
        seconds = min(_LOOKUP_SECONDS, self.seconds_left)
        embedded = embedder.embed([text], keys, self._route.allowed_providers, seconds)
        if embedded is None:
            return None
        embeddings, attempt = embedded
        self.charge(attempt, "embedding", own_key=own_key)
        return embeddings

    def ground(self, passages: Sequence[Passage], fingerprint: str) -> None:
        """Have models answer from `passages`, the best first, and say so where there are none. Sets `stored_answer`
        where the cached answer was made from the same ones; the request is still held then.

        Args:
            fingerprint: differs where any of them does.
        """
        self._passages, self._fingerprint = passages, fingerprint
        earlier = self._route.earlier_answer
        if earlier is not None and earlier.passages == fingerprint:
            self.stored_answer = earlier

    def complete(self, messages: Sequence[Message] | None = None) -> Completion:
        """Call a model for `messages` (default: the prompt with its history). Raises Problem."""
        plan, request, keys = self._plan(messages)
        first = len(self._attempts)
        try:
            return self._router.complete(plan, request, keys, self._deadline, self._attempts)
        except ProviderError as error:
            raise self._problem_for(error) from error
        finally:
            self._charge_attempts(first)

    def complete_valid(
        self,
        messages: Callable[[InvalidAnswer | None], Sequence[Message]],
        read: Callable[[str], _Read],
        seconds: float | None = None,
    ) -> _Read:
        """Call models until one gives a structured answer that can be used. Each provider has two tries: it is told
        what was wrong with its first answer, or asked again after the others where it failed. No provider may use up
        the others' time.

        Args:
            messages: makes the prompt; for an answer that could not be used, the prompt that says so.
            read: what the answer says; raises InvalidAnswer.
            seconds: how long it may take; by default what is left.

        Raises Problem: that of the last provider that failed, or `upstream_bad_response` (502).
        """
        from parley.completion.structured import InvalidAnswer

        plan, request, keys = self._plan(messages(None))
        now = self._admission.clock.monotonic
        deadline = self._deadline if seconds is None else min(self._deadline, now() + seconds)
        left, failed = list(plan.candidates), set[ProviderName]()
        rejected: InvalidAnswer | None = None
        problem = Problem(
            "upstream_bad_response", "No model gave an answer of the form that was asked for.", status=502
        )
        while left:
            first = len(self._attempts)
            plan = plan._replace(candidates=tuple(left))
            request = replace(request, messages=messages(rejected), timeout=max(0.0, deadline - now()) / len(left))
            try:
                completion = self._router.complete(plan, request, keys, now() + request.timeout, self._attempts)
            except ProviderError as error:
                problem, rejected = self._problem_for(error), None
                tried = {attempt.provider for attempt in self._attempts[first:]}
                if not tried:
                    # Every circuit is open: worth the wait where there is time for one.
                    if error.retry_after is None or now() + error.retry_after >= deadline:
                        break
                    self._admission.clock.sleep(error.retry_after)
            else:
                answered = self._attempts[-1].provider
                tried = {answered}
                try:
                    return read(completion.text)
                except InvalidAnswer as fault:
                    logger.warning("a structured answer cannot be used", provider=answered, faults=len(fault.faults))
                    rejected = None if tried <= failed else fault
            finally:
                self._charge_attempts(first)
            left = [candidate for candidate in left if candidate.provider not in tried & failed]
            failed |= tried
            # Who is told what was wrong is asked next, who failed otherwise, or twice, after the others.
            left.sort(key=lambda candidate: (candidate.provider in tried) is (rejected is None))
        raise problem

    def stream(self) -> Generator[Delta, None, Completion]:
        """Call a model and yield its answer's pieces as they arrive; returns the finished answer. Raises Problem."""
        plan, request, keys = self._plan(None)
        first = len(self._attempts)
        try:
            return (yield from self._router.stream(plan, request, keys, self._deadline, self._attempts))
        except ProviderError as error:
            raise self._problem_for(error) from error
        finally:
            self._charge_attempts(first)

    def _problem_for(self, error: ProviderError) -> Problem:
        from parley.providers.problems import problem_for

        asked = {attempt.provider: attempt.model for attempt in self._attempts}
        return problem_for(error, own_key=self._own_key, model=asked.get(error.provider))

    def cancel(self) -> None:
        """End a wait for the model, from another thread: the caller has left."""
        self.cancelled = True
        self._router.cancel()

    def cacheable(self, completion: Completion) -> CacheEntry | None:
        """What `settle` stores so that this answer serves the next time; None where it must not."""
        if self._prompt_hash is None or self.answered_by is None:
            return None
        asked = (self._route.provider, self._route.model)
        return cache_entry(
            self._prompt, self._prompt_hash, asked, self.answered_by, completion, self._question, self._fingerprint
        )

    def answered(self, body: Mapping[str, Any]) -> ModelAnswer:
        """`body` with what its headers say, for the handler."""
        return ModelAnswer(body, self.quota, self.degraded, self.replayed)

    def _plan(self, messages: Sequence[Message] | None) -> tuple[Plan, CompletionRequest, Mapping[ProviderName, str]]:
        route, prompt = self._route, self._prompt
        keys = self._keys()
        request = CompletionRequest(
            model=route.model,
            messages=self._messages() if messages is None else messages,
            max_output_tokens=prompt.max_output_tokens,
            timeout=self.seconds_left,
            temperature=prompt.temperature,
            top_p=prompt.top_p,
            stop=prompt.stop,
            schema=prompt.schema,
            schema_name=prompt.schema_name,
            json_object=prompt.json_object,
            must_fit=prompt.must_fit,
            tools=prompt.tools,
            reasoning_effort=prompt.reasoning_effort,
            seed=prompt.seed,
            frequency_penalty=prompt.frequency_penalty,
            presence_penalty=prompt.presence_penalty,
            cache_key=prompt.cache_key,
        )
        plan = self._candidates(request, keys)
        if messages is None and (self.conversation is not None or self._passages is not None):
            plan = plan._replace(for_model=self._for_model)
        return plan, request, keys

    def _candidates(self, request: CompletionRequest, keys: Mapping[ProviderName, str]) -> Plan:
        """Who may answer, in which order. Raises Problem where nobody may."""
        route, prompt = self._route, self._prompt
        allowed, own_keys = route.allowed_providers, self._own_key
        if prompt.fallbacks:
            listed = [self._chosen, *(self._named(name, model) for name, model in prompt.fallbacks)]
            return self._router.in_order(listed, keys, allowed, own_keys=own_keys)
        automatic = prompt.chooses_automatically
        if automatic and prompt.cheapest:
            tokens = sum(map(message_tokens, request.messages)) + tools_tokens(request.tools)
            plan = self._router.cheapest(
                request, self._models, keys, allowed, route.health, prompt_tokens=tokens, own_keys=own_keys
            )
        else:
            plan = self._router.plan(
                provider=route.provider,
                model=route.model,
                pinned_model=prompt.model is not None,
                automatic=automatic,
                allowed=allowed,
                keys=keys,
                health=route.health,
                own_keys=own_keys,
            )
        if automatic:
            self._chosen = plan.candidates[0]
        return plan

    def _named(self, provider: ProviderName | None, model: str) -> Candidate:
        """A model by its name; where that does not say whose it is, it is the catalogue's or the asked provider's."""
        known = self._admission.catalogue.find(model)
        return Candidate(provider or (known.provider if known else self._route.provider), model)

    def _messages(self) -> list[Message]:
        """The prompt, and after its system messages the context: the conversation's where this request has none of its
        own.
        """
        context = self._prompt.context
        if context is None and self.conversation is not None:
            context = self.conversation.context
        messages = list(self._prompt.messages)
        if not context:
            return messages
        after = len(list(takewhile(lambda message: message.role == "system", messages)))
        return [*messages[:after], context_message(context), *messages[after:]]

    def _for_model(self, request: CompletionRequest, provider: ProviderName, context_window: int) -> CompletionRequest:
        """The request with what fits into a model's context beside the prompt and the answer: the passages, and before
        its last message the conversation's tail.
        """
        before = [*takewhile(lambda message: message.role == "system", request.messages)]
        new = request.messages[len(before) :]
        prompt_tokens = sum(map(message_tokens, request.messages)) + tools_tokens(request.tools)
        left = context_window - prompt_tokens - request.max_output_tokens
        if self._passages is not None:
            from parley.completion.passages import fit_passages, passages_tokens, with_passages

            passages = fit_passages(self._passages, left)
            self.passages_told = len(passages)
            left -= passages_tokens(passages)
        if self.conversation is not None:
            # A tool's result says nothing without its call, however much was said since the user's last turn.
            answered = [m.tool_call_id or "" for m in takewhile(lambda message: message.role == "tool", new)]
            turns = fit(self.conversation.turns, left if answered else min(self._history_tokens, left))
            self.turns_left_out = self.conversation.count - len(turns)
            history = told(turns, answered)
            asked = {call.id for call in history[-1].tool_calls} if history else set()
            if answered and asked != set(answered):
                raise Problem(
                    "invalid_request",
                    "Tool messages have to answer the calls of the conversation's last answer, each of them.",
                    status=400,
                    param="messages",
                )
            request = replace(request, messages=[*before, *history, *new])
        return request if self._passages is None else with_passages(request, passages, provider)

    def _charge_attempts(self, first: int) -> None:
        """Charge each try from `first` on that used tokens.

        One that ended early may have reported no usage: its entry has no tokens and no cost, never a guess.
        """
        for attempt in self._attempts[first:]:
            at_work = attempt.error_code in (None, "cancelled") or attempt.delivered
            if at_work or attempt.usage is not None:
                self.charge(attempt)


def embedding_tokens(text: str) -> int | None:
    """What it takes to embed `text`, as estimated; None where it is too long for that."""
    from parley.embedding.embedder import estimated_tokens

    return estimated_tokens(text) if len(text) <= LONGEST_TEXT else None
