"""`python -m parley.runtime`: what the `parley-stream` wrapper starts in place of the managed runtime's client."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

from parley.runtime.client import Failure, RuntimeClient
from parley.runtime.loop import load_handler, run
from parley.runtime.response import enable_streaming

_EXTRA = ("request_id", "error_type", "stack_trace")


class _JsonFormatter(logging.Formatter):
    """One JSON object a line, named as the managed runtime's JSON log format names things where it has a name."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
        }
        fields |= {name: value for name in _EXTRA if (value := getattr(record, name, None)) is not None}
        return json.dumps(fields)


def main() -> int:
    """Load the handler named by _HANDLER and serve until the Runtime API is gone; the process's exit status."""
    output = logging.StreamHandler(sys.stdout)
    output.setFormatter(_JsonFormatter())
    # Lambda's own level names are Python's but for TRACE and FATAL, of which nothing here makes use.
    level = os.environ.get("AWS_LAMBDA_LOG_LEVEL", "INFO")
    logging.basicConfig(handlers=[output], level=level if level in logging.getLevelNamesMapping() else "INFO")
    client = RuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    sys.path.insert(0, os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd())
    enable_streaming()
    try:
        handler = load_handler(os.environ["_HANDLER"])
    except Exception as error:
        failure = Failure.of(error)
        extra = {"error_type": failure.kind, "stack_trace": failure.stack}
        logging.getLogger("parley.runtime").error("the handler could not be loaded: %s", error, extra=extra)
        client.post_init_error(failure)
        return 1
    try:
        run(client, handler)
    except OSError:
        return 0  # the Runtime API went away: the environment is being shut down
    return 0


if __name__ == "__main__":
    sys.exit(main())
