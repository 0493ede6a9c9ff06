"""The answer to a body or query that does not fit its model: which field, why, and what may be meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from parley.core.errors import Problem

_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}|[0-9]")
_MOST_ERRORS = 20
_IN_DETAIL = 3  # of them in the sentence that a person reads
# How alike two spellings of one name are (difflib's ratio): `stream` and `system` have 0.67.
_LEAST_ALIKE = 0.75


def field_name(part: int | str) -> str:
    """A step of a path to a field; what no field is called is not repeated, for it may be anything."""
    return str(part) if isinstance(part, int) or _FIELD_NAME.fullmatch(part) else "(unknown)"


def problem_of(model: type[BaseModel], error: ValidationError, value: Any) -> Problem:
    """The problem (400) that names each field of `value` that does not fit, never what it is; `param` is the first."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    fields = [
        _field_error(model, entry["type"], _place(entry["loc"], value), entry["msg"]) for entry in found[:_MOST_ERRORS]
    ]
    sentences = [
        entry["message"] if entry["field"] == "body" else "{field}: {message}".format(**entry) for entry in fields
    ]
    detail = "; ".join(sentences[:_IN_DETAIL])
    more = f" ({len(found) - _IN_DETAIL} more in `errors`)" if len(found) > _IN_DETAIL else ""
    first = fields[0]["field"]
    if first == "body":
        detail = detail[:1].upper() + detail[1:]
    return Problem(
        "invalid_request",
        f"{detail}{more}" if detail.endswith("?") and not more else f"{detail}{more}.",
        status=400,
        param=None if first == "body" else first,
        extra={"errors": fields},
    )


def _field_error(model: type[BaseModel], kind: str, place: Sequence[int | str], message: str) -> dict[str, str]:
    if kind == "extra_forbidden":
        message = _unknown(model, place)
    elif kind in ("model_type", "dict_type"):
        message = "this takes a JSON object"
    return {
        "field": ".".join(map(field_name, place)) or "body",
        "message": message.removeprefix("Value error, "),
    }


def _place(steps: Sequence[int | str], value: Any) -> list[int | str]:
    """The path to a field in what was sent: without the names of alternatives, which pydantic puts into it."""
    place: list[int | str] = []
    for number, step in enumerate(steps):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        elif not isinstance(value, dict) or number < len(steps) - 1:
            continue  # a field that is missing is the last step
        place.append(step)
    return place


def _unknown(model: type[BaseModel], place: Sequence[int | str]) -> str:
    """The message for an unknown field: it names the known field that is spelled or begins alike, or all fields."""
    from difflib import get_close_matches  # only a slip needs it

    *parents, unknown = place
    fields = _model_at(model, parents).model_fields
    known = [field.alias or name for name, field in fields.items()]
    sent = str(unknown).lower()
    near = get_close_matches(sent, known, 1, _LEAST_ALIKE) or [name for name in known if name.startswith(sent)]
    if near:
        return f"there is no such field; did you mean {near[0]}?"
    return f"there is no such field, only {', '.join(known)}" if known else "there is no such field; this takes none"


def _model_at(model: type[BaseModel], place: Sequence[int | str]) -> type[BaseModel]:
    """The model of the object at a path of fields and list positions."""
    for part in place:
        if isinstance(part, str) and part in model.model_fields:
            model = next(_models(model.model_fields[part].annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
