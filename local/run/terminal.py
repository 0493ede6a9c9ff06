"""What a developer sees: a line for each request, warnings and prints of functions; everything else is in the logs."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, TextIO

# What AWS's runtime interface client prints above each traceback: that a runtime update may be to blame.
_BOILERPLATE = "LAMBDA_WARNING: Unhandled exception."
_SHOWN_LEVELS = {"WARN", "WARNING", "ERROR", "CRITICAL", "FATAL"}
# What structured lines carry besides the message and what it is about.
_ROUTINE_FIELDS = {
    "level", "message", "timestamp", "location", "service", "cold_start", "function_name", "function_memory_size",
    "function_arn", "function_request_id", "exception", "exception_name", "stack_trace", "stackTrace", "errorMessage",
    "errorType", "requestId", "xray_trace_id", "logger", "log_level",
}  # fmt: skip


class Terminal:
    """Writes `folder/NAME.log` for each function and what is worth seeing to a stream (None: nothing)."""

    def __init__(self, folder: Path, stream: TextIO | None = sys.stdout) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._stream = stream
        self._files: dict[str, TextIO] = {}
        self._colour = stream is not None and stream.isatty() and "NO_COLOR" not in os.environ

    def access(self, method: str, path: str, status: int, seconds: float, function: str, code: str = "") -> None:
        """A request was answered; `code` says in which problem it ended."""
        colour = 32 if status < 400 and not code else 33 if status < 500 else 31
        outcome = self._paint(f"{status} {code}".rstrip(), colour)
        self._show(f"{method:<6} {path}  {outcome}  {seconds * 1000:.0f} ms  {function}".rstrip())

    def line(self, name: str, text: str) -> None:
        """A function or a stand-in wrote a line."""
        if name not in self._files:
            self._files[name] = (self._folder / f"{name}.log").open("a", encoding="utf-8", buffering=1)
        self._files[name].write(text + "\n")
        record = _record(text)
        if record is None:
            if text.strip() and _BOILERPLATE not in text:
                self._show(f"{self._paint(name, 36)}  {text}")
            return
        level = str(record.get("level") or record.get("log_level") or "INFO").upper()
        if level in _SHOWN_LEVELS:
            self._show(
                f"{self._paint(name, 36)}  {self._paint(level, 33 if level.startswith('WARN') else 31)} {_told(record)}"
            )

    def note(self, text: str) -> None:
        """Something that the run itself has to say."""
        self._show(text)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _show(self, text: str) -> None:
        if self._stream is not None:
            print(f"{time.strftime('%H:%M:%S')}  {text}", file=self._stream, flush=True)

    def _paint(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour else text


def _record(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _told(record: dict[str, Any]) -> str:
    """A structured line for a human: the message, what it is about, the traceback."""
    message = record.get("message") or f"{record.get('errorType', '')}: {record.get('errorMessage', '')}"
    details = " ".join(
        f"{key}={value}" for key, value in record.items() if key not in _ROUTINE_FIELDS and value not in (None, "")
    )
    trace = record.get("exception") or record.get("stack_trace") or record.get("stackTrace") or ""
    if isinstance(trace, list):
        trace = "".join(map(str, trace))
    if isinstance(trace, dict):
        trace = ""
    told = f"{message}  {details}" if details else str(message)
    return f"{told}\n{trace.rstrip()}" if trace else told
