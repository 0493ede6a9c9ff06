"""Which model answers: the order of candidates, retries inside the deadline, and the circuit breaker.

A request may try several candidates. Nothing is tried again once a first delta was delivered: the caller has seen it.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable, Collection, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from parley.core.clock import Clock, SystemClock
from parley.core.errors import Problem
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.catalogue import Catalogue
from parley.providers.errors import ProviderError, ProviderErrorCode, StreamCancelled
from parley.providers.protocol import Completion, CompletionRequest, Provider, Usage

# In all, and with one candidate. Four tries at two vendors outlast a hiccup; more would multiply an outage.
MAX_ATTEMPTS = 4
MAX_ATTEMPTS_EACH = 2
# A wait up to this long is spent on the preferred candidate; a longer one only where no other is left.
PATIENCE_SECONDS = 2.0
# With less time than this left, no model answers.
LEAST_CALL_SECONDS = 0.2
# Full jitter: the wait is drawn evenly from zero to base * 2 ** tries, so that callers do not return in step.
BACKOFF_BASE_SECONDS = 0.25
BACKOFF_CAP_SECONDS = 4.0

BREAKER_FAILURES = 3
BREAKER_COOLDOWN_SECONDS = 10.0
BREAKER_MAX_COOLDOWN_SECONDS = 120.0
# The last minute's calls of all containers: enough of them, half of them failed.
UNHEALTHY_CALLS = 5
UNHEALTHY_SHARE = 0.5

# Faults of the request: another vendor would refuse it too, or must not be asked to do what the first one refused.
_OF_THE_REQUEST: frozenset[ProviderErrorCode] = frozenset({"invalid_request", "content_refused"})
# Faults of the key: its vendor is out for this request, and for the operator's key for a while.
_OF_THE_KEY: frozenset[ProviderErrorCode] = frozenset({"credentials_rejected", "quota_exhausted"})
# Faults that show how the vendor is, whoever asks.
_OF_THE_VENDOR: frozenset[ProviderErrorCode] = frozenset(
    {"overloaded", "upstream_error", "bad_response", "timeout", "connection_failed", "stream_interrupted"}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer."""

    provider: ProviderName
    model: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The candidates in the order of preference, at least one.

    Attributes:
        pinned: whether the caller named the first candidate's model.
        own_keys: whether the keys are the caller's own.
    """

    candidates: tuple[Candidate, ...]
    pinned: bool = False
    own_keys: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One upstream call, as health and the ledger want it.

    Attributes:
        ok: whether the vendor did its part; a stream that its reader cancelled counts as ok.
        usage: tokens used, also by a call that failed midway; None where the vendor reported none.
    """

    provider: ProviderName
    model: str
    ok: bool
    error_code: str | None
    latency_ms: int
    usage: Usage | None = None

    def as_json(self) -> dict[str, Any]:
        """As `app.finish_request` takes it."""
        return {
            "provider": self.provider,
            "model": self.model,
            "ok": self.ok,
            "error_code": self.error_code,
            "latency_ms": self.latency_ms,
        }


@dataclass(frozen=True, slots=True)
class Routed:
    """A finished answer, who gave it, and every try up to it."""

    completion: Completion
    provider: ProviderName
    model: str
    attempts: tuple[Attempt, ...]


class RoutingError(ProviderError):
    """No candidate answered: the last fault, with every attempt.

    Attributes:
        delivered: whether a delta had reached the caller; `usage` is what was used up to the fault.
    """

    def __init__(self, fault: ProviderError, attempts: Collection[Attempt], delivered: bool = False) -> None:
        super().__init__(
            fault.provider,
            fault.code,
            fault.retry_after,
            fault.upstream_status,
            fault.upstream_code,
            fault.usage,
            fault.detail,
        )
        self.attempts = tuple(attempts)
        self.delivered = delivered


@dataclass(slots=True)
class _Circuit:
    """Closed until three failures in a row, then open for a while; after that one probe decides (half-open).

    Attributes:
        told: what a request is told that finds it open.
    """

    failures: int = 0
    told: ProviderErrorCode = "overloaded"
    cooldown: float = BREAKER_COOLDOWN_SECONDS
    open_until: float = 0.0

    def failed(self, now: float, code: ProviderErrorCode) -> None:
        self.failures += 1
        of_the_key = code in _OF_THE_KEY
        self.told = code if of_the_key or code == "rate_limited" else "overloaded"
        if self.failures >= BREAKER_FAILURES or of_the_key:
            self.open_until = max(self.open_until, now + self.cooldown)
            self.cooldown = min(self.cooldown * 2, BREAKER_MAX_COOLDOWN_SECONDS)

    def told_to_wait(self, until: float) -> None:
        self.open_until = max(self.open_until, until)

    def succeeded(self) -> None:
        self.failures, self.cooldown, self.open_until = 0, BREAKER_COOLDOWN_SECONDS, 0.0


@dataclass(slots=True)
class _Chance:
    """What this request knows of a candidate."""

    candidate: Candidate
    tries: int = 0
    not_before: float = 0.0
    told_to_wait: bool = False
    out: bool = False


@dataclass(slots=True)
class _Course:
    """The state of one request: who may still be tried, and what was tried."""

    plan: Plan
    deadline: float
    chances: list[_Chance]
    log: list[Attempt]
    attempts: list[Attempt] = field(default_factory=list)
    last_fault: ProviderError | None = None

    def record(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.log.append(attempt)


class Router:
    """Routes requests in one container, one at a time.

    Args:
        providers: the adapters.
        random: numbers from 0 to 1, for the jitter.
        interrupt: ends a wait on an upstream connection, from another thread.
    """

    def __init__(
        self,
        providers: Mapping[ProviderName, Provider],
        catalogue: Catalogue,
        clock: Clock | None = None,
        random: Callable[[], float] = random_module.random,
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        self._providers = providers
        self._catalogue = catalogue
        self._clock = clock or SystemClock()
        self._random = random
        self._interrupt = interrupt
        self._given_up = False
        # Own and operator's keys have limits of their own, so they fail apart.
        self._circuits: dict[tuple[Candidate, bool], _Circuit] = {}

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
        usable = [name for name in PROVIDERS if name in keys and (allowed is None or name in allowed)]
        if not usable:
            raise Problem("no_provider_available", "No model provider is configured for this request.", status=503)
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

    def complete(
        self,
        plan: Plan,
        request: CompletionRequest,
        keys: Mapping[ProviderName, str],
        deadline: float,
        attempts: list[Attempt] | None = None,
    ) -> Routed:
        """Make the unstreamed call. Raises RoutingError.

        Args:
            deadline: on the clock's monotonic scale; bounds waits and calls together.
            attempts: each try is appended to it as it ends, for callers that need them however it ends.
        """
        course = self._course(plan, deadline, attempts)
        while True:
            chance = self._next(course)
            candidate, started = chance.candidate, self._clock.monotonic()
            fitted = self._fit(request, candidate.model, deadline - started)
            try:
                completion = self._providers[candidate.provider].complete(fitted, keys[candidate.provider])
            except ProviderError as fault:
                self._failed(course, chance, fault, started)
                continue
            return self._succeeded(course, chance, completion, started)

    def stream(
        self,
        plan: Plan,
        request: CompletionRequest,
        keys: Mapping[ProviderName, str],
        deadline: float,
        attempts: list[Attempt] | None = None,
    ) -> Generator[str, None, Routed]:
        """Yield the answer as it arrives; the generator's return value is who gave it. Raises RoutingError.

        The first delta commits: a fault after it is raised with `delivered` set. Closing the generator closes the
        upstream connection and records what had been used in `attempts`.
        """
        course = self._course(plan, deadline, attempts)
        while True:
            chance = self._next(course)
            candidate, started = chance.candidate, self._clock.monotonic()
            fitted = self._fit(request, candidate.model, deadline - started)
            upstream = self._providers[candidate.provider].stream(fitted, keys[candidate.provider])
            delivered = False
            try:
                while True:
                    delta = next(upstream)
                    delivered = True
                    yield delta
            except StopIteration as end:
                return self._succeeded(course, chance, end.value, started)
            except ProviderError as fault:
                self._failed(course, chance, fault, started)
                if delivered:
                    raise RoutingError(fault, course.attempts, delivered=True) from None
            except GeneratorExit:
                self._cancelled(course, chance, upstream, started)
                raise

    def cancel(self) -> None:
        """Give up the request under way, from another thread: its wait ends with an error, nothing is tried again."""
        self._given_up = True
        self._interrupt()

    def _course(self, plan: Plan, deadline: float, attempts: list[Attempt] | None) -> _Course:
        self._given_up = False
        chances = [_Chance(candidate) for candidate in plan.candidates]
        return _Course(plan, deadline, chances, [] if attempts is None else attempts)

    def _next(self, course: _Course) -> _Chance:
        """Wait for whoever is to be tried next. Raises RoutingError where nobody is left in time."""
        now = self._clock.monotonic()
        if sum(chance.tries for chance in course.chances) < MAX_ATTEMPTS and not self._given_up:
            left = [chance for chance in course.chances if not chance.out and chance.tries < MAX_ATTEMPTS_EACH]
            # An open circuit fails fast, unless the vendor just told this very request how long to wait.
            left = [chance for chance in left if chance.told_to_wait or self._opens(course, chance) <= now]
            in_time = [one for one in left if max(one.not_before, now) + LEAST_CALL_SECONDS <= course.deadline]
            if in_time:
                soon = (one for one in in_time if one.not_before - now <= PATIENCE_SECONDS)
                chance = next(soon, None) or min(in_time, key=lambda one: one.not_before)
                self._clock.sleep(chance.not_before - now)
                return chance
        raise RoutingError(course.last_fault or self._nobody(course, now), course.attempts)

    def _nobody(self, course: _Course, now: float) -> ProviderError:
        """The fault where nothing was tried: every circuit is open, or no time is left."""
        soonest = min(course.chances, key=lambda chance: self._opens(course, chance))
        provider, wait = soonest.candidate.provider, self._opens(course, soonest) - now
        if wait > 0:
            circuit = self._circuits[soonest.candidate, course.plan.own_keys]
            return ProviderError(provider, circuit.told, retry_after=wait)
        return ProviderError(provider, "timeout")

    def _opens(self, course: _Course, chance: _Chance) -> float:
        circuit = self._circuits.get((chance.candidate, course.plan.own_keys))
        return circuit.open_until if circuit else 0.0

    def _fit(self, request: CompletionRequest, model: str, seconds: float) -> CompletionRequest:
        """The request as this model takes it, within what is left of the deadline."""
        known = self._catalogue.find(model)
        fitted = replace(request, model=model, timeout=min(request.timeout, seconds))
        if known is None:
            return fitted
        if known.max_output_tokens is not None:
            fitted = replace(fitted, max_output_tokens=min(request.max_output_tokens, known.max_output_tokens))
        if "sampling" not in known.capabilities:
            fitted = replace(fitted, temperature=None, top_p=None)
        return fitted

    def _succeeded(self, course: _Course, chance: _Chance, completion: Completion, started: float) -> Routed:
        candidate = chance.candidate
        course.record(self._attempt(candidate, None, started, completion.usage))
        if circuit := self._circuits.get((candidate, course.plan.own_keys)):
            circuit.succeeded()
        return Routed(completion, candidate.provider, candidate.model, tuple(course.attempts))

    def _cancelled(
        self, course: _Course, chance: _Chance, upstream: Generator[str, None, Completion], started: float
    ) -> None:
        usage = None
        try:
            upstream.throw(StreamCancelled())
        except ProviderError as fault:
            usage = fault.usage
        except StreamCancelled:
            pass
        course.record(self._attempt(chance.candidate, "cancelled", started, usage))

    def _failed(self, course: _Course, chance: _Chance, fault: ProviderError, started: float) -> None:
        """Record a failed try and decide who may still be tried."""
        candidate, now = chance.candidate, self._clock.monotonic()
        course.last_fault = fault
        course.record(self._attempt(candidate, "cancelled" if self._given_up else fault.code, started, fault.usage))
        if self._given_up:  # a fault of our own making says nothing about the vendor
            return
        self._judge(course, candidate, fault, now)
        chance.tries += 1
        if fault.retryable:
            backoff = min(BACKOFF_BASE_SECONDS * 2**chance.tries, BACKOFF_CAP_SECONDS) * self._random()
            chance.not_before = now + (backoff if fault.retry_after is None else fault.retry_after)
            chance.told_to_wait = fault.retry_after is not None
            return
        for other in course.chances:
            other.out = other.out or other is chance or self._fails_alike(course, fault, candidate, other.candidate)

    def _fails_alike(self, course: _Course, fault: ProviderError, failed: Candidate, other: Candidate) -> bool:
        """Whether `other` cannot help with a fault that waiting does not cure."""
        if fault.code in _OF_THE_KEY:
            return other.provider == failed.provider
        if fault.code == "context_length_exceeded":
            return not self._is_wider(other.model, failed.model)
        return fault.code in _OF_THE_REQUEST or (fault.code == "model_not_found" and course.plan.pinned)

    def _judge(self, course: _Course, candidate: Candidate, fault: ProviderError, now: float) -> None:
        """Let the candidate's circuit know what the fault says about later requests."""
        own = course.plan.own_keys
        of_operators_key = not own and (fault.code in _OF_THE_KEY or fault.code == "rate_limited")
        if fault.code in _OF_THE_VENDOR or of_operators_key:
            circuit = self._circuits.setdefault((candidate, own), _Circuit())
            circuit.failed(now, fault.code)
            if fault.retry_after is not None:
                circuit.told_to_wait(now + fault.retry_after)

    def _is_wider(self, model: str, than: str) -> bool:
        one, other = self._catalogue.find(model), self._catalogue.find(than)
        return one is not None and other is not None and one.context_window > other.context_window

    def _attempt(self, candidate: Candidate, error_code: str | None, started: float, usage: Usage | None) -> Attempt:
        milliseconds = round((self._clock.monotonic() - started) * 1000)
        ok = error_code in (None, "cancelled")
        return Attempt(candidate.provider, candidate.model, ok, error_code, milliseconds, usage)

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


def _unhealthy(seen: Mapping[str, Any]) -> bool:
    calls, errors = seen.get("calls") or 0, seen.get("errors") or 0
    return calls >= UNHEALTHY_CALLS and errors >= calls * UNHEALTHY_SHARE
