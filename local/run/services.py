"""Child processes beside the functions: KMS and SQS, and the providers' emulator."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from local.checkout import CHECKOUT
from local.runtime.process import LAUNCHER, ending


class ServiceError(RuntimeError):
    """A stand-in did not start; the message says which."""


class Service:
    """A module of this checkout that runs as a process and goes with us."""

    def __init__(self, name: str, log: Callable[[str, str], None]) -> None:
        self._name = name
        self._log = log
        self._child: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self, *arguments: str, environment: dict[str, str], sockets: tuple[int, ...] = ()) -> None:
        """Run `python -m name arguments`; its output goes to the log."""
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            str(LAUNCHER),
            self._name,
            *arguments,
            cwd=CHECKOUT,
            env=dict(os.environ) | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=sockets,
            start_new_session=True,
        )

    async def first_line(self) -> str:
        """The first line it writes. Raises ServiceError when it ends before."""
        assert self._child is not None
        assert self._child.stdout is not None
        line = await self._child.stdout.readline()
        if not line:
            raise ServiceError(f"{self._name} did not start")
        return line.decode().strip()

    def follow(self) -> None:
        """Send what it writes from now on to the log."""
        self._reader = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """End it and wait until it is gone."""
        self._stopped = True
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()
            await self._child.wait()
        if self._reader is not None:
            await self._reader

    async def _read(self) -> None:
        assert self._child is not None
        assert self._child.stdout is not None
        while line := await self._child.stdout.readline():
            self._log(self._name, line.decode("utf-8", "replace").rstrip())
        status = await self._child.wait()
        if not self._stopped:
            self._log(self._name, f"ended ({ending(status)}); start again to have it back")


async def start_aws(plan: dict[str, Any], host: str, log: Callable[[str, str], None]) -> tuple[Service, str]:
    """KMS and SQS at the returned address; calls are accepted at once and answered when moto is loaded."""
    service = Service("local.aws", log)
    with socket.create_server((host, 0)) as listening:
        address = f"http://{host}:{listening.getsockname()[1]}"
        descriptor = listening.fileno()
        await service.start(str(descriptor), environment={"PARLEY_LOCAL_PLAN": json.dumps(plan)}, sockets=(descriptor,))
    service.follow()
    return service, address


async def start_emulator(host: str, log: Callable[[str, str], None]) -> tuple[Service, str]:
    """OpenAI, Anthropic and Gemini, emulated, at the returned address."""
    service = Service("local.emulator", log)
    await service.start("--host", host, "--port", "0", environment={})
    line = await service.first_line()
    service.follow()
    return service, line.rpartition(" ")[2]
