"""What a caller sends and reads of itself: preferences, settings, usage; and of Parley: providers and FAQs."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, Field, StringConstraints
from typing_extensions import TypedDict

from parley.core.caller import AccessKeyScope
from parley.core.fields import (
    BODY,
    QUERY,
    Count,
    Milliseconds,
    Provider,
    ProviderSource,
    ProviderSpelling,
    SearchesOfType,
    TierName,
    Tokens,
    Usd,
    Whole,
)
from parley.core.paging import PageQuery
from parley.core.period import Moment, Period
from parley.core.provider_names import ProviderName

Scope = Literal["user", "organization"]
AccessKeyName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class ProviderQuery(BaseModel):
    """`scope` asks for what is saved at one level, in place of what applies."""

    model_config = QUERY
    scope: Scope | None = None


class ScopeQuery(BaseModel):
    """Whose preference is meant."""

    model_config = QUERY
    scope: Scope = "user"


class ProviderPreference(BaseModel):
    """The provider to prefer, for oneself or, as its admin, for the organization."""

    model_config = BODY
    provider: Provider
    scope: Scope = "user"


class ProviderPolicy(BaseModel):
    """What an organization's members may use; null for both allows every provider."""

    model_config = BODY
    allowed_providers: Annotated[list[Provider], Field(min_length=1, max_length=10)] | None = None
    forbidden_providers: Annotated[list[Provider], Field(max_length=10)] | None = None


class SettingsChange(BaseModel):
    """Tier and counters are not the caller's to change."""

    model_config = BODY
    preferred_provider: Provider


class HistoryQuery(Period):
    """Which days, of whom, and what to sum them by."""

    group_by: Literal["day", "provider", "model", "operation"] = "day"
    scope: Scope = "user"


class ProviderReportQuery(Period):
    """Which days, and of whom."""

    scope: Scope = "user"


class EffectiveProvider(TypedDict):
    """The provider of the caller's next call, and who chose it; null where none may be used or none is saved."""

    provider: ProviderSpelling | None
    provider_source: ProviderSource


class SavedPreference(TypedDict):
    """What was saved, in the spelling that was sent."""

    provider: ProviderSpelling
    scope: Scope


class AllowedProviders(TypedDict):
    """What the organization's members may use from now on; null for every provider."""

    allowed_providers: list[ProviderName] | None


class QuotaWindow(TypedDict):
    """What is used of a limit (null: unlimited) until it starts anew."""

    limit: Count | None
    used: Count
    resets_at: datetime


class Usage(TypedDict):
    """The tier, and what is used of it: answers by day and month, and tokens to embed by day."""

    tier: TierName
    daily: QuotaWindow
    monthly: QuotaWindow
    embedding_tokens: QuotaWindow


class ApiKeySummary(TypedDict):
    """An own key, as far as it is ever shown."""

    last_four: Annotated[str, Field(max_length=4)]
    verified: bool
    updated_at: datetime


class Settings(Usage):
    """Usage, the saved provider, and the own keys by provider."""

    preferred_provider: ProviderSpelling | None
    api_keys: dict[ProviderName, ApiKeySummary]


class UsageSum(TypedDict):
    """The calls of one day, provider, model or operation: the member that was grouped by names which.

    `cost_usd` is the cost of the calls whose cost is known; `unpriced_calls` counts the others.
    """

    day: NotRequired[date]
    provider: NotRequired[str | None]
    model: NotRequired[str | None]
    operation: NotRequired[str]
    calls: Count
    total_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count


class UsageHistory(TypedDict):
    """Sums, in the order of what they are grouped by."""

    data: list[UsageSum]
    next_cursor: None


class ProviderReport(TypedDict):
    """How a provider did. Attempts are known for the caller's own calls of the last sixteen days; else null."""

    provider: str | None
    calls: Count
    total_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count
    p50_latency_ms: Milliseconds | None
    p95_latency_ms: Milliseconds | None
    attempts: Count | None
    succeeded: Count | None


class SearchReport(TypedDict):
    """The caller's searches by type."""

    data: list[SearchesOfType]
    next_cursor: None


class ProviderReports(TypedDict):
    """One report for each provider that was called."""

    data: list[ProviderReport]
    next_cursor: None


class Prices(TypedDict):
    """US dollars per million tokens; null where the provider names no price."""

    input: Usd | None
    cached_input: Usd | None
    output: Usd | None


class Model(TypedDict):
    """A model that may be asked for."""

    id: str
    capabilities: list[str]
    context_window: int | None
    usd_per_million_tokens: Prices | None
    retires_at: date | None


class ProviderHealth(TypedDict):
    """Calls of the last minute, everybody's."""

    calls: Count
    errors: Count
    p50_latency_ms: Milliseconds | None


class ProviderEntry(TypedDict):
    """A provider with its models; `health` is null where nobody called it in the last minute."""

    provider: ProviderName
    default_model: str
    health: ProviderHealth | None
    models: list[Model]


class ProviderList(TypedDict):
    """Every provider."""

    data: list[ProviderEntry]
    next_cursor: None


class PublicFaq(TypedDict):
    """A precomputed response to messages that match the pattern as a whole."""

    pattern: str
    response: str
    priority: int | None


class PublicFaqList(TypedDict):
    """The active precomputed responses, the first to match first."""

    data: list[PublicFaq]
    next_cursor: str | None


class NewAccessKey(BaseModel):
    """A machine key to make: for oneself, or as its admin for the organization. `daily_limit` is of units, which
    only the scope `chat` takes; embeddings are limited by their user's tokens of the day.
    """

    model_config = BODY
    name: AccessKeyName
    scopes: Annotated[list[AccessKeyScope], Field(min_length=1, max_length=4)]
    owner: Scope = "user"
    daily_limit: Annotated[int, Field(ge=1, le=1_000_000), Whole] | None = None
    expires_at: Annotated[Moment, Field(strict=False)] | None = None


class AccessKeyRename(BaseModel):
    """Another name of a machine key."""

    model_config = BODY
    name: AccessKeyName


class AccessKeyQuery(PageQuery):
    """Whose keys are meant."""

    owner: Scope = "user"


class AccessKeyUsageQuery(Period):
    """Whose keys are meant."""

    owner: Scope = "user"


class AccessKeySummary(TypedDict):
    """A machine key as it is shown: `daily_limit` counts units, which model calls take and embeddings do not; null is
    no limit of its own. `last_used_at` is to the minute; `user_id` is as whom it acts.
    """

    id: str
    owner: Scope
    user_id: str
    name: str
    last_four: Annotated[str, Field(min_length=4, max_length=4)]
    scopes: list[AccessKeyScope]
    daily_limit: int | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class CreatedAccessKey(AccessKeySummary):
    """A new machine key, with the key itself, which is never shown again."""

    key: str


class AccessKeyList(TypedDict):
    """Machine keys, the newest first, revoked ones included."""

    data: list[AccessKeySummary]
    next_cursor: str | None


class AccessKeyUsage(TypedDict):
    """What a machine key used: requests that a model answered, calls to providers, tokens, and what they cost."""

    id: str
    name: str
    last_four: str
    requests: Count
    calls: Count
    input_tokens: Tokens
    output_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count


class AccessKeyUsageList(TypedDict):
    """The dearest first; keys without use are left out."""

    data: list[AccessKeyUsage]
    next_cursor: None


class PersonalRecord(TypedDict):
    """One record of the caller's, as it is kept. What is a secret is left out, and what is computed of the rest."""

    kind: str
    record: dict[str, Any]


class PersonalRecordList(TypedDict):
    """Everything personal of the caller, kind after kind; complete when `next_cursor` is null."""

    data: list[PersonalRecord]
    next_cursor: str | None
