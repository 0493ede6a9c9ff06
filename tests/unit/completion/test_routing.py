"""Routing: who is tried, in which order, how often, and when it stops."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parley.admission.records import Attempt
from parley.completion.routing import (
    LEAST_CALL_SECONDS,
    MAX_ATTEMPTS,
    MAX_ATTEMPTS_EACH,
    Candidate,
    Plan,
)
from parley.core.errors import Problem
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers import catalogue
from parley.providers.catalogue import Catalogue
from parley.providers.errors import RETRYABLE, ProviderError, ProviderErrorCode, StreamCancelled
from parley.providers.protocol import Completion, CompletionRequest, Embeddings, Message, Provider, Usage
from testing.providers import router

CATALOGUE = Catalogue.shipped()
CATALOGUE_FILE = Path(catalogue.__file__).with_name("catalogue.json")
DEFAULTS = CATALOGUE.default_chat_models()
RENEWED = "key-renewed"
KEYS: dict[ProviderName, str] = {name: f"key-{name}" for name in PROVIDERS}
REQUEST = CompletionRequest("ignored", [Message("user", "Hi")], 100, 30.0, temperature=0.5)
ALL = tuple(Candidate(name, DEFAULTS[name]) for name in PROVIDERS)
CODES: list[ProviderErrorCode] = [
    *sorted(RETRYABLE),
    "quota_exhausted",
    "credentials_rejected",
    "model_not_found",
    "context_length_exceeded",
    "request_too_large",
    "content_refused",
    "no_answer",
    "invalid_request",
]


@dataclass
class TestClock:
    """Time that passes only where somebody waits or works."""

    __test__ = False
    seconds: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.seconds += seconds


@dataclass(frozen=True)
class Step:
    """What a provider does next: fail with a code after `deltas` of its stream, or answer where there is none."""

    code: ProviderErrorCode | None = None
    retry_after: float | None = None
    seconds: float = 0.1
    deltas: int = 0
    usage: Usage | None = None


@dataclass
class Scripted:
    """A provider that follows a script and answers once it ran out."""

    name: ProviderName
    clock: TestClock
    steps: list[Step]
    calls: list[CompletionRequest]
    closed: int = 0
    before: Callable[[], None] = lambda: None

    def complete(self, request: CompletionRequest, api_key: str) -> Completion:
        step = self._next(request, api_key)
        if step.code:
            raise ProviderError(self.name, step.code, step.retry_after, usage=step.usage)
        return Completion("Hi.", "stop", request.model, Usage(1, 2))

    def stream(self, request: CompletionRequest, api_key: str) -> Generator[str, None, Completion]:
        step = self._next(request, api_key)
        try:
            for _ in range(step.deltas if step.code else 2):
                yield "Hi."
        except StreamCancelled:
            raise ProviderError(self.name, "stream_interrupted", usage=Usage(7, 1)) from None
        finally:
            self.closed += 1
        if step.code:
            raise ProviderError(self.name, step.code, step.retry_after, usage=step.usage)
        return Completion("Hi.Hi.", "stop", request.model, Usage(1, 2))

    def embed(self, texts: Sequence[str], model: str, dimensions: int, api_key: str, timeout: float) -> Embeddings:
        raise ProviderError(self.name, "unsupported")

    def _next(self, request: CompletionRequest, api_key: str) -> Step:
        assert api_key in (KEYS[self.name], RENEWED)
        self.calls.append(request)
        self.before()
        step = self.steps.pop(0) if self.steps else Step()
        self.clock.seconds += min(step.seconds, request.timeout)
        return step


class World:
    """A router over scripted providers."""

    def __init__(self, random: float = 0.0, **scripts: list[Step]) -> None:
        self.clock = TestClock()
        self.calls: list[CompletionRequest] = []
        self.providers = {
            name: Scripted(name, self.clock, list(scripts.get(name, [])), self.calls) for name in PROVIDERS
        }
        adapters = cast("dict[ProviderName, Provider]", self.providers)
        self.router = router(adapters, CATALOGUE, self.clock, random=random)

    def complete(self, plan: Plan | None = None, seconds: float = 25.0, log: list[Attempt] | None = None) -> Attempt:
        """The try that answered."""
        log = [] if log is None else log
        self.router.complete(plan or Plan(ALL), REQUEST, KEYS, self.clock.seconds + seconds, log)
        return log[-1]

    @property
    def models(self) -> list[str]:
        return [call.model for call in self.calls]


FAULTS = st.builds(
    Step,
    code=st.sampled_from([None, *CODES]),
    retry_after=st.none() | st.floats(0, 60),
    seconds=st.floats(0, 20),
    deltas=st.integers(0, 2),
)
SCRIPTS = st.fixed_dictionaries({name: st.lists(FAULTS, max_size=4) for name in PROVIDERS})


@given(SCRIPTS, st.floats(0, 40), st.floats(0, 1), st.permutations(ALL), st.integers(1, 3))
def test_whatever_fails_tries_and_time_stay_bounded(
    scripts: dict[str, list[Step]], seconds: float, random: float, order: list[Candidate], width: int
) -> None:
    world = World(random, **scripts)
    log: list[Attempt] = []
    routed = failed = None
    try:
        routed = world.complete(Plan(tuple(order[:width])), seconds, log)
    except ProviderError as error:
        failed = error
    assert [attempt.ok for attempt in log] == [False] * (len(log) - bool(routed)) + [True] * bool(routed)
    assert failed is None or not log or failed.code in {attempt.error_code for attempt in log}
    assert len(log) == len(world.calls) <= MAX_ATTEMPTS
    assert all(world.models.count(candidate.model) <= MAX_ATTEMPTS_EACH for candidate in order)
    assert set(world.models) <= {candidate.model for candidate in order[:width]}
    assert world.clock.seconds <= seconds + 1e-6
    assert all(LEAST_CALL_SECONDS - 1e-6 <= call.timeout <= seconds for call in world.calls)


@given(SCRIPTS, st.floats(1, 40))
def test_a_stream_never_changes_its_model_after_a_delta(scripts: dict[str, list[Step]], seconds: float) -> None:
    world = World(0.0, **scripts)
    log: list[Attempt] = []
    stream = world.router.stream(Plan(ALL), REQUEST, KEYS, seconds, log)
    delivered: list[str] = []
    routed = failed = None
    while routed is None and failed is None:
        try:
            next(stream)
            delivered.append(world.models[-1])
        except StopIteration as end:
            routed = end.value
        except ProviderError as error:
            failed = error
    assert routed is None or routed.model == world.models[-1]
    assert len(set(delivered)) <= 1
    assert all(model == world.models[-1] for model in delivered)
    assert len(log) == len(world.calls) <= MAX_ATTEMPTS
    assert sum(provider.closed for provider in world.providers.values()) == len(world.calls)


@given(st.floats(0, 1), st.integers(1, 2))
def test_without_a_stated_wait_the_backoff_has_full_jitter_below_its_bound(random: float, failures: int) -> None:
    world = World(random, openai=[Step("upstream_error", seconds=0)] * failures)
    plan = Plan(ALL[:1])
    if failures < MAX_ATTEMPTS_EACH:
        world.complete(plan)
    else:
        with pytest.raises(ProviderError):
            world.complete(plan)
    assert sum(world.clock.slept) == pytest.approx(0.5 * random)


def test_a_short_wait_that_the_provider_asks_for_is_spent_on_it() -> None:
    world = World(openai=[Step("rate_limited", retry_after=1.5)])
    assert world.complete().provider == "openai"
    assert world.clock.slept == [pytest.approx(1.5)]


def test_a_long_wait_goes_to_the_next_candidate_at_once() -> None:
    world = World(openai=[Step("rate_limited", retry_after=7)])
    assert world.complete().provider == "anthropic"
    assert world.clock.slept == []


def test_a_long_wait_is_spent_where_nobody_else_is_left_and_it_fits_the_deadline() -> None:
    steps = [Step("rate_limited", retry_after=7)]
    world = World(openai=steps)
    assert world.complete(Plan(ALL[:1])).provider == "openai"
    assert world.clock.slept == [pytest.approx(7)]
    world = World(openai=steps)
    with pytest.raises(ProviderError) as caught:
        world.complete(Plan(ALL[:1]), seconds=6)
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 7)
    assert world.clock.slept == []


def test_what_one_providers_rules_refuse_is_asked_of_nobody_else() -> None:
    world = World(openai=[Step("upstream_error")] * 2, anthropic=[Step("content_refused")])
    with pytest.raises(ProviderError) as caught:
        world.complete()
    assert caught.value.code == "content_refused"
    assert DEFAULTS["google"] not in world.models


@pytest.mark.parametrize(
    "code", ["invalid_request", "request_too_large", "no_answer", "credentials_rejected", "quota_exhausted"]
)
@pytest.mark.parametrize("own_keys", [False, True])
def test_what_one_provider_cannot_do_is_not_tried_there_again_and_goes_to_the_next(
    code: ProviderErrorCode, own_keys: bool
) -> None:
    world = World(openai=[Step(code)])
    assert world.complete(Plan(ALL, pinned=True, own_keys=own_keys)).provider == "anthropic"
    assert world.models == [DEFAULTS["openai"], DEFAULTS["anthropic"]]
    assert world.clock.slept == []


def told(**scripts: list[Step]) -> tuple[str, str]:
    """Who failed how, of what a caller is told."""
    with pytest.raises(ProviderError) as caught:
        World(0.0, **scripts).complete()
    return caught.value.provider, caught.value.code


def test_of_several_errors_the_caller_is_told_the_one_that_helps() -> None:
    refused, spent, down = [Step("invalid_request")], [Step("quota_exhausted")], [Step("upstream_error")] * 2
    assert told(openai=refused, anthropic=refused, google=refused) == ("openai", "invalid_request")
    assert told(openai=refused, anthropic=[Step("request_too_large")], google=refused) == ("openai", "invalid_request")
    assert told(openai=spent, anthropic=refused, google=spent) == ("anthropic", "invalid_request")
    assert told(openai=spent, anthropic=[Step("credentials_rejected")], google=spent) == ("openai", "quota_exhausted")
    assert told(openai=refused, anthropic=down, google=spent) == ("anthropic", "upstream_error")


@pytest.mark.parametrize("own_keys", [False, True])
@pytest.mark.parametrize("code", ["invalid_request", "request_too_large", "no_answer", "content_refused"])
def test_what_one_callers_content_causes_counts_against_nobody(code: ProviderErrorCode, own_keys: bool) -> None:
    world = World(openai=[Step(code)] * 5)
    log: list[Attempt] = []
    for _ in range(5):
        with pytest.raises(ProviderError):
            world.complete(Plan(ALL[:1], own_keys=own_keys), log=log)
    assert len(world.calls) == 5
    assert not any(attempt.counts for attempt in log)
    assert world.complete(Plan(ALL, own_keys=own_keys)).provider == "openai"


@pytest.mark.parametrize(
    ("code", "own_keys", "counts"),
    [
        ("rate_limited", True, False),
        ("quota_exhausted", True, False),
        ("credentials_rejected", True, False),
        ("rate_limited", False, True),
        ("quota_exhausted", False, True),
        ("credentials_rejected", False, True),
        ("upstream_error", True, True),
        ("timeout", False, True),
    ],
)
def test_what_the_own_key_causes_counts_against_nobody_and_what_the_provider_does_counts(
    code: ProviderErrorCode, own_keys: bool, counts: bool
) -> None:
    world = World(openai=[Step(code, retry_after=60)])
    log: list[Attempt] = []
    world.complete(Plan(ALL, own_keys=own_keys), log=log)
    assert [attempt.counts for attempt in log] == [counts, True]


@pytest.mark.parametrize("code", ["credentials_rejected", "quota_exhausted", "model_not_found"])
def test_a_fault_of_the_key_or_model_goes_to_the_next_provider_without_waiting(code: ProviderErrorCode) -> None:
    world = World(openai=[Step(code)])
    assert world.complete().provider == "anthropic"
    assert world.clock.slept == []


def test_a_model_that_the_caller_named_and_nobody_knows_is_the_callers_to_hear_of() -> None:
    world = World(openai=[Step("model_not_found")])
    with pytest.raises(ProviderError):
        world.complete(Plan(ALL, pinned=True))


def test_a_prompt_that_is_too_long_goes_only_where_the_window_is_wider() -> None:
    narrow, wide = Candidate("anthropic", "claude-sonnet-4-5"), Candidate("google", DEFAULTS["google"])
    world = World(anthropic=[Step("context_length_exceeded")])
    assert world.complete(Plan((narrow, wide))).provider == "google"
    world = World(openai=[Step("context_length_exceeded")])
    with pytest.raises(ProviderError):
        world.complete(Plan((ALL[0], narrow, wide)))
    assert len(world.calls) == 1


def test_a_request_is_fitted_to_each_model() -> None:
    world = World(openai=[Step("overloaded", retry_after=9)], anthropic=[Step("overloaded", retry_after=9)])
    world.complete(seconds=12)
    assert [call.model for call in world.calls] == [DEFAULTS[name] for name in PROVIDERS]
    assert [call.temperature for call in world.calls] == [None, None, 0.5]
    assert all(call.timeout <= 12 for call in world.calls)


def test_three_failures_in_a_row_open_the_circuit_and_one_probe_closes_it() -> None:
    world = World(openai=[Step("upstream_error")] * 3)
    for _ in range(3):
        assert world.complete().provider == "anthropic"
    assert world.models.count(DEFAULTS["openai"]) == 3
    world.clock.seconds += 11
    assert world.complete().provider == "openai"
    assert world.complete().provider == "openai"


def test_a_failed_probe_opens_the_circuit_for_longer_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    world = World(openai=[Step("upstream_error")] * 9)
    tried = []
    for pause in (0, 0, 11, 11, 11):
        world.clock.seconds += pause
        assert world.complete().provider == "anthropic"
        tried.append(world.models.count(DEFAULTS["openai"]))
    assert tried == [2, 3, 4, 4, 5]
    told = [vars(record) for record in caplog.records if "not asked for a while" in record.getMessage()]
    assert [(line["model"], line["seconds"]) for line in told] == [(DEFAULTS["openai"], n) for n in (10, 20, 40)]


@pytest.mark.parametrize(
    ("fault", "tries", "told"),
    [
        ("credentials_rejected", 1, "credentials_rejected"),
        ("quota_exhausted", 1, "quota_exhausted"),
        ("rate_limited", 4, "rate_limited"),
        ("upstream_error", 4, "overloaded"),
    ],
)
def test_an_open_circuit_fails_fast_and_says_why_and_when_to_return(
    fault: ProviderErrorCode, tries: int, told: str
) -> None:
    world = World(openai=[Step(fault)] * tries)
    for _ in range(2):
        with pytest.raises(ProviderError):
            world.complete(Plan(ALL[:1]))
    calls = len(world.calls)
    with pytest.raises(ProviderError) as caught:
        world.complete(Plan(ALL[:1]))
    assert caught.value.code == told
    assert 0 < (caught.value.retry_after or 0) <= 20
    assert len(world.calls) == calls


def test_a_rate_limit_of_the_operators_key_keeps_others_away_for_as_long_as_the_provider_said() -> None:
    world = World(openai=[Step("rate_limited", retry_after=30)])
    world.complete()
    assert world.complete().provider == "anthropic"
    assert world.models.count(DEFAULTS["openai"]) == 1
    world.clock.seconds += 31
    assert world.complete().provider == "openai"


@pytest.mark.parametrize("code", ["rate_limited", "quota_exhausted", "credentials_rejected"])
def test_the_fault_of_somebodys_own_key_is_nobody_elses(code: ProviderErrorCode) -> None:
    world = World(openai=[Step(code, retry_after=30)])
    world.complete(Plan(ALL, own_keys=True))
    assert world.complete(Plan(ALL, own_keys=True)).provider == "openai"
    assert world.complete(Plan(ALL)).provider == "openai"


def test_a_provider_that_fails_own_keys_is_still_tried_with_the_operators() -> None:
    world = World(openai=[Step("upstream_error")] * 3)
    for _ in range(3):
        world.complete(Plan(ALL, own_keys=True))
    assert world.complete(Plan(ALL, own_keys=True)).provider == "anthropic"
    assert world.complete(Plan(ALL)).provider == "openai"


def test_closing_a_stream_records_what_was_used_and_blames_nobody() -> None:
    world = World()
    log: list[Attempt] = []
    stream = world.router.stream(Plan(ALL), REQUEST, KEYS, 25.0, log)
    next(stream)
    stream.close()
    assert [(attempt.ok, attempt.error_code, attempt.usage) for attempt in log] == [(True, "cancelled", Usage(7, 1))]
    assert world.providers["openai"].closed == 1


@pytest.mark.parametrize(
    ("code", "at_work", "recorded"),
    [
        ("connection_failed", True, ["cancelled"]),
        ("stream_interrupted", True, ["cancelled"]),
        ("connection_failed", False, []),
        ("rate_limited", True, ["rate_limited"]),
        ("timeout", True, ["timeout"]),
    ],
)
def test_who_leaves_is_recorded_where_the_provider_had_the_whole_request_and_had_not_failed(
    code: ProviderErrorCode, at_work: bool, recorded: list[str]
) -> None:
    world = World(openai=[Step(code)])
    adapters = cast("dict[ProviderName, Provider]", world.providers)
    world.router = router(adapters, CATALOGUE, world.clock, progress=(1, at_work))
    log: list[Attempt] = []
    world.providers["openai"].before = world.router.cancel
    with pytest.raises(ProviderError):
        next(world.router.stream(Plan(ALL), REQUEST, KEYS, 25.0, log))
    assert [attempt.error_code for attempt in log] == recorded
    assert len(world.calls) == 1


def test_an_interrupted_stream_says_what_it_used() -> None:
    world = World(openai=[Step("stream_interrupted", deltas=1, usage=Usage(9, 3))])
    log: list[Attempt] = []
    stream = world.router.stream(Plan(ALL), REQUEST, KEYS, 25.0, log)
    next(stream)
    with pytest.raises(ProviderError) as caught:
        next(stream)
    assert caught.value.usage == Usage(9, 3)
    assert [attempt.usage for attempt in log] == [Usage(9, 3)]


def plan(**changes: Any) -> list[Candidate]:
    values: dict[str, Any] = {"provider": "openai", "model": None, "keys": KEYS}
    return list(World().router.plan(**(values | changes)).candidates)


@given(
    st.sampled_from(PROVIDERS),
    st.sets(st.sampled_from(PROVIDERS)),
    st.none() | st.sets(st.sampled_from(PROVIDERS)),
    st.none() | st.just("some-model"),
)
def test_only_allowed_providers_with_a_key_are_candidates_the_wanted_one_first(
    provider: ProviderName, with_key: set[ProviderName], allowed: set[ProviderName] | None, model: str | None
) -> None:
    usable = with_key if allowed is None else with_key & allowed
    keys = dict.fromkeys(with_key, "key")
    if not usable:
        with pytest.raises(Problem) as caught:
            plan(provider=provider, keys=keys, allowed=allowed, model=model)
        assert caught.value.status == 503
        return
    candidates = plan(provider=provider, keys=keys, allowed=allowed, model=model)
    assert {candidate.provider for candidate in candidates} == usable
    assert len(candidates) == len(usable)
    if provider in usable:
        assert candidates[0] == Candidate(provider, model or DEFAULTS[provider])
    rest = candidates[1:] if provider in usable else candidates
    assert all(candidate.model == DEFAULTS[candidate.provider] for candidate in rest)


SICK = {"calls": 10, "errors": 5, "p50_ms": 100}


def test_who_failed_half_the_last_minutes_calls_comes_last_unless_its_model_was_named() -> None:
    assert plan(health={"openai": SICK})[-1].provider == "openai"
    assert plan(health={"openai": SICK}, model="gpt-6-sol", pinned_model=True)[0].model == "gpt-6-sol"
    assert plan(health={"openai": {"calls": 4, "errors": 4, "p50_ms": None}})[0].provider == "openai"


def test_auto_prefers_success_then_speed_then_price() -> None:
    well = {"calls": 100, "errors": 0, "p50_ms": 1000}
    assert plan(provider="auto", health=dict.fromkeys(PROVIDERS, well))[-1].provider == "google"  # the dearest
    fast = {"calls": 100, "errors": 0, "p50_ms": 400}
    assert plan(provider="auto", health=dict.fromkeys(PROVIDERS, well) | {"anthropic": fast})[0].provider == "anthropic"
    flaky = {"calls": 100, "errors": 40, "p50_ms": 900}
    assert plan(provider="auto", health=dict.fromkeys(PROVIDERS, well) | {"openai": flaky})[0].provider == "anthropic"
    assert plan(provider="google", automatic=True)[0].provider == "openai"


def test_an_attempt_is_written_as_the_database_takes_it() -> None:
    attempt = Attempt("openai", "m", False, "timeout", 1200, Usage(1, 1))
    expected = {"provider": "openai", "model": "m", "ok": False, "error_code": "timeout", "latency_ms": 1200}
    assert attempt.as_json() == expected


class Broken(Scripted):
    """An adapter with a mistake in it."""

    def _next(self, request: CompletionRequest, api_key: str) -> Step:
        super()._next(request, api_key)
        raise RecursionError("a mistake")


@pytest.mark.parametrize("streamed", [False, True])
def test_a_mistake_in_an_adapter_is_logged_with_its_frames_and_goes_to_the_next(
    streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.providers["openai"] = Broken("openai", world.clock, [], world.calls)
    for _ in range(4):  # no circuit opens
        log: list[Attempt] = []
        if streamed:
            list(world.router.stream(Plan(ALL), REQUEST, KEYS, world.clock.seconds + 25, log))
        else:
            world.complete(log=log)
        assert [(attempt.provider, attempt.error_code, attempt.counts) for attempt in log] == [
            ("openai", "unforeseen", False),
            ("anthropic", None, True),
        ]
    logged = [record for record in caplog.records if "adapter failed" in record.getMessage()]
    assert len(logged) == 4
    assert any("_next" in frame for frame in vars(logged[0])["frames"])
    with pytest.raises(ProviderError) as caught:
        world.complete(Plan(ALL[:1]))
    assert (caught.value.code, caught.value.retryable) == ("unforeseen", False)


def test_a_provider_without_an_adapter_is_no_candidate() -> None:
    world = World()
    del world.providers["openai"]
    assert [one.provider for one in world.router.plan(provider="openai", model=None, keys=KEYS).candidates] == [
        "anthropic",
        "google",
    ]


def without_schemas(*providers: str) -> Catalogue:
    """The shipped catalogue, where the default models of some providers keep no schema."""
    document = json.loads(CATALOGUE_FILE.read_bytes())
    for row in document["models"]:
        if row["provider"] in providers:
            row["capabilities"] = [name for name in row["capabilities"] if name != "structured_output"]
    return Catalogue(document)


def test_a_provider_that_cannot_keep_the_schema_is_passed_over_and_without_any_it_is_said() -> None:
    asked = replace(REQUEST, schema={"type": "object"})
    world = World()
    adapters = cast("dict[ProviderName, Provider]", world.providers)
    log: list[Attempt] = []
    router(adapters, without_schemas("openai"), world.clock).complete(Plan(ALL), asked, KEYS, 25.0, log)
    assert [attempt.provider for attempt in log] == ["anthropic"]
    with pytest.raises(Problem) as caught:
        router(adapters, without_schemas(*PROVIDERS), world.clock).complete(Plan(ALL), asked, KEYS, 25.0, log)
    assert (caught.value.code, caught.value.status) == ("unsupported", 400)
    assert len(world.calls) == 1


def test_an_attempt_tells_what_was_adjusted_and_which_model_answered() -> None:
    world = World(openai=[Step("overloaded", retry_after=9)])
    log: list[Attempt] = []
    world.complete(log=log)
    assert [(attempt.adjusted, attempt.answering_model) for attempt in log] == [
        ((), DEFAULTS["openai"]),
        (("temperature",), DEFAULTS["anthropic"]),
    ]


# Lists of models, and the cheapest one


SOL = Candidate("openai", "gpt-6-sol")
LUNA = Candidate("openai", "gpt-6-luna")
HAIKU = Candidate("anthropic", "claude-haiku-5-5")


def in_order(world: World, *candidates: Candidate, allowed: list[str] | None = None) -> Plan:
    return world.router.in_order(candidates, KEYS, allowed, own_keys=False)


@given(SCRIPTS, st.lists(st.sampled_from([SOL, LUNA, *ALL]), min_size=2, max_size=8))
def test_a_list_is_asked_in_its_order_once_each_and_nobody_else_is(
    scripts: dict[str, list[Step]], listed: list[Candidate]
) -> None:
    world = World(0.0, **scripts)
    with contextlib.suppress(ProviderError):
        world.complete(in_order(world, *listed), 1_000.0)
    order = [candidate.model for candidate in dict.fromkeys(listed)]
    if len(order) > 1:
        asked = iter(order)
        assert all(model in asked for model in world.models)


def test_a_model_that_its_provider_does_not_know_gives_way_to_the_next_of_the_list() -> None:
    world = World(openai=[Step("model_not_found")])
    assert world.complete(in_order(world, SOL, LUNA)).model == LUNA.model
    assert world.models == [SOL.model, LUNA.model]


def test_a_long_list_is_asked_to_its_end() -> None:
    world = World(0.0, **{name: [Step("upstream_error")] * 9 for name in PROVIDERS})
    chat = [Candidate(model.provider, model.id) for model in CATALOGUE.models("chat")]
    with pytest.raises(ProviderError):
        world.complete(in_order(world, *chat), 1_000.0)
    assert world.models == [candidate.model for candidate in chat]
    assert len(chat) > MAX_ATTEMPTS


@pytest.mark.parametrize(("refusals", "asked"), [(1, [LUNA, LUNA]), (2, [LUNA, LUNA, HAIKU])])
def test_each_model_of_a_list_is_tried_once_with_the_key_that_replaced_a_refused_one(
    refusals: int, asked: list[Candidate]
) -> None:
    world = World(openai=[Step("credentials_rejected")] * refusals)
    adapters = cast("dict[ProviderName, Provider]", world.providers)
    world.router = router(adapters, CATALOGUE, world.clock, renewed_key=RENEWED)
    assert world.complete(in_order(world, LUNA, HAIKU)).model == asked[-1].model
    assert world.models == [candidate.model for candidate in asked]


def test_what_an_organization_forbids_is_left_out_of_a_list() -> None:
    world = World()
    assert in_order(world, LUNA, HAIKU, allowed=["anthropic"]).candidates == (HAIKU,)
    with pytest.raises(Problem, match="no_provider_available"):
        in_order(world, LUNA, allowed=["google"])


def cheapest(world: World, tokens: int = 100, health: Any = None, **changes: Any) -> list[str]:
    models = [model.id for model in CATALOGUE.models("chat")]
    request = replace(REQUEST, **changes)
    plan = world.router.cheapest(request, models, KEYS, None, health or {}, prompt_tokens=tokens, own_keys=False)
    return [candidate.model for candidate in plan.candidates]


def dollars(model: str, tokens: int = 100) -> Decimal:
    cost = CATALOGUE.cost(model, Usage(tokens, 100), datetime(2026, 11, 21, tzinfo=UTC))
    return Decimal("Infinity") if cost is None else cost


def test_the_cheapest_model_of_each_provider_is_asked_the_cheapest_first() -> None:
    chosen = cheapest(World())
    assert len({CATALOGUE.find(model).provider for model in chosen}) == len(chosen) == 3  # type: ignore[union-attr]
    assert chosen == sorted(chosen, key=dollars)
    for model in CATALOGUE.models("chat"):
        ours = next(one for one in chosen if CATALOGUE.find(one).provider == model.provider)  # type: ignore[union-attr]
        assert dollars(ours) <= dollars(model.id)


def test_a_provider_that_failed_half_its_calls_is_asked_last_however_cheap() -> None:
    first = cheapest(World())[0]
    provider = CATALOGUE.find(first).provider  # type: ignore[union-attr]
    assert cheapest(World(), health={provider: {"calls": 10, "errors": 5}})[-1] == first
    assert cheapest(World(), health={provider: {"calls": 10, "errors": 4}})[0] == first


def test_a_prompt_goes_to_a_model_that_it_fits_and_to_any_where_it_fits_none() -> None:
    windows = {model.id: model.context_window for model in CATALOGUE.models("chat")}
    least, most = min(windows.values()), max(windows.values())
    for tokens in (least - 50, least, most - 200):
        assert all(windows[model] >= tokens + 100 for model in cheapest(World(), tokens))
    assert cheapest(World(), most * 2)


def test_a_retired_model_is_not_the_cheapest() -> None:
    document = json.loads(CATALOGUE_FILE.read_text())
    luna = next(row for row in document["models"] if row["id"] == LUNA.model)
    luna["retires"] = "2026-11-20"
    world = World()
    world.router = router(cast("Any", world.providers), Catalogue(document), world.clock)
    assert LUNA.model not in cheapest(world)
