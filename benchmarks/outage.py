"""Postgres stopped and started under load: no 401, no hang, no usage lost or doubled, and back within a second.

    python benchmarks/outage.py [--cycles 20] [--containers 4]

Every container is a process with its own chat and get_provider functions, which it calls without a pause; the server
keeps its promises of durability and is stopped in turn by a fast and an immediate shutdown, a second each time. Usage
goes through SQS (moto) to usage_replay, which sees every fifth message twice. At the end the ledger is compared with
what the providers' emulator answered. Exits 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from testing.aws import CREDENTIALS, serve_aws
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token, openai_request
from testing.workers import gather, silence, workers

LONGEST_SECONDS = 2.0
BACK_SECONDS = 1.0
UP_SECONDS = DOWN_SECONDS = 1.0
# What needs the database, and is told so while it is away.
NEEDS_DATABASE = {
    "chat with an idempotency key",
    "chat in a conversation",
    "making of a machine key",
    "chat by a new machine key",
}
# A machine key that this container resolved within a minute goes on; so often it calls before it is replaced, which
# is within its allowance without the database.
CALLS_OF_A_KEY = 4


@dataclass(frozen=True)
class Seen:
    """One request of a container, in seconds of a clock that all processes share."""

    container: int
    kind: str
    began: float
    ended: float
    status: int
    degraded: bool
    retry_after: str | None
    body: dict[str, Any]


def container(connection: Connection, number: int, environment: dict[str, str]) -> None:
    """A process that asks until it is told to stop, then sends what it saw."""
    silence()
    functions = Functions(environment)
    for name in ("chat", "wire", "get_provider", "account"):
        functions.module(name)
    chance = random.Random(number)
    fan = f"fan-{number}"
    seen: list[Seen] = []
    machine_key, calls_of_key = "", CALLS_OF_A_KEY
    # What was never read cannot be remembered.
    functions.request("get_provider", "GET", "/api/ai-provider", token=make_token(fan))
    connection.send("ready")
    while not connection.poll(0.005):
        user = f"user-{number}-{len(seen) // 3}"
        kind = chance.choices(
            ["chat", "chat with an idempotency key", "chat in a conversation", "preference of a stranger",
             "preference of a fan", "chat by a machine key", "chat in OpenAI's format"],
            [4, 1, 1, 2, 2, 3, 2],
        )[0]  # fmt: skip
        token = make_token(user)
        if kind == "chat by a machine key":
            token = machine_key
            if calls_of_key == 0:
                kind = "chat by a new machine key"
            elif calls_of_key == CALLS_OF_A_KEY:
                kind, token = "making of a machine key", make_token(user)
        headers, body = {}, {"message": f"What is fjord {number}-{len(seen)}?"}
        if kind == "chat with an idempotency key":
            headers = {"Idempotency-Key": f"{number}-{len(seen)}"}
        if kind == "chat in a conversation":
            body["conversation_id"] = "new"
        began = time.monotonic()
        if kind == "chat in OpenAI's format":
            asked = openai_request(body["message"])
            answer = functions.request("wire", "POST", "/v1/chat/completions", asked, token=token)
        elif kind.startswith("chat"):
            answer = functions.request("chat", "POST", "/api/chat", body, token=token, headers=headers)
        elif kind == "making of a machine key":
            wanted = {"name": "a program", "scopes": ["chat"]}
            answer = functions.request("account", "POST", "/api/settings/access-keys", wanted, token=token)
            if answer.status == 201:
                machine_key, calls_of_key = answer.json["key"], 0
        else:
            token = make_token(fan if kind.endswith("fan") else user)
            answer = functions.request("get_provider", "GET", "/api/ai-provider", token=token)
        if "machine key" in kind and kind.startswith("chat") and answer.status == 200:
            calls_of_key += 1
        degraded = answer.headers.get("X-Parley-Degraded") == "database"
        retry = answer.headers.get("Retry-After")
        seen.append(Seen(number, kind, began, time.monotonic(), answer.status, degraded, retry, answer.json))
    connection.send(seen)


def replay(connection: Connection, _number: int, environment: dict[str, str], queue: str) -> None:
    """A process that feeds usage_replay from the queue; once told to stop it sends how many messages there were."""
    import boto3

    silence()
    functions = Functions(environment)
    with contextlib.ExitStack() as stack:
        for name in (*CREDENTIALS, "AWS_ENDPOINT_URL"):
            os.environ[name] = environment[name]
        sqs = boto3.client("sqs")
        stack.callback(sqs.close)
        delivered = 0
        while True:
            received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
            if not received and connection.poll(0.05):
                counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
                if counts["ApproximateNumberOfMessages"] == counts["ApproximateNumberOfMessagesNotVisible"] == "0":
                    break
            records = [{"messageId": message["MessageId"], "body": message["Body"]} for message in received]
            answer = functions.invoke("usage_replay", {"Records": records}) if records else {}
            failed = {one["itemIdentifier"] for one in answer.get("batchItemFailures", ())}
            for message in received:
                delivered += 1
                if message["MessageId"] not in failed and delivered % 5:
                    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        connection.send(delivered)


def prove(
    database: ScratchDatabase, emulator: Emulator, verdict: Verdict, cycles: int, containers: int
) -> tuple[list[Seen], list[tuple[float, float]]]:
    """So many outages in a row, and the accounts after them; what was seen, and when the outages began and ended."""
    import boto3

    with workers(1, serve_aws) as (cloud,), database.connect() as owner:
        endpoint = cloud.receive()
        sqs = boto3.client(
            "sqs", endpoint_url=endpoint, region_name=CREDENTIALS["AWS_DEFAULT_REGION"], aws_access_key_id="none",
            aws_secret_access_key="none",
        )  # fmt: skip
        queue = sqs.create_queue(QueueName="usage", Attributes={"VisibilityTimeout": "3"})["QueueUrl"]
        sqs.close()
        common = CREDENTIALS | {
            "AWS_ENDPOINT_URL": endpoint, "PARLEY_USAGE_QUEUE_URL": queue, "POWERTOOLS_LOG_LEVEL": "ERROR",
        }  # fmt: skip
        environment = function_environment(database.app_url, emulator.url) | common
        for number in range(containers):
            functions = Functions(environment)
            preference = {"provider": "gemini"}
            token = make_token(f"fan-{number}")
            saved = functions.request("set_provider", "POST", "/api/ai-provider", preference, token=token)
            functions.close()
            if saved.status not in (200, 201):
                raise RuntimeError(saved.text)
        pid_file = Path(_one(owner, "show data_directory")) / "postmaster.pid"
        owner.close()
        service = environment | {"DATABASE_URL": database.service_url}
        with (
            workers(containers, container, environment) as running,
            workers(1, replay, service, queue) as (replayer,),
        ):
            gather(running)
            outages = [_outage(database, pid_file, immediate=bool(cycle % 2)) for cycle in range(cycles)]
            time.sleep(UP_SECONDS)
            for worker in [*running, replayer]:
                worker.send("stop")
            seen = [one for log in gather(running) for one in log]
            queued = replayer.receive(120)
    _judge_answers(verdict, seen, outages)
    _judge_accounts(database, emulator, verdict, seen, queued)
    return seen, outages


def _outage(database: ScratchDatabase, pid_file: Path, *, immediate: bool) -> tuple[float, float]:
    """When it began, and when the database was back."""
    server, port = database.server, database.server.port
    time.sleep(UP_SECONDS)
    began = time.monotonic()
    if immediate:
        os.kill(int(pid_file.read_text().partition("\n")[0]), signal.SIGQUIT)
    server.stop()
    time.sleep(DOWN_SECONDS)
    server.start()
    if server.port != port:
        raise RuntimeError("somebody took the server's port meanwhile; run it again")
    return began, time.monotonic()


def _judge_answers(verdict: Verdict, seen: list[Seen], outages: list[tuple[float, float]]) -> None:
    statuses = Counter((one.kind, one.status) for one in seen)
    away = sum(one.degraded or one.status == 503 for one in seen)
    size = f"{len(outages)} outages, {len(seen)} requests, {away} of them without the database"
    wrong = {f"{kind}: {status}": count for (kind, status), count in statuses.items()
             if status not in ((200, 201, 503) if kind in NEEDS_DATABASE else (200,))}  # fmt: skip
    verdict(f"{size}: answers other than 200, or 503 where the database is needed", not wrong and away > 0, wrong or 0)
    hasty = [one for one in seen if one.status == 503 and not one.retry_after]
    verdict("503 without Retry-After", not hasty, len(hasty))
    unmarked = [one for one in seen if one.status == 200 and not one.degraded
                and one.body.get("provider_source") in ("memory", "unknown")]  # fmt: skip
    verdict("answers without the database and without saying so", not unmarked, len(unmarked))
    choices = Counter(
        (one.kind.rpartition(" ")[2], one.body["provider"], one.body["provider_source"])
        for one in seen if one.kind.startswith("preference")
    )  # fmt: skip
    expected = {("fan", "gemini", "user"), ("fan", "gemini", "memory"), ("stranger", "openai", "environment")}
    verdict("preferences read", set(choices) <= expected, dict(choices))


def _judge_times(verdict: Verdict, seen: list[Seen], outages: list[tuple[float, float]]) -> None:
    slowest = max(seen, key=lambda one: one.ended - one.began)
    took = slowest.ended - slowest.began
    verdict(f"slowest answer, at most {LONGEST_SECONDS:g} s", took <= LONGEST_SECONDS, f"{took:.2f} s ({slowest.kind})")
    numbers = sorted({one.container for one in seen})
    waits = [
        min((one.ended for one in seen if one.container == number and one.ended > back and not one.degraded
             and one.status == 200), default=float("inf")) - back
        for _, back in outages for number in numbers
    ]  # fmt: skip
    verdict(
        f"every container's first success after the database is back, at most {BACK_SECONDS:g} s",
        max(waits) <= BACK_SECONDS,
        f"{max(waits):.2f} s at most, {sorted(waits)[len(waits) // 2]:.2f} s in the middle",
    )


def _judge_accounts(
    database: ScratchDatabase, emulator: Emulator, verdict: Verdict, seen: list[Seen], queued: int
) -> None:
    answered = [
        one.body["id"].removeprefix("chatcmpl-") for one in seen if one.kind.startswith("chat") and one.status == 200
    ]
    calls = sum(count for name, count in emulator.counts().items() if name.startswith("openai"))
    with database.connect() as owner:
        ledger = Counter(request for (request,) in owner.execute("select request_id from public.ai_usage").fetchall())
        units = _one(owner, "select coalesce(sum(daily_usage), 0) from public.user_ai_settings")
        requests = _one(
            owner, "select count(*) from app.ai_requests where state <> 'released' and reserved_day is not null"
        )
    lost = sum(request not in ledger for request in answered)
    doubled = sum(count > 1 for count in ledger.values())
    size = f"{len(answered)} answers, {calls} calls of a model, {queued} deliveries from the queue"
    verdict(f"{size}: ledger rows lost", lost == 0, lost)
    verdict("ledger rows doubled", doubled == 0, doubled)
    verdict("ledger rows and calls of a model", ledger.total() == calls, f"{ledger.total()} and {calls}")
    verdict("units counted, and requests that hold or spent one", units == requests, f"{units} and {requests}")


def _one(owner: Any, query: str) -> Any:
    return owner.execute(query).fetchone()[0]


def main() -> int:
    """Run it; 1 when something does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--containers", type=int, default=4)
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server(durable=True) as database, Emulator() as emulator:
        seen, outages = prove(database, emulator, verdict, options.cycles, options.containers)
        _judge_times(verdict, seen, outages)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
