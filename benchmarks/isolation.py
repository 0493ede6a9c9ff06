"""No tenant reads another's: random attempts, and every tenant condition removed once to see that it is missed.

    python benchmarks/isolation.py [--trials 100000] [--processes 2]

The trials: users of organizations and without one store answers, conversations, keys, documents, preferences and
interactions that all name their owner; another asks the same or something like it, or names the other's ids, through
parley.database, the services and (one in a hundred) the HTTP functions. Nothing that comes back may name somebody else.

The fences: queries name the tenant, and row-level security stands behind them. Each condition in a query is removed in
turn. With row-level security disabled that must be noticed; with it enabled nothing may leak. Exits 1 otherwise.

The stolen login: whoever has a login's password tries to become another role, to shadow what functions name and to
reach past row-level security. What is refused must be, and the catalog is as before.
"""

from __future__ import annotations

import argparse
import math
import random
import re
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

if __package__ in (None, ""):  # run as a file
    sys.path[:0] = [str(Path(__file__).resolve().parents[1] / part) for part in ("", "layers/parley")]

import psycopg

from local.checkout import CHECKOUT
from local.emulator.client import Emulator
from parley.database.connection import Database
from parley.database.errors import DatabaseError, DatabaseUnavailable
from parley.migrations.catalog import catalog_snapshot
from testing.access_keys import make_access_key
from testing.attacks import ATTACKS, LONELY_ATTACKS, Leak, Thief
from testing.databases import ScratchDatabase, migrated_server, new_database
from testing.figures import Verdict
from testing.functions import Functions, function_environment, make_token, openai_request
from testing.stolen_login import LOGINS, POSSIBLE, REFUSED, SERVICE_ONLY, attempt, shadowed_calls
from testing.tenants import Tenant, fingerprint, furnish, settle, tenants
from testing.workers import gather, messages, silence, workers

TENANTS = 32
ONE_IN = 100  # attempts through the HTTP functions
_ROUND = 2_500  # attempts of a process before it is heard of again

# The functions between a request and the tables. Not chunks_that_meet: what it lists passes the conditions of
# rank_by_words and find_by_words.
GUARDED = (
    "quota", "return_to_quota", "release_expired", "count_unit", "count_embedding_tokens", "own_keys",
    "mark_key_verified", "delete_own_key", "find_earlier_request", "hold_request", "admit_call", "effective_provider",
    "append_messages", "finish_request", "count_unit_beyond_limit", "record_offline_call", "find_cached_answer",
    "find_semantic_answer", "allowed_providers", "preferred_providers", "delete_provider_preference",
    "my_usage_between", "nearest_embeddings", "rank_by_words", "find_by_words", "find_by_meaning", "search",
    "match_embeddings", "delete_by_metadata", "clear_all_embeddings", "recommend_items", "record_selection",
)  # fmt: skip
_CONDITION = re.compile(
    r"(?:\b\w+\.)?\b(?:user_id|caller_key|tenant|organization_id) = "
    r"(?:\w+\.user_id\b(?!\()|[vp]_(?:user_id|user|caller_key|tenant|organization)\b|app\.(?:user_id|caller_key|organization_id)\(\)"
    r"|\( ?SELECT app\.user_id\(\)[^)]*\)|\(select app\.user_id\(\)\))"
)
_PARAMETER = re.compile(r"(?:\b\w+\.)?\buser_id = (?:%s|\w+\.user_id\b|u\.id\b)")
# Another condition stands behind these: they are removed together with it, and alone nothing may be seen of that.
_BEHIND = {
    "search": ("find_by_meaning", "find_by_words", "nearest_embeddings", "rank_by_words"),
    "find_by_words": ("search", "rank_by_words"),
    "rank_by_words": ("search", "find_by_words"),
    "find_by_meaning": ("search", "nearest_embeddings"),
    "nearest_embeddings": ("search", "find_by_meaning"),
}
# Conditions, by their number in the source, whose removal nobody can see: of what is only locked; between two others
# that each suffice; of ids that are made of the user's own; of what an import compares, and of the other parts of a
# document.
_UNSEEN = {
    ("count_unit", 1),
    ("count_embedding_tokens", 1),
    ("append_messages", 0),
    ("documents", 0),
    ("documents", 1),
    ("documents", 6),
    ("documents", 7),
    ("interactions", 1),
}


def prove_trials(
    database: ScratchDatabase, emulator: Emulator, verdict: Verdict, trials: int, processes: int, seed: int = 1
) -> None:
    """So many random attempts of one tenant at what is another's."""
    populate(database, TENANTS)
    environment = function_environment(database.app_url, emulator.url)
    functions = Functions(environment)
    keys = [make_access_key(functions, str(tenant.caller.user_id))["key"] for tenant in tenants(TENANTS)]
    functions.close()
    made, leaks = 0, list[str]()
    with workers(processes, attempts, processes, database.app_url, environment, keys, seed) as running:
        while made < trials:
            for worker in running:
                worker.send(min(_ROUND, math.ceil((trials - made) / processes)))
            for count, found in gather(running):
                made += count
                leaks += found
    verdict(
        f"{made} attempts of {len(ATTACKS) + 1} kinds among {TENANTS} tenants: cross-tenant reads",
        not leaks,
        len(leaks),
    )
    for leak in sorted(set(leaks))[:10]:
        print(f"        {leak}")


def populate(database: ScratchDatabase, count: int) -> None:
    """Give so many tenants something to lose."""
    app = Database(database.app_url)
    with database.connect() as owner:
        owner.execute("update app.ai_tiers set daily_units = null, daily_embedding_tokens = null")
        owner.execute("update app.ai_tiers set daily_units = 0 where tier = 'premium'")
        for tenant in tenants(count):
            settle(tenant, app)
            furnish(owner, tenant)
    app.close()


def attempts(
    connection: Connection,
    number: int,
    processes: int,
    url: str,
    environment: dict[str, str],
    keys: Sequence[str],
    seed: int,
) -> None:
    """A process: makes as many attempts as each message says, answers with how many it made and what leaked."""
    silence()
    chance, database, functions = random.Random(seed + number), Database(url), Functions(environment)
    thieves = [Thief(database, tenant) for tenant in tenants(TENANTS)]
    names = list(ATTACKS)
    for trials in messages(connection):
        leaks = []
        for trial in range(trials):
            # Each process has thieves of its own: what they count is theirs alone.
            me = chance.randrange(number, TENANTS, processes)
            victim = chance.choice([other for other in range(TENANTS) if other != me])
            try:
                if trial % ONE_IN == 0:
                    _over_http(functions, Tenant(me), Tenant(victim), keys[me], chance)
                else:
                    thieves[me].attack(chance.choice(names), Tenant(victim), chance)
            except Leak as leak:
                leaks.append(str(leak))
        connection.send((trials, leaks))


def _over_http(functions: Functions, me: Tenant, victim: Tenant, key: str, chance: random.Random) -> None:
    """One request for what is the victim's, or for what is one's own where that could be mixed up; by a token, or by a
    machine key, which carries no organization.
    """
    caller, by_key = me.caller, chance.random() < 0.5
    token = key if by_key else make_token(caller.user_id, organization_id=caller.organization_id)
    name, method, target, body = chance.choice((
        ("account", "GET", f"/api/conversations/{victim.id('conversation')}", None),
        ("account", "GET", "/api/conversations", None),
        ("account", "GET", "/api/settings", None),
        ("account", "GET", "/api/interactions", None),
        ("account", "GET", "/api/usage/history?group_by=model", None),
        ("account", "GET", "/api/usage/access-keys", None),
        ("search", "GET", f"/api/documents/{victim.id('document')}", None),
        ("chat", "POST", "/api/chat", {"message": "hello", "conversation_id": victim.id("conversation")}),
        ("chat", "POST", "/api/chat", {"message": f"What is fjord {chance.randrange(50)}?"}),
        ("wire", "POST", "/v1/chat/completions", openai_request(f"What is fjord {chance.randrange(50)}?")),
        ("wire", "GET", "/v1/models", None),
        ("search", "POST", "/api/search", {"query": f"What is fjord {chance.randrange(50)}?", "mode": "keyword"}),
    ))  # fmt: skip
    answer = functions.request(name, method, target, body, token=token)
    foreign = set(re.findall(r"belongs-to-[a-z]+-\d+", answer.text)) - ({me.own} if by_key else {me.own, me.shared})
    refused = by_key and answer.status == 403 and answer.json["code"] == "access_key_not_accepted"
    if (
        foreign
        or (answer.status not in (200, 404, 409, 429) and not refused)
        or (victim.id("conversation") in target and answer.status != 404 and not refused)
    ):
        raise Leak(f"{method} {target}: {answer.status} {answer.json.get('code')} {sorted(foreign)}")


@dataclass(frozen=True)
class Mutant:
    """A function, or a service's module, without one of its tenant conditions."""

    name: str
    source: str
    place: tuple[int, int]
    replacement: str

    @property
    def mutated(self) -> str:
        """The source without the condition."""
        return self.source[: self.place[0]] + self.replacement + self.source[self.place[1] :]

    def __str__(self) -> str:
        line = self.source.count("\n", 0, self.place[0]) + 1
        return f"{self.name}, line {line}: {self.source[slice(*self.place)]}"


def prove_fences(database: ScratchDatabase, verdict: Verdict, sample: int | None = None) -> None:
    """Remove each tenant condition once (or only a sample of them), with the other fence down and with it up."""
    populate(database, 8)
    with database.connect() as owner:
        _promote(owner, Tenant(4))
        mutants = [*_of_functions(owner), *_of_services()]
    if sample is not None:
        mutants = random.Random(sample).sample(mutants, sample)
    bad = [
        f"unmutated, row-level security {'on' if secured else 'off'}: {seen}"
        for secured in (True, False)
        if (seen := _seen(database, None, secured=secured))
    ]
    unnoticed, leaked = [], []
    for mutant in mutants:
        behind = _BEHIND.get(mutant.name, ())
        if behind and (seen := _seen(database, None, secured=False, leaks_only=True, opened=behind)):
            bad.append(f"{mutant.name} alone: {seen}")
        if not _seen(database, mutant, secured=False, leaks_only=bool(behind), opened=behind):
            unnoticed.append(str(mutant))
        if seen := _seen(database, mutant, secured=True, leaks_only=True):
            leaked.append(f"{mutant}: {seen}")
    verdict("either fence alone, and both: reads or writes across tenants", not bad, len(bad))
    verdict(f"{len(mutants)} conditions removed without row-level security: not noticed", not unnoticed, len(unnoticed))
    verdict(f"{len(mutants)} conditions removed with row-level security: leaks", not leaked, len(leaked))
    for line in (*bad, *unnoticed, *leaked):
        print(f"        {line}")


def prove_stolen_logins(database: ScratchDatabase, verdict: Verdict) -> None:
    """Try everything that a stolen login could, as each of the two."""
    wrong = []
    with database.connect() as owner:
        before = catalog_snapshot(owner)
        for login in LOGINS:
            refused = REFUSED if login == "service" else {**REFUSED, **SERVICE_ONLY}
            for name, statements in {**REFUSED, **SERVICE_ONLY, **POSSIBLE}.items():
                with database.connect(login) as thief:
                    if (found := attempt(thief, statements)) != ("42501" if name in refused else None):
                        wrong.append(f"parley_{login}: {name}: {found or 'possible'}")
            with database.connect(login) as thief:
                ran = shadowed_calls(owner, thief, f"parley_{login}")
                wrong += [f"parley_{login}: a shadowed type in {name} {role}" for name, role in ran.items()]
        if catalog_snapshot(owner) != before:
            wrong.append("the catalog is another afterwards")
    tried = len(LOGINS) * (len(REFUSED) + len(SERVICE_ONLY) + len(POSSIBLE) + 1)
    verdict(f"{tried} attempts with a stolen login: went otherwise than docs/operations.md says", not wrong, len(wrong))
    for line in wrong:
        print(f"        {line}")


def _of_functions(owner: psycopg.Connection[Any]) -> list[Mutant]:
    rows = owner.execute(
        "select proname, pg_get_functiondef(oid) from pg_proc where proname = any(%s)"
        " and pronamespace in ('app'::regnamespace, 'public'::regnamespace) order by 1",
        (list(GUARDED),),
    ).fetchall()
    return [
        Mutant(name, source, found.span(), "true")
        for name, source in rows for number, found in enumerate(_CONDITION.finditer(source))
        if (name, number) not in _UNSEEN
        # Which of the rows that may be seen are the caller's own decides their rank, not their visibility.
        and not (name == "recommend_items" and not found[0].startswith("i."))
    ]  # fmt: skip


def _of_services() -> list[Mutant]:
    folder = CHECKOUT / "layers" / "parley" / "parley"
    files = ("chat/conversations.py", "search/documents.py", "search/interactions.py", "retrieval/retrieval.py")
    sources = {Path(file).stem: (folder / file).read_text() for file in files}
    return [
        Mutant(name, source, found.span(), "%s::text is not null" if "%s" in found[0] else "true")
        for name, source in sources.items() for number, found in enumerate(_PARAMETER.finditer(source))
        if (name, number) not in _UNSEEN
    ]  # fmt: skip


def _seen(
    template: ScratchDatabase,
    mutant: Mutant | None,
    *,
    secured: bool,
    leaks_only: bool = False,
    opened: Sequence[str] = (),
) -> str | None:
    """The first thing that somebody notices under a mutant, in a copy of the database; None where nobody does.

    Args:
        secured: whether row-level security is enabled.
        leaks_only: what merely fails, or is not as it should be, does not count.
        opened: further functions, which lose every tenant condition.
    """
    with ExitStack() as stack:
        database = stack.enter_context(new_database(template.server, template.name))
        owner = stack.enter_context(database.connect())
        services: dict[str, Any] = {}
        if not secured:
            _disable_row_level_security(owner)
        for (source,) in owner.execute(
            "select pg_get_functiondef(oid) from pg_proc where proname = any(%s)", (list(opened),)
        ).fetchall():
            owner.execute(_CONDITION.sub("true", source).encode())
        if mutant is not None and mutant.name in GUARDED:
            owner.execute(mutant.mutated.encode())
        elif mutant is not None:
            services[mutant.name] = _load(mutant)
        app = Database(database.app_url, patience=5)
        stack.callback(app.close)
        chance, victims = random.Random(1), (Tenant(0), Tenant(3))
        for me in (Tenant(4), Tenant(6), Tenant(5)):
            thief = Thief(app, me, **services)
            for name in (*ATTACKS, *LONELY_ATTACKS):
                for victim in victims * 2:
                    before = [fingerprint(owner, one) for one in victims]
                    try:
                        thief.attack(name, victim, chance)
                    except Leak as leak:
                        if not leaks_only or " saw " in str(leak):
                            return f"{name}: {leak}"
                    except (DatabaseError, DatabaseUnavailable) as error:
                        if not leaks_only:
                            return f"{name}: {error}"
                    if [fingerprint(owner, one) for one in victims] != before:
                        return f"{name}: {me.own} changed what is another's"
    return None


def _disable_row_level_security(owner: psycopg.Connection[Any]) -> None:
    tables = owner.execute("select oid::regclass::text from pg_class where relrowsecurity").fetchall()
    owner.execute("; ".join(f"alter table {table} disable row level security" for (table,) in tables).encode())


def _promote(owner: psycopg.Connection[Any], tenant: Tenant) -> None:
    """Give one tenant an index of its own, as the biggest have."""
    statements = owner.execute("select user_id, statement from app.tenant_index_statements(1, 50)").fetchall()
    for user, statement in statements:
        if user == tenant.caller.user_id:
            owner.execute(statement.encode())


def _load(mutant: Mutant) -> Any:
    """The service of a mutated module."""
    module = ModuleType(f"mutated_{mutant.name}")
    sys.modules[module.__name__] = module  # where pydantic looks annotations up
    exec(compile(mutant.mutated, mutant.name, "exec"), module.__dict__)
    return getattr(module, mutant.name.capitalize())


def main() -> int:
    """Run both; 1 when one does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    verdict = Verdict()
    with Emulator() as emulator:
        with migrated_server() as database:
            prove_trials(database, emulator, verdict, options.trials, options.processes)
        with migrated_server() as database:
            prove_stolen_logins(database, verdict)
            prove_fences(database, verdict)
    return verdict.status


if __name__ == "__main__":
    sys.exit(main())
