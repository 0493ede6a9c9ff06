"""What callers send for a prompt, in whatever wire format: the fields of its parts, and what is checked of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from pydantic import StringConstraints

from parley.providers.protocol import NamedTool, ToolDefinition, ToolUse

# What one provider at least takes for a tool's name; the others are given another one.
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
# Of a call in a history: a model may have made one up.
CalledName = Annotated[str, StringConstraints(max_length=256)]
CallId = Annotated[str, StringConstraints(min_length=1, max_length=255)]
SchemaName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
JsonSchema = dict[str, Any]
ImageType = Literal["image/png", "image/jpeg", "image/webp", "image/gif"]
LONGEST_DATA = 4 * 1024 * 1024  # characters of base64

# How the base64 of a file of this type begins.
_BEGINNINGS: dict[ImageType | Literal["application/pdf"], str] = {
    "image/png": "iVBORw0KGg",
    "image/jpeg": "/9j/",
    "image/webp": "UklGR",
    "image/gif": "R0lGOD",
    "application/pdf": "JVBERi0",
}
_BASE64 = re.compile("[A-Za-z0-9+/]+")
_URL_SAFE = str.maketrans("-_", "+/")

# The type of an image by URL, where nobody says it: Google asks for one.
_ENDINGS: dict[str, ImageType] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


class _Call(Protocol):
    @property
    def id(self) -> str: ...


class _Turn(Protocol):
    @property
    def role(self) -> str: ...

    @property
    def tool_calls(self) -> Sequence[_Call] | None: ...

    @property
    def tool_call_id(self) -> str | None: ...


def image_type_of(url: str) -> ImageType | None:
    """What an image at a URL is, by the ending of its path; None where that says nothing."""
    return _ENDINGS.get(PurePosixPath(urlsplit(url).path).suffix.lower())


def base64_of(text: str) -> str:
    """Base64 as every provider takes it: in one line, padded, with `+` and `/`. Raises ValueError where it is none."""
    data = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    if not _BASE64.fullmatch(data) or len(data) % 4 == 1:
        raise ValueError("this is no base64")
    return data + "=" * (-len(data) % 4)


def media_type_of(data: str) -> ImageType | Literal["application/pdf"] | None:
    """What base64 is of, by how the file begins; None where that is nothing that a model sees."""
    return next((media_type for media_type, start in _BEGINNINGS.items() if data.startswith(start)), None)


def check_data(data: str, media_type: str) -> None:
    """Raises ValueError for base64 that cannot be of its media type."""
    if len(data) % 4:
        raise ValueError("data is not base64: its length is no multiple of four")
    if media_type_of(data) != media_type:
        raise ValueError("data is not of its media_type")


def check_results(turns: Sequence[_Turn]) -> None:
    """Raises ValueError unless every call has one result right after it, and every result its call."""
    open_calls: set[str] = set()
    for turn in turns:
        if turn.role == "tool":
            if turn.tool_call_id not in open_calls:
                raise ValueError("a tool message answers no call of the assistant's turn before it")
            open_calls.remove(turn.tool_call_id)
        elif open_calls:
            break
        for call in turn.tool_calls or ():
            if call.id in open_calls:
                raise ValueError("two calls of a turn have the same id")
            open_calls.add(call.id)
    if open_calls:
        raise ValueError("each of an assistant's tool_calls needs its tool message right after it")


def check_choice(names: Sequence[str], choice: str | NamedTool) -> None:
    """Raises ValueError where two tools have one name, or where the choice cannot be made among them."""
    if isinstance(choice, NamedTool):
        if choice.name not in names:
            raise ValueError("tool_choice names none of the tools")
    elif choice == "required" and not names:
        raise ValueError("tool_choice is required, but there are no tools")
    if len(set(names)) < len(names):
        raise ValueError("two tools have the same name")


def checked_tools(tools: ToolUse, place: str) -> ToolUse:
    """The tools with schemas that every provider can be given; `strict` where all of the caller's is handled.

    Args:
        place: where in the body the schema of a tool's arguments is; `{}` stands for the tool's position.

    Raises Problem (400) that names the keyword for which no provider can be given the schema.
    """
    from parley.providers.json_schema.checking import check_arguments
    from parley.providers.json_schema.keywords import UnsupportedSchema

    definitions: list[ToolDefinition] = []
    for number, tool in enumerate(tools.definitions):
        if tool.parameters is not None:
            try:
                parameters, whole = check_arguments(tool.parameters)
            except UnsupportedSchema as error:
                raise error.problem(place.format(number)) from None
            tool = tool._replace(parameters=parameters, strict=tool.strict and whole)
        definitions.append(tool)
    return tools._replace(definitions=definitions)


def checked_schema(schema: JsonSchema, place: str) -> JsonSchema:
    """The schema of an answer, as `CompletionRequest` takes it. Raises Problem (400) as `checked_tools`."""
    from parley.providers.json_schema.checking import check
    from parley.providers.json_schema.keywords import UnsupportedSchema

    try:
        return check(schema)
    except UnsupportedSchema as error:
        raise error.problem(place) from None
