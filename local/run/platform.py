"""What stands in for AWS, together: the gateway, the functions, their schedules and queues, KMS, SQS and the providers.

`make run` and the tests that need a running Parley use the same class.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.checkout import CHECKOUT
from local.gateway.server import MAX_HEAD, Gateway
from local.http_server import Listener
from local.postgres.database import Logins
from local.run import tokens
from local.run.keys import Keys
from local.run.services import Service, start_aws, start_emulator
from local.run.terminal import Terminal
from local.runtime.pool import Function
from local.runtime.process import Answer, Streamed
from local.runtime.sources import Sources
from local.template import cloudformation, schedules
from local.template.definitions import ACCOUNT, REGION, STACK, FunctionDefinition, Schedule, Template, read, resources

# Which login a function gets is what the template's secrets say; the local values of those parameters name the login.
_DATABASE_PARAMETERS = {
    "DatabaseSecretArn": "app",
    "DatabaseServiceSecretArn": "service",
    "DatabaseOwnerSecretArn": "owner",
}
_PROVIDERS = {"OPENAI": "/openai/v1", "ANTHROPIC": "/anthropic", "GEMINI": "/google"}
_FROM_SHELL = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_TICK_SECONDS = 1.0


def bind(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A socket on the gateway's port, 0 for a free one. Raises OSError."""
    # asyncio sets TCP_NODELAY on what it accepts only where the listening socket names its protocol.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


class Platform:
    """A running Parley.

    Args:
        data_dir: keeps keys and logs.
        port: a port, 0 for a free one, or a socket from `bind`.
        environment: variables that replace what the template and this class would give the functions.
        emulator: address of a providers' emulator that runs already; by default one is started.
        template: path of the template; its folder is where code is found.
        host: the address that everything listens on.
        quiet: write logs to their files alone.

    `url` is where the API is; `emulator_url` where the providers are emulated, for faults and counts
    (`local.emulator.client.Emulator.at`).
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | socket.socket = 0,
        *,
        environment: Mapping[str, str] | None = None,
        emulator: str | None = None,
        template: Path = CHECKOUT / "template.yaml",
        host: str = "127.0.0.1",
        quiet: bool = False,
    ) -> None:
        self.keys = Keys.of(data_dir)
        self.terminal = Terminal(data_dir / "logs", None if quiet else sys.stdout)
        self.emulator_url = emulator or ""
        self.aws_url = ""
        self._socket = bind(port, host) if isinstance(port, int) else port
        self._environment = dict(environment or {})
        self._path = template
        self._host = host
        self._services: list[Service] = []
        self._functions: dict[str, Function] = {}
        self._names: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listener: Listener | None = None

    @property
    def url(self) -> str:
        """The API's address."""
        return f"http://{self._host}:{self._socket.getsockname()[1]}"

    @property
    def live_providers(self) -> list[str]:
        """The providers that are called for real, because the environment has a key for them."""
        return [provider for provider in _PROVIDERS if self._environment.get(f"{provider}_API_KEY")]

    def token(self, user: str, organization: str | None = None, role: str | None = None) -> str:
        """A token for `Authorization: Bearer`; role `admin` administers the organization."""
        return tokens.make(self.keys.jwt_secret, user, organization, role)

    async def start_services(self) -> None:
        """Start KMS, SQS and the emulator; needs no database. Raises cloudformation.TemplateError, ServiceError."""
        document = cloudformation.load(self._path)
        queues = resources(document, "AWS::SQS::Queue")
        key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{self.keys.kms_key_id}"
        attributes: dict[str, str] = {"UserKeysKey": self.keys.kms_key_id, "UserKeysKey.Arn": key}
        for name in queues:
            attributes |= {f"{name}.Arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}", f"{name}.QueueName": name}
        template = read(document, self._path.parent, _DATABASE_PARAMETERS, attributes)
        resolver = cloudformation.Resolver(document, {}, attributes)
        plan: dict[str, Any] = {
            "key": {"id": self.keys.kms_key_id, "material": self.keys.kms_key_material},
            # What migrate sets as the logins' passwords must be what `database.prepare` set.
            "secrets": {
                login: json.dumps({"username": f"parley_{login}", "password": self.keys.password(f"parley_{login}")})
                for login in ("app", "service")
            },
            "queues": {name: resolver.resolve(properties) for name, properties in queues.items()},
            "sources": [vars(source) for source in template.queue_sources],
            "invoke": self.url,
        }
        aws, self.aws_url = await start_aws(plan, self._host, self.terminal.line)
        self._services.append(aws)
        attributes |= {name: f"{self.aws_url}/{ACCOUNT}/{name}" for name in queues}
        self._template = read(document, self._path.parent, _DATABASE_PARAMETERS, attributes)
        if not self.emulator_url:
            emulator, self.emulator_url = await start_emulator(self._host, self.terminal.line)
            self._services.append(emulator)

    async def serve(self, logins: Logins) -> None:
        """Open the gateway; functions start when they are first asked for."""
        template = self._template
        for name, definition in template.functions.items():
            short = definition.directory.name
            self._names[name] = self._names[short] = short
            self._functions[short] = self._function(definition, logins)
        gateway = Gateway(template.api, self._names, self.invoke, self.terminal.access)
        self._listener = Listener(gateway.handle, MAX_HEAD)
        await self._listener.start(self._socket)
        self._tasks = [asyncio.create_task(self._schedule(one)) for one in template.schedules if one.enabled]
        self._tasks.append(asyncio.create_task(self._tick(template)))

    async def invoke(self, name: str, event: bytes) -> Answer:
        """Run a function by its logical id or its folder's name. Raises KeyError for an unknown one."""
        return await self._functions[self._names[name]].invoke(event)

    async def close(self) -> None:
        """Stop everything and wait until no process is left."""
        for task in self._tasks:
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        else:
            self._socket.close()
        await asyncio.gather(
            *(function.close() for function in self._functions.values()),
            *(service.stop() for service in self._services),
        )
        self.terminal.close()

    def environments(self, logins: Logins) -> dict[str, dict[str, str]]:
        """`environment_of` every function, by logical id, as `sam local --env-vars` takes it."""
        return {name: self.environment_of(one, logins) for name, one in self._template.functions.items()}

    def environment_of(self, definition: FunctionDefinition, logins: Logins) -> dict[str, str]:
        """What the template declares for a function, with the values that hold on this machine."""
        declared = dict(definition.environment)
        login = declared.get("PARLEY_DATABASE_SECRET_ARN", "")
        local = {
            "AWS_ENDPOINT_URL": self.aws_url,
            "PARLEY_JWT_SECRET": self.keys.jwt_secret,
            "PARLEY_VOICE_SECRET": self.keys.voice_secret,
            "PARLEY_JWT_ISSUER": tokens.ISSUER,
            "PARLEY_JWT_AUDIENCE": tokens.AUDIENCE,
        }
        if login in vars(logins):
            local |= {"DATABASE_URL": getattr(logins, login), "PARLEY_DATABASE_SECRET_ARN": ""}
        emulated = {"VAPI_BASE_URL": f"{self.emulator_url}/vapi"}
        for provider, path in _PROVIDERS.items():
            if provider not in self.live_providers:
                emulated |= {f"{provider}_API_KEY": "emulated", f"{provider}_BASE_URL": self.emulator_url + path}
        return declared | local | self._environment | emulated

    def _function(self, definition: FunctionDefinition, logins: Logins) -> Function:
        """The pool of a function, with the environment that Lambda gives a process."""
        environment = self.environment_of(definition, logins)
        short = definition.directory.name
        layers = [layer / "python" if (layer / "python").is_dir() else layer for layer in definition.layers]
        wrapper = []
        if named := environment.get("AWS_LAMBDA_EXEC_WRAPPER"):
            places = [layer / named.removeprefix("/opt/") for layer in definition.layers]
            wrapper = [str(next((place for place in places if place.is_file()), named))]
            environment["AWS_LAMBDA_EXEC_WRAPPER"] = wrapper[0]
        shell = {name: value for name, value in os.environ.items() if name.upper() in _FROM_SHELL}
        if any(name.upper().endswith("S_PROXY") or name.upper() == "HTTP_PROXY" for name in shell):
            shell["NO_PROXY"] = shell["no_proxy"] = f"127.0.0.1,{shell.get('NO_PROXY', shell.get('no_proxy', ''))}"
        reserved = {
            "_HANDLER": definition.handler,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(definition.memory),
            "AWS_LAMBDA_FUNCTION_NAME": f"{STACK}-{definition.name}",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{definition.timeout:.0f}",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/parley/{STACK}/{short}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_REGION": REGION,
            "AWS_SECRET_ACCESS_KEY": "local",
            "LAMBDA_TASK_ROOT": str(definition.directory),
            "LANG": "en_US.UTF-8",
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": os.pathsep.join(map(str, [definition.directory, *layers])),
            "TZ": ":UTC",
        }
        return Function(
            name=short,
            handler=definition.handler,
            directory=definition.directory,
            environment=shell | environment | reserved,
            timeout=definition.timeout,
            wrapper=wrapper,
            sources=Sources([definition.directory, *definition.layers]),
            log=self.terminal.line,
        )

    async def _schedule(self, schedule: Schedule) -> None:
        """Run a function whenever its schedule says so."""
        following = schedules.following(schedule.expression, schedule.timezone)
        at = following(datetime.now(UTC))
        while at is not None:
            # Short sleeps: a laptop that was closed must not wake up hours late.
            while (left := (at - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110
                await asyncio.sleep(min(left, 30))
            answer = await self.invoke(schedule.function, schedules.payload(schedule, at))
            failed = isinstance(answer, Streamed) or answer.failed
            self.terminal.note(f"schedule {schedule.name} ran{' and failed' if failed else ''}")
            at = following(max(at, datetime.now(UTC)))

    async def _tick(self, template: Template) -> None:
        """Once a second: let go of idle processes, and say so when the template is no longer what is served."""
        seen = self._path.stat().st_mtime_ns
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            for function in self._functions.values():
                function.reap()
            with contextlib.suppress(FileNotFoundError):
                now = self._path.stat().st_mtime_ns
                if now != seen:
                    self.terminal.note(f"{self._path.name} changed; start again to serve it")
                seen = now


@contextlib.contextmanager
def running(platform: Platform, logins: Logins) -> Iterator[Platform]:
    """A platform that runs in a thread of its own until the block ends: for tests and benchmarks."""
    ready = threading.Event()
    failure: list[BaseException] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def live() -> None:
        try:
            await platform.start_services()
            await platform.serve(logins)
        except BaseException as error:
            failure.append(error)
            stop.set()
        ready.set()
        await stop.wait()
        await platform.close()

    thread = threading.Thread(target=lambda: loop.run_until_complete(live()), name="platform")
    thread.start()
    ready.wait()
    try:
        if failure:
            raise failure[0]
        yield platform
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
