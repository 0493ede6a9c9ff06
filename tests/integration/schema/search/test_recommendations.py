"""What is recommended from interactions, and why."""

from __future__ import annotations

import psycopg

from testing.claims import set_claims
from testing.claims import user as claims_of
from tests.integration.schema.search.documents import ALICE, BOB


def interact(connection: psycopg.Connection, user: str, organization: str | None, *items: tuple[str, str]) -> None:
    set_claims(connection, claims_of(user, organization))
    for kind, item in items:
        connection.execute(
            "insert into user_interactions (user_id, interaction_type, item_type, item_id) "
            "values (%s, %s, 'product', %s)",
            (user, kind, item),
        )


def recommended(connection: psycopg.Connection, user: str) -> list[tuple[str, str]]:
    return connection.execute("select item_id, reason from app.recommend_items(%s)", (user,)).fetchall()


def test_recommendations_say_why_and_leave_out_what_is_done_with(
    owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    owner.execute("insert into \"user\" (id) values ('carol'), ('dave'); insert into organization (id) values ('acme')")
    interact(app, BOB, "acme", ("view", "shared"), ("purchase", "lamp"), ("view", "secret"))
    interact(app, "carol", "acme", ("view", "lamp"), ("view", "chair"))
    interact(app, "dave", "acme", ("view", "chair"))
    interact(
        app, ALICE, "acme", ("view", "shared"), ("dismiss", "table"), ("purchase", "bought"), ("add_to_cart", "cup")
    )
    assert recommended(app, ALICE) == [
        ("lamp", "similar_people"), ("cup", "viewed_before"), ("shared", "viewed_before"), ("chair", "popular_here"),
    ]  # fmt: skip


def test_recommendations_do_not_cross_organizations(owner: psycopg.Connection, app: psycopg.Connection) -> None:
    owner.execute(
        "insert into \"user\" (id) values ('carol'); insert into organization (id) values ('acme'), ('other')"
    )
    interact(app, BOB, "acme", ("purchase", "lamp"))
    interact(app, "carol", "acme", ("purchase", "lamp"))
    interact(app, ALICE, "other", ("view", "cup"))
    assert recommended(app, ALICE) == [("cup", "viewed_before")]
