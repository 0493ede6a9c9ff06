"""Documents and search: /api/documents, /api/search over documents and content."""

from __future__ import annotations

from typing import Any

from parley.api.request import Request
from parley.api.router import Api, Reply
from parley.container import Container
from parley.search.schemas import DeleteQuery, DocumentsRequest, ListQuery, SearchRequest, SelectionRequest

services = Container.from_environment(calls_models=True)
api = Api(services.settings)


@api.post("/api/search", "user")
def search(request: Request, body: SearchRequest) -> dict[str, Any]:
    """Find by meaning, by words, or both."""
    return services.search.search(request.context, body)


@api.post("/api/search/{search_id}/selection", "user")
def select(request: Request, body: SelectionRequest) -> Reply:
    """Note what was chosen from a search."""
    services.search.select(request.caller, request.path["search_id"], body)
    return Reply(None, 204)


@api.post("/api/documents", "user")
def store(request: Request, body: DocumentsRequest) -> Reply:
    """Embed and store documents."""
    stored = services.documents.store(request.context, body)
    return Reply(stored, 201)


@api.get("/api/documents", "user")
def documents(request: Request, query: ListQuery) -> dict[str, Any]:
    """The caller's documents, newest first."""
    return services.documents.page(request.caller, query)


@api.delete("/api/documents", "user")
def delete_documents(request: Request, query: DeleteQuery) -> dict[str, int]:
    """Delete by metadata, or all of mine."""
    return {"deleted": services.documents.delete_matching(request.caller, query)}


@api.get("/api/documents/{document_id}", "user")
def document(request: Request) -> dict[str, Any]:
    """One document, own or public."""
    return services.documents.read(request.caller, request.path["document_id"])


@api.delete("/api/documents/{document_id}", "user")
def delete_document(request: Request) -> Reply:
    """Delete one of mine."""
    services.documents.delete(request.caller, request.path["document_id"])
    return Reply(None, 204)


lambda_handler = api.handler
