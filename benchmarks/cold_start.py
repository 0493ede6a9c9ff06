"""Cold starts: CPU from the start of a process to its first correct answer, for every function as it was built.

    sam build && python benchmarks/cold_start.py [--runs 7] [--plain-runs 3] [--only chat] [--against CHECKOUT]

Each figure is the median of fresh processes that have nothing on their path but `.aws-sam/build` (and boto3, as Lambda
has it), and write nothing, as on Lambda's read-only disk; user and system time of the process alone, so another
process's load does not count. Database, providers and KMS are real servers beside it. `plain` is the same without
bytecode, as SAM would ship it. `--against` alternates with the build of another checkout: no function may be slower
than there by more than the measurement's own noise, schedules and the first OpenAI chat have to be at least a tenth
faster. Exits with 1 where a target is missed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "layers" / "parley")]
BUILD = Path(".aws-sam") / "build"
LAYERS = ("ParleyLayer", "DependenciesLayer")
TARGETS = {"get_provider": 0.6, "chat": 1.3, "usage_reset": 0.35, "cache_cleanup": 0.35}
# The stored key is what verify_key verifies.
FUNCTIONS = ("get_provider", "set_provider", "chat", "chat_stream", "wire", "generate_interview_questions",
             "interviews", "search", "account", "store_key", "verify_key", "admin", "health", "usage_reset",
             "cache_cleanup", "rotate_keys", "usage_replay", "migrate")  # fmt: skip
PROMPTS = ("message", "objective", "query")
SERVICE = ("admin", "usage_reset", "cache_cleanup", "rotate_keys", "usage_replay")
# Of what another checkout's build takes.
SLOWER, FASTER = 1.02, 0.9
HAS_TO_BE_FASTER = ("chat", "usage_reset", "cache_cleanup", "rotate_keys")
JWT_SECRET = "a secret for this benchmark, 32 bytes or more"

# Runs in the measured process: answers one event, and tells what it said, what that took, and how many modules.
CHILD = """
import sys
sys.path[:0] = {path!r}
sys.path.append({site_packages!r})
import app
import json, resource
class Context:
    function_name, function_version, memory_limit_in_mb = "benchmark", "$LATEST", "1024"
    invoked_function_arn = "arn:aws:lambda:eu-north-1:123456789012:function:benchmark"
    aws_request_id = {request_id!r}
    @staticmethod
    def get_remaining_time_in_millis():
        return 28_000
answer = app.lambda_handler(json.loads(sys.stdin.read()), Context())
used = resource.getrusage(resource.RUSAGE_SELF)
own = sum(name.partition(".")[0] == "parley" for name in sys.modules)
print()
print(json.dumps({{"cpu": used.ru_utime + used.ru_stime, "own": own, "answer": answer}}))
"""

# Runs beside a checkout, of any age: enters its `servers` and tells what a function needs to reach them.
STAND = """
import json, runpy, sys
with runpy.run_path(sys.argv[1], run_name="stand")["servers"]() as (environment, urls):
    print(json.dumps([environment, urls]), flush=True)
    sys.stdin.read()
"""


def answers_well(answer: dict[str, object]) -> bool:
    """Whether this is what the function is for: a 2xx, or a schedule's summary."""
    status = answer.get("statusCode", 200)
    return isinstance(status, int) and 200 <= status < 300 and not answer.get("batchItemFailures")


@dataclass(frozen=True, eq=False)
class Build:
    """What `sam build` made of a checkout, and the servers that it runs against.

    Attributes:
        environment: of parley_app's functions.
        urls: of the database, by login.
    """

    checkout: Path
    environment: Mapping[str, str]
    urls: Mapping[str, str]

    @cached_property
    def shared(self) -> dict[str, str]:
        """What the template gives every function by its value; what it refers to stands in `environment`."""
        from local.template.cloudformation import load

        declared = load(self.checkout / "template.yaml")["Globals"]["Function"]["Environment"]["Variables"]
        return {name: value for name, value in declared.items() if isinstance(value, str) and value}

    def measure(self, name: str, layers: Path | None = None) -> tuple[float, int]:
        """CPU seconds of one cold start, and how many of our own modules it loaded. Raises RuntimeError where the
        answer was not the right one.

        Args:
            layers: others than the build's own.
        """
        import boto3

        directory = self.checkout / BUILD / f"{''.join(word.capitalize() for word in name.split('_'))}Function"
        path = [directory, *((layers or self.checkout / BUILD) / layer / "python" for layer in LAYERS)]
        program = CHILD.format(
            path=[str(part) for part in path],
            site_packages=str(Path(boto3.__file__).parents[1]),
            request_id=str(uuid.uuid4()),
        )
        login = "owner" if name == "migrate" else "service" if name in SERVICE else "app"
        run = subprocess.run(
            [sys.executable, "-S", "-E", "-B", "-c", program],
            input=json.dumps(event_of(self.checkout, name)),
            env={**self.shared, **self.environment, "DATABASE_URL": self.urls[login]},
            cwd=directory,
            capture_output=True,
            text=True,
        )
        last = json.loads(run.stdout.strip().splitlines()[-1]) if run.returncode == 0 else {}
        if not last or not answers_well(last["answer"]):
            raise RuntimeError(f"{name}: {run.stdout[-1500:]}{run.stderr[-1500:]}")
        return float(last["cpu"]), int(last["own"])


def event_of(checkout: Path, name: str) -> dict[str, Any]:
    """The sample event, as a new request of another signed-in caller; only own keys are all the same user's."""
    from local.run import tokens

    fresh = uuid.uuid4()
    user = tokens.make(JWT_SECRET, "ada" if name in ("store_key", "verify_key") else f"user-{fresh}")
    operator = tokens.make(JWT_SECRET, "operator", role="service_role")
    text = (checkout / "events" / f"{name}.json").read_text()
    # An older admin.json has the one name for whatever token it takes.
    text = text.replace("${PARLEY_TOKEN}", operator if name == "admin" else user)
    event: dict[str, Any] = json.loads(text.replace("${PARLEY_SERVICE_TOKEN}", operator))
    if isinstance(context := event.get("requestContext"), dict):
        context["requestId"] = str(fresh)
        # Another caller with another question each time: neither a quota nor the cache may answer.
        context["identity"]["sourceIp"] = ".".join(("10", *map(str, fresh.bytes[:3])))
        body = json.loads(str(event["body"] or "{}"))
        for message in body.get("messages", ()):
            message["content"] += f" ({fresh})"
        event["body"] = json.dumps(body | {key: f"{body[key]} ({fresh})" for key in PROMPTS if key in body})
    if "Records" in event:
        event["Records"] = []  # the sample message names a call that was never made
    return {"command": "status"} if name == "migrate" else event


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


@contextmanager
def beside(checkout: Path) -> Iterator[Build]:
    """A checkout's build with servers of its own: its schema may be another one."""
    program = checkout / "benchmarks" / "cold_start.py"
    command = [sys.executable, "-c", STAND, str(program)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=checkout
    ) as stand:
        assert stand.stdin is not None
        assert stand.stdout is not None
        try:
            yield Build(checkout, *json.loads(stand.stdout.readline()))
        finally:
            stand.stdin.close()
            stand.wait(30)


def against(other: Path, names: tuple[str, ...], runs: int) -> bool:
    """Measure both builds in turn and print what each takes; whether this one is as fast as it has to be."""
    held = True
    print(f"{'function':28} {'there':>7} {'here':>7} {'':>7} {'modules':>9}")
    with beside(other) as there, beside(CHECKOUT) as here:
        for name in names:
            if not (other / BUILD / f"{''.join(word.capitalize() for word in name.split('_'))}Function").exists():
                print(f"{name:28} {'-':>7}")
                continue
            taken: dict[Build, list[tuple[float, int]]] = {there: [], here: []}
            for number in range(runs):
                for build in (there, here) if number % 2 else (here, there):
                    taken[build].append(build.measure(name))
            before, now = (statistics.median(cpu for cpu, _ in taken[build]) for build in (there, here))
            late = now > before * (FASTER if name in HAS_TO_BE_FASTER else SLOWER)
            held &= not late
            modules = f"{taken[there][0][1]} -> {taken[here][0][1]}"
            print(f"{name:28} {before:7.3f} {now:7.3f} {now / before - 1:+7.1%} {modules:>9}{'  MISSED' * late}",
                  flush=True)  # fmt: skip
    return held


def alone(names: tuple[str, ...], runs: int, plain_runs: int) -> bool:
    """Measure this build and print what it takes; whether it keeps its targets."""
    held = True
    with beside(CHECKOUT) as build, tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch)
        for layer in LAYERS if plain_runs else ():
            shutil.copytree(CHECKOUT / BUILD / layer, plain / layer, ignore=shutil.ignore_patterns("__pycache__"))
        print(f"{'function':28} {'CPU s':>7} {'plain':>7} {'target':>7} {'modules':>7}")
        for name in names:
            try:
                taken = [build.measure(name) for _ in range(runs)]
                slow = [build.measure(name, plain)[0] for _ in range(plain_runs)]
            except RuntimeError as error:
                held = False
                print(f"{name:28}  WRONG ANSWER\n{error}", flush=True)
                continue
            cpu, target = statistics.median(cpu for cpu, _ in taken), TARGETS.get(name)
            late = target is not None and cpu > target
            held &= not late
            figures = (cpu, statistics.median(slow) if slow else None, target)
            cells = [f"{value:7.3f}" if value is not None else f"{'-':>7}" for value in figures]
            print(f"{name:28} {' '.join(cells)} {taken[0][1]:7}{'  MISSED' * late}", flush=True)
    return held


def main() -> int:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=7, help="fresh processes per function")
    parser.add_argument("--plain-runs", type=int, default=3, help="the same without bytecode; 0 leaves it out")
    parser.add_argument("--only", action="append", choices=FUNCTIONS, help="measure these alone")
    parser.add_argument("--against", type=Path, help="another checkout with its build, to alternate with")
    options = parser.parse_args()
    if not (CHECKOUT / BUILD / "template.yaml").exists():
        sys.exit("run sam build first")
    names = tuple(options.only or FUNCTIONS)
    if options.against:
        held = against(options.against.resolve(), names, options.runs)
    else:
        held = alone(names, options.runs, options.plain_runs)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
