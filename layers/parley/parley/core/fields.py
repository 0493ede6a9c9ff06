"""Fields that the schemas of several rooms share, as they are checked and as the contract shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

# A body or a query with a member that nobody knows is refused: it is a slip, and would otherwise be ignored in silence.
QUERY = ConfigDict(extra="forbid")
# JSON has types: in a body, "5" is no number and 0 is no boolean.
BODY = ConfigDict(extra="forbid", strict=True)


def _whole(value: Any) -> Any:
    """JSON Schema counts 3.0 among the integers, and so do clients whose language has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)

# The service folds case and says `invalid_provider`, so the names are told here and checked there.
Provider = Annotated[str, Field(max_length=40, json_schema_extra={"enum": ["openai", "anthropic", "google", "gemini"]})]
RequestedProvider = Annotated[
    str, Field(max_length=40, json_schema_extra={"enum": ["openai", "anthropic", "google", "gemini", "auto"]})
]
# As somebody saved it: gemini is google's other name.
ProviderSpelling = Literal["openai", "anthropic", "google", "gemini"]
ProviderSource = Literal["request", "user", "organization", "own_key", "memory", "environment", "faq", "none"]
TierName = Literal["anonymous", "free", "premium", "byok"]
Metadata = dict[str, Any]

Usd = Annotated[
    Decimal | str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?$", "description": "US dollars", "examples": ["0.000042"]}
    ),
]
Tokens = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]
