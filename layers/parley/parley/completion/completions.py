"""One model call from admission to settling: admit, look in the caches, choose, call, settle.

`Completions.admit` is the only way to a model. It costs two round trips to the database (three with a semantic lookup,
one where an FAQ, a cached or a stored answer serves), and no connection is held while a model thinks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from parley.admission.degraded import DegradedMode
from parley.admission.quota import Quota
from parley.admission.requests import Admission, AdmissionRequest, Admitted, lease_seconds, overtaken
from parley.completion import cache
from parley.completion.cache import SimilarAnswers
from parley.completion.prompt import Prompt, situation
from parley.completion.routing import Attempt, Plan, Router
from parley.core.caller import Caller, RequestContext
from parley.core.clock import Clock
from parley.core.config import Settings
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import ProviderName, canonical_provider
from parley.database.errors import DatabaseUnavailable
from parley.embedding.embedder import LONGEST_TEXT, Embedder, estimated_tokens
from parley.own_keys.cipher import KeyCipher, looks_like_a_key
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError
from parley.providers.problems import problem_for
from parley.providers.protocol import Completion, CompletionRequest, Embeddings, Message

_HISTORY_CHARACTERS = 24_000  # about 6,000 tokens of earlier turns
_LOOKUP_SECONDS = 2.0  # a semantic lookup that takes longer is not worth what it may save


PROVIDER_CHOICES = "openai, anthropic, google (or gemini), or auto"


def requested_provider(name: str | None) -> ProviderName | Literal["auto"] | None:
    """The provider a request names. Raises Problem (400) for an unknown one."""
    if name is None:
        return None
    if name.strip().lower() == "auto":
        return "auto"
    provider = canonical_provider(name)
    if provider is None:
        raise Problem("invalid_provider", f"Choose one of {PROVIDER_CHOICES}.", status=400)
    return provider


class Completions:
    """The completion room.

    Args:
        operator_keys: the operator's own provider keys, resolved at first use.
    """

    def __init__(
        self,
        *,
        admission: Admission,
        router: Router,
        key_cipher: KeyCipher,
        embedder: Embedder,
        similar: SimilarAnswers,
        degraded: DegradedMode,
        catalogue: Catalogue,
        operator_keys: Callable[[], Mapping[ProviderName, str]],
        settings: Settings,
        clock: Clock,
    ) -> None:
        self.admission = admission
        self.router = router
        self.key_cipher = key_cipher
        self.embedder = embedder
        self.similar = similar
        self.degraded = degraded
        self.catalogue = catalogue
        self.operator_keys = operator_keys
        self.settings = settings
        self.clock = clock

    def admit(self, context: RequestContext, prompt: Prompt) -> ModelCall:
        """Admit `prompt` and hold its unit; the call is a context manager that gives back what was not settled.

        Raises Problem where the request is refused.
        """
        caller = context.caller
        if context.caller.is_service:
            raise Problem("user_required", "This acts for one user; call it with a user's token.", status=403)
        deadline = self.clock.monotonic() + context.seconds
        self.key_cipher.forget_expired()
        if prompt.model is not None and looks_like_a_key(prompt.model):
            raise Problem("invalid_model", "This takes the name of a model, not a key.", status=400)
        exact_hash = self._exact_hash(caller, prompt)
        request = AdmissionRequest(
            request_id=context.request_id,
            operation=prompt.operation,
            provider=self._provider_asked_for(prompt),
            model=prompt.model,
            default_provider=self.settings.default_provider,
            default_models=self.catalogue.default_chat_models(),
            message=prompt.faq_text if prompt.conversation_id is None else None,
            prompt_hash=exact_hash,
            cache_scope=prompt.cache_scope,
            conversation_id=prompt.conversation_id,
            history_characters=_HISTORY_CHARACTERS if prompt.conversation_id else 0,
            idempotency_key=context.idempotency_key,
            body_hash=context.body_hash,
            lease_seconds=lease_seconds(context),
        )
        try:
            admitted, offline = self.admission.begin(caller, request, deadline), False
        except DatabaseUnavailable:
            admitted, offline = self.degraded.admit(caller, request, keeps_turns=prompt.keeps_turns), True
        if admitted.provider_source in ("user", "organization"):
            logger.info(f"API: Using DB preference: {admitted.provider_spelling or admitted.provider}")
        call = ModelCall(self, caller, prompt, admitted, deadline, offline=offline, prompt_hash=exact_hash)
        if prompt.cache_mode == "semantic" and exact_hash is not None and not offline and admitted.answer is None:
            call.look_for_a_like_question()
        return call

    def _provider_asked_for(self, prompt: Prompt) -> ProviderName | Literal["auto"] | None:
        """The provider the request names; a model that it names instead says whose it is."""
        if prompt.model is not None and prompt.provider in (None, "auto"):
            known = self.catalogue.find(prompt.model)
            return known.provider if known else prompt.provider
        return prompt.provider

    def _exact_hash(self, caller: Caller, prompt: Prompt) -> str | None:
        """None where the answer must not come from, or go into, the cache. A conversation is never cached."""
        if prompt.cache_mode == "off" or prompt.conversation_id is not None or caller.user_id is None:
            return None
        return cache.prompt_hash(prompt)


@dataclass
class ModelCall:
    """An admitted request. Either `admitted.answer` serves it, or `complete`/`stream` and then `settle` do.

    Attributes:
        quota: the caller's, with this request counted for as long as it holds or has spent its unit.
    """

    room: Completions
    caller: Caller
    prompt: Prompt
    admitted: Admitted
    deadline: float
    offline: bool
    prompt_hash: str | None
    finished: bool = False
    delivered: bool = False
    cancelled: bool = False
    similar_answer: dict[str, Any] | None = None
    embedded: Embeddings | None = None
    chosen: ProviderName | None = None
    attempts: list[Attempt] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    quota: Quota = field(init=False)

    def __post_init__(self) -> None:
        self.quota = self.admitted.quota
        # An FAQ, a cached or a stored answer holds no unit: there is nothing to settle.
        self.finished = self.admitted.answer is not None

    def __enter__(self) -> ModelCall:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.release(error)

    def look_for_a_like_question(self) -> None:
        """Set `similar_answer` where a stored one serves, and settle without the unit: a hit takes none.

        A lookup that fails is a miss, as is one beyond the day's tokens: the caller asked a question, not for a cache.
        Raises Problem (409) as `settle` does.
        """
        question = self.prompt.messages[-1].content
        if len(question) > LONGEST_TEXT or not self._may_embed(question):
            return
        try:
            seconds = min(_LOOKUP_SECONDS, self._seconds_left)
            found = self.room.embedder.embed([question], self._keys(), seconds, own_key=self._own_key)
            if found is None:
                return
            self.embedded, call = found
            self.calls.append(call)
            self.similar_answer = self.room.similar.find(
                self.caller, self.prompt, self.admitted.provider, self.admitted.model, self.embedded
            )
        except (ProviderError, Problem, DatabaseUnavailable) as error:
            logger.warning("semantic lookup failed", error_type=type(error).__name__)
        except Exception as error:
            log_fault("semantic lookup failed", error)
        if self.similar_answer is not None:
            # As begin_request remembers the other answers that take no unit: a retry with this key is told the same.
            admitted = self.admitted
            reply = {
                "outcome": "similar",
                "provider": admitted.provider,
                "provider_source": admitted.provider_source,
                "model": admitted.model,
                "answer": {name: self.similar_answer[name] for name in ("text", "provider", "model")},
            }
            self.settle({"reply": reply}, takes_unit=False)

    def _may_embed(self, text: str) -> bool:
        window = self.quota.embedding_tokens
        left = None if window is None or self._own_key else window.remaining
        return left is None or estimated_tokens(text) <= left

    @property
    def fell_back(self) -> bool:
        """Whether another provider answered than the one that was asked for, or that `auto` chose."""
        return bool(self.calls) and self.calls[-1]["provider"] != (self.chosen or self.admitted.provider)

    @property
    def usage(self) -> dict[str, Any] | None:
        """What all calls of this request used together; None where a vendor reported nothing."""
        if not self.calls or any(call.get("input_tokens") is None for call in self.calls):
            return None
        names = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")
        total: dict[str, Any] = {name: sum(call.get(name) or 0 for call in self.calls) for name in names}
        costs = [call["cost"] for call in self.calls]
        total["cost_usd"] = None if None in costs else format(sum(map(Decimal, costs), Decimal()), "f")
        return total

    @property
    def history(self) -> list[Message]:
        """The conversation's tail, oldest first, from the first of the user's turns on: vendors refuse another start,
        and empty turns. What else an application keeps among the messages is left out.
        """
        turns = [
            Message(turn["role"], turn["content"])
            for turn in (self.admitted.conversation or {}).get("messages", [])
            if isinstance(turn, dict)
            and turn.get("role") in ("user", "assistant")
            and isinstance(turn.get("content"), str)
            and turn["content"]
        ]
        first = next((number for number, turn in enumerate(turns) if turn.role == "user"), len(turns))
        return turns[first:]

    @property
    def _kept_situation(self) -> list[Message]:
        """What an earlier turn told of the user's situation, where this one tells nothing."""
        kept = (self.admitted.conversation or {}).get("context")
        return [situation(kept)] if isinstance(kept, dict) and kept and not self.prompt.personal else []

    def complete(self, messages: Sequence[Message] | None = None) -> Completion:
        """Call a model for `messages` (default: the prompt with its history). Raises Problem."""
        plan, request, keys = self._plan(messages)
        first = len(self.attempts)
        try:
            return self.room.router.complete(plan, request, keys, self.deadline, self.attempts)
        except ProviderError as error:
            raise problem_for(error, own_key=self._own_key) from error
        finally:
            self._charge(first)

    def stream(self) -> Generator[str, None, Completion]:
        """Call a model and yield its text as it arrives; returns the finished answer. Raises Problem.

        Once a delta was delivered the unit stays spent, whoever ends the stream.
        """
        plan, request, keys = self._plan(None)
        first = len(self.attempts)
        upstream = self.room.router.stream(plan, request, keys, self.deadline, self.attempts)
        try:
            while True:
                try:
                    delta = next(upstream)
                except StopIteration as end:
                    completion: Completion = end.value
                    return completion
                self.delivered = True
                yield delta
        except ProviderError as error:
            raise problem_for(error, own_key=self._own_key) from error
        finally:
            upstream.close()
            self._charge(first)

    def cancel(self) -> None:
        """End a wait for the model, from another thread: the caller has left."""
        self.cancelled = True
        self.room.router.cancel()

    def settle(
        self,
        answer: dict[str, Any],
        *,
        takes_unit: bool = True,
        cacheable_text: str | None = None,
        conversation: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Spend the unit and leave everything behind in one round trip.

        Args:
            answer: what a replay of this request returns.
            takes_unit: False gives the unit back, where no model gave the answer.
            cacheable_text: the finished text, where it may answer the same prompt again.
            conversation: turns to append (`id`, `messages`, `title`, `context`).

        Returns finish_request's result; empty while the database is away. Raises Problem (409) where a retry with the
        same idempotency key took over: its answer is the one that counts, and asking again returns it.
        """
        self.finished = True
        outcome = self._outcome("settled") | {"answer": answer, "conversation": conversation}
        if not takes_unit:
            outcome["takes_unit"] = False
        if cacheable_text and self.prompt_hash and self.calls:
            outcome["cache"] = cache.entry(
                self.prompt,
                self.prompt_hash,
                self.admitted.provider,
                self.admitted.model,
                self.calls[-1],
                cacheable_text,
                self.embedded,
            )
        finished = self._finish(outcome)
        if finished.get("state") == "stale":
            raise overtaken()
        return finished

    def release(self, error: BaseException | None) -> None:
        """Give the unit back unless it was settled; a stream that delivered something keeps it."""
        if self.finished:
            return
        self.finished = True
        state: Literal["settled", "released"] = "settled" if self.delivered else "released"
        code = "cancelled"
        if isinstance(error, Exception) and not self.cancelled:
            code = error.code if isinstance(error, Problem) else "internal_error"
        self._finish(self._outcome(state) | {"error_code": code})

    def _plan(self, messages: Sequence[Message] | None) -> tuple[Plan, CompletionRequest, Mapping[ProviderName, str]]:
        admitted, prompt = self.admitted, self.prompt
        keys = self._keys()
        automatic = prompt.provider == "auto" and prompt.model is None
        plan = self.room.router.plan(
            provider=admitted.provider,
            model=admitted.model,
            pinned_model=prompt.model is not None,
            automatic=automatic,
            allowed=admitted.allowed_providers,
            keys=keys,
            health=admitted.health,
            own_keys=self._own_key,
        )
        if automatic:
            self.chosen = plan.candidates[0].provider
        if messages is None:
            *before, last = prompt.messages
            messages = [*before, *self._kept_situation, *self.history, last]
        request = CompletionRequest(
            model=admitted.model,
            messages=messages,
            max_output_tokens=prompt.max_output_tokens,
            timeout=self._seconds_left,
            temperature=prompt.temperature,
            top_p=prompt.top_p,
            stop=prompt.stop,
            schema=prompt.schema,
            schema_name=prompt.schema_name,
        )
        return plan, request, keys

    def _keys(self) -> Mapping[ProviderName, str]:
        """The caller's own keys for byok, which is never called with an operator's."""
        if self._own_key and self.offline:
            return self.room.key_cipher.remembered(self.caller)
        if self._own_key:
            return self.room.key_cipher.reveal(self.caller, self.admitted.own_keys)
        return self.room.operator_keys()

    @property
    def _seconds_left(self) -> float:
        return max(0.1, self.deadline - self.room.clock.monotonic())

    @property
    def _own_key(self) -> bool:
        return self.admitted.tier == "byok"

    def _charge(self, first: int) -> None:
        """Make a ledger row of each try from `first` on that used tokens.

        A stream that ended early may have reported no usage: its row has no tokens and no cost, never a guess.
        """
        for attempt in self.attempts[first:]:
            usage = attempt.usage
            answered = attempt.error_code is None or (self.delivered and attempt is self.attempts[-1])
            if usage is None and not answered:
                continue
            cost = self.room.catalogue.cost(attempt.model, usage, self.room.clock.now())
            row: dict[str, Any] = {
                "provider": attempt.provider,
                "model": attempt.model,
                "operation": self.prompt.operation,
                "cost": None if cost is None else format(cost, "f"),
                "estimated": cost is None,
                "latency_ms": attempt.latency_ms,
                "own_key": self._own_key,
            }
            if usage is not None:
                row |= {
                    "input_tokens": usage.prompt_tokens,
                    "output_tokens": usage.output_tokens,
                    "cached_input_tokens": usage.cached_input_tokens,
                    "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
                    "reasoning_tokens": usage.reasoning_tokens,
                }
            self.calls.append(row)

    def _outcome(self, state: Literal["settled", "released"]) -> dict[str, Any]:
        return {
            "request_id": self.admitted.request_id,
            "fence": self.admitted.fence,
            "operation": self.prompt.operation,
            "occurred_at": self.room.clock.now().isoformat(),
            "state": state,
            "calls": self.calls,
            "attempts": [attempt.as_json() for attempt in self.attempts],
        }

    def _finish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        if not self.offline:
            try:
                finished = self.room.admission.finish(self.caller, outcome)
                self.quota = Quota.of(finished["quota"]) if "quota" in finished else self.quota
                return finished
            except DatabaseUnavailable:
                logger.warning("settling without the database", request=self.admitted.request_id)
        self.room.degraded.remember(self.caller, outcome, admitted_offline=self.offline)
        self.offline = True
        return {}
