"""The model vendors by name: the one spelling Parley uses, and the ones callers may use."""

from __future__ import annotations

from typing import Literal

ProviderName = Literal["openai", "anthropic", "google"]
PROVIDERS: tuple[ProviderName, ...] = ("openai", "anthropic", "google")


def canonical_provider(name: str) -> ProviderName | None:
    """The provider a caller means, whatever the case and with `gemini` for google; None for an unknown one."""
    folded = name.strip().lower()
    folded = "google" if folded == "gemini" else folded
    return folded if folded in PROVIDERS else None
