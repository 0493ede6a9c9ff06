"""The three providers, each behind its adapter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from parley.core.clock import Clock
from parley.core.provider_names import PROVIDERS, ProviderName
from parley.providers.protocol import Provider
from parley.providers.transport import SharedClient


class Providers(Mapping[ProviderName, Provider]):
    """The adapters over one HTTP client, each made when it is first asked for. That imports no SDK and opens nothing:
    its first call does.

    Args:
        base_urls: replace the providers' own; None leaves a provider out.
        http: the client that all share; tests inject theirs.
    """

    def __init__(
        self,
        base_urls: Mapping[ProviderName, str | None] | None = None,
        http: SharedClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        urls = base_urls or {}
        self._base_urls = {name: urls.get(name) for name in PROVIDERS if urls.get(name, "") is not None}
        self._http = http or SharedClient()
        self._clock = clock
        self._made: dict[ProviderName, Provider] = {}

    def __getitem__(self, name: ProviderName) -> Provider:
        if name not in self._made:
            self._made[name] = self._make(name, self._base_urls[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._base_urls

    def __iter__(self) -> Iterator[ProviderName]:
        return iter(self._base_urls)

    def __len__(self) -> int:
        return len(self._base_urls)

    def _make(self, name: ProviderName, base_url: str | None) -> Provider:
        match name:
            case "openai":
                from parley.providers.openai import OpenAIAdapter

                return OpenAIAdapter(self._http, base_url, self._clock)
            case "anthropic":
                from parley.providers.anthropic import AnthropicAdapter

                return AnthropicAdapter(self._http, base_url, self._clock)
            case "google":
                from parley.providers.google import GoogleAdapter

                return GoogleAdapter(self._http, base_url, self._clock)
