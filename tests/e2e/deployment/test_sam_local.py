"""The built functions in containers, as `sam local start-api` runs them: same API, same answers, streams whole."""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import psycopg
import pytest
from moto.server import ThreadedMotoServer

from local.checkout import CHECKOUT
from local.postgres.server import Server
from local.run import tokens
from local.sam import bridge_address, declaring
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.aws import CREDENTIALS
from testing.voice import VOICE_SECRET, WEBHOOK_SECRET

if TYPE_CHECKING:
    from local.emulator.client import Emulator

SAM = CHECKOUT / ".venv-sam" / "bin" / "sam"
IMAGE = f"public.ecr.aws/lambda/python:3.13-{'arm64' if platform.machine() in ('arm64', 'aarch64') else 'x86_64'}"
REGION = CREDENTIALS["AWS_DEFAULT_REGION"]
JWT_SECRET = "a secret for sam local, 32 bytes or more"
START_SECONDS = 120.0
# What logs in as parley_service (template.yaml).
_AS_SERVICE = (
    "AdminFunction",
    "CacheCleanupFunction",
    "RotateKeysFunction",
    "UsageReplayFunction",
    "UsageResetFunction",
    "WorkerFunction",
)


@dataclass(frozen=True)
class SamLocal:
    """A running `sam local start-api`, and what `sam local invoke` needs for the same build and database."""

    url: str
    invocation: tuple[str, ...] = ()

    def call(self, method: str, path: str, body: Any = None, user: str | None = None) -> tuple[int, str]:
        """Status and body of one request; the first one of a function waits for its container."""
        headers = {"Content-Type": "application/json"}
        if user:
            headers["Authorization"] = f"Bearer {tokens.make(JWT_SECRET, user)}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def invoke(self, name: str, event: str = "") -> Any:
        """What a function returns for an event, or for its own of events/."""
        event = event or (CHECKOUT / "events" / f"{name}.json").read_text()
        event = event.replace("${PARLEY_TOKEN}", tokens.make(JWT_SECRET, "ada"))
        operator = tokens.make(JWT_SECRET, "operator", role="service_role")
        event = event.replace("${PARLEY_SERVICE_TOKEN}", operator).replace("${PARLEY_WEBHOOK_SECRET}", WEBHOOK_SECRET)
        command = [*self.invocation, "--event", "-", "".join(part.title() for part in name.split("_")) + "Function"]
        done = subprocess.run(command, input=event, capture_output=True, text=True, timeout=START_SECONDS)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.strip().splitlines()[-1])


def _docker(*arguments: str) -> str:
    """What the docker client prints; skips where it, the engine or what is asked for is missing."""
    if shutil.which("docker") is None:
        pytest.skip("sam local needs a container engine; there is no docker client")
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"sam local needs a container engine and {IMAGE}: {done.stderr.strip() or arguments}")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def sam_local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamLocal]:
    if not SAM.exists():
        pytest.skip("sam local needs the SAM CLI in .venv-sam (make build makes it)")
    _docker("image", "inspect", IMAGE)
    bridge = bridge_address()
    folder = tmp_path_factory.mktemp("sam")
    environment = os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": REGION}
    build = folder / "build"
    command = [str(SAM), "build", "--build-dir", str(build)]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True)

    from local.emulator.client import Emulator

    server = Server(folder / "postgres", extra_addresses=(bridge,), temporary=True)
    server.start()
    aws = ThreadedMotoServer(bridge, 0, verbose=False)
    aws.start()
    try:
        up(server.url(), CHECKOUT / "schema")
        with psycopg.connect(server.url(), autocommit=True) as owner:
            create_logins(owner, server.password("parley_app"), server.password("parley_service"))
        with Emulator(host=bridge) as emulator, socket.create_server(("127.0.0.1", 0)) as probe:
            variables = folder / "variables.json"
            shared = _variables(server, bridge, emulator) | _of_aws(aws)
            service = shared | {"DATABASE_URL": server.url("parley_service").replace("127.0.0.1", bridge)}
            owning = shared | {"DATABASE_URL": server.url().replace("127.0.0.1", bridge)} | _secrets(aws, server)
            logins = dict.fromkeys(_AS_SERVICE, service) | {"MigrateFunction": owning}
            names = {path.parent.name for path in (CHECKOUT / "functions").glob("*/app.py")}
            functions = ("".join(word.title() for word in name.split("_")) + "Function" for name in names)
            environments = dict.fromkeys(functions, shared) | logins
            variables.write_text(json.dumps(environments))
            template = declaring(build / "template.yaml", environments)
            port = probe.getsockname()[1]
            probe.close()
            options = ["--template", str(template), "--env-vars", str(variables)]
            options += ["--skip-pull-image", "--region", REGION]
            command = [str(SAM), "local", "start-api", *options, "--port", str(port), "--warm-containers", "LAZY"]
            with (folder / "sam.log").open("w") as log:
                running = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
                try:
                    _wait(port, running)
                    yield SamLocal(f"http://127.0.0.1:{port}", (str(SAM), "local", "invoke", *options))
                finally:
                    running.send_signal(signal.SIGINT)  # removes its containers
                    try:
                        running.wait(60)
                    except subprocess.TimeoutExpired:
                        running.kill()
                        raise
    finally:
        aws.stop()
        server.stop()


def _of_aws(server: ThreadedMotoServer) -> dict[str, str]:
    """Where KMS is, and the key of users' own keys there."""
    return {
        "AWS_ENDPOINT_URL": _at(server)["endpoint_url"],
        "PARLEY_KMS_KEY_ID": boto3.client("kms", **_at(server)).create_key()["KeyMetadata"]["Arn"],
    }


def _secrets(aws: ThreadedMotoServer, postgres: Server) -> dict[str, str]:
    """Where `migrate` finds the passwords of both logins, which it would take away otherwise (IAM authentication)."""
    client = boto3.client("secretsmanager", **_at(aws))
    return {
        f"PARLEY_{login.upper()}_SECRET_ARN": client.create_secret(
            Name=login, SecretString=json.dumps({"password": postgres.password(f"parley_{login}")})
        )["ARN"]
        for login in ("app", "service")
    }


def _at(server: ThreadedMotoServer) -> dict[str, Any]:
    """What a client of boto3's needs to reach it."""
    host, port = server.get_host_and_port()
    return {
        "endpoint_url": f"http://{host}:{port}",
        "region_name": REGION,
        "aws_access_key_id": CREDENTIALS["AWS_ACCESS_KEY_ID"],
        "aws_secret_access_key": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    }


def _variables(server: Server, bridge: str, emulator: Emulator) -> dict[str, str]:
    return {
        "DATABASE_URL": server.url("parley_app").replace("127.0.0.1", bridge),
        "PARLEY_JWT_SECRET": JWT_SECRET,
        "PARLEY_JWT_ISSUER": tokens.ISSUER,
        "PARLEY_JWT_AUDIENCE": tokens.AUDIENCE,
        "PARLEY_VOICE_SECRET": VOICE_SECRET,
        "OPENAI_API_KEY": "test",
        "OPENAI_BASE_URL": f"{emulator.url}/openai/v1",
    }


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError("sam local start-api did not open its port")


def test_a_preference_is_saved_and_read_back(sam_local: SamLocal) -> None:
    status, body = sam_local.call("POST", "/api/ai-provider", {"provider": "openai"}, user="ada")
    assert status == 200, body
    status, body = sam_local.call("GET", "/api/ai-provider", user="ada")
    assert (status, json.loads(body)["provider_source"]) == (200, "user")


def test_chat_answers_through_the_layers_of_the_build(sam_local: SamLocal) -> None:
    status, body = sam_local.call("POST", "/api/chat", {"message": "What is a layer?"}, user="ada")
    assert status == 200, body
    assert json.loads(body)["message"]["role"] == "assistant"


def test_questions_are_generated(sam_local: SamLocal) -> None:
    body = {"name": "Backend", "objective": "Find a colleague", "number": "3", "context": ""}
    status, answer = sam_local.call("POST", "/api/generate-interview-questions", body, user="ada")
    assert status == 200, answer
    assert len(json.loads(answer)["questions"]) == 3


def test_a_document_is_found_again(sam_local: SamLocal) -> None:
    documents = {"documents": [{"content": "Refunds reach the card within five days."}]}
    status, answer = sam_local.call("POST", "/api/documents", documents, user="ada")
    assert status == 201, answer
    status, answer = sam_local.call("POST", "/api/search", {"query": "When are refunds paid?"}, user="ada")
    assert status == 200, answer
    assert json.loads(answer)["data"][0]["content"].startswith("Refunds")


# Nobody polls queues here: the message is handed to the worker as its event.
def test_an_interview_ends_in_feedback_once_the_worker_is_invoked(sam_local: SamLocal) -> None:
    def ask(method: str, path: str, body: Any = None) -> Any:
        status, answer = sam_local.call(method, f"/api/interviews{path}", body, user="ada")
        assert status < 300, answer
        return json.loads(answer)

    questions = [{"question": "Which change are you proud of?"}]
    interview = ask("POST", "", {"questions": questions, "follow_up_depth": "light"})["id"]
    state = ask("POST", f"/{interview}/start")
    answer = {"submission_id": "one", "sequence_number": state["answer_sequence_number"], "content": "A new queue."}
    assert ask("POST", f"/{interview}/responses", answer)["status"] == "completed"
    assert ask("GET", f"/{interview}/feedback")["feedback_status"] == "pending"
    message = {"messageId": "m", "body": json.dumps({"task": "interview_feedback", "id": interview})}
    assert sam_local.invoke("worker", json.dumps({"Records": [message]})) == {"batchItemFailures": []}
    assert ask("GET", f"/{interview}/feedback")["feedback_status"] == "ready"


@pytest.mark.parametrize("name", sorted(path.stem for path in (CHECKOUT / "events").glob("*.json")))
def test_every_function_answers_sam_local_invoke_with_its_event(sam_local: SamLocal, name: str) -> None:
    answer = sam_local.invoke(name)
    assert "errorType" not in answer
    if "statusCode" in answer:
        assert answer["statusCode"] < 500, answer
        assert answer["statusCode"] != 401, answer


def test_a_stream_arrives_whole_from_the_ordinary_client(sam_local: SamLocal) -> None:
    status, body = sam_local.call("POST", "/api/chat/stream", {"message": "And what is a stream?"}, user="ada")
    assert status == 200, body
    names = [line.removeprefix("event: ") for line in body.splitlines() if line.startswith("event: ")]
    assert (names[0], names[-1]) == ("start", "done")
    assert "delta" in names
