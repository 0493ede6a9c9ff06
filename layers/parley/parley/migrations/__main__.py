"""The runner's command line."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import psycopg

from parley.migrations.files import MigrationError
from parley.migrations.runner import Progress, Step, down, status, up
from parley.migrations.verification import verify


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(prog="python -m parley.migrations", description="Migrate a Parley database.")
    parser.add_argument("--url", default=os.environ.get("DATABASE_URL"), help="libpq URI of the owner (DATABASE_URL)")
    parser.add_argument("--schema", type=Path, default=Path("schema"), help="folder of NN_name.sql (schema)")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="apply what is pending")
    undo = commands.add_parser("down", help="undo the newest COUNT migrations")
    undo.add_argument("count", type=int, help="how many; 0 or less changes nothing")
    commands.add_parser("status", help="list what is applied, pending or changed")
    commands.add_parser("verify", help="prove on a scratch database that up, down, up ends where it began")
    # The options are welcome on either side of the command.
    options, rest = parser.parse_known_args(arguments)
    if rest:
        late = argparse.ArgumentParser(add_help=False)
        late.add_argument("--url", default=options.url)
        late.add_argument("--schema", type=Path, default=options.schema)
        late.parse_args(rest, namespace=options)
    if not options.url:
        parser.error("--url or DATABASE_URL is needed")
    try:
        match options.command:
            case "up":
                steps = up(options.url, options.schema, progress=_tell("applied"))
                print(f"{len(steps)} applied" if steps else "nothing to apply")
            case "down":
                steps = down(options.url, options.schema, max(options.count, 0), progress=_tell("undone"))
                print(f"{len(steps)} undone" if steps else "nothing to undo")
            case "status":
                for row in status(options.url, options.schema):
                    when = f"{row.applied_at:%Y-%m-%d %H:%M:%S %Z}" if row.applied_at else ""
                    print(f"{row.state:8} {row.label:32} {when}".rstrip())
            case "verify":
                verify(options.url, options.schema, progress=lambda line: print(line, flush=True))
    except (MigrationError, psycopg.Error) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _tell(verb: str) -> Progress:
    def tell(step: Step) -> None:
        print(f"{verb} {step.label} ({step.seconds * 1000:.0f} ms)", flush=True)
        for notice in step.notices:
            print(f"  {notice}", flush=True)

    return tell


if __name__ == "__main__":
    sys.exit(main())
