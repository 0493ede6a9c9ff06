"""The way into Postgres: one connection a container, identity sent along with the query, outages told from mistakes.

Nothing here knows what is stored. Nothing connects before the first query.
"""

from parley.database.connection import Database, Statement, Transaction
from parley.database.errors import DatabaseError, DatabaseUnavailable
from parley.database.values import Vector, jsonb

__all__ = ["Database", "DatabaseError", "DatabaseUnavailable", "Statement", "Transaction", "Vector", "jsonb"]
