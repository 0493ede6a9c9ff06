"""Documents and search: /api/documents, /api/search over documents and content."""

from __future__ import annotations

from typing import Any

from parley.api import Api, Reply, Request
from parley.assembly import Assembly
from parley.search import DeleteQuery, DocumentsRequest, ListQuery, SearchRequest, SelectionRequest

parley = Assembly.from_environment(calls_models=True)
api = Api(parley.settings)


@api.post("/api/search", "user")
def search(request: Request, body: SearchRequest) -> dict[str, Any]:
    """Find by meaning, by words, or both."""
    return parley.search.search(request.context, body)


@api.post("/api/search/{search_id}/selection", "user")
def select(request: Request, body: SelectionRequest) -> Reply:
    """Note what was chosen from a search."""
    parley.search.select(request.caller, request.path["search_id"], body)
    return Reply(None, 204)


@api.post("/api/documents", "user")
def store(request: Request, body: DocumentsRequest) -> Reply:
    """Embed and store documents."""
    stored = parley.search.store(request.context, body)
    return Reply(stored, 201)


@api.get("/api/documents", "user")
def documents(request: Request, query: ListQuery) -> dict[str, Any]:
    """The caller's documents, newest first."""
    return parley.search.documents(request.caller, query)


@api.delete("/api/documents", "user")
def delete_documents(request: Request, query: DeleteQuery) -> dict[str, int]:
    """Delete by metadata, or all of mine."""
    return {"deleted": parley.search.delete_documents(request.caller, query)}


@api.get("/api/documents/{document_id}", "user")
def document(request: Request) -> dict[str, Any]:
    """One document, own or public."""
    return parley.search.document(request.caller, request.path["document_id"])


@api.delete("/api/documents/{document_id}", "user")
def delete_document(request: Request) -> Reply:
    """Delete one of mine."""
    parley.search.delete_document(request.caller, request.path["document_id"])
    return Reply(None, 204)


lambda_handler = api.handler
