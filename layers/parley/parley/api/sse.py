"""Server-sent events: how a streamed answer looks on the wire (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from json.encoder import encode_basestring
from typing import Any

from parley.api import problems
from parley.core.errors import Problem

MEDIA_TYPE = "text/event-stream"
CONTENT_TYPE = f"{MEDIA_TYPE}; charset=utf-8"
HEARTBEAT = b": still thinking\n\n"

# json.dumps would make an encoder for every event.
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

# A piece of the answer's text, which becomes a `delta`, the name and the data of any other event, or what is sent as it
# is: another vendor's format.
Event = str | tuple[str, Mapping[str, Any]] | bytes
Events = Generator[Event, None, None]


def encoded(
    events: Events, problem_of: Callable[[Exception], Problem], request_id: str
) -> Generator[bytes, None, None]:
    """Each event as bytes; a fault becomes an `error` event with the problem document and, where waiting helps, its
    `retry_after` in seconds. The stream ends there.
    """
    try:
        for event in events:
            if isinstance(event, str):  # a string is encoded in C, an object ten times slower in Python
                yield f'event: delta\ndata: {{"text":{encode_basestring(event)}}}\n\n'.encode()
            elif isinstance(event, bytes):
                yield event
            else:
                yield _event(*event)
    except Exception as error:
        problem = problem_of(error)
        document = problems.document(problem, request_id)
        if problem.retry_after is not None:  # the headers are gone
            document["retry_after"] = max(1, problem.retry_after)
        # OpenAI's clients look for `error`; some read no further than the beginning.
        yield _event("error", {"error": document.pop("error"), **document})


def _event(name: str, data: Mapping[str, Any]) -> bytes:
    return f"event: {name}\ndata: {_encode(data)}\n\n".encode()
