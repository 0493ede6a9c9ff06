"""One function's handler in this process, without a runtime client: events come as a line of JSON, figures go back.

    python -m testing.handler_process FOLDER

The lines on standard input are lists of API Gateway events, or of messages that are put to the provider directly.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from testing.functions import Context
from testing.running import OPERATOR_KEY, Client


def main() -> None:
    """Serve rounds until standard input ends."""
    # Logs go where the parent does not read; CloudWatch's pipe costs the same write.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path.insert(0, sys.argv[1])
    function = importlib.import_module("app")
    direct = Client(os.environ["OPENAI_BASE_URL"], OPERATOR_KEY)
    for line in sys.stdin:
        taken: list[float] = []
        caches: list[str] = []
        answers: list[dict[str, Any]] = []
        trips, cpu = function.services.database.round_trips, time.process_time()
        for event in json.loads(line):
            if isinstance(event, str):
                taken.append(direct.ask(event))
                continue
            began = time.perf_counter()
            answers.append(function.lambda_handler(event, Context()))
            taken.append((time.perf_counter() - began) * 1000)
        cpu = (time.process_time() - cpu) * 1000
        for answer in answers:
            if answer["statusCode"] != 200:
                raise RuntimeError(answer["body"])
            body = json.loads(answer["body"])
            caches.append(body["cache"] if "cache" in body else body["parley"]["cache"])
        trips = function.services.database.round_trips - trips
        replies.write(json.dumps({"taken": taken, "cpu_ms": cpu, "trips": trips, "caches": caches}) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
