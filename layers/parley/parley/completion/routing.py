"""Which model answers: the order of candidates, and retries inside the deadline.

A request may try several candidates. Nothing is tried again once a first delta was delivered: the caller has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from parley.admission.records import Attempt
from parley.completion.circuit import CircuitBreaker
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.observability import log_fault, logger
from parley.core.provider_names import PROVIDERS, ProviderName, may_be_called
from parley.providers.catalogue import Catalogue, Model
from parley.providers.errors import (
    ACCOUNT_FAULTS,
    PROVIDER_FAULTS,
    ProviderError,
    ProviderErrorCode,
    StreamCancelled,
)
from parley.providers.fitting import Adjustable, fitted, fitting_answer, unmet_by
from parley.providers.protocol import (
    Completion,
    CompletionRequest,
    Delta,
    Provider,
    RefusalDelta,
    RenewedKey,
    ToolCallDelta,
    Usage,
)

# In all, and with one candidate. Four tries at two providers outlast a hiccup; more would multiply an outage.
MAX_ATTEMPTS = 4
MAX_ATTEMPTS_EACH = 2
# A wait up to this long is spent on the preferred candidate; a longer one only where no other is left.
PATIENCE_SECONDS = 2.0
# With less time than this left, no model answers.
LEAST_CALL_SECONDS = 0.2
# Full jitter: the wait is drawn evenly from zero to base * 2 ** tries, so that callers do not return in step.
BACKOFF_BASE_SECONDS = 0.25
BACKOFF_CAP_SECONDS = 4.0

# Tokens of an answer, for comparing prices.
_USUAL_ANSWER = 500
# Taken of a model that the catalogue does not know, in tokens; few have less.
_UNKNOWN_CONTEXT_WINDOW = 128_000
# What a provider's call ends with where `cancel` broke its connection.
_BROKEN_CONNECTIONS = frozenset({"connection_failed", "stream_interrupted"})

# The form is the caller's: an answer, or the arguments of a call, that a stop sequence cut has none either.
_UNFIT = frozenset({"invalid_structured_output", "malformed_tool_call"})

# The last minute's calls of all containers: enough of them, half of them failed.
UNHEALTHY_CALLS = 5
UNHEALTHY_SHARE = 0.5

# What the caller could change to be answered.
_REQUEST_FAULTS: frozenset[ProviderErrorCode] = frozenset(
    {"invalid_request", "request_too_large", "context_length_exceeded", "model_not_found"}
)


class Candidate(NamedTuple):
    """A model that may answer."""

    provider: ProviderName
    model: str


class Plan(NamedTuple):
    """The candidates in the order of preference, at least one.

    Attributes:
        pinned: whether the caller named the first candidate's model.
        own_keys: whether the keys are the caller's own.
        each: how often one candidate may be tried.
        for_model: a request with as much as fits into a model's context window (tokens) of what it is told beside the
            prompt.
    """

    candidates: tuple[Candidate, ...]
    pinned: bool = False
    own_keys: bool = False
    each: int = MAX_ATTEMPTS_EACH
    for_model: Callable[[CompletionRequest, ProviderName, int], CompletionRequest] | None = None


@dataclass(slots=True)
class _CandidateState:
    """What one request knows of a candidate.

    Attributes:
        not_before: when it may be tried next, on the clock's monotonic scale.
        stated_wait: whether its provider said so itself.
        ruled_out: whether this request must not try it again.
        renewed: whether its provider refused the operator's key and there was another one to try.
    """

    candidate: Candidate
    tries: int = 0
    not_before: float = 0.0
    stated_wait: bool = False
    ruled_out: bool = False
    renewed: bool = False


@dataclass(slots=True)
class _RequestState:
    """What one request has tried, and who may still be tried.

    Attributes:
        errors: the last one of each candidate, in the order in which they came.
        final_error: what ends the request, whoever is left.
        unopened: why the first of the caller's own keys that could not be opened was not.
    """

    plan: Plan
    keys: Mapping[ProviderName, str] = field(repr=False)
    deadline: float
    candidates: list[_CandidateState]
    attempts: list[Attempt]
    errors: dict[Candidate, ProviderError] = field(default_factory=dict)
    final_error: ProviderError | None = None
    unopened: Problem | None = None

    def failed(self, candidate: Candidate, error: ProviderError) -> None:
        self.errors.pop(candidate, None)
        self.errors[candidate] = error

    def error(self) -> ProviderError | None:
        """What the caller is told: the last error that waiting cures, else the first that the caller can mend, else
        the first. None where nothing was tried.
        """
        if self.final_error is not None:
            return self.final_error
        passing = [error for error in self.errors.values() if error.retryable]
        of_the_request = [error for error in self.errors.values() if error.code in _REQUEST_FAULTS]
        return next(iter([*passing[-1:], *of_the_request, *self.errors.values()]), None)


class Router:
    """Routes requests in one container, one at a time.

    Args:
        providers: the adapters.
        random: numbers from 0 to 1, for the jitter.
        interrupt: ends a wait on an upstream connection, from another thread.
        progress: the number of the latest request upstream, and whether it was sent whole and its response not over.
        renewed_key: asked where a provider refused the operator's key; another one is tried at once.
    """

    def __init__(
        self,
        providers: Mapping[ProviderName, Provider],
        catalogue: Catalogue,
        clock: Clock,
        random: Callable[[], float],
        interrupt: Callable[[], None],
        progress: Callable[[], tuple[int, bool]],
        renewed_key: RenewedKey,
    ) -> None:
        self._providers = providers
        self._catalogue = catalogue
        self._clock = clock
        self._random = random
        self._interrupt = interrupt
        self._progress = progress
        self._renewed_key = renewed_key
        self._given_up = False
        self._given_up_during = 0
        self._circuits = CircuitBreaker()

    def plan(
        self,
        *,
        provider: ProviderName | Literal["auto"],
        model: str | None,
        keys: Mapping[ProviderName, str],
        allowed: Collection[str] | None = None,
        health: Mapping[str, Mapping[str, Any]] | None = None,
        pinned_model: bool = False,
        automatic: bool = False,
        own_keys: bool = False,
    ) -> Plan:
        """The candidates: the wanted one first, then the other providers with their default models.

        Args:
            provider, model: the wanted ones; without a model the provider's default.
            keys: by provider, either the operator's or the caller's own; who has none is no candidate.
            allowed: providers the organization allows; None allows all.
            health: `calls`, `errors` and `p50_ms` of the last minute by provider. Who failed half of five or more
                calls comes last, unless the caller pinned its model.
            pinned_model: whether the caller named `model`, rather than a default.
            automatic: order by success, latency and price instead, as `provider` "auto" does.

        Raises Problem where nobody is left.
        """
        usable = [name for name in PROVIDERS if self._is_usable(name, keys, allowed)]
        if not usable:
            raise _nobody()
        defaults = self._catalogue.default_chat_models()
        health = health or {}
        automatic = automatic or provider == "auto"
        candidates = [Candidate(name, defaults[name]) for name in usable]
        if automatic:
            now = self._clock.now()
            candidates.sort(key=lambda candidate: self._expected_seconds(candidate, health, now))
        else:
            candidates.sort(key=lambda candidate: candidate.provider != provider)
            if model is not None and candidates[0].provider == provider:
                candidates[0] = Candidate(candidates[0].provider, model)
        kept = 1 if pinned_model and not automatic else 0
        candidates[kept:] = sorted(
            candidates[kept:], key=lambda candidate: _unhealthy(health.get(candidate.provider, {}))
        )
        return Plan(tuple(candidates), pinned_model and not automatic, own_keys)

    def in_order(
        self,
        candidates: Sequence[Candidate],
        keys: Mapping[ProviderName, str],
        allowed: Collection[str] | None,
        *,
        own_keys: bool,
    ) -> Plan:
        """These candidates and nobody else, each tried once. Raises Problem where none of them can be asked."""
        usable = [one for one in dict.fromkeys(candidates) if self._is_usable(one.provider, keys, allowed)]
        if not usable:
            raise _nobody()
        return Plan(tuple(usable), own_keys=own_keys, each=1 if len(usable) > 1 else MAX_ATTEMPTS_EACH)

    def cheapest(
        self,
        request: CompletionRequest,
        models: Sequence[str],
        keys: Mapping[ProviderName, str],
        allowed: Collection[str] | None,
        health: Mapping[str, Mapping[str, Any]],
        *,
        prompt_tokens: int,
        own_keys: bool,
    ) -> Plan:
        """Of each provider the cheapest of these models that the request fits, the cheapest first, and who failed half
        of five or more calls in the last minute last. Where it fits none, any may try.

        Args:
            prompt_tokens: an upper bound.

        Raises Problem where nobody can be asked.
        """
        now = self._clock.now()
        known = [model for model in map(self._catalogue.find, models) if model is not None]
        usable = [
            model
            for model in known
            if self._is_usable(model.provider, keys, allowed) and not (model.retires and model.retires <= now.date())
        ]
        if not usable:
            raise _nobody()

        def fits(model: Model) -> bool:
            most = model.max_output_tokens or model.context_window
            wanted = min(request.max_output_tokens, most)
            return prompt_tokens + wanted <= model.context_window and unmet_by(request, model.provider, model) is None

        def dollars(model: Model) -> tuple[bool, Decimal]:
            used = Usage(input_tokens=prompt_tokens, output_tokens=min(request.max_output_tokens, _USUAL_ANSWER))
            cost = self._catalogue.cost(model.id, used, now)
            return cost is None, cost or Decimal()

        by_price = sorted(filter(fits, usable) if any(map(fits, usable)) else usable, key=dollars)
        first = {model.provider: model for model in reversed(by_price)}
        candidates = [model for model in by_price if first[model.provider] is model]
        candidates.sort(key=lambda model: _unhealthy(health.get(model.provider, {})))
        return Plan(tuple(Candidate(model.provider, model.id) for model in candidates), own_keys=own_keys)

    def _is_usable(
        self, provider: ProviderName, keys: Mapping[ProviderName, str], allowed: Collection[str] | None
    ) -> bool:
        return provider in self._providers and provider in keys and may_be_called(provider, allowed)

    def complete(
        self,
        plan: Plan,
        request: CompletionRequest,
        keys: Mapping[ProviderName, str],
        deadline: float,
        attempts: list[Attempt],
    ) -> Completion:
        """Make the unstreamed call. Raises ProviderError where no candidate answered, Problem where no key opens.

        Args:
            deadline: on the clock's monotonic scale; bounds waits and calls together.
            attempts: each try is appended to it as it ends, however it ends; the last one answered.
        """
        state = self._begin(plan, request, keys, deadline, attempts)
        while True:
            chosen = self._next(state)
            candidate, started = chosen.candidate, self._clock.monotonic()
            asked, adjusted, names = self._fit(plan, request, candidate, deadline - started)
            try:
                completion = self._providers[candidate.provider].complete(asked, state.keys[candidate.provider])
                completion = _with_callers_names(completion, names)
                _raise_without_text(candidate, request, completion)
                if request.must_fit:
                    completion = fitting_answer(candidate.provider, request, completion)
            except Exception as error:
                self._failed(state, chosen, _provider_error(candidate, error), started)
                continue
            self._succeeded(state, chosen, completion, adjusted, started)
            return completion

    def stream(
        self,
        plan: Plan,
        request: CompletionRequest,
        keys: Mapping[ProviderName, str],
        deadline: float,
        attempts: list[Attempt],
    ) -> Generator[Delta, None, Completion]:
        """Yield the answer as it arrives; the generator's return value is the finished one. Raises ProviderError.

        The arguments are those of `complete`. The first delta commits: a fault after it is raised, and nobody else is
        tried. Closing the generator closes the upstream connection and records what had been used in `attempts`.
        """
        state = self._begin(plan, request, keys, deadline, attempts)
        while True:
            chosen = self._next(state)
            candidate, started = chosen.candidate, self._clock.monotonic()
            asked, adjusted, names = self._fit(plan, request, candidate, deadline - started)
            upstream = self._providers[candidate.provider].stream(asked, state.keys[candidate.provider])
            delivered = False
            held = request.must_fit and asked.may_not_fit
            try:
                while True:
                    try:
                        delta = next(upstream)
                    except StopIteration as end:
                        completion: Completion = _with_callers_names(end.value, names)
                        break
                    if held and isinstance(delta, str):
                        continue
                    if names and isinstance(delta, ToolCallDelta) and delta.name is not None:
                        delta = replace(delta, name=names.get(delta.name, delta.name))
                    delivered = True
                    yield delta
                _raise_without_text(candidate, request, completion)
                if request.must_fit:
                    completion = fitting_answer(candidate.provider, request, completion)
                if held and completion.text:
                    delivered = True
                    refused = completion.finish_reason == "refusal"
                    yield RefusalDelta(completion.text) if refused else completion.text
            except Exception as error:
                failure = _provider_error(candidate, error)
                self._failed(state, chosen, failure, started, delivered=delivered)
                if delivered:
                    raise failure from None
            except GeneratorExit:
                self._cancelled(state, chosen, upstream, started)
                raise
            else:
                self._succeeded(state, chosen, completion, adjusted, started)
                return completion

    def cancel(self) -> None:
        """Give up the request under way, from another thread: its wait ends with an error, nothing is tried again."""
        if not self._given_up:
            self._given_up_during, _ = self._progress()
            self._given_up = True
        self._interrupt()

    def _begin(
        self,
        plan: Plan,
        request: CompletionRequest,
        keys: Mapping[ProviderName, str],
        deadline: float,
        attempts: list[Attempt],
    ) -> _RequestState:
        """Raises Problem (400) where no candidate gives the answer the form that is asked for, or takes the media."""
        self._given_up = False
        unmet = {
            candidate: unmet_by(request, candidate.provider, self._catalogue.find(candidate.model))
            for candidate in plan.candidates
        }
        candidates = [_CandidateState(candidate) for candidate, reason in unmet.items() if reason is None]
        if not candidates:
            raise next(filter(None, unmet.values()))
        return _RequestState(plan, keys, deadline, candidates, attempts)

    def _next(self, state: _RequestState) -> _CandidateState:
        """Wait for whoever is to be tried next and whose key can be opened. Raises as `_wait_for_next`."""
        while True:
            chosen = self._wait_for_next(state)
            try:
                state.keys[chosen.candidate.provider]
            except Problem as problem:
                chosen.ruled_out = True
                state.unopened = state.unopened or problem
            else:
                return chosen

    def _wait_for_next(self, state: _RequestState) -> _CandidateState:
        """Wait for whoever is to be tried next. Raises ProviderError where nobody is left in time; the Problem of a key
        that could not be opened where nobody was tried.
        """
        now = self._clock.monotonic()
        tries = sum(one.tries for one in state.candidates)
        if tries < max(MAX_ATTEMPTS, len(state.candidates)) and state.final_error is None and not self._given_up:
            left = [one for one in state.candidates if not one.ruled_out and one.tries < state.plan.each]
            # An open circuit fails fast, unless the provider just told this very request how long to wait.
            left = [one for one in left if one.stated_wait or self._open_until(state, one) <= now]
            in_time = [one for one in left if max(one.not_before, now) + LEAST_CALL_SECONDS <= state.deadline]
            if in_time:
                soon = (one for one in in_time if one.not_before - now <= PATIENCE_SECONDS)
                chosen = next(soon, None) or min(in_time, key=lambda one: one.not_before)
                self._clock.sleep(chosen.not_before - now)
                if not self._given_up:
                    return chosen
        raise state.error() or state.unopened or self._error_without_a_try(state, now)

    def _error_without_a_try(self, state: _RequestState, now: float) -> ProviderError:
        """Why nothing was tried: every circuit is open, or no time is left."""
        soonest = min(state.candidates, key=lambda one: self._open_until(state, one))
        provider = soonest.candidate.provider
        if self._open_until(state, soonest) > now:
            return self._circuits.error(_circuit_key(state, soonest), provider, now)
        return ProviderError(provider, "timeout")

    def _open_until(self, state: _RequestState, one: _CandidateState) -> float:
        return self._circuits.open_until(_circuit_key(state, one))

    def _fit(
        self, plan: Plan, request: CompletionRequest, candidate: Candidate, seconds: float
    ) -> tuple[CompletionRequest, tuple[Adjustable, ...], Mapping[str, str]]:
        """The request as this model takes it, within what is left of the deadline, what was changed, and the caller's
        names of tools that have others there, by these.
        """
        names: Mapping[str, str] = {}
        if request.tools is not None:
            from parley.providers.tool_calls import callers_names

            names = callers_names(request.tools, candidate.provider)
        known = self._catalogue.find(candidate.model)
        request = replace(request, model=candidate.model, timeout=min(request.timeout, seconds))
        request, adjusted = fitted(request, candidate.provider, known)
        if plan.for_model is not None:
            context_window = _UNKNOWN_CONTEXT_WINDOW if known is None else known.context_window
            request = plan.for_model(request, candidate.provider, context_window)
        if any(message.tool_calls for message in request.messages):
            from parley.providers.tool_calls import calls_as_taken

            request = replace(request, messages=calls_as_taken(request.messages, candidate.provider))
        return request, adjusted, names

    def _succeeded(
        self,
        state: _RequestState,
        chosen: _CandidateState,
        completion: Completion,
        adjusted: tuple[Adjustable, ...],
        started: float,
    ) -> None:
        attempt = self._attempt(chosen.candidate, None, started, completion.usage, completion.model)
        state.attempts.append(attempt._replace(adjusted=adjusted))
        self._circuits.succeeded(_circuit_key(state, chosen))

    def _cancelled(
        self,
        state: _RequestState,
        chosen: _CandidateState,
        upstream: Generator[Delta, None, Completion],
        started: float,
    ) -> None:
        usage = model = None
        try:
            upstream.throw(StreamCancelled())
        except ProviderError as error:
            usage, model = error.usage, error.model
        except StreamCancelled:
            pass
        state.attempts.append(self._attempt(chosen.candidate, "cancelled", started, usage, model))

    def _failed(
        self,
        state: _RequestState,
        chosen: _CandidateState,
        error: ProviderError,
        started: float,
        *,
        delivered: bool = False,
    ) -> None:
        """Record a failed try and decide who may still be tried."""
        candidate, now = chosen.candidate, self._clock.monotonic()
        if self._given_up and error.code in _BROKEN_CONNECTIONS:
            # An error of our own making says nothing about the provider. Who left before the request was sent whole
            # has asked the provider for nothing.
            if self._progress() == (self._given_up_during, True):
                state.attempts.append(self._attempt(candidate, "cancelled", started, error.usage, error.model))
            state.final_error = error
            return
        # Where another provider answers, nothing but this line says why.
        logger.warning(
            "a provider call failed",
            provider=candidate.provider,
            model=candidate.model,
            code=error.code,
            upstream_status=error.upstream_status,
            upstream_code=error.upstream_code,
            own_key=state.plan.own_keys,
        )
        attempt = self._attempt(candidate, error.code, started, error.usage, error.model)
        attempt = attempt._replace(delivered=delivered, unfit=error.upstream_code in _UNFIT)
        if error.code in ACCOUNT_FAULTS and not state.plan.own_keys and not chosen.renewed:
            key = self._renewed_key(candidate.provider, state.keys[candidate.provider])
            if key is not None:
                state.attempts.append(attempt._replace(counts=False))
                state.keys = {**state.keys, candidate.provider: key}
                # Not one of its tries: a candidate of a list has but one, and that is for the key that works.
                chosen.renewed = True
                return
        tells = _tells_of_the_provider(error.code, state.plan.own_keys)
        state.attempts.append(attempt._replace(counts=tells))
        state.failed(candidate, error)
        chosen.tries += 1
        if error.code == "content_refused" or (error.code == "model_not_found" and state.plan.pinned):
            # What one's rules refuse is asked of nobody else; and a model that the caller named and its provider does
            # not know is the caller's to hear of.
            state.final_error = error
            return
        if tells and (seconds := self._circuits.failed(_circuit_key(state, chosen), error, now)) > 0:
            logger.warning(
                "a model is not asked for a while",
                provider=candidate.provider,
                model=candidate.model,
                seconds=round(seconds, 1),
            )
        if error.retryable:
            backoff = min(BACKOFF_BASE_SECONDS * 2**chosen.tries, BACKOFF_CAP_SECONDS) * self._random()
            chosen.not_before = now + (backoff if error.retry_after is None else error.retry_after)
            chosen.stated_wait = error.retry_after is not None
            return
        for other in state.candidates:
            if other is chosen or self._fails_alike(error, candidate, other.candidate):
                other.ruled_out = True

    def _fails_alike(self, error: ProviderError, failed: Candidate, other: Candidate) -> bool:
        """Whether `other` cannot help with an error that waiting does not cure."""
        if error.code == "context_length_exceeded":
            return not self._is_wider(other.model, failed.model)
        return other.provider == failed.provider and error.code != "model_not_found"

    def _is_wider(self, model: str, than: str) -> bool:
        one, other = self._catalogue.find(model), self._catalogue.find(than)
        return one is not None and other is not None and one.context_window > other.context_window

    def _attempt(
        self, candidate: Candidate, error_code: str | None, started: float, usage: Usage | None, model: str | None
    ) -> Attempt:
        """A try that ends now; `model` is the one that the provider named."""
        milliseconds = round((self._clock.monotonic() - started) * 1000)
        ok = error_code in (None, "cancelled")
        return Attempt(
            candidate.provider,
            candidate.model,
            ok,
            error_code,
            milliseconds,
            usage,
            answering_model=model or candidate.model,
        )

    def _expected_seconds(self, candidate: Candidate, health: Mapping[str, Mapping[str, Any]], now: datetime) -> float:
        """What an answer costs in time, price included: a tenth of a cent weighs as much as a second.

        (latency + price) / success: an answer that comes half the time has to be asked for twice. With few calls
        success starts near one and latency at two seconds. The price is that of 1,000 tokens in and 500 out.
        """
        seen = health.get(candidate.provider, {})
        calls, errors = seen.get("calls") or 0, seen.get("errors") or 0
        success = (calls - errors + 9.5) / (calls + 10)
        latency = (seen.get("p50_ms") or 2000) / 1000
        dollars = self._catalogue.cost(candidate.model, Usage(input_tokens=1000, output_tokens=500), now)
        price = 10.0 if dollars is None else float(dollars) * 1000
        return (latency + price) / success


def _circuit_key(state: _RequestState, one: _CandidateState) -> tuple[Candidate, str | None]:
    """Own keys, and each key of the operator's, have limits of their own, so they fail apart."""
    return one.candidate, None if state.plan.own_keys else state.keys[one.candidate.provider]


def _tells_of_the_provider(code: ProviderErrorCode, own_keys: bool) -> bool:
    """Whether an error says how the provider, or the operator's account with it, will serve later requests."""
    of_the_operators_key = not own_keys and (code in ACCOUNT_FAULTS or code == "rate_limited")
    return code in PROVIDER_FAULTS or of_the_operators_key


def _with_callers_names(completion: Completion, names: Mapping[str, str]) -> Completion:
    """The answer with its calls by the caller's names of tools."""
    if not names:
        return completion
    calls = tuple(call._replace(name=names.get(call.name, call.name)) for call in completion.tool_calls)
    return replace(completion, tool_calls=calls)


def _raise_without_text(candidate: Candidate, request: CompletionRequest, completion: Completion) -> None:
    """Raises ProviderError for an answer that ended at once, unless a stop sequence may have ended it, and for one
    without the call of a tool that had to be made.
    """
    missing = not completion.text and completion.finish_reason == "stop" and not request.stop
    if missing or (completion.finish_reason == "stop" and request.tools is not None and request.tools.must_call):
        raise ProviderError(
            candidate.provider, "no_answer", upstream_status=200, usage=completion.usage, model=completion.model
        )


def _provider_error(candidate: Candidate, error: Exception) -> ProviderError:
    """What went wrong; what no adapter foresaw is logged, for it is a mistake of ours."""
    if isinstance(error, ProviderError):
        return error
    log_fault("a provider's adapter failed", error)
    return ProviderError(candidate.provider, "unforeseen")


def _nobody() -> Problem:
    return Problem("no_provider_available", "No model provider is configured for this request.", status=503)


def _unhealthy(seen: Mapping[str, Any]) -> bool:
    calls, errors = seen.get("calls") or 0, seen.get("errors") or 0
    return calls >= UNHEALTHY_CALLS and errors >= calls * UNHEALTHY_SHARE
