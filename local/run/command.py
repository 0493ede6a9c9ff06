"""`make run`: everything on one machine, until Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from local.postgres import database
from local.postgres.database import Logins
from local.postgres.home import PostgresError, default_data_dir
from local.postgres.server import Server
from local.run.platform import Platform, bind
from local.run.services import ServiceError
from local.template.cloudformation import TemplateError
from local.template.schedules import ScheduleError
from parley.core.config import ConfigurationError, Settings
from parley.migrations.files import MigrationError

# What of a developer's shell reaches the functions, beside the template's own values.
_PROVIDER_VARIABLES = tuple(
    f"{provider}_{what}" for provider in ("OPENAI", "ANTHROPIC", "GEMINI") for what in ("API_KEY", "BASE_URL")
)


class Refused(RuntimeError):
    """Parley cannot start; the message is the one line a developer gets."""


def overrides(shell: Mapping[str, str]) -> dict[str, str]:
    """What a developer's shell gives the functions: PARLEY_*, AI_PROVIDER, the providers' keys and URLs."""
    return {
        name: value
        for name, value in shell.items()
        if value
        and name != "PARLEY_DATA_DIR"
        and (name.startswith("PARLEY_") or name == "AI_PROVIDER" or name in _PROVIDER_VARIABLES)
    }


def main(parent: int | None = None) -> int:
    """Run until Ctrl-C, or until `parent`, which started this process, is gone; returns the exit status."""
    try:
        return asyncio.run(_run(time.monotonic(), parent))
    except Refused as refused:
        print(f"parley: {refused}", file=sys.stderr)
        return 1


async def _run(began: float, parent: int | None) -> int:
    folder = default_data_dir()
    try:
        Settings.from_environment(overrides(os.environ))
    except ConfigurationError as error:
        raise Refused(str(error)) from error
    stop: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup a closed terminal is not the end.
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, _end, stop, number.name)
    async with contextlib.AsyncExitStack() as stack:
        if parent is not None:
            stack.callback(asyncio.create_task(_stop_without(parent, stop)).cancel)
        listening = _listen()
        stack.callback(listening.close)
        try:
            platform = Platform(folder, listening, environment=overrides(os.environ))
        except OSError as error:
            raise Refused(
                f"cannot write to {folder}: {error.strerror}; set PARLEY_DATA_DIR to a folder you own"
            ) from error
        stack.push_async_callback(platform.close)
        starting = asyncio.create_task(_start(platform, stack, folder))
        await asyncio.wait((starting, stop), return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            print(_banner(platform, time.monotonic() - began), flush=True)
            await stop
        else:
            # A thread that starts Postgres cannot be cancelled; what it started is stopped below.
            await asyncio.gather(starting, return_exceptions=True)
        print(f"\nstopping ({await stop})", flush=True)
    return 0


def _end(stop: asyncio.Future[str], reason: str) -> None:
    if not stop.done():
        stop.set_result(reason)


async def _stop_without(parent: int, stop: asyncio.Future[str]) -> None:
    """End the run when `parent` is gone: after kill -9 of make this process would run on and keep the port."""
    while os.getppid() == parent and not stop.done():
        await asyncio.wait({stop}, timeout=1)
    _end(stop, "make is gone")


async def _start(platform: Platform, stack: contextlib.AsyncExitStack, folder: Path) -> None:
    try:
        services = asyncio.create_task(platform.start_services())
        try:
            logins = await _database(stack, folder, platform)
        finally:
            # Cancelling a start half-way can lose the child and hang; what came up is stopped by `close`.
            await asyncio.wait({services})
        _say(4, "functions, KMS, SQS and providers")
        services.result()
        await platform.serve(logins)
    except (MigrationError, PostgresError, ScheduleError, ServiceError, TemplateError) as error:
        raise Refused(str(error)) from error


async def _tell_the_end(server: Server, platform: Platform) -> None:
    """Say so when the embedded server ends before it is stopped: functions only see that the database is away."""
    while server.running:  # noqa: ASYNC110
        await asyncio.sleep(1)
    platform.terminal.note(f"the embedded Postgres ended ({server.last_words()}); start again to have it back")


async def _database(stack: contextlib.AsyncExitStack, folder: Path, platform: Platform) -> Logins:
    embedded = None
    if url := database.named_database():
        _say(2, "Postgres of DATABASE_URL")
        owner = url
    else:
        _say(2, "embedded Postgres")
        server = await asyncio.to_thread(Server.ensure, folder)
        stack.push_async_callback(asyncio.to_thread, server.stop)
        stack.callback(asyncio.create_task(_tell_the_end(server, platform)).cancel)
        owner, embedded = server.url(), folder
        if server.beside:
            print("      another run has the usual data; this one has its own", flush=True)
    _say(3, "schema")
    return await asyncio.to_thread(
        database.prepare, owner, platform.keys, lambda name: print(f"      {name}", flush=True), embedded=embedded
    )


def _listen() -> socket.socket:
    text = os.environ.get("PORT") or "3000"
    if not text.isdigit() or not 0 <= int(text) < 65536:
        raise Refused(f"PORT must be a port number, not {text!r}")
    try:
        return bind(int(text))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refused(f"port {text} is in use; choose another: make run PORT={int(text) + 1}") from error
        raise Refused(f"cannot listen on port {text}: {error.strerror}") from error


def _say(step: int, what: str) -> None:
    print(f"[{step}/4] {what}", flush=True)


def _banner(platform: Platform, seconds: float) -> str:
    interview = {
        "name": "Backend engineer",
        "objective": "Find out how the candidate debugs",
        "number": 3,
        "context": "Python, Postgres, AWS",
    }
    curl, token = f"curl -s {platform.url}", '-H "Authorization: Bearer $TOKEN"'
    spelled = {"OPENAI": "OpenAI", "ANTHROPIC": "Anthropic", "GEMINI": "Gemini"}
    providers = ", ".join(spelled[provider] for provider in platform.live_providers)
    answering = (
        f"{providers} live, the others emulated"
        if providers
        else "emulated; set OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY for a real one"
    )
    unused = "".join(
        f"\n{provider}_BASE_URL is not used without {provider}_API_KEY; where the server wants no key, set any"
        for provider in spelled
        if os.environ.get(f"{provider}_BASE_URL") and provider not in platform.live_providers
    )
    return f"""
Parley is ready at {platform.url} ({seconds:.1f} s)

Paste once, for user_1 and for an operator (/api/admin); good for a day:

export TOKEN={platform.token("user_1")}
export SERVICE_TOKEN={platform.token("operator", role="service_role")}

Then try these, and those of README.md:

{curl}/api/ai-provider {token}

{curl}/api/chat {token} -d '{{"message": "Why is the sky blue?"}}'

{curl}/api/generate-interview-questions {token} -d '{json.dumps(interview)}'

Models: {answering}{unused}
Logs: {default_data_dir() / "logs"}    Stop: Ctrl-C
"""
