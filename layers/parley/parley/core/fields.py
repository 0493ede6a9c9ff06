"""Fields that the schemas of several rooms share, as they are checked and as the contract shows them."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from typing_extensions import TypedDict

from parley.core.encoding import encode
from parley.core.provider_names import ProviderName

# A body or a query with an unknown member is refused: a misspelled name would otherwise be ignored in silence. Its
# validator is built when it is first needed: a cold start answers one request, and a function has models for many.
QUERY = ConfigDict(extra="forbid", defer_build=True)
# JSON has types: in a body, "5" is no number and 0 is no boolean.
BODY = ConfigDict(**QUERY, strict=True)


def _whole(value: Any) -> Any:
    """JSON Schema counts 3.0 among the integers, and so do clients whose language has one kind of number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)

# As callers write and save it: gemini is google's other name.
ProviderSpelling = Literal[ProviderName, "gemini"]
PROVIDER_SPELLINGS: tuple[ProviderSpelling, ...] = get_args(ProviderSpelling)
# The contract names the spellings; the services check them, since they ignore case and answer `invalid_provider`.
Provider = Annotated[str, Field(max_length=40, json_schema_extra={"enum": [*PROVIDER_SPELLINGS]})]
RequestedProvider = Annotated[str, Field(max_length=40, json_schema_extra={"enum": [*PROVIDER_SPELLINGS, "auto"]})]
ProviderSource = Literal["request", "user", "organization", "own_key", "memory", "environment", "faq", "none"]
TierName = Literal["anonymous", "free", "premium", "byok"]
Metadata = dict[str, Any]
# The providers embed at most this much of one text; the caller splits longer ones.
LONGEST_TEXT = 24_000  # characters, about 6,000 tokens
# A tag of BCP 47, by its form; english is none: no language is registered under more than three letters.
Language = Annotated[str, StringConstraints(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]
_LARGEST_NOTE = 4_096  # bytes of JSON, of what is kept of each call that costs no unit


def _short(value: Metadata) -> Metadata:
    if len(encode(value).encode()) > _LARGEST_NOTE:
        raise ValueError(f"JSON of at most {_LARGEST_NOTE} bytes is kept here")
    return value


Note = Annotated[Metadata, AfterValidator(_short)]

Usd = Annotated[
    Decimal | str,
    WithJsonSchema(
        {"type": "string", "pattern": r"^\d+(\.\d+)?$", "description": "US dollars", "examples": ["0.000042"]}
    ),
]
Tokens = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[int, Field(ge=0)]


class CallUsage(TypedDict):
    """What all model calls of one request used together; the cost is null where a price is not known."""

    input_tokens: Tokens
    output_tokens: Tokens
    cached_input_tokens: Tokens
    cache_write_tokens: Tokens
    reasoning_tokens: Tokens
    cost_usd: Usd | None


class NullIsAbsent(BaseModel):
    """A body in which a member that is null says the same as none."""

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, body: Any) -> Any:
        if not isinstance(body, dict) or None not in body.values():
            return body
        known = {name for field, info in cls.model_fields.items() for name in (field, *_other_names(info))}
        return {name: value for name, value in body.items() if value is not None or name not in known}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The contract says so of each member that may be left out."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        for name, member in schema.get("properties", {}).items():
            if name in schema.get("required", ()) or {"type": "null"} in member.get("anyOf", ()):
                continue
            beside = {key: member.pop(key) for key in ("title", "description", "default") if key in member}
            if beside.get("default") == {}:
                del beside["default"]  # generators of clients refuse an object where null may be, too
            choices = member["anyOf"] if member.keys() == {"anyOf"} else [member]
            schema["properties"][name] = {"anyOf": [*choices, {"type": "null"}]} | beside
        return schema


def _other_names(field: FieldInfo) -> list[str]:
    alias = field.validation_alias
    return [name for name in alias.choices if isinstance(name, str)] if isinstance(alias, AliasChoices) else []


class SearchesOfType(TypedDict):
    """Searches for one type of content (`document`, or `mixed` for several), how many of them found something, and from
    how many something was chosen; `click_through` is the share of the latter.
    """

    type: str
    searches: Count
    found: Count
    selected: Count
    click_through: float
