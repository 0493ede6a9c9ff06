"""What a caller sees of itself: settings, usage, conversations, the game; and of Parley: providers and FAQs."""

from __future__ import annotations

from parley.account import schemas as account
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.chat import conversation_schemas as chat
from parley.container import Container
from parley.core.paging import PageQuery
from parley.core.period import Period
from parley.gamification import schemas as game
from parley.search import schemas as search

services = Container.from_environment()
api = Api(services.settings, lambda: services.access_keys)


@api.get("/api/settings", access="user", answer=account.Settings, errors=["subject_deleted"])
def get_settings(request: Request) -> account.Settings:
    """Tier, limits, preferred provider, own keys as last four."""
    return services.account.settings(request.caller)


@api.patch(
    "/api/settings",
    access="user",
    answer=account.Settings,
    errors=["invalid_provider", "provider_not_allowed", "subject_deleted"],
)
def update_settings(request: Request, body: account.SettingsChange) -> account.Settings:
    """Change the preferred provider."""
    services.preferences.save(request.caller, "user", body.preferred_provider)
    return services.account.settings(request.caller)


@api.get("/api/usage", access="user", scope="usage", answer=account.Usage, errors=["subject_deleted"])
def get_usage(request: Request) -> account.Usage:
    """Today and this month against the limits."""
    return services.usage.current(request.caller)


@api.get(
    "/api/usage/history",
    access="user",
    scope="usage",
    answer=account.UsageHistory,
    errors=["organization_admin_required"],
)
def get_usage_history(request: Request, query: account.HistoryQuery) -> account.UsageHistory:
    """Calls, tokens and cost over time."""
    return services.usage.history(request.caller, query)


@api.get("/api/usage/searches", access="user", scope="usage", answer=account.SearchReport)
def get_search_usage(request: Request, query: Period) -> account.SearchReport:
    """Searches by type, and from how many something was chosen."""
    return services.usage.searches(request.caller, query)


@api.get(
    "/api/usage/providers",
    access="user",
    scope="usage",
    answer=account.ProviderReports,
    errors=["organization_admin_required"],
)
def get_provider_usage(request: Request, query: account.ProviderReportQuery) -> account.ProviderReports:
    """How the providers did for the caller, or for the admin's organization."""
    return services.usage.providers(request.caller, query)


@api.post(
    "/api/settings/access-keys",
    access="user",
    status=201,
    answer=account.CreatedAccessKey,
    errors=["organization_admin_required", "access_key_limit_reached", "subject_deleted"],
)
def create_access_key(request: Request, body: account.NewAccessKey) -> account.CreatedAccessKey:
    """Make a machine key; it is shown this once."""
    return services.access_key_keeper.create(request.caller, body)


@api.get(
    "/api/settings/access-keys", access="user", answer=account.AccessKeyList, errors=["organization_admin_required"]
)
def list_access_keys(request: Request, query: account.AccessKeyQuery) -> account.AccessKeyList:
    """Machine keys, the newest first."""
    return services.access_key_keeper.page(request.caller, query)


@api.patch(
    "/api/settings/access-keys/{key_id}",
    access="user",
    answer=account.AccessKeySummary,
    errors=["access_key_not_found", "subject_deleted"],
)
def rename_access_key(request: Request, body: account.AccessKeyRename) -> account.AccessKeySummary:
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
    answer=account.AccessKeyUsageList,
    errors=["organization_admin_required"],
)
def get_access_key_usage(request: Request, query: account.AccessKeyUsageQuery) -> account.AccessKeyUsageList:
    """What each machine key used."""
    return services.access_key_keeper.usage(request.caller, query)


@api.get("/api/ai-providers", access="anyone", answer=account.ProviderList)
def list_providers(request: Request) -> account.ProviderList:
    """Providers, models, prices, and health as known."""
    return services.public_lists.providers(request.caller)


@api.get("/api/faqs", access="anyone", answer=account.PublicFaqList)
def list_faqs(request: Request, query: PageQuery) -> account.PublicFaqList:
    """The precomputed responses."""
    return services.public_lists.faqs(request.caller, query)


@api.get("/api/conversations", access="user", answer=chat.ConversationList)
def list_conversations(request: Request, query: PageQuery) -> chat.ConversationList:
    """The caller's conversations, the latest first."""
    return services.conversations.page(request.caller, query)


@api.get(
    "/api/conversations/{conversation_id}",
    access="user",
    answer={"application/json": chat.Conversation, "text/markdown": str},
    errors=["conversation_not_found"],
)
def get_conversation(request: Request, query: chat.ConversationQuery) -> Reply | chat.Conversation:
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
    answer=chat.RenamedConversation,
    errors=["conversation_not_found", "version_conflict"],
)
def rename_conversation(request: Request, body: chat.ConversationRename) -> chat.RenamedConversation:
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
    answer=search.CreatedList,
    idempotent=True,
    errors=["subject_deleted", "daily_limit_reached"],
)
def record_interactions(request: Request, body: search.InteractionsRequest) -> Reply:
    """Record what the caller looked at, clicked, added to a cart."""
    answered = services.interactions.record(request.context, body)
    return Reply(answered.body, replayed=answered.replayed)


@api.get("/api/interactions", access="user", answer=search.InteractionList)
def list_interactions(request: Request, query: PageQuery) -> search.InteractionList:
    """The caller's interactions, newest first."""
    return services.interactions.page(request.caller, query)


@api.get("/api/recommendations", access="user", answer=search.RecommendationList)
def list_recommendations(request: Request, query: search.RecommendationsQuery) -> search.RecommendationList:
    """What the caller may like next."""
    return services.interactions.recommendations(request.caller, query)


@api.get("/api/profile", access="user", answer=game.Profile, errors=["subject_deleted"])
def get_profile(request: Request) -> game.Profile:
    """The caller's profile, level and streak."""
    return services.profiles.read(request.caller)


@api.patch("/api/profile", access="user", answer=game.Profile, errors=["subject_deleted"])
def update_profile(request: Request, body: game.ProfileChange) -> game.Profile:
    """Change name, time zone, opt-out, what is practised for, or the application's preferences."""
    return services.profiles.change(request.caller, body)


@api.delete("/api/profile", access="user", status=204, answer=None, errors=["user_referenced"])
def delete_profile(request: Request) -> None:
    """Delete the account with everything personal; its tokens reach nobody's rows from now on."""
    services.personal_data.delete(request.caller)


@api.get("/api/profile/export", access="user", answer=account.PersonalRecordList)
def export_profile(request: Request, query: PageQuery) -> account.PersonalRecordList:
    """Everything personal of the caller, to take along."""
    return services.personal_data.page(request.caller, query)


@api.get("/api/xp-events", access="user", answer=game.XpEventList)
def list_xp_events(request: Request, query: PageQuery) -> game.XpEventList:
    """What the caller earned points by, newest first."""
    return services.rewards.xp_events(request.caller, query)


@api.get("/api/achievements", access="user", answer=game.AchievementList)
def list_achievements(request: Request) -> game.AchievementList:
    """Every achievement, with the caller's progress."""
    return services.rewards.achievements(request.caller)


@api.get("/api/streaks", access="user", answer=game.Streaks)
def get_streaks(request: Request) -> game.Streaks:
    """The caller's daily and weekly streak as they stand now."""
    return services.rewards.streaks(request.caller)


@api.get("/api/user-progress", access="user", answer=game.ProgressList)
def list_progress(request: Request) -> game.ProgressList:
    """How the caller does in each skill."""
    return services.rewards.progress(request.caller)


@api.get(
    "/api/leaderboard", access="anyone", answer=game.Leaderboard, errors=["organization_required", "subject_deleted"]
)
def get_leaderboard(request: Request, query: game.LeaderboardQuery) -> game.Leaderboard:
    """The first places of a window, the caller and its neighbours."""
    return services.standings.page(request.caller, query)


lambda_handler = api.handler
