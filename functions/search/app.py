"""Documents, content and search: /api/documents, /api/content, and /api/search over both."""

from __future__ import annotations

from parley.api.problems import EMBEDDING
from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.search.schemas import (
    ContentItem,
    ContentList,
    ContentQuery,
    CreatedList,
    DeletedDocuments,
    DeleteQuery,
    Document,
    DocumentList,
    DocumentQuery,
    DocumentsRequest,
    SearchRequest,
    SearchResults,
    SelectionRequest,
)

services = Container.from_environment(calls_models=True)
api = Api(services.settings, lambda: services.access_keys)


@api.post(
    "/api/search",
    access="user",
    scope="search",
    answer=SearchResults,
    idempotent=True,
    errors=[*EMBEDDING, "daily_limit_reached"],
)
def search(request: Request, body: SearchRequest) -> Reply:
    """Find by meaning, by words, or both."""
    answered = services.search.search(request.context, body)
    return Reply(answered.body, replayed=answered.replayed)


@api.post("/api/search/{search_id}/selection", access="user", scope="search", status=204, answer=None)
def select_search_result(request: Request, body: SelectionRequest) -> None:
    """Note what was chosen from a search."""
    services.search.select(request.caller, request.path["search_id"], body)


@api.post(
    "/api/documents", access="user", scope="search", status=201, answer=CreatedList, idempotent=True, errors=EMBEDDING
)
def store_documents(request: Request, body: DocumentsRequest) -> Reply:
    """Embed and store documents."""
    answered = services.documents.store(request.context, body)
    return Reply(answered.body, replayed=answered.replayed)


@api.get("/api/documents", access="user", scope="search", answer=DocumentList)
def list_documents(request: Request, query: DocumentQuery) -> DocumentList:
    """The caller's documents, newest first."""
    return services.documents.page(request.caller, query)


@api.delete("/api/documents", access="user", scope="search", answer=DeletedDocuments)
def delete_documents(request: Request, query: DeleteQuery) -> DeletedDocuments:
    """Delete by metadata, or all of mine."""
    return services.documents.delete_matching(request.caller, query)


@api.get("/api/content/{type}", access="user", scope="search", answer=ContentList)
def list_content(request: Request, query: ContentQuery) -> ContentList:
    """The application's content of a type, newest first."""
    return services.content.page(request.caller, request.path["type"], query)


@api.get("/api/content/{type}/{content_id}", access="user", scope="search", answer=ContentItem)
def get_content(request: Request) -> ContentItem:
    """One item of content."""
    return services.content.read(request.caller, request.path["type"], request.path["content_id"])


@api.get("/api/documents/{document_id}", access="user", scope="search", answer=Document)
def get_document(request: Request) -> Document:
    """One document, own or public."""
    return services.documents.read(request.caller, request.path["document_id"])


@api.delete("/api/documents/{document_id}", access="user", scope="search", status=204, answer=None)
def delete_document(request: Request) -> None:
    """Delete one of mine."""
    services.documents.delete(request.caller, request.path["document_id"])


lambda_handler = api.handler
