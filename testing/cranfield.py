"""The Cranfield collection with real embeddings, and a vendor that answers them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local.checkout import CHECKOUT
from testing.embeddings import embeddings_server

DATA = CHECKOUT.parent / "shared" / "data"
_DISCOUNTS = 1 / np.log2(np.arange(10) + 2)

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Cranfield:
    """Abstracts, questions and which answer which.

    Attributes:
        documents: `{"id", "title", "body"}`.
        queries: `{"id", "text", "relevance": {document id: 0 to 4}}`.
        document_vectors: all-MiniLM-L6-v2 of "title. body", in the documents' order.
        query_vectors: of the queries, in their order.
    """

    documents: Sequence[Mapping[str, Any]]
    queries: Sequence[Mapping[str, Any]]
    document_vectors: Vectors
    query_vectors: Vectors

    @classmethod
    def load(cls) -> Cranfield:
        """The half of it that is shipped."""
        with gzip.open(DATA / "cranfield.json.gz", "rt", encoding="utf-8") as file:
            said = json.load(file)
        with np.load(DATA / "cranfield_minilm384.npz") as vectors:
            documents, queries = (vectors[name].astype(np.float32) for name in ("documents", "queries"))
        return cls(said["documents"], said["queries"], documents, queries)

    def sample(self, queries: int, others: int) -> Cranfield:
        """The first so many queries, what is relevant for them, and the first so many of the other documents."""
        asked = self.queries[:queries]
        relevant = {key for query in asked for key in query["relevance"]}
        kept = [at for at, each in enumerate(self.documents) if str(each["id"]) in relevant]
        rest = [at for at in range(len(self.documents)) if at not in set(kept)][:others]
        chosen = sorted(kept + rest)
        return Cranfield(
            [self.documents[at] for at in chosen], asked, self.document_vectors[chosen], self.query_vectors[:queries]
        )


def ndcg(found: Sequence[str], relevance: Mapping[str, int]) -> float:
    """nDCG@10 of a ranking, the gain being the relevance."""
    gains = np.array([relevance.get(key, 0) for key in found[:10]])
    ideal = np.array(sorted(relevance.values(), reverse=True)[:10])
    best = float(ideal @ _DISCOUNTS[: len(ideal)])
    return float(gains @ _DISCOUNTS[: len(gains)]) / best if best else 0.0


@contextmanager
def vendor(data: Cranfield) -> Iterator[str]:
    """A server in OpenAI's place that knows these texts; its address.

    A part of a document has the whole one's vector, and all are padded with zeros to the length that is asked for.
    """
    by_text = {f"{each['title']}. {each['body']}": at for at, each in enumerate(data.documents)}
    by_query = {each["text"]: at for at, each in enumerate(data.queries)}

    def vector_of(text: str) -> Vectors:
        if text in by_query:
            return np.asarray(data.query_vectors[by_query[text]])
        if text not in by_text:
            body = text[:200].partition(". ")[2] or text
            by_text[text] = next(at for whole, at in by_text.items() if text in whole or body in whole)
        return np.asarray(data.document_vectors[by_text[text]])

    def padded(text: str, dimensions: int) -> list[float]:
        vector = vector_of(text)
        numbers: list[float] = np.concatenate([vector, np.zeros(dimensions - len(vector), np.float32)]).tolist()
        return numbers

    server = embeddings_server(padded)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
