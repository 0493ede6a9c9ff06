"""The way into Postgres: one connection a container, identity sent with each query, outages and refusals apart.

Nothing here knows what is stored. Nothing connects before the first query.
"""
