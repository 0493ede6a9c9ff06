"""`python -m local COMMAND`: what the Makefile's targets run."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    # Ctrl-C while the modules below load is an end without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Also where nobody has put the layer on PYTHONPATH, as the Makefile does.
    sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "layers" / "parley"))

import argparse
import contextlib
import io
import os
import subprocess

from local.checkout import EVENTS
from local.in_use import hold
from local.postgres.home import PostgresError, default_data_dir
from local.postgres.server import Server
from local.postgres.server import main as postgres_console
from local.run import tokens
from local.run.invocation import NotInvoked, invoke
from local.run.keys import Keys
from parley.migrations.files import MigrationError

_ORGANIZATION_ROLES = ("admin", "owner", "member")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local")
    commands = parser.add_subparsers(dest="command", required=True)
    run_command = commands.add_parser("run", help="serve everything until Ctrl-C")
    run_command.add_argument("--parent", type=int, help="stop as well when this parent process is gone")
    token = commands.add_parser("token", help="print a token")
    token.add_argument("user")
    token.add_argument("organization", nargs="?", default="")
    token.add_argument("role", nargs="?", default="")
    commands.add_parser("migrate", help="apply the schema and let the logins in")
    commands.add_parser("psql", help="open psql on the database")
    invoking = commands.add_parser("invoke", help="run one function of a running `make run` once")
    invoking.add_argument("name")
    invoking.add_argument("event", nargs="?", type=Path, help="file with the event (events/NAME.json)")
    talking = commands.add_parser("interview", help="hold a whole interview with an emulated candidate")
    talking.add_argument("--role", default="Backend engineer", help="whom the interview is for (%(default)s)")
    talking.add_argument("--questions", type=int, default=3, help="how many (%(default)s)")
    talking.add_argument("--language", default="en", help="a BCP 47 tag (%(default)s)")
    talking.add_argument("--follow-ups", choices=("light", "moderate", "deep"), default="moderate", dest="depth")
    talking.add_argument("--voice", action="store_true", help="in a voice call, with its events in odd orders")
    talking.add_argument("--seed", type=int, default=1, help="of those orders (%(default)s)")
    talking.add_argument("--user", default="user_1", help="whose (%(default)s)")
    sam = commands.add_parser("sam", help="serve the API with `sam local start-api`")
    sam.add_argument("sam", help="the sam command")
    deployment = commands.add_parser("deployment", help="stacks and what an operator does with them")
    deployment.add_argument("arguments", nargs=argparse.REMAINDER)
    proofs = commands.add_parser("prove", help="run every benchmark at full size and write docs/proofs.md")
    proofs.add_argument("names", nargs="*", help="only these")
    options = parser.parse_args(arguments)
    in_use = hold()
    try:
        match options.command:
            case "run":
                from local.run.command import main as run

                return run(options.parent)
            case "token":
                if missing := _missing(options.user, options.organization, options.role):
                    print(f"parley: {missing}", file=sys.stderr)
                    return 1
                print(_token(options.user, options.organization, options.role))
            case "migrate":
                return _migrate()
            case "psql":
                return _psql()
            case "invoke":
                return _invoke(options.name, options.event)
            case "interview":
                return _interview(options)
            case "sam":
                from local.sam import serve

                return serve(options.sam)
            case "deployment":
                from local.deployment.command import main as deploy

                return deploy(options.arguments)
            case "prove":
                from local.prove import prove

                return prove(options.names)
    except (OSError, PostgresError, MigrationError) as error:
        print(f"parley: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        in_use.close()
    return 0


def _missing(user: str, organization: str, role: str) -> str:
    """What `make token` still needs to be told; empty when that is nothing."""
    if not user:
        return "say whose token: make token USER=ada"
    if role not in ("", "service_role", *_ORGANIZATION_ROLES):
        return f"the roles are {', '.join(_ORGANIZATION_ROLES)} (of an ORG) and service_role, not {role!r}"
    if role in _ORGANIZATION_ROLES and not organization:
        return f"say whose {role}: make token USER={user} ORG=acme ROLE={role}"
    return ""


def _token(user: str, organization: str = "", role: str = "") -> str:
    secret = os.environ.get("PARLEY_JWT_SECRET") or Keys.of(default_data_dir()).jwt_secret
    return tokens.make(secret, user, organization, role)


def _migrate() -> int:
    from local.postgres.database import named_database, prepare

    keys = Keys.of(default_data_dir())
    _name_database()
    if url := named_database():
        prepare(url, keys, print)
    elif url := _running_server():
        prepare(url, keys, print, embedded=default_data_dir())
    else:
        server = Server.ensure()
        try:
            prepare(server.url(), keys, print, embedded=default_data_dir())
        finally:
            server.stop()
    print("the schema is up to date")
    return 0


def _name_database() -> None:
    """Say which database a command opens: two runs side by side have one each."""
    named = "DATABASE_URL" if os.environ.get("DATABASE_URL") else f"the embedded one of {default_data_dir()}"
    print(f"database: {named}", file=sys.stderr, flush=True)


def _running_server() -> str:
    """The owner's URL of the data folder's first server, where one runs; empty without one."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        found = postgres_console(["url"]) == 0
    return out.getvalue().strip() if found else ""


def _psql() -> int:
    from local.postgres.database import named_database

    _name_database()
    if url := named_database():
        os.execvp("psql", ["psql", url])
    if _running_server():
        return postgres_console(["psql"])
    # Nobody serves it: have the server for as long as the session lasts.
    server = Server.ensure()
    try:
        return subprocess.run([sys.executable, "-m", "local.postgres", "psql"]).returncode
    finally:
        server.stop()


def _invoke(name: str, event: Path | None) -> int:
    if not name:
        print("parley: say which function: make invoke NAME=usage_reset EVENT=events/usage_reset.json", file=sys.stderr)
        return 1
    address = f"http://127.0.0.1:{os.environ.get('PORT') or 3000}"
    variables = {
        "PARLEY_TOKEN": os.environ.get("PARLEY_TOKEN") or _token("user_1"),
        "PARLEY_WEBHOOK_SECRET": os.environ.get("PARLEY_WEBHOOK_SECRET") or Keys.of(default_data_dir()).webhook_secret,
        "PARLEY_SERVICE_TOKEN": os.environ.get("PARLEY_SERVICE_TOKEN") or _token("operator", role="service_role"),
    }
    try:
        answer, succeeded = invoke(address, name, event or EVENTS / f"{name}.json", variables)
    except NotInvoked as error:
        print(f"parley: {error}", file=sys.stderr)
        return 1
    print(answer)
    return 0 if succeeded else 1


def _interview(options: argparse.Namespace) -> int:
    from local.interview import Client, Refused, interview, voice_interview

    request = {
        "role": options.role,
        "number": options.questions,
        "language": options.language,
        "follow_up_depth": options.depth,
    }
    client = Client(f"http://127.0.0.1:{os.environ.get('PORT') or 3000}", _token(options.user))
    try:
        if options.voice:
            return voice_interview(client, request, Keys.of(default_data_dir()).webhook_secret, options.seed)
        return interview(client, request)
    except Refused as error:
        print(f"parley: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
