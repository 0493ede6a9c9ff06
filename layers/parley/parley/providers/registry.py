"""The three providers, each behind its adapter."""

from __future__ import annotations

from collections.abc import Mapping

from parley.core.clock import Clock
from parley.core.provider_names import ProviderName
from parley.providers.anthropic import AnthropicAdapter
from parley.providers.google import GoogleAdapter
from parley.providers.openai import OpenAIAdapter
from parley.providers.protocol import Provider
from parley.providers.transport import SharedClient


def build_providers(
    base_urls: Mapping[ProviderName, str | None] | None = None,
    http: SharedClient | None = None,
    clock: Clock | None = None,
) -> dict[ProviderName, Provider]:
    """The three adapters over one HTTP client. Imports no SDK and opens nothing: the first call does.

    Args:
        base_urls: replace the providers' own; None leaves a provider out.
        http: the client that all share; tests inject theirs.
    """
    urls = base_urls or {}
    http = http or SharedClient()
    adapters: tuple[type[OpenAIAdapter | AnthropicAdapter | GoogleAdapter], ...]
    adapters = (OpenAIAdapter, AnthropicAdapter, GoogleAdapter)
    return {
        adapter.name: adapter(http, urls.get(adapter.name), clock)
        for adapter in adapters
        if urls.get(adapter.name, "") is not None
    }
