"""The way into Postgres: one connection a container, identity sent along with the query, outages told from mistakes.

Nothing here knows what is stored. Nothing connects before the first query.
"""
