"""The schema runner: `schema/NN_name.sql` and `schema/rollback/NN_name.sql`, what is pending in one transaction.

    python -m parley.migrations up|down N|status|verify --url postgresql://... --schema schema

The files stay plain SQL that psql runs as well. All that the runner adds is the table `app.schema_migrations`: what was
applied, and the checksum it had.
"""
