"""Cold starts: CPU from the start of a process to its first correct answer, for every function as it was built.

    sam build && python benchmarks/cold_start.py [--runs 7] [--plain-runs 3] [--only chat]

Each figure is the median of fresh processes that have nothing on their path but `.aws-sam/build` (and boto3, as Lambda
has it); user and system time of the process alone, so another process's load does not count. Database, providers and
KMS are real servers beside it. `plain` is the same without bytecode, as SAM would ship it. Exits with 1 where a target
is missed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "layers" / "parley")]
BUILD = CHECKOUT / ".aws-sam" / "build"
LAYERS = ("ParleyLayer", "DependenciesLayer")
TARGETS = {"get_provider": 0.6, "chat": 1.3, "usage_reset": 0.35, "cache_cleanup": 0.35}
# The stored key is what verify_key verifies.
FUNCTIONS = ("get_provider", "set_provider", "chat", "chat_stream", "generate_interview_questions", "search",
             "account", "store_key", "verify_key", "admin", "health", "usage_reset", "cache_cleanup", "rotate_keys",
             "usage_replay", "migrate")  # fmt: skip
PROMPTS = ("message", "objective", "query")
SERVICE = ("admin", "usage_reset", "cache_cleanup", "rotate_keys", "usage_replay")
JWT_SECRET = "a secret for this benchmark, 32 bytes or more"


class _Context:
    """As much of Lambda's context object as handlers read."""

    function_name, function_version, memory_limit_in_mb = "benchmark", "$LATEST", "1024"
    invoked_function_arn = "arn:aws:lambda:eu-north-1:123456789012:function:benchmark"

    def __init__(self) -> None:
        self.aws_request_id = str(uuid.uuid4())

    def get_remaining_time_in_millis(self) -> int:
        return 28_000


def child(event_file: str) -> None:
    """Runs in the measured process: answer one event; what it said and what that took."""
    import app  # type: ignore[import-not-found]

    event = json.loads(Path(event_file).read_text())
    answer = app.lambda_handler(event, _Context())
    used = resource.getrusage(resource.RUSAGE_SELF)
    sys.stdout.write("\n" + json.dumps({"cpu": used.ru_utime + used.ru_stime, "answer": answer}) + "\n")


def answers_well(answer: dict[str, object]) -> bool:
    """Whether this is what the function is for: a 2xx, or a schedule's summary."""
    status = answer.get("statusCode", 200)
    return isinstance(status, int) and 200 <= status < 300 and not answer.get("batchItemFailures")


def event_of(name: str) -> dict[str, object]:
    """The sample event, as a new request of another signed-in caller; only own keys are all the same user's."""
    from local.run import tokens

    fresh = uuid.uuid4()
    user = tokens.make(JWT_SECRET, "ada" if name in ("store_key", "verify_key") else f"user-{fresh}")
    operator = tokens.make(JWT_SECRET, "operator", role="service_role")
    text = (CHECKOUT / "events" / f"{name}.json").read_text()
    text = text.replace("${PARLEY_TOKEN}", user).replace("${PARLEY_SERVICE_TOKEN}", operator)
    event: dict[str, object] = json.loads(text)
    if isinstance(context := event.get("requestContext"), dict):
        context["requestId"] = str(fresh)
        # Another caller with another question each time: neither a quota nor the cache may answer.
        context["identity"]["sourceIp"] = ".".join(("10", *map(str, fresh.bytes[:3])))
        body = json.loads(str(event["body"] or "{}"))
        event["body"] = json.dumps(body | {key: f"{body[key]} ({fresh})" for key in PROMPTS if key in body})
    if "Records" in event:
        event["Records"] = []  # the sample message names a call that was never made
    return {"command": "status"} if name == "migrate" else event


def measure(name: str, layers: Path, environment: dict[str, str], event: dict[str, object]) -> float:
    """CPU seconds of one cold start. Raises RuntimeError when the answer was not the right one."""
    directory = BUILD / f"{''.join(word.capitalize() for word in name.split('_'))}Function"
    path = [str(directory), *(str(layers / layer / "python") for layer in LAYERS), _site_packages()]
    program = f"import sys; sys.path[:0] = {path[:-1]!r}; sys.path.append({path[-1]!r})\n"
    program += f"import runpy; runpy.run_path({str(Path(__file__))!r}, run_name='child')['child'](sys.argv[1])"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(event, file)
        file.flush()
        command = [sys.executable, "-S", "-E", "-B", "-c", program, file.name]
        run = subprocess.run(command, env=environment, cwd=directory, capture_output=True, text=True)
    last = json.loads(run.stdout.strip().splitlines()[-1]) if run.returncode == 0 else {}
    if not last or not answers_well(last["answer"]):
        raise RuntimeError(f"{name}: {run.stdout[-1500:]}{run.stderr[-1500:]}")
    return float(last["cpu"])


def _site_packages() -> str:
    import boto3

    return str(Path(boto3.__file__).parents[1])


@contextmanager
def servers() -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Database, providers and AWS; the environment of parley_app's functions, and URLs by login."""
    import boto3
    import psycopg
    from moto.server import ThreadedMotoServer

    from local.emulator.client import Emulator
    from local.postgres.server import Server
    from local.run import tokens
    from parley.migrations.logins import create_logins
    from parley.migrations.runner import up

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    postgres = Server.throwaway()
    moto = ThreadedMotoServer(port=0, verbose=False)
    moto.start()
    try:
        up(postgres.url(), CHECKOUT / "schema")
        with psycopg.connect(postgres.url(), autocommit=True) as owner:
            create_logins(owner, postgres.password("parley_app"), postgres.password("parley_service"))
        endpoint = f"http://127.0.0.1:{moto.get_host_and_port()[1]}"
        aws = {"AWS_ENDPOINT_URL": endpoint, "AWS_DEFAULT_REGION": "eu-north-1",
               "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # fmt: skip
        os.environ |= aws
        key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
        with Emulator() as emulator:
            yield (
                {"PATH": os.environ["PATH"], "PARLEY_JWT_SECRET": JWT_SECRET, "PARLEY_JWT_ISSUER": tokens.ISSUER,
                 "PARLEY_JWT_AUDIENCE": tokens.AUDIENCE, "PARLEY_KMS_KEY_ID": key, "AI_PROVIDER": "openai",
                 "OPENAI_API_KEY": "test", "OPENAI_BASE_URL": f"{emulator.url}/openai/v1",
                 "AWS_LAMBDA_FUNCTION_NAME": "benchmark", **aws},
                {"app": postgres.url("parley_app"), "service": postgres.url("parley_service"),
                 "owner": postgres.url()},
            )  # fmt: skip
    finally:
        moto.stop()
        postgres.stop()


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=7, help="fresh processes per function")
    parser.add_argument("--plain-runs", type=int, default=3, help="the same without bytecode; 0 leaves it out")
    parser.add_argument("--only", action="append", choices=FUNCTIONS, help="measure these alone")
    options = parser.parse_args()
    if not (BUILD / "template.yaml").exists():
        sys.exit("run sam build first")
    missed = False
    with servers() as (environment, urls), tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch)
        for layer in LAYERS if options.plain_runs else ():
            shutil.copytree(BUILD / layer, plain / layer, ignore=shutil.ignore_patterns("__pycache__"))
        print(f"{'function':28} {'CPU s':>7} {'plain':>7} {'target':>7}")
        for name in options.only or FUNCTIONS:
            login = "owner" if name == "migrate" else "service" if name in SERVICE else "app"
            variables = environment | {"DATABASE_URL": urls[login]}
            figures = []
            try:
                for layers, runs in ((BUILD, options.runs), (plain, options.plain_runs)):
                    taken = [measure(name, layers, variables, event_of(name)) for _ in range(runs)]
                    figures.append(statistics.median(taken) if taken else None)
            except RuntimeError as error:
                missed = True
                print(f"{name:28}  WRONG ANSWER\n{error}", flush=True)
                continue
            target = TARGETS.get(name)
            late = target is not None and figures[0] is not None and figures[0] > target
            missed |= late
            cells = [f"{value:7.3f}" if value is not None else f"{'-':>7}" for value in (*figures, target)]
            print(f"{name:28} {' '.join(cells)}{'  MISSED' if late else ''}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
