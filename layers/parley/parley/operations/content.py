"""Content of six types, as operators write it, embedded to be found. Runs as the service role."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from parley.admission.records import Attempt
from parley.core.caller import SERVICE
from parley.core.clock import Clock
from parley.core.errors import Problem
from parley.core.ids import path_uuid
from parley.core.provider_names import ProviderName
from parley.database.connection import Database, Statement
from parley.database.values import Vectors, jsonb
from parley.embedding.embedder import Embedder
from parley.operations.schemas import (
    ContentBatch,
    ContentDeleteQuery,
    ContentFields,
    DeletedContent,
    NewContent,
    StoredContent,
)
from parley.providers.catalogue import Catalogue
from parley.providers.protocol import Embeddings
from parley.retrieval.filters import filter_of
from parley.retrieval.kinds import ContentType
from parley.retrieval.language import language_of


@dataclass(frozen=True, slots=True)
class ContentKeeper:
    """Keeps the content.

    Args:
        operator_keys: the operator's provider keys, resolved at first use.
    """

    database: Database
    embedder: Callable[[], Embedder]
    operator_keys: Callable[[], Mapping[ProviderName, str]]
    catalogue: Catalogue
    clock: Clock

    def put(self, kind: str, content_id: str, fields: ContentFields, seconds: float) -> StoredContent:
        """Store one item, in the place of the one with this id. Raises Problem as `store` does, and 404 for an id that
        is no UUID.
        """
        item = NewContent(id=str(path_uuid(content_id, _not_found)), **fields.model_dump())
        return self.store(kind, ContentBatch(items=[item]), seconds)

    def store(self, kind: str, batch: ContentBatch, seconds: float) -> StoredContent:
        """Store items, all or none, each in the place of the one with its id. One whose title and description are as
        they were is not embedded again. Two round trips.

        Raises Problem: 404 for a type that there is not, 409 for an id that an item of another type has, 503 where no
        provider embeds, 5xx where it fails.
        """
        _check(kind)
        items = [
            item.model_copy(update={"language": item.language or language_of(item.description)}) for item in batch.items
        ]
        same = self._unchanged(kind, batch)
        changed = [item for item in items if item.id not in same]
        statements = [_update(kind, [item for item in items if item.id in same])]
        if changed:
            texts = [f"{item.title}. {item.description}" for item in changed]
            embedded, attempt = self.embedder().embed_or_refuse(texts, self.operator_keys(), None, seconds)
            statements += [_insert(kind, changed, embedded), self._charge(attempt)]
        self.database.batch(SERVICE.claims, statements)
        return {"stored": len(batch.items), "embedded": len(changed)}

    def delete(self, kind: str, content_id: str) -> None:
        """Delete one item. Raises Problem (404)."""
        rows = self.database.query(
            SERVICE.claims,
            "delete from public.content_items where id = %s and content_type = %s returning id",
            (path_uuid(content_id, _not_found), kind),
        )
        if not rows:
            raise _not_found()

    def delete_matching(self, kind: str, query: ContentDeleteQuery) -> DeletedContent:
        """Delete the items of a type that match, or all; returns how many. Raises Problem: 404 for a type that there is
        not, 400 without a choice.
        """
        _check(kind)
        if query.all == bool(query.metadata):
            raise Problem(
                "invalid_request", "Send a non-empty metadata filter, or all=true for every item.", status=400
            )
        contained, matching = filter_of(query.metadata or {})
        rows = self.database.query(
            SERVICE.claims,
            """
            with deleted as (
              delete from public.content_items
              where content_type = %s and metadata @> %s and app.matches(metadata, %s::jsonpath)
              returning id
            )
            select count(*) as n from deleted
            """,
            (kind, contained, matching),
        )
        return {"deleted": rows[0]["n"]}

    def _unchanged(self, kind: str, batch: ContentBatch) -> set[str]:
        """Of these items, those whose vectors are there already. Raises Problem (409)."""
        said = {item.id: (item.title, item.description) for item in batch.items}
        rows = self.database.query(
            SERVICE.claims,
            """
            select id::text, content_type, title, description, embedding is not null as is_embedded
            from public.content_items where id = any(%s::uuid[])
            """,
            (list(said),),
            idempotent=True,
        )
        for row in rows:
            if row["content_type"] != kind:
                raise Problem(
                    "content_type_conflict",
                    f"{row['id']} is the id of content of type {row['content_type']}: delete that, or choose another.",
                    status=409,
                )
        return {
            row["id"] for row in rows if row["is_embedded"] and said[row["id"]] == (row["title"], row["description"])
        }

    def _charge(self, attempt: Attempt) -> Statement:
        """The ledger's row: of nobody, since no user called."""
        return (
            """
            insert into public.ai_usage
              (tier, provider, model, operation_type, tokens_prompt, tokens_completion, cost, estimated, latency_ms)
            values ('service', %s, %s, 'embedding', %s, 0, %s, %s, %s)
            """,
            (
                attempt.provider, attempt.model, None if attempt.usage is None else attempt.usage.prompt_tokens,
                cost := self.catalogue.cost(attempt.model, attempt.usage, self.clock.now()), cost is None,
                attempt.latency_ms,
            ),
        )  # fmt: skip


def _insert(kind: str, items: Sequence[NewContent], embedded: Embeddings) -> Statement:
    rows = [item.model_dump() | {"number": number} for number, item in enumerate(items)]
    return (
        """
        insert into public.content_items (id, content_type, title, description, language, metadata, embedding, model)
        select c.id, %s, c.title, c.description, c.language, c.metadata,
          app.pad_embedding((v.components[c.number * v.size + 1 : (c.number + 1) * v.size])::extensions.vector), %s
        from jsonb_to_recordset(%s) as c (
          number integer, id uuid, title text, description text, language text, metadata jsonb)
        cross join (select %s::real[] as components, %s::integer as size) as v
        order by c.id
        on conflict (id) do update set
          title = excluded.title, description = excluded.description, language = excluded.language,
          metadata = excluded.metadata, embedding = excluded.embedding, model = excluded.model
        where content_items.content_type = excluded.content_type
        """,
        (kind, embedded.model, jsonb(rows), Vectors(embedded.vectors), len(embedded.vectors[0])),
    )


def _update(kind: str, items: Sequence[NewContent]) -> Statement:
    """What may have changed of items whose text has not."""
    return (
        """
        update public.content_items i set language = c.language, metadata = c.metadata
        from jsonb_to_recordset(%s) as c (id uuid, language text, metadata jsonb)
        where i.id = c.id and i.content_type = %s
          and (i.language, i.metadata) is distinct from (c.language, c.metadata)
        """,
        (jsonb([item.model_dump(include={"id", "language", "metadata"}) for item in items]), kind),
    )


def _check(kind: str) -> None:
    if kind not in get_args(ContentType):
        raise Problem("not_found", f"Content is of one of these types: {', '.join(get_args(ContentType))}.", status=404)


def _not_found() -> Problem:
    return Problem("not_found", "There is no such content.", status=404)
