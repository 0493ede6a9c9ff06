"""Users' own keys and machine keys are nowhere to be found: canaries through every kind of fault, and a look into every
sink.

    python benchmarks/canary_keys.py [--keys 1000]

Each key is stored, verified and called with while the provider fails in one way after another, sent in malformed
bodies, paths and queries, and moved under a new KMS key (moto) while requests go on. Each user has a machine key too,
which calls through the same faults and is sent where it does not belong. Then the processes' output, every answer but
those that made machine keys, and a dump of every table are searched for the keys, whole, in part, or in base64. A row
that was moved to another user must not open. Exits 1 when a key is found, a request of the rotation fails, or a moved
row opens.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from local.emulator.faults import NAMES
from parley.core.observability import logger
from testing.aws import CREDENTIALS, serve_aws
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token, openai_request
from testing.workers import Worker, messages, workers

PROVIDERS = ("openai", "anthropic", "google")
OPERATORS = "sk-operator"
_PIECE = 12  # so many characters of a key in a row are a find


def container(connection: Connection, number: int, environment: dict[str, str], service_url: str, log: str) -> None:
    """A process with all functions, whose output goes to a file: takes requests, or None for a rotation.

    It logs as it is deployed, whatever the level of the program.
    """
    descriptor = os.open(f"{log}/{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    logger.setLevel("INFO")
    functions, schedules = Functions(environment), Functions(environment | {"DATABASE_URL": service_url})
    for request in messages(connection):
        if request is None:
            connection.send(schedules.invoke("rotate_keys", {}, seconds=300))
            continue
        name, method, path, body, token, headers = request
        answer = functions.request(name, method, path, body, token=token, headers=headers)
        connection.send((answer.status, answer.text + json.dumps(answer.headers)))


class Client:
    """Sends requests to a container, and keeps what came back."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.answers: list[str] = []
        self.statuses: Counter[int] = Counter()

    def ask(self, name: str, method: str, path: str, body: Any = None, *, user: str) -> int:
        """One request with the user's token; its status."""
        return self.send(name, method, path, body, make_token(user))

    def send(
        self, name: str, method: str, path: str, body: Any, token: str | None, headers: dict[str, str] | None = None
    ) -> int:
        """One request with any credentials; its status."""
        self._worker.send((name, method, path, body, token, headers))
        status, text = self._worker.receive()
        self.answers.append(text)
        self.statuses[status] += 1
        return int(status)

    def machine_key(self, user: str) -> str:
        """A new machine key of the user, out of an answer that is not kept."""
        self.ask("account", "POST", "/api/settings/access-keys", {"name": "x", "scopes": ["chat"]}, user=user)
        answer, _ = json.JSONDecoder().raw_decode(self.answers.pop())
        return str(answer["key"])

    def path(self, provider: str) -> str:
        """Where a key is stored."""
        return f"/api/settings/api-keys/{provider}"


def prove(database: ScratchDatabase, emulator: Emulator, verdict: Verdict, count: int, seed: int = 1) -> None:
    """So many canaries."""
    import boto3

    chance = random.Random(seed)
    keys = [f"sk-canary-{chance.randbytes(20).hex()}" for _ in range(count)]
    with tempfile.TemporaryDirectory() as log, workers(1, serve_aws) as (cloud,):
        common = CREDENTIALS | {"AWS_ENDPOINT_URL": cloud.receive()}
        kms = boto3.client(
            "kms", endpoint_url=common["AWS_ENDPOINT_URL"], region_name=CREDENTIALS["AWS_DEFAULT_REGION"],
            aws_access_key_id="none", aws_secret_access_key="none",
        )  # fmt: skip
        old, new = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        kms.close()
        before = function_environment(database.app_url, emulator.url) | common | {"PARLEY_KMS_KEY_ID": old}
        after = before | {"PARLEY_KMS_KEY_ID": new}
        with (
            workers(len(PROVIDERS), container, before, database.service_url, log) as running,
            ThreadPoolExecutor(len(PROVIDERS)) as lanes,
        ):
            # A lane for each provider, so that a fault meets the request that it was made for.
            clients = [Client(worker) for worker in running]
            lanes_done = lanes.map(_through_faults, clients, [emulator] * 3, [keys] * 3, range(3), [seed] * 3)
            counts, machine_keys = zip(*lanes_done, strict=True)
            byok = sum(counts)
            verdict(f"{count} keys: verified after their faults, and byok then", byok == count, byok)
            client = clients[0]
            with_operators = [r for r in emulator.requests() if OPERATORS in json.dumps(r["headers"])]
            verdict("calls of byok users with an operator's key", not with_operators, len(with_operators))
            rotator = Worker(container, len(PROVIDERS), after, database.service_url, log)
            failed = _through_rotation(client, rotator, keys, verdict)
            verdict("requests that failed during the rotation", failed == 0, failed)
            _move_rows(database, client, verdict, count)
        written = "".join(path.read_text(errors="replace") for path in Path(log).iterdir())
    sinks = {
        "log lines": written,
        "answers": "\n".join(text for one in clients for text in one.answers),
        "database dump": _dump(database),
    }
    keys += [key for made in machine_keys for key in made]
    verdict("machine keys among them", len(set(keys)) == 2 * count, len(set(keys)) - count)
    for name, text in sinks.items():
        found = _found(text, keys)
        # A sink that is nearly empty would show nothing.
        verdict(f"keys found in {len(text) / 1e6:.1f} MB of {name}", found == 0 and len(text) > 1000 * count, found)


def _through_faults(
    client: Client, emulator: Emulator, keys: Sequence[str], lane: int, seed: int
) -> tuple[int, list[str]]:
    """Store, misuse, verify and use every key of one provider, and a machine key beside it; how many made their user
    byok, and the machine keys.
    """
    chance, faults = random.Random(seed + lane), sorted(NAMES)
    byok, machine_keys = 0, []
    for number, key in [*enumerate(keys)][lane :: len(PROVIDERS)]:
        user, provider = f"user-{number}", PROVIDERS[number % len(PROVIDERS)]
        path = client.path(provider)
        misuse: list[tuple[str, str, str, Any]] = [
            ("store_key", "PUT", path, '{"api_key": "' + key),
            ("store_key", "PUT", path, {"api_key": key, "also": key}),
            ("store_key", "PUT", path, {key: key}),
            ("store_key", "PUT", path, {"api_key": [key]}),
            ("store_key", "PUT", path, {"api_key": f"{key} {key}"}),
            ("store_key", "PUT", client.path(key), {"api_key": key}),
            ("verify_key", "POST", f"{client.path(key)}/verify", None),
            ("chat", "POST", f"/api/chat?key={key}", {"message": "hello", "provider": key}),
            ("chat", "POST", "/api/chat", {"message": "hello", "temperature": key}),
            ("chat", "POST", "/api/chat", {"message": "hello", "provider": provider, "model": key, "cache": "off"}),
            ("wire", "POST", "/v1/chat/completions", openai_request("hello", key)),
            ("wire", "POST", "/v1/chat/completions", openai_request("hello", **{key: key})),
            ("wire", "POST", "/v1/embeddings", {"model": key, "input": "hello"}),
            ("get_provider", "GET", f"/api/ai-provider?scope={key}", None),
        ]
        client.ask(*chance.choice(misuse), user=user)
        client.ask("store_key", "PUT", path, {"api_key": key}, user=user)
        emulator.fault(faults[number % len(faults)], provider=provider, delay=0.1)
        client.ask("verify_key", "POST", f"{path}/verify", user=user)
        client.ask("verify_key", "POST", f"{path}/verify", user=user)
        for fault in (faults[(number * 7 + 3) % len(faults)], "unauthorized"):
            emulator.fault(fault, provider=provider, delay=0.1)
            client.ask("chat", "POST", "/api/chat", {"message": f"hello {number} {fault}", "cache": "off"}, user=user)
        machine_keys.append(client.machine_key(user))
        _misuse_machine_key(client, emulator, chance, machine_keys[-1], user, provider)
        client.ask(*chance.choice(misuse), user=user)
        client.ask("account", "GET", "/api/settings", user=user)
        byok += '"tier":"byok"' in client.answers[-1] and key[-4:] in client.answers[-1]
    return byok, machine_keys


def _misuse_machine_key(
    client: Client, emulator: Emulator, chance: random.Random, key: str, user: str, provider: str
) -> None:
    """Call with a machine key through a fault, and send it where it does not belong, or broken."""
    greeting = {"message": f"hello from {user}'s program", "provider": provider, "cache": "off"}
    client.send("chat", "POST", "/api/chat", greeting, None, {"x-api-key": key})
    emulator.fault(chance.choice(sorted(NAMES)), provider=provider, delay=0.1)
    client.send("chat", "POST", "/api/chat", greeting, key)
    said = openai_request(greeting["message"], cache="off")
    client.send("wire", "POST", "/v1/chat/completions", said, None, {"x-api-key": key})
    client.send("wire", "POST", "/v1/chat/completions", said | {"stream": True}, key)
    for name, method, path, body, token, headers in (
        ("wire", "POST", "/v1/chat/completions", said | {key: key}, key, None),
        ("wire", "POST", "/v1/chat/completions", said | {"models": [key]}, key, None),
        ("wire", "GET", f"/v1/models/{key}", None, key, None),
        ("chat", "POST", "/api/chat", greeting, key[:-1], None),
        ("chat", "POST", "/api/chat", greeting, key, {"x-api-key": key[::-1]}),
        ("chat", "POST", "/api/chat", greeting | {"model": key}, key, None),
        ("chat", "POST", "/api/chat", greeting | {key: key}, key, None),
        ("chat", "POST", "/api/chat", json.dumps(greeting)[:-1] + key, key, None),
        ("account", "GET", f"/api/usage?of={key}", None, key, None),
        ("account", "GET", "/api/usage", None, key, {"Authorization": f"Basic {key}"}),
        ("account", "DELETE", f"/api/settings/access-keys/{key}", None, make_token(user), None),
        ("account", "PATCH", "/api/settings/access-keys/x", {"name": key}, make_token(user), None),
        ("search", "GET", f"/api/documents/{key}", None, key, None),
    ):
        client.send(name, method, path, body, token, headers)


def _through_rotation(client: Client, rotator: Worker, keys: Sequence[str], verdict: Verdict) -> int:
    """Rotate in one process while another calls and verifies; how many of its requests failed."""
    rotator.send(None)
    failed = number = 0
    while not rotator.connection.poll(0) or number < 10:
        user, provider = f"user-{number % len(keys)}", PROVIDERS[number % len(keys) % len(PROVIDERS)]
        ways = (("verify_key", f"{client.path(provider)}/verify", None),
                ("chat", "/api/chat", {"message": f"hello {number}", "cache": "off"}))  # fmt: skip
        name, path, body = ways[number % 2]
        failed += client.ask(name, "POST", path, body, user=user) != 200
        number += 1
    rotated = rotator.receive()
    verdict(f"keys moved to a new KMS key beside {number} requests", rotated["rotated"] == len(keys), rotated)
    rotator.kill()
    return failed


def _move_rows(database: ScratchDatabase, client: Client, verdict: Verdict, count: int) -> None:
    """Give each user the next one's ciphertext of the same provider; none may open."""
    with database.connect() as owner:
        owner.execute(
            "update app.provider_keys k set ciphertext = o.ciphertext from app.provider_keys o"
            " where o.provider = k.provider and o.user_id = 'user-' || (split_part(k.user_id, '-', 2)::int + 3) %% %s",
            (count // 3 * 3,),
        )
    tried = min(count, 60) // 3 * 3
    statuses = [
        client.ask("verify_key", "POST", f"{client.path(PROVIDERS[number % 3])}/verify", user=f"user-{number}")
        for number in range(tried)
    ]
    verdict(f"{tried} rows moved to another user: opened", set(statuses) == {409}, tried - statuses.count(409))


def _dump(database: ScratchDatabase) -> str:
    """Every row of every table, as COPY writes it."""
    parts: list[str] = []
    with database.connect() as owner:
        tables = owner.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'p')"
            " and relnamespace in ('app'::regnamespace, 'public'::regnamespace)"
        ).fetchall()
        for (table,) in tables:
            with owner.cursor().copy(f"copy (select * from {table}) to stdout".encode()) as rows:
                parts.extend(bytes(row).decode() for row in rows)
    return "".join(parts)


def _found(text: str, keys: Sequence[str]) -> int:
    """How many keys a text gives away: a run of their secret characters, or what base64 makes of them."""
    pieces: dict[str, str] = {}
    for key in keys:
        secret = key[3:] if key.startswith("pk_") else key.rpartition("-")[2]
        pieces |= {secret[at : at + _PIECE]: key for at in range(len(secret) - _PIECE + 1)}
        pieces[base64.b64encode(key.encode()).decode()[:24]] = key
    # All pieces are as long as each other but for base64's: one pass over the text for each length.
    found = set()
    for length in {len(piece) for piece in pieces}:
        found |= {pieces[text[at : at + length]] for at in range(len(text)) if text[at : at + length] in pieces}
    return len(found)


def main() -> int:
    """Run it; 1 when a key is found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--keys", type=int, default=1_000)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, Emulator() as emulator:
        prove(database, emulator, verdict, options.keys)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
