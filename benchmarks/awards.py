"""One award for one completion, however many processes complete it, and caches that never differ from the ledger.

    python benchmarks/awards.py [--processes 50] [--interviews 40]

Interviews of a few people, some for an organization, each with an answer, are completed one after the other by all
processes at once, through POST /api/interviews/{id}/complete; of every interview's feedback five processes are told,
some of them before it is completed. Meanwhile others look all the time, each in one snapshot: a profile's points, the
leaderboard's row and the standings of all time are the sum of the ledger, and the histogram counts who stands there.
Exits 1 when an interview is paid twice or not at all, or when anybody ever saw a difference.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from testing.claims import SERVICE, set_claims
from testing.databases import ScratchDatabase, migrated_server
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token
from testing.workers import gather, messages, silence, workers

PEOPLE = ("ada", "bob", "carol", "dan")
WATCHERS = 2
TELLERS = 5
NO_PROVIDER = "http://127.0.0.1:9"
# Everything that is cached of the ledger, and does not agree with it in this snapshot.
DIFFERENCES = """
with earned as (select e.user_id, sum(e.amount) as points from app.xp_events e group by e.user_id),
  earned_for as (
    select e.user_id, e.organization_id, sum(e.amount) as points from app.xp_events e
    where e.organization_id is not null group by e.user_id, e.organization_id),
  stands as (
    select s.organization_id, app.score_bucket(s.score) as bucket, count(*) as members
    from app.leaderboard_scores s where s.period = 'all_time' and not s.is_hidden group by 1, 2)
select (
  select count(*) from public.profiles p left join earned e on e.user_id = p.id
  where p.total_xp <> coalesce(e.points, 0)
) + (
  select count(*) from earned e left join public.leaderboard l on l.user_id = e.user_id
  where l.total_xp is distinct from e.points
    or l.weekly_score is distinct from (
      select sum(w.amount) from app.xp_events w
      where w.user_id = e.user_id and app.leaderboard_key('weekly', w.created_at) = l.week_key)
    or l.monthly_score is distinct from (
      select sum(m.amount) from app.xp_events m
      where m.user_id = e.user_id and app.leaderboard_key('monthly', m.created_at) = l.month_key)
) + (
  select count(*) from earned e
  left join app.leaderboard_scores s on s.user_id = e.user_id and s.period = 'all_time' and s.organization_id = ''
  where s.score is distinct from e.points
) + (
  select count(*) from earned_for e
  left join app.leaderboard_scores s
    on s.user_id = e.user_id and s.period = 'all_time' and s.organization_id = e.organization_id
  where s.score is distinct from e.points
) + (
  select count(*) from stands s
  left join app.leaderboard_histogram h
    on h.organization_id = s.organization_id and h.period = 'all_time' and h.period_key = '' and h.bucket = s.bucket
  where h.members is distinct from s.members)
"""


def completing(connection: Connection, _number: int, environment: dict[str, str]) -> None:
    """A process that completes the interviews that it is told."""
    silence()
    functions = Functions(environment)
    functions.module("interviews")
    for user, interview in messages(connection):
        answer = functions.request(
            "interviews", "POST", f"/api/interviews/{interview}/complete", token=make_token(user), headers={}
        )
        connection.send(answer.status)


def telling(connection: Connection, _number: int, owner_url: str) -> None:
    """A process that records an interview as whoever writes its feedback does."""
    with psycopg.connect(owner_url, autocommit=True) as owner:
        for user, interview in messages(connection):
            refused = 0
            while True:
                try:
                    with owner.transaction():
                        set_claims(owner, SERVICE)
                        owner.execute("select app.record_activity(%s, 'interview', %s)", (user, interview))
                except psycopg.errors.ObjectNotInPrerequisiteState:  # it is not completed yet
                    refused += 1
                    time.sleep(0.005)
                except psycopg.Error as error:
                    connection.send(repr(error))
                    break
                else:
                    connection.send(refused)
                    break


def watching(connection: Connection, _number: int, owner_url: str) -> None:
    """A process that looks until it is told to stop; hands back how often it looked, and what differed."""
    looks = differences = 0
    with psycopg.connect(owner_url, autocommit=True) as owner:
        while not connection.poll():
            row = owner.execute(DIFFERENCES).fetchone()
            looks += 1
            differences += row[0] if row else 1
    connection.send((looks, differences))


def hold(database: ScratchDatabase, count: int) -> list[tuple[str, str]]:
    """So many interviews in progress, each with an answer and with feedback that is there already."""
    held = []
    with database.connect() as owner:
        owner.execute("insert into public.organization (id) values ('acme') on conflict do nothing")
        for user in PEOPLE:
            owner.execute('insert into public."user" (id) values (%s) on conflict do nothing', (user,))
        for number in range(count):
            user = PEOPLE[number % len(PEOPLE)]
            row = owner.execute(
                "insert into public.interview_sessions (user_id, status, started_at, organization_id)"
                " values (%s, 'in_progress', now(), %s) returning id::text",
                (user, "acme" if number % 2 else None),
            ).fetchone()
            assert row is not None
            owner.execute(
                "insert into public.interview_responses (interview_id, role, stage, content, sequence_number)"
                " values (%s, 'user', 'answer', 'We measured it.', 2)",
                row,
            )
            owner.execute(
                "with made as (insert into public.interview_feedback (interview_id, user_id, overall_score, scores)"
                " values (%s, %s, %s, %s) returning id)"
                " update public.interview_sessions set feedback_id = made.id from made"
                " where interview_sessions.id = %s",
                (row[0], user, number % 101, Jsonb([{"key": "sql", "score": number % 101}]), row[0]),
            )
            held.append((user, row[0]))
    return held


def prove(database: ScratchDatabase, verdict: Verdict, *, processes: int, interviews: int) -> None:
    """Complete every interview by all processes at once; print and judge what was paid and seen."""
    environment = function_environment(database.app_url, NO_PROVIDER)
    held = hold(database, interviews)
    statuses, told = Counter[int](), list[Any]()
    began = time.monotonic()
    with (
        workers(WATCHERS, watching, database.owner_url) as watchers,
        workers(TELLERS, telling, database.owner_url) as tellers,
        workers(processes, completing, environment) as completers,
    ):
        for one in held:
            for worker in (*tellers, *completers):
                worker.send(one)
            statuses.update(gather(completers))
            told += gather(tellers)
        for watcher in watchers:
            watcher.send("stop")
        seen = gather(watchers)
    looks, differences = (sum(one[place] for one in seen) for place in (0, 1))
    with database.connect() as owner:
        awards: dict[str, int] = dict(
            owner.execute(
                "select event_key, count(*) from app.xp_events where event_key like 'interview:%' group by 1"
            ).fetchall()
        )
        expected = {f"interview:{one}:{what}" for _, one in held for what in ("completed", "judged", "score")}
        (points,) = owner.execute("select sum(amount) from app.xp_events").fetchone() or (0,)
        (last,) = owner.execute(DIFFERENCES).fetchone() or (1,)
    each = f"{interviews} interviews, each completed by {processes} processes and told of by {TELLERS}"
    verdict(f"{each}: all answered alike", statuses == {202: processes * interviews}, dict(statuses))
    verdict("nobody who told of it failed", all(isinstance(one, int) for one in told), f"{len(told)} told")
    paid_once = awards.keys() == expected and set(awards.values()) == {1}
    verdict("one award for each completion", paid_once, f"{len(awards)} of {len(expected)}, {points} points")
    figure = f"{looks:,} looks, {differences + last} differences, {time.monotonic() - began:.0f} s"
    verdict("caches are the ledger's sum at every moment", differences + last == 0 and looks > 0, figure)


def main(words: Sequence[str] | None = None) -> int:
    """Read the arguments, by default the command line's, and run; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--interviews", type=int, default=40)
    arguments = parser.parse_args(words)
    verdict = Verdict()
    with migrated_server() as database:
        prove(database, verdict, processes=arguments.processes, interviews=arguments.interviews)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
