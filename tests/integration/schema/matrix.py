"""Who can do what to whose rows: measured on the catalog's tables, one cell for each actor, verb and table.

Rows carry a label that says whose they are. Acting as somebody in a transaction that is rolled back, a cell is the set
of labels whose rows were seen, made, changed or removed. UPDATE and DELETE run without a WHERE clause, since only then
do their own policies decide alone; INSERT offers each label's row again, so that a duplicate key means it was allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql

from testing.claims import ANONYMOUS, SERVICE, Claims, claiming, user
from tests.integration.schema.expectations import EXPECTED, ROWS, Access, Row, expected, rows_of

Verb = Literal["select", "insert", "update", "delete"]
VERBS: Sequence[Verb] = ("select", "insert", "update", "delete")
Labels = frozenset[str]


@dataclass(frozen=True)
class Actor:
    """Somebody: a role or login, with claims or without.

    `kind` says whose expectation applies; `label` whose rows are the actor's own.
    """

    way: Literal["api", "login", "definer", "owner"]
    role: str
    name: str
    kind: Literal["anonymous", "user", "admin", "service", "nobody"]
    claims: Claims | None
    label: str = ""

    @property
    def organization(self) -> str:
        return (self.claims or {}).get("organization_id", "")

    def __str__(self) -> str:
        return f"{self.role} as {self.name}"


_ALICE = ("alice", "user", user("alice", "acme"), "alice")
_BOB = ("bob", "user", user("bob", "acme"), "bob")
_CAROL = ("carol", "user", user("carol", "globex"), "carol")
_DANA = ("dana", "admin", user("dana", "acme", "admin"), "dana")
_VISITOR = ("a visitor", "anonymous", ANONYMOUS, "visitor")
_SERVICE = ("the service", "service", SERVICE, "")
_NOBODY = ("nobody", "nobody", None, "")

ACTORS: Sequence[Actor] = (
    *(Actor("api", "anon", *who) for who in (_VISITOR, _NOBODY)),
    *(Actor("api", "authenticated", *who) for who in (_ALICE, _BOB, _CAROL, _DANA, _NOBODY)),
    *(Actor("api", "service_role", *who) for who in (_SERVICE, _NOBODY)),
    *(Actor("login", "parley_app", *who) for who in (_VISITOR, _ALICE, _BOB, _CAROL, _DANA, _NOBODY)),
    # parley_app cannot become the service by saying so: it is anybody then.
    Actor("login", "parley_app", "an impostor", "anonymous", SERVICE),
    *(Actor("login", "parley_service", *who) for who in (_SERVICE, _NOBODY)),
    *(Actor("definer", "parley_definer", *who) for who in (_VISITOR, _ALICE, _CAROL, _DANA, _SERVICE, _NOBODY)),
    *(Actor("owner", "parley_owner", *who) for who in (_ALICE, _NOBODY)),
)


@dataclass
class Table:
    """One table with its labelled rows, which columns each role may write, and which roles may delete."""

    name: str
    key: Sequence[str]
    rows: Mapping[str, Row]
    is_view: bool = False
    keys: dict[str, str] = field(default_factory=dict)
    insertable: dict[str, set[str]] = field(default_factory=dict)
    updatable: dict[str, list[str]] = field(default_factory=dict)
    deletable: set[str] = field(default_factory=set)
    constants: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    @property
    def identifier(self) -> sql.Composable:
        return sql.Identifier(*self.name.split(".", 1))

    @property
    def key_expression(self) -> sql.Composable:
        columns = sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(name)) for name in self.key)
        return sql.SQL("concat_ws('|', {})").format(columns)


def wanted(table: Table, actor: Actor) -> dict[str, frozenset[str]]:
    """Whose rows each verb is to reach, by what the table's expectation says of the actor."""
    labels = frozenset(table.keys) if table.rows else frozenset("*")
    return expected(
        EXPECTED.get(expectation_name(table.name), Access()),
        way=actor.way, role=actor.role, kind=actor.kind, own=actor.label, organization=actor.organization,
        labels=labels,
    )  # fmt: skip


def expectation_name(table: str) -> str:
    """The name that expectations go by: months of the ledger share one."""
    return re.sub(r"_\d{4}_\d{2}$", "_YYYY_MM", table)


def all_tables(owner: psycopg.Connection[Any]) -> list[str]:
    """Every table, partition and view of schemas public and app, from the catalog."""
    rows = owner.execute(
        """
        select n.nspname || '.' || c.relname
        from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('public', 'app') and c.relkind in ('r', 'p', 'v', 'm', 'f')
        order by 1
        """
    ).fetchall()
    return [name for (name,) in rows]


def load(owner: psycopg.Connection[Any]) -> dict[str, Table]:
    """Write the labelled rows of every table that has some, and describe all tables."""
    # Without triggers and foreign keys: the rows are what they say, in any order.
    # The archive has no month of its own before one is retired.
    owner.execute(
        "create table if not exists app.ai_usage_2020_01 partition of app.usage_archive"
        " for values from ('2020-01-01') to ('2020-02-01')"
    )
    owner.execute("select set_config('session_replication_role', 'replica', false)")
    for name in ROWS:
        table = Table(name, (), rows_of(name))
        for row in table.rows.values():
            insert(owner, table, row, row, unless_there=True)
    owner.execute("select set_config('session_replication_role', 'origin', false)")
    return {name: describe(owner, name) for name in all_tables(owner)}


def describe(owner: psycopg.Connection[Any], name: str) -> Table:
    """A table as it is now: key, labelled rows that are in it, columns that each role may write."""
    key = [
        column
        for (column,) in owner.execute(
            """
            select a.attname
            from (
              select * from pg_index where indrelid = %s::regclass and indisunique and indpred is null
              order by indisprimary desc, indexrelid limit 1
            ) as i
            inner join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
            """,
            (_quoted(name),),
        )
    ]
    is_view = owner.execute("select relkind = 'v' from pg_class where oid = %s::regclass", (_quoted(name),)).fetchone()
    table = Table(name, key or ["id"], rows := rows_of(expectation_name(name)), is_view == (True,))
    for label, row in rows.items():
        match = sql.SQL(" and ").join(
            sql.SQL("t.{} is not distinct from {}").format(sql.Identifier(column), sql.Literal(row[column]))
            for column in table.key
            if column in row
        )
        found = owner.execute(
            sql.SQL("select {} from {} as t where {}").format(table.key_expression, table.identifier, match)
        ).fetchone()
        if found:
            table.keys[label] = found[0]
    roles = list({actor.role for actor in ACTORS})
    deleting = "select role from unnest(%s::text[]) as role where has_table_privilege(role, %s, 'delete')"
    table.deletable = {role for (role,) in owner.execute(deleting, (roles, _quoted(name)))}
    for role in roles:
        privileges = owner.execute(
            """
            select a.attname,
              has_column_privilege(%(role)s, a.attrelid, a.attnum, 'insert'),
              has_column_privilege(%(role)s, a.attrelid, a.attnum, 'update'),
              -- One value in all rows of a key is refused for what it is and not for whose it is.
              exists (
                select from pg_index as i
                where i.indrelid = a.attrelid and i.indisunique and a.attnum = any (i.indkey)),
              a.attgenerated <> '' or a.attidentity = 'a', format_type(a.atttypid, a.atttypmod)
            from pg_attribute as a
            where a.attrelid = %(table)s::regclass and a.attnum > 0 and not a.attisdropped
            order by a.attnum
            """,
            {"role": role, "table": _quoted(name)},
        ).fetchall()
        table.insertable[role] = {
            column for column, insert, _, _, generated, _ in privileges if insert and not generated
        }
        free = [row for row in privileges if row[2] and not row[4]]
        told_apart = {column for column in table.key if len({row.get(column) for row in rows.values()}) > 1} | {
            column for row in rows.values() for column in row if len({str(r.get(column)) for r in rows.values()}) > 1
        }
        table.updatable[role] = [row[0] for row in sorted(free, key=lambda row: (row[3], row[0] in told_apart))]
        for column, *_, kind in privileges:
            if column not in table.constants:
                value = owner.execute(
                    sql.SQL("select t.{}::text from {} as t limit 1").format(sql.Identifier(column), table.identifier)
                ).fetchone()
                table.constants[column] = (kind, value[0] if value else None)
    return table


def _quoted(name: str) -> str:
    schema, table = name.split(".", 1)
    return f'{schema}."{table}"'


def measure(owner: psycopg.Connection[Any], table: Table, actor: Actor, verb: Verb) -> Labels:
    """The labels whose rows the actor can see, make, change or remove.

    `*` where no row is anybody's and the verb is granted.
    """
    if not table.rows or (table.is_view and verb != "select"):
        granted = owner.execute(
            "select has_table_privilege(%s, %s, %s)", (actor.role, _quoted(table.name), verb)
        ).fetchone()
        return frozenset("*" if granted and granted[0] else "")
    match verb:
        case "select":
            return _selected(owner, table, actor)
        case "insert":
            return frozenset(label for label, row in table.rows.items() if _can_insert(owner, table, actor, row))
        case "update" | "delete":
            return _touched(owner, table, actor, verb)


def surprises(owner: psycopg.Connection[Any], table: Table) -> list[str]:
    """In words, each cell of a table in which an actor reaches other rows than it should."""
    found = []
    for actor in ACTORS:
        want = wanted(table, actor)
        for verb in VERBS:
            reached = measure(owner, table, actor, verb)
            if reached != want[verb]:
                found.append(
                    f"{table.name}, {actor}: {verb} reaches {sorted(reached)}, should reach {sorted(want[verb])}"
                )
    return found


def _selected(owner: psycopg.Connection[Any], table: Table, actor: Actor) -> Labels:
    query = sql.SQL(
        "select l.label from unnest(%s::text[], %s::text[]) as l (label, key) inner join {} as t on {} = l.key"
    ).format(table.identifier, table.key_expression)
    with _as_actor(owner, actor) as refused:
        found = owner.execute(query, (list(table.keys), list(table.keys.values()))).fetchall()
        return frozenset(label for (label,) in found)
    assert refused
    return frozenset()


def _can_insert(owner: psycopg.Connection[Any], table: Table, actor: Actor, row: Row) -> bool:
    columns = [column for column in row if column in table.insertable[actor.role]]
    if not columns:
        return False
    with _as_actor(owner, actor):
        try:
            insert(owner, table, row, columns)
        except (psycopg.errors.NotNullViolation, psycopg.errors.CheckViolation):
            # A column that it needs is not the actor's to write; or no partition takes the row.
            return False
        except psycopg.errors.UniqueViolation:
            return True
        return True
    return False


def _touched(owner: psycopg.Connection[Any], table: Table, actor: Actor, verb: Verb) -> Labels:
    if verb == "delete":
        statement = sql.SQL("delete from {} as t").format(table.identifier)
    elif columns := table.updatable[actor.role]:
        kind, value = table.constants[columns[0]]
        statement = sql.SQL("update {} as t set {} = {}::{}").format(
            table.identifier, sql.Identifier(columns[0]), sql.Literal(value), sql.SQL(kind)
        )
    else:
        return frozenset()
    before = _places(owner, table)

    def touched(statement: sql.Composed) -> set[str] | None:
        """What the statement changed; None where it was refused."""
        with _as_actor(owner, actor):
            owner.execute(statement)
            owner.execute("reset session authorization; reset role")
            after = _places(owner, table)
            return {label for label, place in before.items() if after.get(label) != place}
        return None

    found = touched(statement)
    if found is None:
        found = set()
        if verb == "delete" and actor.role not in table.deletable:
            return frozenset()  # refused whatever the row
        # One row that may not be written so refuses the whole statement: each by itself, then.
        for key in table.keys.values():
            alone = sql.SQL(" where {} = {}").format(table.key_expression, sql.Literal(key))
            found |= touched(statement + alone) or set()
    return frozenset(found)


def _places(owner: psycopg.Connection[Any], table: Table) -> dict[str, str]:
    """Where each labelled row lies; another place is another version."""
    if not table.keys:
        return {}
    rows = owner.execute(
        sql.SQL(
            "select l.label, t.tableoid || ' ' || t.ctid::text "
            "from unnest(%s::text[], %s::text[]) as l (label, key) inner join {} as t on {} = l.key"
        ).format(table.identifier, table.key_expression),
        (list(table.keys), list(table.keys.values())),
    ).fetchall()
    return dict(rows)


def insert(
    owner: psycopg.Connection[Any], table: Table, row: Row, columns: Iterable[str], *, unless_there: bool = False
) -> None:
    names = list(columns)
    owner.execute(
        sql.SQL("insert into {} ({}) overriding system value values ({}) {}").format(
            table.identifier,
            sql.SQL(", ").join(map(sql.Identifier, names)),
            sql.SQL(", ").join(sql.Literal(row[name]) for name in names),
            sql.SQL("on conflict do nothing" if unless_there else ""),
        )
    )


@contextmanager
def _as_actor(owner: psycopg.Connection[Any], actor: Actor) -> Iterator[list[str]]:
    """Be the actor until the end of the block, which undoes everything. Being refused (42501) ends the block early."""
    refused: list[str] = []
    try:
        with owner.transaction(force_rollback=True):
            # A session keeps a plan that inlined a function for one role, and uses it for the next, who may not execute
            # it: whether parley_owner could write the ledger, whose trigger calls app.canonical_provider, depended on
            # who had written to the same month before.
            # SET SESSION AUTHORIZATION is what logging in does: session_user is the login too.
            become = "set local session authorization {}" if actor.way == "login" else "set local role {}"
            # In one message: this is done some eight thousand times.
            owner.execute(
                sql.SQL("discard plans; {}; " + become).format(claiming(actor.claims), sql.Identifier(actor.role))
            )
            yield refused
    except psycopg.errors.InsufficientPrivilege as error:
        refused.append(str(error))
