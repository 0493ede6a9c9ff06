"""What a caller sees of itself: settings, usage, conversations, the game; and of Parley: providers and FAQs."""

from __future__ import annotations

from parley.account.schemas import (
    AccessKeyList,
    AccessKeyQuery,
    AccessKeyRename,
    AccessKeySummary,
    AccessKeyUsageList,
    AccessKeyUsageQuery,
    CreatedAccessKey,
    HistoryQuery,
    NewAccessKey,
    PersonalRecordList,
    ProviderList,
    ProviderReportQuery,
    ProviderReports,
    PublicFaqList,
    SearchReport,
    Settings,
    SettingsChange,
    Usage,
    UsageHistory,
)
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.chat.conversation_schemas import (
    Conversation,
    ConversationList,
    ConversationQuery,
    ConversationRename,
    RenamedConversation,
)
from parley.container import Container
from parley.core.paging import PageQuery
from parley.core.period import Period
from parley.gamification.schemas import (
    AchievementList,
    Leaderboard,
    LeaderboardQuery,
    Profile,
    ProfileChange,
    ProgressList,
    Streaks,
    XpEventList,
)
from parley.search.schemas import (
    CreatedList,
    InteractionList,
    InteractionsRequest,
    RecommendationList,
    RecommendationsQuery,
)

services = Container.from_environment()
api = Api(services.settings, lambda: services.access_keys)


@api.get("/api/settings", access="user", answer=Settings, errors=["subject_deleted"])
def get_settings(request: Request) -> Settings:
    """Tier, limits, preferred provider, own keys as last four."""
    return services.account.settings(request.caller)


@api.patch(
    "/api/settings",
    access="user",
    answer=Settings,
    errors=["invalid_provider", "provider_not_allowed", "subject_deleted"],
)
def update_settings(request: Request, body: SettingsChange) -> Settings:
    """Change the preferred provider."""
    services.preferences.save(request.caller, "user", body.preferred_provider)
    return services.account.settings(request.caller)


@api.get("/api/usage", access="user", scope="usage", answer=Usage, errors=["subject_deleted"])
def get_usage(request: Request) -> Usage:
    """Today and this month against the limits."""
    return services.usage.current(request.caller)


@api.get(
    "/api/usage/history", access="user", scope="usage", answer=UsageHistory, errors=["organization_admin_required"]
)
def get_usage_history(request: Request, query: HistoryQuery) -> UsageHistory:
    """Calls, tokens and cost over time."""
    return services.usage.history(request.caller, query)


@api.get("/api/usage/searches", access="user", scope="usage", answer=SearchReport)
def get_search_usage(request: Request, query: Period) -> SearchReport:
    """Searches by type, and from how many something was chosen."""
    return services.usage.searches(request.caller, query)


@api.get(
    "/api/usage/providers", access="user", scope="usage", answer=ProviderReports, errors=["organization_admin_required"]
)
def get_provider_usage(request: Request, query: ProviderReportQuery) -> ProviderReports:
    """How the providers did for the caller, or for the admin's organization."""
    return services.usage.providers(request.caller, query)


@api.post(
    "/api/settings/access-keys",
    access="user",
    status=201,
    answer=CreatedAccessKey,
    errors=["organization_admin_required", "access_key_limit_reached", "subject_deleted"],
)
def create_access_key(request: Request, body: NewAccessKey) -> CreatedAccessKey:
    """Make a machine key; it is shown this once."""
    return services.access_key_keeper.create(request.caller, body)


@api.get("/api/settings/access-keys", access="user", answer=AccessKeyList, errors=["organization_admin_required"])
def list_access_keys(request: Request, query: AccessKeyQuery) -> AccessKeyList:
    """Machine keys, the newest first."""
    return services.access_key_keeper.page(request.caller, query)


@api.patch(
    "/api/settings/access-keys/{key_id}",
    access="user",
    answer=AccessKeySummary,
    errors=["access_key_not_found", "subject_deleted"],
)
def rename_access_key(request: Request, body: AccessKeyRename) -> AccessKeySummary:
    """Give a machine key another name."""
    return services.access_key_keeper.rename(request.caller, request.path["key_id"], body)


@api.delete(
    "/api/settings/access-keys/{key_id}",
    access="user",
    status=204,
    answer=None,
    errors=["access_key_not_found", "subject_deleted"],
)
def revoke_access_key(request: Request) -> None:
    """Revoke a machine key for good."""
    services.access_key_keeper.revoke(request.caller, request.path["key_id"])


@api.get(
    "/api/usage/access-keys",
    access="user",
    scope="usage",
    answer=AccessKeyUsageList,
    errors=["organization_admin_required"],
)
def get_access_key_usage(request: Request, query: AccessKeyUsageQuery) -> AccessKeyUsageList:
    """What each machine key used."""
    return services.access_key_keeper.usage(request.caller, query)


@api.get("/api/ai-providers", access="anyone", answer=ProviderList)
def list_providers(request: Request) -> ProviderList:
    """Providers, models, prices, and health as known."""
    return services.public_lists.providers(request.caller)


@api.get("/api/faqs", access="anyone", answer=PublicFaqList)
def list_faqs(request: Request, query: PageQuery) -> PublicFaqList:
    """The precomputed responses."""
    return services.public_lists.faqs(request.caller, query)


@api.get("/api/conversations", access="user", answer=ConversationList)
def list_conversations(request: Request, query: PageQuery) -> ConversationList:
    """The caller's conversations, the latest first."""
    return services.conversations.page(request.caller, query)


@api.get(
    "/api/conversations/{conversation_id}",
    access="user",
    answer={"application/json": Conversation, "text/markdown": str},
    errors=["conversation_not_found"],
)
def get_conversation(request: Request, query: ConversationQuery) -> Reply | Conversation:
    """One conversation; `format=markdown` exports it as a document."""
    conversation_id = request.path["conversation_id"]
    if query.format == "markdown":
        document, earlier = services.conversations.markdown(request.caller, conversation_id, query)
        headers = {} if earlier is None else {"X-Next-Cursor": earlier}
        return Reply(document, headers, content_type="text/markdown; charset=utf-8")
    return services.conversations.read(request.caller, conversation_id, query)


@api.patch(
    "/api/conversations/{conversation_id}",
    access="user",
    answer=RenamedConversation,
    errors=["conversation_not_found", "version_conflict"],
)
def rename_conversation(request: Request, body: ConversationRename) -> RenamedConversation:
    """Give a conversation another title."""
    return services.conversations.rename(request.caller, request.path["conversation_id"], body)


@api.delete(
    "/api/conversations/{conversation_id}", access="user", status=204, answer=None, errors=["conversation_not_found"]
)
def delete_conversation(request: Request) -> None:
    """Delete a conversation."""
    services.conversations.delete(request.caller, request.path["conversation_id"])


@api.post(
    "/api/interactions",
    access="user",
    status=201,
    answer=CreatedList,
    idempotent=True,
    errors=["subject_deleted", "daily_limit_reached"],
)
def record_interactions(request: Request, body: InteractionsRequest) -> Reply:
    """Record what the caller looked at, clicked, added to a cart."""
    answered = services.interactions.record(request.context, body)
    return Reply(answered.body, replayed=answered.replayed)


@api.get("/api/interactions", access="user", answer=InteractionList)
def list_interactions(request: Request, query: PageQuery) -> InteractionList:
    """The caller's interactions, newest first."""
    return services.interactions.page(request.caller, query)


@api.get("/api/recommendations", access="user", answer=RecommendationList)
def list_recommendations(request: Request, query: RecommendationsQuery) -> RecommendationList:
    """What the caller may like next."""
    return services.interactions.recommendations(request.caller, query)


@api.get("/api/profile", access="user", answer=Profile, errors=["subject_deleted"])
def get_profile(request: Request) -> Profile:
    """The caller's profile, level and streak."""
    return services.profiles.read(request.caller)


@api.patch("/api/profile", access="user", answer=Profile, errors=["subject_deleted"])
def update_profile(request: Request, body: ProfileChange) -> Profile:
    """Change name, time zone, opt-out, what is practised for, or the application's preferences."""
    return services.profiles.change(request.caller, body)


@api.delete("/api/profile", access="user", status=204, answer=None, errors=["user_referenced"])
def delete_profile(request: Request) -> None:
    """Delete the account with everything personal; its tokens are refused from now on."""
    services.personal_data.delete(request.caller)


@api.get("/api/profile/export", access="user", answer=PersonalRecordList)
def export_profile(request: Request, query: PageQuery) -> PersonalRecordList:
    """Everything personal of the caller, to take along."""
    return services.personal_data.page(request.caller, query)


@api.get("/api/xp-events", access="user", answer=XpEventList)
def list_xp_events(request: Request, query: PageQuery) -> XpEventList:
    """What the caller earned points by, newest first."""
    return services.rewards.xp_events(request.caller, query)


@api.get("/api/achievements", access="user", answer=AchievementList)
def list_achievements(request: Request) -> AchievementList:
    """Every achievement, with the caller's progress."""
    return services.rewards.achievements(request.caller)


@api.get("/api/streaks", access="user", answer=Streaks)
def get_streaks(request: Request) -> Streaks:
    """The caller's daily and weekly streak as they stand now."""
    return services.rewards.streaks(request.caller)


@api.get("/api/user-progress", access="user", answer=ProgressList)
def list_progress(request: Request) -> ProgressList:
    """How the caller does in each skill."""
    return services.rewards.progress(request.caller)


@api.get("/api/leaderboard", access="anyone", answer=Leaderboard, errors=["organization_required"])
def get_leaderboard(request: Request, query: LeaderboardQuery) -> Leaderboard:
    """The first places of a window, the caller and its neighbours."""
    return services.standings.page(request.caller, query)


lambda_handler = api.handler
