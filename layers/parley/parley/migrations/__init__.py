"""The schema runner: `schema/NN_name.sql` and `schema/rollback/NN_name.sql`, one transaction a file.

    python -m parley.migrations up|down N|status|verify --url postgresql://... --schema schema

The files stay plain SQL that psql runs as well. All that the runner adds is the table `app.schema_migrations`: what was
applied, and the checksum it had.
"""

from parley.migrations.catalog import catalog_snapshot
from parley.migrations.files import Migration, MigrationError, read_migrations
from parley.migrations.logins import create_logins
from parley.migrations.runner import Step, down, status, up
from parley.migrations.verification import verify

__all__ = [
    "Migration",
    "MigrationError",
    "Step",
    "catalog_snapshot",
    "create_logins",
    "down",
    "read_migrations",
    "status",
    "up",
    "verify",
]
