"""What a caller sent, checked: body, text, identifiers, idempotency key."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import math
import os
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from pydantic import BaseModel, ValidationError

from parley.core.caller import Caller, RequestContext
from parley.core.errors import Problem

LARGEST_BODY = 512 * 1024  # bytes
# Of routes that take images and documents.
LARGEST_BODY_WITH_MEDIA = 4 * 1024 * 1024
# A JSON schema may have 32 levels (providers/json_schema/keywords.py), each of which is two here, inside of a tool.
_DEEPEST_JSON = 80
LONGEST_IDEMPOTENCY_KEY = 255

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Request:
    """One HTTP request of a verified caller.

    Attributes:
        id: API Gateway's request id, which every log line and answer carries.
        headers: by lower-case name.
        path, query: parameters, decoded.
        seconds: how long the answer may take.
        takes_key: whether the route looks at an Idempotency-Key.
        largest_body: in bytes.
        mends_text: whether what no text can hold is replaced in the body, and not refused.
    """

    caller: Caller
    id: str
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: str | None
    body_is_base64: bool
    seconds: float
    takes_key: bool
    largest_body: int = LARGEST_BODY
    mends_text: bool = False

    @cached_property
    def body(self) -> bytes:
        """The body's bytes. Raises Problem: 413 for too many, 400 for broken base64 or text that is not Unicode."""
        raw = self.raw_body or ""
        if len(raw) > self.largest_body * 2:
            raise _too_large(self.largest_body)
        try:
            body = base64.b64decode(raw, validate=True) if self.body_is_base64 else raw.encode()
        except ValueError:
            raise _invalid("The body is not valid UTF-8 text.") from None
        if len(body) > self.largest_body:
            raise _too_large(self.largest_body)
        return body

    @cached_property
    def body_hash(self) -> str:
        """Hex SHA-256 of the body: what an idempotency key is bound to."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def context(self) -> RequestContext:
        """The request as services see it that create or spend something. Raises Problem."""
        if self.idempotency_key is not None and not self.caller.is_user:
            raise Problem("token_missing", "Sign in to use an Idempotency-Key.", status=401)
        return RequestContext(self.caller, self.id, self.seconds, self.idempotency_key, self.body_hash)

    @property
    def idempotency_key(self) -> str | None:
        """The Idempotency-Key header; None without one, and where the route takes none.

        Raises Problem (400) for one that cannot be a key.
        """
        key = self.headers.get("idempotency-key") if self.takes_key else None
        if key is not None and not (0 < len(key) <= LONGEST_IDEMPOTENCY_KEY and key.isascii() and key.isprintable()):
            raise _invalid("Idempotency-Key takes 1 to 255 printable ASCII characters.")
        return key

    def json(self, model: type[Model]) -> Model:
        """The body as `model`, whatever its content type says. Raises Problem (400) that names each field that does not
        fit, never its value.
        """
        if not self.body.strip():
            raise _invalid("The body is empty; send a JSON object.")
        try:
            text = self.body.removeprefix(BOM_UTF8).decode()  # json.loads would take UTF-16 too
            value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=partial(_members, "body"))
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise _invalid(f"The body is not JSON at {place}: {error.msg.removesuffix(' at')}.") from None
        except UnicodeDecodeError as error:
            raise _invalid(f"The body is not UTF-8 at byte {error.start}.") from None
        except RecursionError:
            raise _nested_too_deep() from None
        except ValueError:  # a number of more digits than Python reads
            raise _invalid("The body holds a number with too many digits.") from None
        try:
            check_text(value)
        except Problem:
            if not self.mends_text:
                raise
            value = _mended(value)
            check_text(value)
        return self._fit(model, value)

    def query_as(self, model: type[Model]) -> Model:
        """The query parameters as `model`. Raises Problem (400)."""
        for value in self.query.values():
            if value.lstrip().startswith(("{", "[")):
                with contextlib.suppress(ValueError, RecursionError):  # whether it must be JSON, the model says
                    json.loads(value, object_pairs_hook=partial(_members, "query"))
        fitted = self._fit(model, dict(self.query))
        check_text(fitted.model_dump())  # a parameter may hold JSON
        return fitted

    @staticmethod
    def _fit(model: type[Model], value: Any) -> Model:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            from parley.api import invalid_fields

            raise invalid_fields.problem_of(model, error, value) from None


def requested_path(event: Mapping[str, Any]) -> str:
    """The path below the stage and below a custom domain's base path, percent-encoded as it was sent.

    API Gateway says which route it found (`resource`) and what stands in its parameters; `path` has the base path too.
    """
    resource = event.get("resource") or (event.get("requestContext") or {}).get("resourcePath") or event["path"]
    # Only `sam local` decodes parameters. Characters that a path cannot hold are encoded in both cases, because the
    # resolver's pattern would not match them.
    kept = "" if os.environ.get("AWS_SAM_LOCAL") else "%"
    for name, value in (event.get("pathParameters") or {}).items():
        resource = resource.replace(f"{{{name}}}", quote(value, safe=kept))
    return str(resource)


def path_parameters(encoded: Mapping[str, str]) -> dict[str, str]:
    """The path's parameters, decoded: the one place. Raises Problem (400) for what is not percent-encoded UTF-8."""
    try:
        return {name: unquote(value, errors="strict") for name, value in encoded.items()}
    except UnicodeDecodeError:
        raise _invalid("The path must be percent-encoded UTF-8.") from None


def check_text(value: Any, place: tuple[int | str, ...] = ()) -> None:
    """Refuse what Postgres cannot store, and what can only be a mistake: NUL, lone surrogates, infinite numbers, JSON
    nested deeper than 80 levels. Raises Problem (400), which names the field.

    Args:
        place: the value's own in the body.
    """
    if isinstance(value, str):
        if "\x00" in value:
            raise _unfit(place, "Text must not contain the NUL character.")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _unfit(place, "Text must be valid Unicode without lone surrogates.") from None
    elif isinstance(value, float) and not math.isfinite(value):
        raise _unfit(place, "Numbers must be finite.")
    elif isinstance(value, dict | list):
        if len(place) >= _DEEPEST_JSON:
            raise _nested_too_deep()
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            check_text(name, place)
            check_text(item, (*place, name))


def _mended(value: Any) -> Any:
    """A JSON value with U+FFFD in the place of NUL and of lone surrogates. Raises Problem (400) where it nests too
    deep.
    """
    try:
        if isinstance(value, str):
            return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if isinstance(value, list):
            return [_mended(item) for item in value]
        if isinstance(value, dict):
            return {_mended(name): _mended(item) for name, item in value.items()}
    except RecursionError:
        raise _nested_too_deep() from None
    return value


def _unfit(place: tuple[int | str, ...], message: str) -> Problem:
    """The problem of a value that is none, with its field in the form of `problem_of`."""
    from parley.api.invalid_fields import field_name

    field = ".".join(map(field_name, place))
    if not field:
        return _invalid(message)
    error = {"field": field, "message": message}
    return Problem("invalid_request", f"{field}: {message}", status=400, param=field, extra={"errors": [error]})


def _members(whose: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object of the body or the query. Raises Problem (400) for a name that stands in it twice: readers disagree
    which one counts.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        from parley.api.invalid_fields import field_name

        (twice, _), *_ = Counter(name for name, _ in pairs).most_common(1)
        raise _invalid(f"The {whose} names the same member twice: {field_name(twice)}.")
    return found


def _refuse_constant(name: str) -> Any:
    raise _invalid(f"The body is not JSON: there is no number {name}.")


def _nested_too_deep() -> Problem:
    return _invalid(f"The body nests deeper than {_DEEPEST_JSON} levels.")


def _invalid(detail: str) -> Problem:
    return Problem("invalid_request", detail, status=400)


def _too_large(largest: int) -> Problem:
    return Problem("body_too_large", f"The body may have at most {largest // 1024} KiB.", status=413)
