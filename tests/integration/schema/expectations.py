"""What the isolation matrix is held to: whose rows there are in each table, and who may do what to them."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    return {label: {"id": _id(table, label)} | row for label, row in rows.items()}


def _of_interviews(table: str, **columns: Any) -> dict[str, dict[str, Any]]:
    return {
        person: {"id": _id(table, person), "interview_id": _id("interview_sessions", person)} | columns
        for person in PEOPLE
    }


def _usage() -> dict[str, dict[str, Any]]:
    return {
        person: {
            "id": _id("ai_usage", person), "user_id": person, "organization_id": ORGANIZATION[person],
            "tier": "free", "provider": "openai", "model": "m", "operation_type": "chat", "created_at": _DAY,
        }
        for person in PEOPLE
    }  # fmt: skip


_EVERYBODY = "public"
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
    "public.ai_usage": _usage(),
    "public.user_ai_usage": _with_ids(
        "user_ai_usage", _of_people(period_start=_DAY, period_end="2026-11-21", request_count=1)
    ),
    "public.embeddings": {
        **_with_ids("embeddings", _of_people(content="c", metadata="{}")),
        _EVERYBODY: {"id": "public-document", "user_id": None, "content": "c", "metadata": "{}"},
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
                "provider": "openai", "model": "m", "model_used": "m", "response": "r", "expires_at": "2099-01-01",
            }
            for name in ORGANIZATIONS
        },
        _EVERYBODY: {
            "id": _id("ai_response_cache", _EVERYBODY), "query_hash": "p", "tenant": "public",
            "provider": "openai", "model": "m", "model_used": "m", "response": "r", "expires_at": "2099-01-01",
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
            "operation": "chat",
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
            _EVERYBODY: "public",
        }.items()
    },
    "app.usage_by_day": {
        name: {
            "day": _DAY, "organization_id": name, "provider": "openai", "model": "m", "operation_type": "chat",
            "own_key": False, "calls": 1, "tokens": 1,
        }
        for name in ORGANIZATIONS
    },
    "app.rolled_up_days": {_EVERYBODY: {"day": _DAY}},
    "app.provider_keys": {
        person: {"user_id": person, "provider": "openai", "ciphertext": b"c", "last_four": "abcd"}
        for person in PEOPLE
    },
    "app.webhook_events": {
        _EVERYBODY: {"id": 1, "provider": "vapi", "event_key": "k", "type": "t", "payload": "{}"}
    },
    "app.xp_events": {
        person: {"id": 100 + n, "user_id": person, "event_key": "k", "amount": 1, "reason": "r", "local_date": _DAY}
        for n, person in enumerate(PEOPLE)
    },
    "app.achievement_catalogue": {_EVERYBODY: {"achievement_type": "first_interview"}},
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
    "app.usage_archive": "public.ai_usage",
    "app.public_embeddings": "public.embeddings",
    "app.searchable_content": "public.content_items",
}


def rows_of(table: str) -> Mapping[str, Row]:
    """The labelled rows of a table; none where nobody's rows are told apart."""
    return ROWS.get(_SHOWS.get(table, table), {})
