"""The connections of two people's tests, in place of those of other schema tests."""

from __future__ import annotations

from tests.integration.schema.activities import app, owner

__all__ = ["app", "owner"]
