"""The two logins: what lets them in, and the time limits every session of theirs starts with."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

# By ALTER ROLE and not in the session: poolers in transaction mode forget a SET, and RDS Proxy pins its connection.
_LIMITS: Mapping[str, Mapping[str, str]] = {
    "parley_app": {
        "statement_timeout": "5s",
        "lock_timeout": "2s",
        "idle_in_transaction_session_timeout": "5s",
    },
    "parley_service": {
        "statement_timeout": "60s",
        "lock_timeout": "5s",
        "idle_in_transaction_session_timeout": "10s",
    },
}


def create_logins(
    connection: psycopg.Connection, app_password: str | None = None, service_password: str | None = None
) -> None:
    """Let `parley_app` and `parley_service`, which the platform migration made, log in. May be repeated.

    Args:
        connection: of a role that may alter them; the change is one transaction.
        app_password: of parley_app. Only its SCRAM verifier is sent, so no statement log can hold the password.
            None for IAM authentication: no password, and membership in `rds_iam` where there is such a role.
        service_password: the same for parley_service.

    Raises:
        psycopg.errors.UndefinedObject: the migrations were not applied yet.
    """
    with connection.transaction():
        for role, password in (("parley_app", app_password), ("parley_service", service_password)):
            name = sql.Identifier(role)
            verifier = None
            if password is not None:
                encrypted = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
                verifier = encrypted.decode()
            elif connection.execute("select from pg_catalog.pg_roles where rolname = 'rds_iam'").rowcount:
                connection.execute(sql.SQL("grant rds_iam to {}").format(name))
            connection.execute(sql.SQL("alter role {} login password {}").format(name, sql.Literal(verifier)))
            for setting, value in _LIMITS[role].items():
                connection.execute(
                    sql.SQL("alter role {} set {} = {}").format(name, sql.Identifier(setting), sql.Literal(value))
                )
