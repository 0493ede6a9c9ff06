"""What nobody calls, killed at any moment: running it again ends as if it had never died.

    python benchmarks/schedule_deaths.py [--only usage_reset]

Each schedule, and what queues ask of `usage_replay` and of `worker` (to delete calls at their vendor), runs in a real
process over a database with a week's worth of work. It is killed before each statement, message and deletion that it
sends and after each answer, for every one that a whole run has; then it runs again. The database and the vendor's calls
must end as a run leaves them that nobody killed, and when another hour has passed, the worker must have been asked for
every feedback that is due, and for the deletion of calls. Exits with 1 where something differs.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import boto3

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

from local.emulator.client import Emulator
from local.postgres.server import Server
from parley.core.queues import CALL_DELETIONS, Queue
from parley.providers.voice_vendor import VoiceVendor
from testing.aws import CREDENTIALS, serve_aws
from testing.databases import ScratchDatabase, migrated_server, new_database, set_clock
from testing.figures import Verdict
from testing.functions import Functions, function_environment
from testing.workers import Death, Worker, silence

SCHEDULES = ("usage_reset", "cache_cleanup", "rotate_keys", "usage_replay", "worker")
NOW, AN_HOUR_LATER = "2026-11-29 00:05:00+01", "2026-11-29 01:05:00+01"
_SECONDS = 120  # a run may take
_KEYS = ("ada", "bo", "cy")
# Interviews of these were deleted; the last one is a call that the vendor has no more.
_CALLS = ("call-1", "call-2", "call-3")
_MADE: dict[str, Any] = {
    "region_name": CREDENTIALS["AWS_DEFAULT_REGION"], "aws_access_key_id": "none", "aws_secret_access_key": "none",
}  # fmt: skip

# What a week leaves that nobody tidied up. Some of it is more than one batch.
_WEEK = """
insert into "user" (id) values ('ada'), ('bo'), ('cy');
insert into public.user_ai_settings (user_id, daily_usage, monthly_usage, last_reset_date)
  values ('ada', 7, 30, app.today() - 7), ('bo', 3, 3, app.today());
insert into app.anonymous_usage (caller_key, daily_usage, last_reset_date)
  select 'anonymous:' || n, 1, app.today() - 7 from generate_series(1, 1200) as n;
insert into app.ai_requests (id, caller_key, user_id, operation, state, created_at, finished_at)
  select 'old-' || n, 'user:ada', 'ada', 'chat', 'settled', app.now() - interval '20 days',
    app.now() - interval '20 days'
  from generate_series(1, 1200) as n;
insert into app.ai_requests (id, caller_key, user_id, operation, reserved_day, lease_until, created_at)
  values ('dead', 'user:bo', 'bo', 'chat', app.today(), app.now() - interval '1 hour', app.now() - interval '2 hours');
insert into public.ai_usage (user_id, tier, provider, model, operation_type, tokens_total, cost, created_at)
  select 'ada', 'free', 'openai', 'm', 'chat', 10, 0.5, app.now() - make_interval(days => n)
  from generate_series(0, 8) as n;
insert into app.webhook_events (provider, event_key, type, payload, received_at)
  values ('vapi', 'old', 'end', '{}', app.now() - interval '17 days'), ('vapi', 'new', 'end', '{}', app.now());
insert into public.ai_response_cache (query_hash, response, model, provider, tenant, expires_at)
  select n::text, 'x', 'm', 'openai', 'user:ada',
    app.now() + make_interval(hours => case when n > 1200 then 1 else -1 end)
  from generate_series(1, 1210) as n;
insert into public.interview_sessions (id, user_id, questions, status, started_at, last_activity_at)
  select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'bo', '[{"id": "q1", "question": "Why?"}]', 'in_progress',
    app.now() - interval '8 days', app.now() - interval '7 days'
  from generate_series(1, 3) as n;
insert into public.interview_sessions (user_id, interview_type, vapi_call_id)
  select 'cy', 'voice', 'call-' || n from generate_series(1, 3) as n;
delete from public.interview_sessions where user_id = 'cy';
"""

# Each table that a schedule writes, without what differs between two runs that did the same.
_STATE = """
select 'settings', to_jsonb(t) - 'id' - 'updated_at' - 'created_at' from public.user_ai_settings as t
union all select 'callers', to_jsonb(t) from app.anonymous_usage as t
union all select 'requests', to_jsonb(t) from app.ai_requests as t
union all select 'usage', jsonb_build_object('at', created_at, 'month', tableoid::regclass::text) from public.ai_usage
union all select 'sums', to_jsonb(t) from app.usage_by_day as t
union all select 'days', to_jsonb(t.day) from app.rolled_up_days as t
union all select 'events', to_jsonb(t.event_key) from app.webhook_events as t
union all select 'calls', to_jsonb(t) from app.call_deletions as t
union all select 'cache', to_jsonb(t.query_hash) from public.ai_response_cache as t
union all select 'interviews', to_jsonb(t) - 'created_at' - 'updated_at' from public.interview_sessions as t
union all select 'awards', to_jsonb(t.event_key) from app.xp_events as t
union all select 'keys', jsonb_build_array(user_id, kms_key_id) from app.provider_keys
union all select 'months', to_jsonb(inhrelid::regclass::text) from pg_inherits
"""


# Calls that were answered while the database was away; the second one is there twice, as queues may have it.
_OFFLINE = [
    json.dumps({
        "claims": {"sub": user, "role": "authenticated"}, "admitted_offline": True,
        "outcome": {
            "request_id": f"offline-{user}", "operation": "chat", "occurred_at": "2026-11-28T20:00:00+00:00",
            "takes_unit": True,
            "calls": [{"provider": "openai", "model": "gpt", "operation": "chat", "input_tokens": 9}],
        },
    })
    for user in ("ada", "bo", "bo", "cy")
]  # fmt: skip


def run(connection: Connection, environment: dict[str, str], schedule: str, dies_at: float) -> None:
    """A process that runs a schedule and is killed at a statement, message or deletion, as `Death` counts; sends how
    many there were.
    """
    silence()
    os.environ |= environment
    functions = Functions(environment)
    death = Death(functions.module(schedule).services.database, dies_at)
    Queue.send = death.counting(Queue.send)  # type: ignore[method-assign]
    VoiceVendor.delete = death.counting(VoiceVendor.delete)  # type: ignore[method-assign]
    # What is not done is delivered again, all of it after a death.
    bodies = [json.dumps({"task": CALL_DELETIONS, "id": _CALLS[0]})] if schedule == "worker" else _OFFLINE
    records = [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]
    report = functions.invoke(schedule, {"Records": records}, _SECONDS)
    assert report.get("finished", True), report
    assert not report.get("batchItemFailures"), report
    connection.send(death.sent)


class End(NamedTuple):
    """What is there after runs of a schedule.

    Attributes:
        state: the rows that a schedule may have written, in an order of their own.
        sent: how many statements, messages and deletions the last run sent.
        died: how many of the others did.
        asked: the interviews that the worker was asked to judge, once another hour had passed, and the first of the
            calls that it was asked to delete.
        calls: those that the vendor has.
    """

    state: list[Any]
    sent: int
    died: int
    asked: set[str]
    calls: list[str]


@dataclass(frozen=True)
class Stage:
    """Where schedules run: databases with a week's work, AWS, and the emulator of the voice vendor.

    Attributes:
        environment: of a function, but for its database.
    """

    server: Server
    template: str
    environment: dict[str, str]
    old_keys: dict[str, str]
    emulator: Emulator

    @contextmanager
    def database(self) -> Iterator[ScratchDatabase]:
        """A database to which nothing has been done for a week."""
        with new_database(self.server, self.template) as made:
            with made.connect() as owner:
                set_clock(owner, f"timestamptz '{NOW}'")
                owner.execute(_WEEK.encode())
                for user, ciphertext in self.old_keys.items():
                    owner.execute(
                        "insert into app.provider_keys (user_id, provider, ciphertext, last_four, kms_key_id)"
                        " values (%s, 'openai', %s, '1234', 'an older one')",
                        (user, ciphertext),
                    )
            yield made

    def state_after(self, schedule: str, *deaths: float) -> End:
        """What is there after a run, and before it one for each of these deaths, which may come after its end."""
        died = sent = 0
        self.emulator.reset()
        for call in _CALLS[:2]:
            self.emulator.call({"id": call})
        with self.database() as database, closing(self._sqs()) as sqs:
            queue = sqs.create_queue(QueueName=f"work-{database.name}")["QueueUrl"]
            environment = self.environment | {"DATABASE_URL": database.service_url, "PARLEY_WORK_QUEUE_URL": queue}
            for dies_at in (*deaths, 0.0):
                process = Worker(run, environment, schedule, dies_at)
                try:
                    sent = process.receive(_SECONDS)
                except EOFError:
                    died += 1
                process.kill()
            with database.connect() as owner:
                found = owner.execute(_STATE.encode()).fetchall()
                calls = self.emulator.calls()
                set_clock(owner, f"timestamptz '{AN_HOUR_LATER}'")
            process = Worker(run, environment, schedule, 0.0)
            process.receive(_SECONDS)
            process.kill()
            asked = set()
            while messages := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
                asked |= {json.loads(message["Body"])["id"] for message in messages}
        return End(sorted(found, key=repr), sent, died, asked, calls)

    def _sqs(self) -> Any:
        return boto3.client("sqs", endpoint_url=self.environment["AWS_ENDPOINT_URL"], **_MADE)


@contextmanager
def stage(server: Server, template: str) -> Iterator[Stage]:
    """A stage over a server's migrated database `template`, with KMS, SQS and the voice vendor."""
    aws = Worker(serve_aws, 0)
    emulator = Emulator().start()
    try:
        endpoint = aws.receive(60)
        variables = CREDENTIALS | {"AWS_ENDPOINT_URL": endpoint}
        kms: Any = boto3.client("kms", endpoint_url=endpoint, **_MADE)
        sqs: Any = boto3.client("sqs", endpoint_url=endpoint, **_MADE)
        before, now = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
        old_keys = {
            user: base64.b64encode(
                kms.encrypt(
                    KeyId=before, Plaintext=b"sk-own", EncryptionContext={"user_id": user, "provider": "openai"}
                )["CiphertextBlob"]
            ).decode()
            for user in _KEYS
        }
        variables |= {"PARLEY_KMS_KEY_ID": now, "PARLEY_WORK_QUEUE_URL": sqs.create_queue(QueueName="work")["QueueUrl"]}
        kms.close()
        sqs.close()
        yield Stage(server, template, function_environment("", emulator.url) | variables, old_keys, emulator)
    finally:
        emulator.stop()
        aws.kill()


def prove(on: Stage, verdict: Verdict, schedule: str, every: int = 1) -> None:
    """Kill a schedule at every moment, or at every so manieth."""
    whole = on.state_after(schedule)
    asks = schedule == "cache_cleanup"
    verdict(f"{schedule}: what the worker was asked for", bool(whole.asked) == asks, len(whole.asked))
    kept = [] if schedule == "worker" else list(_CALLS[:2])
    verdict(f"{schedule}: calls that the vendor has", whole.calls == kept, len(whole.calls))
    # In halves: before a statement, a message or a deletion is sent, and after its answer has come.
    moments = [half / 2 for half in range(2, 2 * whole.sent + 2)][every // 2 :: every]
    ends = [on.state_after(schedule, moment) for moment in moments]
    wrong = [
        moment
        for moment, end in zip(moments, ends, strict=True)
        if (end.state, end.asked, end.calls, end.died) != (whole.state, whole.asked, whole.calls, 1)
    ]
    verdict(
        f"{schedule}: killed at {len(moments)} moments of {whole.sent} statements and messages, ends that differ",
        not wrong,
        wrong,
    )
    end = on.state_after(schedule, *moments[:: max(1, len(moments) // 4)])
    right = (end.state, end.asked, end.calls) == (whole.state, whole.asked, whole.calls)
    verdict(f"{schedule}: killed {end.died} times in a row, and the end is right", right, right)


def main() -> int:
    """Run it; 1 when something differs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", action="append", choices=SCHEDULES)
    parser.add_argument("--every", type=int, default=1, help="at every so manieth moment")
    options = parser.parse_args()
    verdict = Verdict()
    with migrated_server() as database, stage(database.server, database.name) as on:
        for schedule in options.only or SCHEDULES:
            prove(on, verdict, schedule, options.every)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
