"""How Python values travel: JSON as compact jsonb, vectors as binary parameters."""

from __future__ import annotations

import json
import re
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.json import Jsonb

_FLOAT4 = 700  # pg_type's oid of real
# A NUL as JSON escapes it, and not a backslash followed by u0000.
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Vector:
    """An embedding as a bound parameter for pgvector's `vector` (`%s::vector`, or a function's argument).

    Args:
        components: the numbers; pgvector refuses NaN and infinity.
    """

    __slots__ = ("wire",)

    def __init__(self, components: Sequence[float]) -> None:
        numbers = array("f", components)
        if sys.byteorder == "little":
            numbers.byteswap()
        # vector_recv reads two 16-bit integers, dimensions and zero, then 32-bit floats: half the size of the text.
        self.wire = len(numbers).to_bytes(2) + b"\0\0" + numbers.tobytes()


class Vectors:
    """Several embeddings of one length as one bound parameter, `real[]`: all components, one vector after the other."""

    __slots__ = ("wire",)

    def __init__(self, vectors: Sequence[Sequence[float]]) -> None:
        components = array("f")
        for vector in vectors:
            components.extend(array("f", vector))
        count = len(components)
        # array_recv reads dimensions, flags, the elements' type, then size and lower bound of each dimension; after
        # them each element with its own size.
        elements = array("I", [4]) * (2 * count)
        elements[1::2] = array("I", components.tobytes())
        if sys.byteorder == "little":
            elements.byteswap()
        head = array("I", [1 if count else 0, 0, _FLOAT4, count, 1][: 5 if count else 3])
        if sys.byteorder == "little":
            head.byteswap()
        self.wire = head.tobytes() + elements.tobytes()


class VectorDumper(Dumper):
    """Sends vectors in binary. The statement casts them, because the type's oid differs by database."""

    format = Format.BINARY

    def dump(self, obj: Vector | Vectors) -> bytes:
        return obj.wire


def jsonb(value: Any) -> Jsonb:
    """Any JSON value as a bound jsonb parameter; mappings need no mark, lists do, since they are arrays otherwise.

    Raises:
        ValueError: NUL, a lone surrogate, NaN or infinity, none of which jsonb can hold.
        TypeError: something that JSON has no form for.
    """
    return Jsonb(value, dumps=_dumps)


def bound(parameters: Sequence[Any]) -> list[Any]:
    """The parameters as the driver takes them.

    Raises:
        ValueError: text that Postgres cannot hold, with NUL or a lone surrogate; nothing was sent yet.
    """
    return [_bound(parameter) for parameter in parameters]


def _bound(value: Any) -> Any:
    if isinstance(value, str):
        _check(value)
        if "\0" in value:
            raise ValueError("text for the database holds a NUL character")
    elif isinstance(value, Mapping):
        return jsonb(value)
    return value


def _dumps(value: Any) -> str:
    text = _encode(value)
    _check(text)
    # The plain search first: it is a fiftieth of the pattern's cost, and nearly every text ends there.
    if "\\u0000" in text and _ESCAPED_NUL.search(text):
        raise ValueError("JSON for the database holds a NUL character")
    return text


def _check(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("text for the database holds a lone surrogate") from None
