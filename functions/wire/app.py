"""/v1: OpenAI's wire format over the same model calls and embeddings, whole or streamed."""

from __future__ import annotations

from parley.api import sse
from parley.api.problems import EMBEDDING, MODEL_CALL
from parley.api.quota_headers import embedding_headers, model_headers
from parley.api.request import LARGEST_BODY_WITH_MEDIA, Request
from parley.api.router import Api, Reply, Stream
from parley.container import Container
from parley.wire.schemas import (
    AnyQuery,
    ChatCompletion,
    ChatCompletionEvents,
    ChatCompletionRequest,
    EmbeddingList,
    EmbeddingsRequest,
    ModelEntry,
    ModelList,
    ignored,
)

# A model that may not be named is `model_not_found` here, as at OpenAI.
_MODEL_CALL = [code for code in MODEL_CALL if code != "invalid_model"]

services = Container.from_environment()
api = Api(services.settings, lambda: services.access_keys)


@api.post(
    "/v1/chat/completions",
    access="user",
    scope="chat",
    admitted=True,
    answer={"application/json": ChatCompletion, sse.MEDIA_TYPE: ChatCompletionEvents},
    idempotent=True,
    errors=[*_MODEL_CALL, "schema_unsupported"],
    largest_body=LARGEST_BODY_WITH_MEDIA,
    mends_text=True,
)
def create_openai_chat_completion(request: Request, body: ChatCompletionRequest, query: AnyQuery) -> Reply | Stream:
    """Answer OpenAI's clients, with `stream` as chunks."""
    headers = _ignored(query, body)
    if body.stream:
        stream = services.chat_completions.stream(request.context, body)
        headers |= model_headers(stream.quota, stream.degraded)
        return Stream(stream.events, stream.cancel, stream.close, headers, stream.replayed)
    answered = services.chat_completions.answer(request.context, body)
    headers |= model_headers(answered.quota, answered.degraded)
    return Reply(answered.body, headers, replayed=answered.replayed)


@api.post(
    "/v1/embeddings",
    access="user",
    scope="embeddings",
    admitted=True,
    answer=EmbeddingList,
    errors=EMBEDDING,
    largest_body=LARGEST_BODY_WITH_MEDIA,
    mends_text=True,
)
def create_openai_embeddings(request: Request, body: EmbeddingsRequest, query: AnyQuery) -> Reply:
    """Embed texts for OpenAI's clients. It takes no Idempotency-Key: vectors are not kept."""
    embedded, quota = services.openai_embeddings.answer(request.context, body)
    return Reply(embedded, _ignored(query, body) | embedding_headers(quota))


@api.get("/v1/models", access="user", scope="chat", answer=ModelList)
def list_openai_models(request: Request, query: AnyQuery) -> Reply:
    """List the models that may be named under /v1."""
    return Reply(services.openai_models.all(request.caller), _ignored(query))


@api.get("/v1/models/{model}", access="user", scope="chat", answer=ModelEntry, errors=["model_not_found"])
def retrieve_openai_model(request: Request, query: AnyQuery) -> Reply:
    """Read one of these models."""
    return Reply(services.openai_models.one(request.caller, request.path["model"]), _ignored(query))


def _ignored(query: AnyQuery, body: ChatCompletionRequest | EmbeddingsRequest | None = None) -> dict[str, str]:
    names = ignored(query, body)
    return {"X-Parley-Ignored": ", ".join(names)} if names else {}


lambda_handler = api.handler
