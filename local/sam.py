"""`make sam-local`: the API under `sam local start-api`, in AWS's containers, against the database of this machine.

The containers cannot reach loopback, so Postgres, KMS, SQS and the emulator listen on the container bridge's address.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from local.checkout import CHECKOUT
from local.postgres import database
from local.postgres.database import Logins
from local.postgres.home import default_data_dir
from local.postgres.server import Server
from local.run.command import overrides
from local.run.platform import Platform
from local.template import cloudformation
from local.template.definitions import REGION

BUILT = CHECKOUT / ".aws-sam" / "build" / "template.yaml"
IMAGE = "public.ecr.aws/lambda/python:3.13-x86_64"


def serve(sam: str) -> int:
    """Serve until Ctrl-C; returns the exit status of sam."""
    bridge = bridge_address()
    if not bridge:
        print("parley: sam local needs a container runtime; docker does not answer", file=sys.stderr)
        return 1
    # An image that is there already may be one that no registry has.
    known = ["--skip-pull-image"] if _docker("image", "inspect", IMAGE, "--format", "{{.Id}}") else []
    folder = default_data_dir()
    with contextlib.ExitStack() as stack:
        url = database.named_database()
        embedded = None if url else folder
        if not url:
            server = Server.ensure(folder, extra_addresses=[bridge])
            stack.callback(server.stop)
            url = server.url(host=bridge)
        platform = Platform(folder, environment=overrides(os.environ), host=bridge, quiet=True)
        logins = database.prepare(url, platform.keys, embedded=embedded)
        # Without a region of its own sam takes us-east-1, where the emulated AWS has neither key nor queue.
        command = [sam, "local", "start-api", *known, "--region", REGION, "--port", _port()]
        return asyncio.run(_serve(platform, logins, command))


async def _serve(platform: Platform, logins: Logins, command: list[str]) -> int:
    """Run sam beside KMS, SQS and the emulator."""
    try:
        await platform.start_services()
        # Queues and schedules, which sam does not emulate, run their functions here.
        await platform.serve(logins)
        with tempfile.TemporaryDirectory() as folder:
            environments = platform.environments(logins)
            variables = Path(folder) / "variables.json"
            variables.touch(mode=0o600)
            variables.write_text(json.dumps(environments))
            template = declaring(BUILT, environments)
            command += ["--template", str(template), "--warm-containers", "LAZY", "--env-vars", str(variables)]
            sam = await asyncio.create_subprocess_exec(*command, cwd=CHECKOUT)
            try:
                return await sam.wait()
            except asyncio.CancelledError:  # Ctrl-C reached sam too: it removes its containers
                await sam.wait()
                return 130
    finally:
        await platform.close()


def declaring(template: Path, environments: Mapping[str, Iterable[str]]) -> Path:
    """A copy of a built template, beside it, in which each function declares the given names of variables too.

    `sam local --env-vars` replaces only what is declared, and what exists on this machine alone has no place in the
    template that is deployed: to boto3's users an AWS_ENDPOINT_URL that is there but empty is not the same as none.
    """
    document = cloudformation.load(template)
    for function, names in environments.items():
        properties = document["Resources"][function].setdefault("Properties", {})
        variables = properties.setdefault("Environment", {}).setdefault("Variables", {})
        shared = document["Globals"]["Function"]["Environment"]["Variables"]
        variables.update({name: "" for name in names if name not in variables and name not in shared})
    copy = template.with_name("sam-local.json")
    copy.write_text(json.dumps(document, default=str))
    return copy


def bridge_address() -> str:
    """This machine's address on the containers' network; empty where docker does not answer."""
    # Not every engine names the gateway; then it is the first host.
    wanted = "{{with index .IPAM.Config 0}}{{or .Gateway .Subnet}}{{end}}"
    found = _docker("network", "inspect", "bridge", "--format", wanted)
    return str(next(iter(ipaddress.ip_network(found).hosts()))) if found else ""


def _port() -> str:
    return os.environ.get("PORT") or "3000"


def _docker(*arguments: str) -> str:
    """What a docker command prints; empty when it fails."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
