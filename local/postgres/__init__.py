"""The embedded Postgres: the server, where it lives, and Parley's database in it."""
