"""The model providers by name: the one spelling Parley uses, and the ones callers may use."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, get_args

from parley.core.errors import Problem

ProviderName = Literal["openai", "anthropic", "google"]
PROVIDERS: tuple[ProviderName, ...] = get_args(ProviderName)


def canonical_provider(name: str) -> ProviderName | None:
    """The provider a caller means, whatever the case and with `gemini` for google; None for an unknown one."""
    folded = name.strip().lower()
    folded = "google" if folded == "gemini" else folded
    return folded if folded in PROVIDERS else None


def named_provider(name: str) -> ProviderName:
    """The provider a caller names. Raises Problem (400) for an unknown one."""
    provider = canonical_provider(name)
    if provider is None:
        raise Problem(
            "invalid_provider",
            f"Choose one of {', '.join(PROVIDERS)} (or gemini); chat and questions also take auto.",
            status=400,
            param="provider",
        )
    return provider


def may_be_called(provider: ProviderName, allowed: Collection[str] | None) -> bool:
    """Whether the caller's organization lets anything leave for a provider; None allows all."""
    return allowed is None or provider in allowed


def provider_not_allowed() -> Problem:
    """The answer (403) to a member whose organization does not allow the provider that was asked for, or is needed."""
    return Problem(
        "provider_not_allowed", "Your organization does not allow this provider; choose another.", status=403
    )


def requested_provider(name: str | None) -> ProviderName | Literal["auto"] | None:
    """The provider a model call asks for, as `named_provider`, or `auto`; None where it names none."""
    if name is None:
        return None
    return "auto" if name.strip().lower() == "auto" else named_provider(name)
