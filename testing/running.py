"""A running Parley of real parts, each in a process of its own, and clients of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psycopg

from local.checkout import CHECKOUT, LAYER, SCHEMA
from local.emulator.client import Emulator
from local.postgres.server import Server
from local.run import tokens
from parley.migrations.logins import create_logins
from parley.migrations.runner import up
from testing.functions import openai_request
from testing.runtime_api import Posted, RuntimeApi

JWT_SECRET = "a secret for this benchmark, 32 bytes or more"
OPERATOR_KEY = "sk-benchmark"
_QUESTIONS_A_DAY = 10  # of the free tier; then the next user asks


@dataclass
class Parley:
    """Database and providers, and what a function needs to reach them.

    Attributes:
        processes: the ids of what runs beside the function, by name.
    """

    environment: dict[str, str]
    emulator: Emulator
    database_url: str
    processes: dict[str, int]
    _asked: int = field(default=0)

    def chat_event(
        self, message: str | None = None, *, user: str | None = None, path: str = "/api/chat", **body: Any
    ) -> dict[str, Any]:
        """A request as API Gateway hands it over: by default a new question of a free user, who asks ten."""
        event: dict[str, Any] = json.loads((CHECKOUT / "events" / "chat.json").read_text())
        question = f"What should I know about subject {self._asked}?"
        bearer = f"Bearer {tokens.make(JWT_SECRET, user or f'user-{self._asked // _QUESTIONS_A_DAY}')}"
        self._asked += 1
        event["headers"]["Authorization"] = bearer
        event["multiValueHeaders"]["Authorization"] = [bearer]
        event["path"] = event["resource"] = path
        event["requestContext"]["requestId"] = str(uuid.uuid4())
        said = message or question
        asked = openai_request(said) if path.startswith("/v1/") else {"message": said}
        event["body"] = json.dumps(asked | body)
        return event


@contextmanager
def running_parley(*, between: float = 0.0) -> Iterator[Parley]:
    """Postgres with the whole schema, and the emulator; `between` are the seconds between a stream's chunks."""
    with ExitStack() as stack:
        postgres = stack.enter_context(Server.throwaway())
        up(postgres.url(), SCHEMA)
        with psycopg.connect(postgres.url(), autocommit=True) as owner:
            create_logins(owner, postgres.password("parley_app"), postgres.password("parley_service"))
            backend = Path(f"/proc/{owner.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
        command = [sys.executable, "-m", "local.emulator", "--between", str(between)]
        emulator = stack.enter_context(subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True))
        stack.callback(emulator.terminate)
        assert emulator.stdout is not None
        url = emulator.stdout.readline().split()[-1]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{LAYER}{os.pathsep}{CHECKOUT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "DATABASE_URL": postgres.url("parley_app"),
            "PARLEY_JWT_SECRET": JWT_SECRET,
            "PARLEY_JWT_ISSUER": tokens.ISSUER,
            "PARLEY_JWT_AUDIENCE": tokens.AUDIENCE,
            "OPENAI_API_KEY": OPERATOR_KEY,
            "OPENAI_BASE_URL": f"{url}/openai/v1",
            "POWERTOOLS_SERVICE_NAME": "parley",
        }
        processes = {"Postgres": int(backend[1]), "emulator": emulator.pid}
        yield Parley(environment, Emulator.at(url), postgres.url(), processes)


class Function:
    """A function's process on a Runtime API of its own, as it lives on Lambda.

    Args:
        name: its folder in `functions/`.
        client: the module that drives the handler: AWS's own `awslambdaric`, or `parley.runtime` for streams.
    """

    def __init__(self, parley: Parley, name: str, client: str) -> None:
        self._api = RuntimeApi()
        folder = CHECKOUT / "functions" / name
        arguments = ["app.lambda_handler"] if client == "awslambdaric" else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", client, *arguments],
            cwd=folder,
            env=parley.environment | self._api.environment(folder),
            stdout=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        self._api.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        self._api.stop()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def invoke(self, event: dict[str, Any]) -> Posted:
        """Send an event; what it posts, as soon as that begins."""
        return self._api.invoke(event)

    def answer(self, event: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Send an event; milliseconds to its whole answer, and the answer's body. Raises RuntimeError unless 200."""
        began = time.perf_counter()
        posted = self.invoke(event).complete()
        took = (time.perf_counter() - began) * 1000
        answer = json.loads(posted.chunks[0])
        if answer.get("statusCode") != 200:
            raise RuntimeError(f"the function answered {answer}")
        return took, json.loads(answer["body"])


class Client:
    """An HTTP client with keep-alive that asks an OpenAI-compatible server: as little work as Python can do it with."""

    def __init__(self, base_url: str, key: str, model: str = "gpt-4o-mini") -> None:
        address = urlsplit(base_url)
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._path = f"{address.path}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._model = model

    def ask(self, message: str) -> float:
        """Ask, and wait for the whole answer; milliseconds. Raises RuntimeError unless 200."""
        body = json.dumps({"model": self._model, "messages": [{"role": "user", "content": message}]})
        began = time.perf_counter()
        self._connection.request("POST", self._path, body, self._headers)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        took = (time.perf_counter() - began) * 1000
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {answer}")
        return took

    def first_text(self, message: str) -> float:
        """Ask for a stream and read it to its end; milliseconds until its first text."""
        request = {"model": self._model, "stream": True, "messages": [{"role": "user", "content": message}]}
        began, first = time.perf_counter(), 0.0
        self._connection.request("POST", self._path, json.dumps(request), self._headers)
        response = self._connection.getresponse()
        for line in response:
            if not first and line.startswith(b"data: {") and json.loads(line[6:])["choices"][0]["delta"].get("content"):
                first = (time.perf_counter() - began) * 1000
        return first
