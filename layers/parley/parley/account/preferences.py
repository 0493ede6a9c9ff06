"""S1: which provider a caller gets, where that choice comes from, and how it is saved.

The order is the user's saved preference, the organization's, the last one known for this very caller while the database
is away, and the deployment's AI_PROVIDER. The spelling a caller saved (`gemini`) is the spelling that comes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from parley.core.caller import Caller
from parley.core.errors import Problem, subject_deleted
from parley.core.observability import logger
from parley.core.provider_names import PROVIDERS, named_provider, provider_not_allowed
from parley.database.connection import Database
from parley.database.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from parley.account.schemas import AllowedProviders, EffectiveProvider, SavedPreference, Scope
    from parley.admission.known_callers import KnownCallers
    from parley.core.fields import ProviderSource, ProviderSpelling


@dataclass(frozen=True, slots=True)
class Effective:
    """A caller's effective provider.

    Attributes:
        degraded: whether the database was away, so that the container's memory or the deployment decided.
    """

    provider: EffectiveProvider
    degraded: bool


@dataclass(frozen=True, slots=True)
class Preferences:
    """The preference service.

    Args:
        known_callers: what warm containers remember per caller, for database outages.
        default_provider: what answers where nobody chose, as the operator spells it.
    """

    database: Database
    known_callers: KnownCallers
    default_provider: str

    def effective(self, caller: Caller) -> Effective:
        """The provider of the caller's next call; None where none may be used.

        The source is user, organization, own_key (what a byok caller's keys leave), memory or environment.
        """
        if caller.user_id is None:
            return Effective(_effective(self.default_provider, "environment"), degraded=False)
        try:
            route = self.database.call(
                "select app.effective_provider(%s, %s)", (caller.claims, self.default_provider), idempotent=True
            )
        except DatabaseUnavailable:
            logger.warning("preference read without the database")
            remembered = self.known_callers.get(caller).provider
            provider, source = (remembered, "memory") if remembered else (self.default_provider, "environment")
            return Effective(_effective(provider, source), degraded=True)
        spelling = route.get("provider_spelling")
        self.known_callers.put_provider(caller, spelling)
        source = route.get("provider_source", "none")
        provider = self.default_provider if source == "environment" else spelling or route.get("provider")
        return Effective(_effective(provider, source), degraded=False)

    def at(self, caller: Caller, scope: Scope) -> EffectiveProvider:
        """The preference saved at one level."""
        if caller.user_id is None:
            return _effective(None, scope)
        found = self.database.call("select app.provider_preferences(%s)", (caller.claims,), idempotent=True)
        return _effective(saved_provider(found, scope), scope)

    def save(self, caller: Caller, scope: Scope, provider: str) -> SavedPreference:
        """Save. Raises Problem: 400 for an unknown provider (nothing is written), 403 without the right."""
        named_provider(provider)
        spelling = provider.strip().lower()
        _check_scope(caller, scope)
        try:
            saved = self.database.call(
                "select app.save_provider_preference(%s, %s, %s)", (caller.claims, scope, spelling), idempotent=True
            )
        except Exception:
            logger.error("Failed to save preference to database")
            raise
        _check_saved(saved["outcome"])
        logger.info("AI Provider API: Saved preference to database")
        if scope == "user":
            self.known_callers.put_provider(caller, spelling)
        return {"provider": cast("ProviderSpelling", spelling), "scope": scope}

    def restrict(self, caller: Caller, allowed: list[str] | None, forbidden: list[str] | None) -> AllowedProviders:
        """Allow or forbid providers to the caller's organization; null for both lifts every restriction.

        Raises Problem: 400 for an unknown provider and where none is left, 403 without the right.
        """
        _check_scope(caller, "organization")
        permitted, refused = (
            None if names is None else [named_provider(name) for name in names] for names in (allowed, forbidden)
        )
        if not set(permitted or PROVIDERS) - set(refused or ()):
            raise Problem(
                "invalid_request", "This leaves your organization no provider; allow one, or forbid fewer.", status=400
            )
        policy = self.database.call(
            "select app.save_organization_policy(%s, %s::text[], %s::text[])",
            (caller.claims, permitted, refused),
            idempotent=True,
        )
        _check_saved(policy["outcome"])
        return {"allowed_providers": policy["allowed_providers"]}

    def delete(self, caller: Caller, scope: Scope) -> EffectiveProvider:
        """Soft-delete a preference; what then applies comes back. Raises Problem (403)."""
        _check_scope(caller, scope)
        self.database.call("select app.delete_provider_preference(%s, %s)", (caller.claims, scope), idempotent=True)
        return self.effective(caller).provider


def saved_provider(preferences: Mapping[str, Any], scope: Scope) -> ProviderSpelling | None:
    """The provider saved at one level, of what app.provider_preferences returns; None where none is."""
    saved: Mapping[str, ProviderSpelling] | None = preferences[scope]
    return None if saved is None else saved["provider"]


def _effective(provider: str | None, source: str) -> EffectiveProvider:
    return {
        "provider": cast("ProviderSpelling | None", provider),
        "provider_source": cast("ProviderSource", source),
    }


def _check_saved(outcome: str) -> None:
    if outcome == "provider_not_allowed":
        raise provider_not_allowed()
    if outcome != "saved":
        raise subject_deleted()


def _check_scope(caller: Caller, scope: Scope) -> None:
    if scope == "organization" and not caller.is_organization_admin:
        raise Problem(
            "organization_admin_required", "Only an admin of the organization may change its preference.", status=403
        )
    if scope == "organization" and caller.organization_id is None:
        raise Problem("organization_required", "Your token names no organization.", status=403)
