"""What the isolation matrix is held to: whose rows there are in each table, and who may do what to them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Row = Mapping[str, Any]

# Alice, Bob and Dana (its admin) are in acme, Carol is in globex.
ORGANIZATION = {"alice": "acme", "bob": "acme", "dana": "acme", "carol": "globex"}
PEOPLE: Sequence[str] = tuple(ORGANIZATION)
ORGANIZATIONS: Sequence[str] = ("acme", "globex")
CALLER_KEYS = {person: f"user:{person}" for person in PEOPLE} | {
    "visitor": "anonymous:0123456789abcdef",
    "stranger": "anonymous:fedcba9876543210",
}
_DAY = "2026-11-20"


def _id(table: str, label: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{table}/{label}"))


def _of_people(**columns: Any) -> dict[str, dict[str, Any]]:
    return {person: {"user_id": person} | columns for person in PEOPLE}


def _with_ids(table: str, rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {label: {"id": _id(table, label), **row} for label, row in rows.items()}


def _of_interviews(table: str, **columns: Any) -> dict[str, dict[str, Any]]:
    return {
        person: {"id": _id(table, person), "interview_id": _id("interview_sessions", person)} | columns
        for person in PEOPLE
    }


def _usage(table: str, day: str) -> dict[str, dict[str, Any]]:
    return {
        person: {
            "id": _id(table, person), "user_id": person, "organization_id": ORGANIZATION[person],
            "tier": "free", "provider": "openai", "model": "m", "operation_type": "chat", "created_at": day,
        }
        for person in PEOPLE
    }  # fmt: skip


_EVERYBODY = "public"
_SEGMENTS: Mapping[str, tuple[int, str | None]] = {
    **{person: (100 + number, person) for number, person in enumerate(PEOPLE)},
    _EVERYBODY: (200, None),
}
# Table -> label -> row. Labels are people, organizations, anonymous callers, or `public` for what is nobody's.
ROWS: Mapping[str, Mapping[str, Row]] = {
    "public.user": {person: {"id": person} for person in PEOPLE},
    "public.organization": {name: {"id": name} for name in ORGANIZATIONS},
    "public.ai_provider_preferences": {
        **{
            person: {
                "id": 100 + number, "user_id": person, "organization_id": ORGANIZATION[person],
                "preferred_provider": "gemini", "is_active": True,
            }
            for number, person in enumerate(PEOPLE)
        },
        **{
            name: {
                "id": 200 + number, "user_id": None, "organization_id": name,
                "preferred_provider": "gemini", "is_active": True,
            }
            for number, name in enumerate(ORGANIZATIONS)
        },
    },
    "public.user_ai_settings": _with_ids("user_ai_settings", _of_people(preferred_provider="openai")),
    "public.ai_conversations": _with_ids(
        "ai_conversations", _of_people(title="t", messages="[]", model="m", model_used="m")
    ),
    "public.ai_usage": _usage("ai_usage", _DAY),
    "app.usage_archive": _usage("usage_archive", "2020-01-15"),
    "public.user_ai_usage": _with_ids(
        "user_ai_usage", _of_people(period_start=_DAY, period_end="2026-11-21", request_count=1)
    ),
    "public.embeddings": {
        **_with_ids("embeddings", _of_people(content="c", metadata="{}")),
        _EVERYBODY: {"id": "public-document", "user_id": None, "content": "c", "metadata": "{}"},
    },
    "app.word_segments": {
        label: {
            "segment": number, "collection": "documents", "user_id": user, "stemmer": "simple", "chunks": 1, "words": 1,
            "numbers": [1],
        }
        for label, (number, user) in _SEGMENTS.items()
    },
    "app.word_postings": {
        label: {
            "segment": number, "term": label, "chunks": 1, "numbers": [1], "frequencies": [1], "lengths": [1],
        }
        for label, (number, _) in _SEGMENTS.items()
    },
    "public.content_items": {
        _EVERYBODY: {"id": _id("content_items", _EVERYBODY), "content_type": "route", "title": "t"}
    },
    "public.ai_content_searches": _with_ids("ai_content_searches", _of_people(query="q", content_type="route")),
    "public.ai_response_cache": {
        **{
            person: {
                "id": _id("ai_response_cache", person), "query_hash": person, "tenant": f"user:{person}",
                "provider": "openai", "model": "m", "model_used": "m", "response": "r", "created_by": person,
                "expires_at": "2099-01-01",
            }
            for person in PEOPLE
        },
        **{
            name: {
                "id": _id("ai_response_cache", name), "query_hash": name, "tenant": f"organization:{name}",
                "provider": "openai", "model": "m", "model_used": "m", "response": "r", "created_by": first,
                "expires_at": "2099-01-01",
            }
            for name, first in (("acme", "alice"), ("globex", "carol"))
        },
    },
    "public.ai_precomputed_responses": {
        _EVERYBODY: {"id": _id("faq", _EVERYBODY), "pattern": "hello *", "response": "r"}
    },
    "public.user_interactions": _with_ids(
        "user_interactions", _of_people(interaction_type="view", item_type="product", item_id="1", metadata="{}")
    ),
    "public.profiles": {person: {"id": person, "name": "n"} for person in PEOPLE},
    "public.practice_attempts": _with_ids("practice_attempts", _of_people(question="q")),
    "public.interview_sessions": _with_ids("interview_sessions", _of_people(title="t")),
    "app.question_generations": {
        person: {
            "id": f"generation-{person}", "user_id": person, "questions": "[]", "description": "d", "category": "mixed",
            "language": "en", "created_at": _DAY,
        }
        for person in PEOPLE
    },
    "public.interview_responses": _of_interviews("interview_responses", role="user", content="c", sequence_number=1),
    "public.interview_feedback": {
        person: row | {"user_id": person} for person, row in _of_interviews("interview_feedback").items()
    },
    "public.voice_analytics": _of_interviews("voice_analytics", filler_words_count=1),
    "public.achievements": _with_ids("achievements", _of_people(achievement_type="a", title="t")),
    "public.user_progress": _with_ids("user_progress", _of_people(skill="s")),
    "public.streaks": _with_ids("streaks", _of_people(current_streak=1)),
    # Carol and Bob opted out.
    "public.leaderboard": {
        person: {"id": _id("leaderboard", person), "user_id": person, "opted_out": person in ("bob", "carol")}
        for person in PEOPLE
    },
    "app.ai_requests": {
        label: {
            "id": f"request-{label}", "caller_key": caller_key, "user_id": label if label in PEOPLE else None,
            "operation": "chat", "lease_until": "2099-01-01",
        }
        for label, caller_key in CALLER_KEYS.items()
    },
    "app.anonymous_usage": {
        label: {"caller_key": CALLER_KEYS[label], "last_reset_date": _DAY} for label in ("visitor", "stranger")
    },
    "app.ai_tiers": {_EVERYBODY: {"tier": "free"}},
    "app.settings": {_EVERYBODY: {"only_row": True}},
    "app.organization_policies": {name: {"organization_id": name} for name in ORGANIZATIONS},
    "app.deleted_subjects": {
        person: {"subject_hash": hashlib.sha256(person.encode()).digest()} for person in PEOPLE
    },
    "app.cache_fills": {
        label: {
            "tenant": tenant, "query_hash": "h", "provider": "openai", "model": "m", "request_id": "r",
            "lease_until": "2099-01-01",
        }
        for label, tenant in {
            **{person: f"user:{person}" for person in PEOPLE},
            **{name: f"organization:{name}" for name in ORGANIZATIONS},
        }.items()
    },
    "app.usage_by_day": {
        name: {
            "id": 100 + number, "day": _DAY, "organization_id": name, "provider": "openai", "model": "m",
            "operation_type": "chat", "own_key": False, "calls": 1, "tokens": 1, "unpriced_calls": 0,
        }
        for number, name in enumerate(ORGANIZATIONS)
    },
    "app.rolled_up_days": {_EVERYBODY: {"day": _DAY}},
    "app.access_keys": {
        **{
            person: {
                "id": _id("access_keys", person), "user_id": person, "name": "k", "last_four": "abcd",
                "key_hash": hashlib.sha256(person.encode()).digest(), "scopes": ["chat"],
            }
            for person in PEOPLE
        },
        **{
            name: {
                "id": _id("access_keys", name), "user_id": "erin", "organization_id": name, "name": "k",
                "key_hash": hashlib.sha256(name.encode()).digest(), "last_four": "abcd", "scopes": ["chat"],
            }
            for name in ORGANIZATIONS
        },
    },
    "app.access_key_usage": {
        **{
            person: {"access_key_id": _id("access_keys", person), "day": _DAY, "user_id": person} for person in PEOPLE
        },
        **{
            name: {
                "access_key_id": _id("access_keys", name), "day": _DAY, "user_id": "erin", "organization_id": name,
            }
            for name in ORGANIZATIONS
        },
    },
    "app.provider_keys": {
        person: {"user_id": person, "provider": "openai", "ciphertext": b"c", "last_four": "abcd"}
        for person in PEOPLE
    },
    "app.webhook_events": {
        _EVERYBODY: {"id": 1, "provider": "vapi", "event_key": "k", "type": "t", "payload": "{}"}
    },
    "app.call_deletions": {_EVERYBODY: {"call_id": "c"}},
    "app.xp_events": {
        person: {"id": 100 + n, "user_id": person, "event_key": "k", "amount": 1, "reason": "r", "local_date": _DAY}
        for n, person in enumerate(PEOPLE)
    },
    "app.achievement_catalogue": {
        _EVERYBODY: {
            "achievement_type": "a", "title": "t", "description": "d", "icon": "i", "xp_reward": 1,
            "metric": "interviews", "target": 1,
        }
    },
    "app.leaderboard_scores": {
        person: {
            "period": "all_time", "period_key": "", "user_id": person, "score": 1, "reached_at": _DAY,
            "is_hidden": person in ("bob", "carol"),
        }
        for person in PEOPLE
    },
    "app.leaderboard_histogram": {
        _EVERYBODY: {"period": "all_time", "period_key": "", "bucket": 1, "members": 2}
    },
}  # fmt: skip


# Relations that show another's rows -> that other one.
_SHOWS: Mapping[str, str] = {
    "public.ai_usage_logs": "public.ai_usage",
    "app.ai_usage_YYYY_MM": "public.ai_usage",
    "app.ai_usage_rest": "public.ai_usage",
    "app.public_embeddings": "public.embeddings",
    "app.searchable_content": "public.content_items",
}


def rows_of(table: str) -> Mapping[str, Row]:
    """The labelled rows of a table; none where nobody's rows are told apart."""
    return ROWS.get(_SHOWS.get(table, table), {})


@dataclass(frozen=True)
class Access:
    """Who may do what, in clauses like `own: select update; public: select`.

    What comes before the colon is a scope: `own` (the actor's rows), `organization` (its organization's), `members`
    (those of the people in it), `shown` (of people who did not opt out), `public` (nobody's), `all`; `*` where
    nobody's rows are told apart. An admin gets what a user gets unless said otherwise, nobody (no claims) nothing.

    Attributes:
        nobody: what the service's roles may do without claims.
        app: what the login parley_app may do beyond the API's roles, by kind of actor.
        definer: what the functions that run as parley_definer can reach at all, by kind of actor.
        owner: what the functions that run as parley_owner can reach, whoever calls.
    """

    anonymous: str = ""
    user: str = ""
    admin: str | None = None
    service: str = ""
    nobody: str = ""
    app: Mapping[str, str] = field(default_factory=dict)
    definer: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""

    def clauses(self, way: str, role: str, kind: str) -> str:
        """The expectation for one kind of actor that comes one way."""
        if way == "owner":
            return self.owner
        if way == "definer":
            return self.definer.get(kind, self.definer.get("user", "") if kind == "admin" else "")
        special = self.app if role == "parley_app" else {}
        if kind == "admin":
            default = self.user if self.admin is None else self.admin
            return special.get(kind, special.get("user", default))
        nobody = self.nobody if role in ("service_role", "parley_service") else ""
        default = {"anonymous": self.anonymous, "user": self.user, "service": self.service, "nobody": nobody}[kind]
        return special.get(kind, default)


def scope_labels(scope: str, labels: frozenset[str], own: str, organization: str) -> frozenset[str]:
    """The labels that a scope stands for, among those that a table has."""
    match scope:
        case "all" | "*":
            return labels
        case "own":
            return labels & {own}
        case "organization":
            return labels & {organization}
        case "members":
            return labels & {person for person in PEOPLE if ORGANIZATION[person] == organization}
        case "shown":
            return labels & {"alice", "dana"}
        case "public":
            return labels & {_EVERYBODY}
        case _:
            raise ValueError(f"unknown scope: {scope}")


def expected(
    access: Access, *, way: str, role: str, kind: str, own: str, organization: str, labels: frozenset[str]
) -> dict[str, frozenset[str]]:
    """Verb -> the labels whose rows the actor may touch with it."""
    found: dict[str, frozenset[str]] = {verb: frozenset() for verb in ("select", "insert", "update", "delete")}
    for clause in filter(None, access.clauses(way, role, kind).split("; ")):
        scope, verbs = clause.split(": ")
        for verb in verbs.split():
            found[verb] |= scope_labels(scope, labels, own, organization)
    return found


_ALL = "all: select insert update delete"
_OWN_ALL = "own: select insert update delete"
_WRITES = "own: select insert update"
_COUNTED = {"user": _WRITES, "service": "all: select insert update"}
_READ_BY_ALL = {"anonymous": "all: select", "user": "all: select", "service": "all: select"}
# Written by the functions of the schema alone, seen by its owner.
_DERIVED = Access(user="own: select", service=_ALL, definer=_COUNTED)
_STANDINGS = {
    "anonymous": "shown: select",
    "user": "shown: select; own: select insert update",
    "service": "all: select insert update",
}

_BY_CALLER: Mapping[str, Access] = {
    # Who there is.
    "public.user": Access(
        user="own: select", service="all: select insert delete",
        definer={"user": "own: select insert delete", "service": "all: select insert delete"},
    ),
    "public.organization": Access(
        user="organization: select", service="all: select insert delete",
        definer={"user": "organization: select insert", "service": "all: select insert"},
    ),
    "app.deleted_subjects": Access(definer={"user": "own: select insert", "service": "all: select insert"}),
    # Which provider.
    "public.ai_provider_preferences": Access(
        user="own: select insert update; organization: select",
        admin="members: select; own: insert update; organization: select insert update",
        service=_ALL,
        definer={
            "user": "own: select insert update; organization: select",
            "admin": "members: select; own: insert update; organization: select insert update",
            "service": "all: select",
        },
    ),
    "app.organization_policies": Access(
        user="organization: select",
        definer={"user": "organization: select", "admin": "organization: select insert update"},
    ),
    "app.access_keys": Access(definer={"user": _WRITES, "admin": f"{_WRITES}; organization: select update"}),
    "app.access_key_usage": Access(definer={"user": _WRITES, "admin": f"{_WRITES}; organization: select"}),
    "app.provider_keys": Access(service="all: select update", definer={"user": _OWN_ALL}),
    # What may be used, and was.
    "app.settings": Access(
        anonymous="all: select", user="all: select", service="all: select update", definer=_READ_BY_ALL
    ),
    "app.ai_tiers": Access(
        user="all: select", service=_ALL, app={"anonymous": "all: select"}, definer=_READ_BY_ALL
    ),
    "public.user_ai_settings": Access(user=_WRITES, service=_ALL, definer=_COUNTED),
    "app.anonymous_usage": Access(definer={"anonymous": _OWN_ALL, "service": _ALL}),
    "app.ai_requests": Access(
        service="all: select", definer={"anonymous": _OWN_ALL, "user": _OWN_ALL, "service": _ALL}
    ),
    "public.ai_usage": Access(
        user="own: select", admin="members: select", service=_ALL,
        definer={"user": "own: select insert", "admin": "members: select; own: insert", "service": "all: insert"},
    ),
    "public.ai_usage_logs": Access(service=_ALL),
    "app.ai_usage_YYYY_MM": Access(),
    "app.ai_usage_rest": Access(),
    "app.usage_archive": Access(definer={"user": "own: select"}),
    "public.user_ai_usage": Access(user="own: select", service="all: select", definer=_COUNTED),
    "app.usage_by_day": Access(admin="organization: select", service=_ALL),
    "app.rolled_up_days": Access(
        user="all: select", service=_ALL, app={"anonymous": "all: select"},
        # A call that is recorded late opens its day again, whoever's it was.
        definer={"anonymous": "all: select delete", "user": "all: select delete", "service": "all: select delete"},
    ),
    # Conversations and answers.
    "public.ai_conversations": Access(user=_OWN_ALL, service=_ALL, definer={"user": _WRITES}),
    "public.ai_response_cache": Access(
        user="own: select; organization: select", service=_ALL,
        definer={
            "user": "own: select insert update; organization: select insert update",
            "admin": "own: select insert update; organization: select",
        },
    ),
    "app.cache_fills": Access(
        service="all: select delete",
        definer={"user": "own: select insert update delete; organization: select insert update delete"},
    ),
    "public.ai_precomputed_responses": Access(
        anonymous="all: select", user="all: select", service=_ALL, definer=_READ_BY_ALL
    ),
    # Search.
    "public.embeddings": Access(
        user="own: select insert update delete; public: select", service=_ALL,
        definer={"user": "own: select; public: select", "service": "all: select"},
    ),
    "app.public_embeddings": Access(
        definer=dict.fromkeys(("anonymous", "user", "service", "nobody"), "public: select")
    ),
    "app.word_segments": Access(definer={"user": "own: select; public: select", "service": "all: select"}),
    "app.word_postings": Access(definer={"user": "own: select; public: select", "service": "all: select"}),
    "app.searchable_chunks": Access(
        definer=dict.fromkeys(("anonymous", "user", "service", "nobody"), "*: select")
    ),
    "public.content_items": Access(user="all: select", service=_ALL),
    "app.searchable_content": Access(
        definer=dict.fromkeys(("anonymous", "user", "service", "nobody"), "all: select")
    ),
    "public.ai_content_searches": Access(
        user="own: select", service="all: select insert delete", definer=_COUNTED
    ),
    "public.user_interactions": Access(
        user=_WRITES, service=_ALL, definer={"user": "own: select"}
    ),
    # Interviews.
    "public.profiles": Access(user=_WRITES, service=_ALL, definer=_COUNTED),
    "public.practice_attempts": Access(
        user="own: select update delete", service=_ALL,
        definer={"user": "own: select insert", "service": "all: select"},
    ),
    "public.interview_sessions": Access(user="own: select update delete", service=_ALL, definer=_COUNTED),
    "public.interview_responses": Access(
        user="own: select", service=_ALL,
        definer={"user": "own: select insert", "service": "all: select insert"},
    ),
    "app.question_generations": Access(
        user="own: select", definer={"user": "own: select insert", "service": "all: select insert"}
    ),
    "public.interview_feedback": Access(
        user="own: select", service=_ALL,
        definer={"user": "own: select insert", "service": "all: select insert"},
    ),
    "public.voice_analytics": Access(
        user="own: select", service=_ALL,
        definer={"user": "own: select update", "service": "all: select"},
    ),
    "app.webhook_events": Access(service=_ALL),
    "app.call_deletions": Access(service=_ALL),
    # Gamification.
    "app.xp_events": _DERIVED,
    "public.achievements": _DERIVED,
    "public.user_progress": _DERIVED,
    "public.streaks": _DERIVED,
    "public.leaderboard": Access(
        anonymous="shown: select", user="shown: select; own: select", service=_ALL, definer=_STANDINGS
    ),
    "app.leaderboard_scores": Access(definer=_STANDINGS),
    # Counts of nobody in particular; the trigger that keeps them belongs to parley_owner.
    "app.leaderboard_histogram": Access(
        definer=dict.fromkeys(("anonymous", "user", "service"), "all: select")
    ),
    "app.achievement_catalogue": Access(
        user="all: select", definer={"user": "all: select", "service": "all: select"}
    ),
    # The operator's.
    "app.table_sizes": Access(service="*: select", nobody="*: select"),
    "app.index_usage": Access(service="*: select", nobody="*: select"),
    "app.adopted_tables": Access(),
    "app.schema_migrations": Access(),
}  # fmt: skip

# What the functions of parley_owner reach, whoever calls: all of their own tables, of others what they work on.
_LOCKED = "all: select update"
_KEPT = "all: select update delete"
_OWNER: Mapping[str, str] = {
    "public.user": "all: select insert delete", "app.deleted_subjects": "all: select insert",
    "public.ai_provider_preferences": _LOCKED, "public.user_ai_settings": _LOCKED, "public.profiles": _LOCKED,
    "app.provider_keys": _LOCKED, "public.leaderboard": _LOCKED, "app.leaderboard_scores": _KEPT,
    "app.settings": "all: select", "app.ai_requests": "all: select update delete",
    "app.cache_fills": "all: select delete", "app.webhook_events": "all: select insert delete",
    "app.call_deletions": "all: select insert update",
    "public.ai_usage": _KEPT, "public.ai_usage_logs": _KEPT, "app.ai_usage_YYYY_MM": _KEPT, "app.ai_usage_rest": _ALL,
    "app.usage_archive": _ALL, "app.usage_by_day": _ALL, "app.rolled_up_days": _ALL, "public.embeddings": _ALL,
    "app.leaderboard_histogram": _ALL, "app.word_segments": _ALL, "app.word_postings": _ALL,
}  # fmt: skip
EXPECTED: Mapping[str, Access] = {
    name: replace(access, owner=_OWNER.get(name, "")) for name, access in _BY_CALLER.items()
}
