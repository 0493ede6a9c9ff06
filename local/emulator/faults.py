"""Faults on demand: what a provider does wrong next, queued by a test or asked for inside a message."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Final

from local.emulator.call import Twist
from local.emulator.http import Pace, Reply

# An error status with the provider's own body.
ERRORS: Final = frozenset(
    (
        "rate_limit",
        "quota_exhausted",
        "unauthorized",
        "forbidden",
        "not_found",
        "context_length",
        "bad_request",
        "server_error",
        "bad_gateway",
        "unavailable",
        "overloaded",
    )
)
# A body that is not what the status promises.
BODIES: Final = {
    "html": Reply(200, (b"<!doctype html><html><body><h1>Welcome</h1></body></html>",), "text/html; charset=utf-8"),
    "empty": Reply(200, (b"",)),
    "invalid_json": Reply(200, (b'{"id": "broken", "choices": [',)),
}
BAD_GATEWAY: Final = Reply(
    502, (b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>",), "text/html"
)
# Something wrong with what the model says, with how it is rendered, and with how it is sent.
CONTENTS: Final = frozenset(
    ("refusal", "truncated_json", "fenced_json", "wrong_enum", "missing_keys", "unknown_finish")
)
TWISTS: Final = {
    "no_usage": Twist(without_usage=True),
    "usage_in_choice_chunk": Twist(usage_in_choice_chunk=True),
    "mid_stream_error": Twist(error_after_half=True),
}
PACES: Final = frozenset(("slow", "silent", "cut", "reset"))
NAMES: Final = ERRORS | BODIES.keys() | CONTENTS | TWISTS.keys() | PACES

PROVIDERS: Final = ("openai", "anthropic", "google")

_MARKER: Final = re.compile(r"\[\[fault:([^\]]*)\]\]")


@dataclass(slots=True)
class Fault:
    """One fault and whom it hits.

    `provider` "*" is any, `gemini` is google; `path` and `model`, if given, have to be contained in the request's. It
    hits `times` requests, of those that it could hit only the `share` that a seeded draw decides. `delay` is the time
    before the first byte (slow; the length of silence for silent), `between` that between chunks, both in seconds.
    `retry_after` is sent as it is: seconds or a date. `cut_after` counts bytes of the body; without it the body is cut
    in half. `status` chooses between the provider's several shapes of quota_exhausted.
    """

    fault: str
    provider: str = "*"
    times: int = 1
    path: str = ""
    model: str = ""
    delay: float | None = None
    between: float = 0.0
    retry_after: str | None = None
    cut_after: int | None = None
    status: int | None = None
    share: float = 1.0

    @classmethod
    def of(cls, values: dict[str, Any]) -> Fault:
        """A fault from JSON or from text; raises ValueError, which says what there is, if it says something unknown."""
        types = {"times": int, "cut_after": int, "status": int, "delay": float, "between": float, "share": float}
        known = [field.name for field in fields(cls)]
        if values.get("fault") not in NAMES:
            raise ValueError(f"unknown fault {values.get('fault')!r}; there are {', '.join(sorted(NAMES))}")
        if unknown := values.keys() - set(known):
            raise ValueError(f"unknown parameter {min(unknown)!r} of a fault; there are {', '.join(known[1:])}")
        fault = cls(**{name: types.get(name, str)(value) for name, value in values.items() if value is not None})
        fault.provider = "google" if fault.provider == "gemini" else fault.provider
        if fault.provider not in ("*", *PROVIDERS):
            raise ValueError(f"unknown provider {fault.provider!r} of a fault; there are {', '.join(PROVIDERS)}")
        return fault

    def hits(self, provider: str, path: str, model: str) -> bool:
        """Whether a request is one this fault is for."""
        return self.provider in ("*", provider) and self.path in path and self.model in model

    def pace(self, reply: Reply, usual: Pace) -> Pace:
        """When the bytes of the reply go out under this fault."""
        if self.fault == "slow":
            return Pace(before=1.0 if self.delay is None else self.delay, between=self.between)
        if self.fault == "silent":
            return Pace(before=usual.before, silence=30.0 if self.delay is None else self.delay)
        if self.fault == "cut":
            half = sum(map(len, reply.chunks)) // 2
            return Pace(usual.before, self.between, cut_after=half if self.cut_after is None else self.cut_after)
        if self.fault == "reset":
            return Pace(before=self.delay or 0.0, reset=True)
        return Pace(before=usual.before if self.delay is None else self.delay, between=self.between or usual.between)


class Faults:
    """The queued faults, oldest first."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []
        self._draw = Random(0).random

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        self._queue.append(fault)

    def clear(self) -> None:
        """Forget all queued faults."""
        self._queue.clear()

    def take(self, provider: str, path: str, model: str, question: str) -> Fault | None:
        """The fault that hits this request: the oldest queued one, else one the question asks for. Raises ValueError
        for a question that asks for what there is not.
        """
        for fault in self._queue:
            if fault.hits(provider, path, model) and (fault.share >= 1 or self._draw() < fault.share):
                fault.times -= 1
                if fault.times <= 0:
                    self._queue.remove(fault)
                return fault
        asked = asked_in(question)
        return asked if asked and asked.hits(provider, path, model) else None


def asked_in(question: str) -> Fault | None:
    """The fault a marker such as `[[fault:rate_limit retry_after=7]]` asks for; raises ValueError for a bad one."""
    if "[[fault:" not in question:
        return None
    found = _MARKER.search(question)
    name, *parameters = (found and shlex.split(found[1])) or [""]
    pairs = (parameter.partition("=") for parameter in parameters)
    return Fault.of({"fault": name} | {key: value for key, _, value in pairs})
