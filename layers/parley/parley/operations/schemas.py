"""What operators send and read; and what anybody may ask of the deployment itself."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, StringConstraints
from typing_extensions import TypedDict

from parley.core.fields import (
    BODY,
    QUERY,
    Count,
    Language,
    Milliseconds,
    Note,
    ProviderSpelling,
    SearchesOfType,
    TierName,
    Tokens,
    Usd,
    Whole,
)
from parley.retrieval.kinds import Filter

Limit = Annotated[int, Field(ge=0, le=1_000_000_000), Whole] | None
Task = Literal["usage_reset", "cache_cleanup"]


class HealthQuery(BaseModel):
    """`ready=true` asks whether requests can be served, not only whether the function runs."""

    model_config = QUERY
    ready: bool = False


class TierLimits(BaseModel):
    """A tier's limits; null means unlimited."""

    model_config = BODY
    daily_units: Limit
    monthly_units: Limit = None
    daily_embedding_tokens: Limit


class UserTierChange(BaseModel):
    """The tier to move a user to."""

    model_config = BODY
    tier: Literal["free", "premium", "byok"]


class NewFaq(BaseModel):
    """A precomputed response: words, one at least, and `*`, matched against the whole message."""

    model_config = ConfigDict(
        **BODY,
        json_schema_extra={"examples": [{"pattern": "opening hours *", "response": "Nine to five."}]},
    )
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=300, strip_whitespace=True, pattern=r"[^\W_]")]
    response: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    priority: Annotated[int, Field(ge=-1_000, le=1_000), Whole] = 0
    is_active: bool = True


class ContentFields(BaseModel):
    """An item of content; it is found by its title and description. `language` is a tag such as en, en-GB or sv.
    Without it, twelve languages are recognised by the description's small words.
    """

    model_config = ConfigDict(
        **BODY,
        json_schema_extra={"examples": [{"title": "Round the lake", "description": "A walk.", "language": "en"}]},
    )
    title: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"\S")]
    description: Annotated[str, StringConstraints(max_length=20_000)] = ""
    language: Language | None = None
    metadata: Note = {}


def _lower_uuid(text: str) -> str:
    return str(UUID(text))


class NewContent(ContentFields):
    """An item with its id, a UUID."""

    id: Annotated[str, Field(json_schema_extra={"format": "uuid"}), AfterValidator(_lower_uuid)]


def _ids_once(items: list[NewContent]) -> list[NewContent]:
    if len({item.id for item in items}) < len(items):
        raise ValueError("each id once")
    return items


class ContentBatch(BaseModel):
    """Items of one type to store, all or none."""

    model_config = BODY
    items: Annotated[list[NewContent], Field(min_length=1, max_length=100), AfterValidator(_ids_once)]


class ContentDeleteQuery(BaseModel):
    """A non-empty filter on metadata (JSON, as that of a search), or `all=true`; not both."""

    model_config = QUERY
    metadata: Json[Annotated[Filter, Field(min_length=1)]] | None = None
    all: bool = False


class MaintenanceRequest(BaseModel):
    """Which schedule's work to do now."""

    model_config = BODY
    task: Task


class Health(TypedDict):
    """`database` only where readiness was asked for."""

    status: Literal["ok"]
    database: NotRequired[Literal["ok"]]


class Contract(TypedDict):
    """An OpenAPI document: this one."""

    openapi: str
    info: dict[str, Any]
    servers: list[dict[str, Any]]
    tags: list[dict[str, Any]]
    paths: dict[str, Any]
    components: dict[str, Any]


class Tier(TypedDict):
    """A tier with its limits; null means unlimited."""

    tier: TierName
    daily_units: Count | None
    monthly_units: Count | None
    daily_embedding_tokens: Count | None


class TierList(TypedDict):
    """Every tier."""

    data: list[Tier]
    next_cursor: None


class UserTier(TypedDict):
    """Whose tier is which. `is_new`: nobody had called by this id yet, which may be a mistyped one."""

    user_id: str
    tier: TierName
    is_new: bool


class DeletedContent(TypedDict):
    """How many items were deleted."""

    deleted: Count


class StoredContent(TypedDict):
    """How many items were stored, and how many of them had to be embedded."""

    stored: Count
    embedded: Count


class Faq(TypedDict):
    """A precomputed response as it is stored."""

    id: UUID
    pattern: str
    response: str
    priority: int | None
    is_active: bool
    updated_at: datetime | None


class FaqList(TypedDict):
    """A page of the precomputed responses, the first to match first."""

    data: list[Faq]
    next_cursor: str | None


class UsageRow(TypedDict):
    """Everybody's calls of one day, provider, model and operation. `unpriced_calls` has those whose cost is unknown."""

    day: date
    provider: str | None
    model: str | None
    operation: str
    own_key: bool
    calls: Count
    total_tokens: Tokens
    cost_usd: Usd
    unpriced_calls: Count
    mean_latency_ms: Milliseconds | None


class TierUsers(TypedDict):
    """How many users have a tier."""

    tier: TierName
    users: Count


class ProviderPreferences(TypedDict):
    """How many preferences name a provider."""

    provider: ProviderSpelling
    preferences: Count


class Analytics(TypedDict):
    """Usage, users and preferences across everybody."""

    usage: list[UsageRow]
    users_by_tier: list[TierUsers]
    preferences_by_provider: list[ProviderPreferences]
    searches_by_type: list[SearchesOfType]


class SweptRequests(TypedDict):
    """Dead holds released, answers that expired, rows and callers without a token that were forgotten."""

    released: Count
    answers_expired: Count
    forgotten: Count
    callers_forgotten: Count


class UsageReset(TypedDict):
    """What `usage_reset` found to do; `finished` says that nothing was left when its time was up."""

    months_made: Count
    days_summed: Count
    requests: SweptRequests
    events_deleted: Count
    ranks_changed: Count
    months_archived: Count
    finished: bool


class CacheCleanup(TypedDict):
    """How many expired answers `cache_cleanup` deleted, how many silent interviews it ended, for how many it asked for
    feedback, how many events and reports of voice calls it had worked on, and how many calls (at most 1000) are to be
    deleted at their vendor; `finished` says that nothing was left when its time was up.
    """

    deleted: Count
    interviews_closed: Count
    feedback_requested: Count
    voice_events_requested: Count
    voice_calls_requested: Count
    call_deletions_due: Count
    finished: bool
