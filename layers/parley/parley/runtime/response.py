"""What a handler returns to stream its answer, and whether this process can send it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parley.core.encoding import LARGEST_ANSWER

# A stream may have 200 MB, and leaves at 2 MB/s beyond the first 6; one answer in a function's memory has less.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
LARGEST_STREAMED = 20_000_000

_state = {"streaming": False}


@dataclass(frozen=True, slots=True)
class StreamingResponse:
    """An HTTP response whose body is still being made.

    Attributes:
        status: the HTTP status; it and the headers leave as soon as the handler returned.
        headers: one value for each name.
        body: every chunk is sent on its own, at once. When it raises, the stream ends as failed: whatever the caller is
            to read about that has to be its last chunk.
        cancel: called from another thread when the caller is gone, also while `body` waits for its next chunk, and
            again until `body` has stopped; it makes that wait end (with any exception), for example by shutting the
            upstream socket down.
        close: called once when nothing is read any more, whatever happened, also when `body` was never begun: where the
            finally of a generator would not run.
        heartbeat: a chunk that is sent whenever `body` has been silent for `heartbeat_seconds`, so that nothing on the
            way takes the connection for dead; empty for none.
    """

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]
    cancel: Callable[[], None] | None = None
    close: Callable[[], None] | None = None
    heartbeat: bytes = b""
    heartbeat_seconds: float = 10.0

    def whole(self) -> dict[str, Any]:
        """The same response as an API Gateway proxy answer, for where nothing streams; reads `body` and closes it."""
        try:
            body = b"".join(self.body).decode()
        finally:
            if self.close is not None:
                self.close()
        return {"statusCode": self.status, "headers": dict(self.headers), "body": body, "isBase64Encoded": False}


def is_streaming() -> bool:
    """Whether this process can send a StreamingResponse; elsewhere (`sam local`) a handler returns `whole()`."""
    return _state["streaming"]


def largest_answer() -> int:
    """Bytes of the largest answer that this process can give."""
    return LARGEST_STREAMED if is_streaming() else LARGEST_ANSWER


def enable_streaming() -> None:
    """Called by the loop before it loads the handler."""
    _state["streaming"] = True
