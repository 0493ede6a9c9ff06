"""langchain-tests' suites with langchain-openai against /v1, in an environment of their own (`.venv-clients`).

The API, a machine key and a model come by PARLEY_URL, PARLEY_KEY and PARLEY_MODEL. What the suites would fetch from the
web is given to them here.
"""

from __future__ import annotations

import base64
import os
from typing import Any

import httpx
import pytest
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n%%EOF\n"


@pytest.fixture(autouse=True)
def _the_web(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(url: str, **_: Any) -> httpx.Response:
        return httpx.Response(200, content=PDF if url.endswith(".pdf") else PNG)

    monkeypatch.setattr(httpx, "get", get)


def _access() -> dict[str, Any]:
    return {"base_url": f"{os.environ['PARLEY_URL']}/v1", "api_key": os.environ["PARLEY_KEY"], "max_retries": 0}


class TestChat(ChatModelIntegrationTests):
    """Not declared is what no model here has: audio."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        # By a model's name alone LangChain would ask for OpenAI's Responses.
        return _access() | {
            "model": os.environ["PARLEY_MODEL"],
            "stream_usage": True,
            "use_responses_api": False,
        }

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def model_override_value(self) -> str:
        return "gpt-6-luna" if os.environ["PARLEY_MODEL"] != "gpt-6-luna" else "claude-haiku-5-5"


class TestEmbeddings(EmbeddingsIntegrationTests):
    """Texts go as they are: tokens would be those of one provider."""

    @property
    def embeddings_class(self) -> type[Embeddings]:
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return _access() | {"model": "text-embedding-3-small", "check_embedding_ctx_length": False}
