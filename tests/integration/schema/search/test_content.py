"""Search over the operator's content, and the log of searches."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from parley.retrieval.filters import filter_of
from tests.integration.schema.search.documents import ALICE, BOB, around, sign_in, topic, vector


def test_content_is_found_by_type_meaning_and_word(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for number, (kind, title) in enumerate(
        [("route", "Coast road"), ("route", "Hill road"), ("school", "Coast school"), ("event", "Fair")]
    ):
        owner.execute(
            "insert into content_items (content_type, title, embedding) values (%s, %s, %s::vector)",
            (kind, title, vector(around(topic(21), 1, number, 0.1 * (number + 1))[0])),
        )
    sign_in(app, ALICE)

    def titles(**arguments: Any) -> list[str]:
        values = {
            "embedding": None,
            "query": None,
            "mode": "semantic",
            "types": ["route", "school", "event"],
            "model": "text-embedding-3-small",
        } | arguments
        return [
            row[0]
            for row in app.execute(
                "select title from app.search("
                "'alice', %(mode)s, %(types)s, %(query)s, %(embedding)s::vector, %(model)s)",
                values,
            ).fetchall()
        ]

    assert titles(embedding=vector(topic(21))) == ["Coast road", "Hill road", "Coast school", "Fair"]
    assert titles(embedding=vector(topic(21)), types=["school"]) == ["Coast school"]
    assert sorted(titles(query="coast", mode="keyword")) == ["Coast road", "Coast school"]
    assert titles(embedding=vector(topic(21)), query="school", mode="hybrid")[0] == "Coast school"


@pytest.mark.parametrize(
    ("written", "within"),
    [
        ("2024-03-01T09:00:00Z", True),
        ("2024-03-01t09:00z", True),
        ("2024-03-01 09:00", True),
        ("2024-03-01T09:00:00.999999", True),
        ("2024-03-01T09:00:00,5", True),
        ("2024-03-01T09:00:00.123456789Z", True),
        ("2024-03-01T11:00:00+02:00", True),
        ("2024-03-01T04:30-0430", True),
        ("2024-03-01T10:00:00.25+01", True),
        (["soon", "2024-03-01T09:00Z"], True),
        ("2024-03-01T09:00:00+02:00", False),
        ("2024-03-01T09:00:01Z", False),
        ("2024-03-01", False),
        ("2024-03-01T99:00:00Z", False),
        ("2024-03", False),
        ("soon", False),
        (2024, False),
    ],
)
def test_a_moment_is_the_same_however_metadata_writes_it(
    owner: psycopg.Connection, written: str | list[str] | int, within: bool
) -> None:
    metadata = {"2024-03-01T09:00:00Z": {"at": written, "said": 'at "2024-03-01T09:00:00Z"'}}
    bounds = {"$gte": "2024-03-01T10:00+01:00", "$lt": "2024-03-01T09:00:01Z"}
    matching = filter_of({"2024-03-01T09:00:00Z": {"at": bounds}}).matching
    found = owner.execute("select app.matches(%s, %s::jsonpath) is true", (Jsonb(metadata), matching)).fetchone()
    assert found == (within,)


def test_content_whose_vector_is_all_zeros_is_near_nothing(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    for title, values in (("Coast road", topic(23)), ("Nothing", 0 * topic(23))):
        owner.execute(
            "insert into content_items (content_type, title, embedding) values ('route', %s, %s::vector)",
            (title, vector(values)),
        )
    sign_in(app, ALICE)
    search = (
        "select title, similarity from app.search('alice', %s, '{route}', %s, %s::vector, 'text-embedding-3-small',"
        " p_threshold => %s)"
    )
    for threshold in (None, 0.9):
        found = app.execute(search, ("semantic", None, vector(topic(23)), threshold)).fetchall()
        assert [title for title, _ in found] == ["Coast road"]
    by_word = app.execute(search, ("hybrid", "nothing", vector(topic(23)), None)).fetchall()
    assert ("Nothing", None) in by_word


def test_a_search_and_its_selection_are_logged_for_its_user_alone(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    sign_in(app, ALICE)
    logged = (uuid.uuid4(),)
    for results in (3, 4):
        app.execute("select app.record_search(%s, 'alice', 'a route', 'route', '{}', %s)", (*logged, results))
    assert app.execute("select app.record_selection('alice', %s, 'some-id')", logged).fetchone() == (True,)
    app.commit()
    sign_in(app, BOB)
    assert app.execute("select app.record_selection('bob', %s, 'mine')", logged).fetchone() == (False,)
    assert app.execute("select count(*) from ai_content_searches").fetchone() == (0,)
    app.rollback()
    row = owner.execute(
        "select query, results_count, selected_content_id, selected_at is not null from ai_content_searches"
    )
    assert row.fetchall() == [("a route", 3, "some-id", True)]
