"""The statements that the seeds' projects make, each as the role that makes it there, and what they come to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import sql

Result = Sequence[Mapping[str, str]] | int | str

ADA = "00000000-0000-0000-0000-00000000000a"
USER = "00000000-0000-0000-0000-000000000001"
_VECTOR = "array_fill(0.1, array[1536])::vector"


@dataclass(frozen=True)
class Statement:
    """One statement; `role` as PostgREST sets it, or `project`, the owner; `subject` whose token came with it."""

    role: str
    text: str
    subject: str | None = None

    def result(self, connection: psycopg.Connection[Any]) -> Result:
        """Its rows (as text, in one order), how many it wrote, or its SQLSTATE; what it did is rolled back."""
        claims = {"role": self.role} | ({"sub": self.subject} if self.subject else {})
        with connection.transaction(force_rollback=True):
            connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps(claims),))
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(self.role)))
            try:
                cursor = connection.execute(self.text.encode())
            except psycopg.Error as error:
                return error.sqlstate or str(error)
            if cursor.description is None:
                return cursor.rowcount
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, map(_text, row), strict=True)) for row in cursor.fetchall()]
            return sorted(rows, key=lambda row: list(row.values()))


def _text(value: object) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def _of(role: str, subject: str | None, *texts: str) -> list[Statement]:
    return [Statement(role, " ".join(text.split()), subject) for text in texts]


def differs(before: Result, after: Result) -> bool:
    """Whether the same statement did something else; columns that came later do not count."""
    if isinstance(before, Sequence) and not isinstance(before, str) and not isinstance(after, str | int):
        shown = [{name: row[name] for name in before[0]} for row in after] if before else list(after)
        return sorted(shown, key=lambda row: list(row.values())) != list(before)
    return before != after


STATEMENTS: Mapping[str, Sequence[Statement]] = {
    "s1_published": [
        *_of(
            "service_role",
            None,
            "select preferred_provider from ai_provider_preferences where organization_id = 'org_123' and is_active",
            "insert into ai_provider_preferences (organization_id, user_id, preferred_provider) "
            "values ('org_123', 'user_789', 'gemini')",
            "insert into ai_provider_preferences (organization_id, user_id, preferred_provider) "
            "values ('org_123', 'user_456', 'openai') on conflict (organization_id, user_id) "
            "do update set preferred_provider = excluded.preferred_provider",
            "insert into ai_provider_preferences (organization_id, preferred_provider) values ('org_123', 'gemini')",
            "update ai_provider_preferences set is_active = false where user_id = 'user_456'",
            "delete from ai_provider_preferences where user_id = 'user_456'",
            "select id, name, image_url, allowed_responses_count, plan from organization",
            "insert into organization (id, name, plan) values ('org_789', 'Initech', 'free')",
            "insert into organization (name, plan) values ('Initech', 'free')",
            "update organization set plan = 'free_trial_over', allowed_responses_count = 0 where id = 'org_123'",
            "delete from organization where id = 'org_456'",
            """select email from "user" where organization_id = 'org_123'""",
            """insert into "user" (id, email, organization_id) values ('user_9', 'n@example.com', 'org_456')""",
            """update "user" set email = 'm@example.com' where id = 'user_789'""",
            """delete from "user" where id = 'user_789'""",
            """delete from "user" where id = 'user_456'""",
            "select i.name, o.plan from interview i join organization o on o.id = i.organization_id",
            "insert into interview (id, organization_id, user_id) values ('i2', 'org_123', 'user_789')",
            "insert into interview (id, organization_id) values ('i2', 'org_nobody')",
            "update resume_analyses set provider = 'openai'",
            "select * from plans_in_use",
        ),
        *_of(
            "anon",
            None,
            "select name from organization",
            """select email from "user" """,
            "select preferred_provider from ai_provider_preferences",
            "update organization set plan = 'pro'",
            "insert into organization (id, name) values ('org_789', 'Initech')",
            "update organization set name = 'Initrode' where id = 'org_123'",
            """insert into "user" (id, email, organization_id) values ('user_9', 'n@example.com', 'org_456')""",
            """update "user" set organization_id = 'org_456' where id = 'user_789'""",
            "insert into ai_provider_preferences (organization_id, user_id) values ('org_123', 'user_789')",
            "select name from interview",
            "insert into response (interview_id, call_id) values ('i1', 'call_2')",
            "select nextval('ai_provider_preferences_id_seq') > 0 as drawn",
            "select * from plans_in_use",
        ),
    ],
    "s2": [
        *_of(
            "authenticated",
            USER,
            "select tier, preferred_provider, daily_usage, monthly_usage from user_ai_settings",
            "select * from user_ai_settings",
            f"select tier from user_ai_settings where user_id = '{USER}'",
            "select tier from user_ai_settings where user_id = auth.uid()",
            "update user_ai_settings set preferred_provider = 'google'",
            f"insert into user_ai_settings (user_id) values ('{USER}') on conflict (user_id) do nothing",
            "update user_ai_settings set tier = 'premium'",
            "update user_ai_settings set daily_usage = daily_usage + 1",
            "update user_ai_settings set encrypted_api_keys = '{}'",
            "select messages, model_used, tokens_used, cost_usd from ai_conversations",
            "select * from ai_conversations",
            f"insert into ai_conversations (user_id, messages, model_used) values ('{USER}', '[]', 'gpt-4o-mini')",
            f"insert into ai_conversations (user_id, messages, model_used, tokens_used) "
            f"values ('{USER}', '[]', 'gpt-4o-mini', 5)",
            "update ai_conversations set messages = '[]'",
            "update ai_conversations set tokens_used = 1",
            "delete from ai_conversations",
            "select tokens_used from ai_usage_logs",
            f"insert into ai_usage_logs (user_id, tier, provider) values ('{USER}', 'free', 'openai')",
            "select query from ai_content_searches",
            f"insert into ai_content_searches (user_id, query, content_type) values ('{USER}', 'hills', 'route')",
        ),
        *_of(
            "anon",
            None,
            "select tier from user_ai_settings",
            "select messages from ai_conversations",
            "insert into ai_usage_logs (tier, provider) values ('free', 'openai')",
            "insert into ai_content_searches (query, content_type) values ('hills', 'route')",
        ),
        *_of(
            "service_role",
            None,
            "select tier, encrypted_api_keys, daily_usage from user_ai_settings where daily_usage is not null",
            f"update user_ai_settings set daily_usage = daily_usage + 1 where user_id = '{USER}'",
            f"update user_ai_settings set tier = 'premium', encrypted_api_keys = '{{}}' where user_id = '{USER}'",
            f"insert into user_ai_settings (user_id, tier) values ('{USER}', 'byok') "
            f"on conflict (user_id) do update set tier = excluded.tier",
            f"insert into ai_usage_logs (user_id, tier, provider, tokens_used, cost_usd) "
            f"values ('{USER}', 'free', 'openai', 12, 0.000018)",
            "select sum(tokens_used) as tokens, sum(cost_usd) as cost from ai_usage_logs",
            "select provider, tokens_used from ai_usage_logs where created_at > now() - interval '3 days'",
            "update ai_usage_logs set tokens_used = 0",
            "delete from ai_usage_logs where created_at < now() - interval '30 days'",
            f"insert into ai_conversations (user_id, messages, model_used) values ('{USER}', '[]', 'gpt-4o-mini')",
            "update ai_conversations set cost_usd = 0.5",
            "delete from ai_conversations where model_used = 'gemini-pro'",
            f"insert into ai_content_searches (user_id, query, content_type) values ('{USER}', 'hills', 'route')",
            "select query, results_count from ai_content_searches",
            "select reset_daily_ai_usage()",
            "select reset_monthly_ai_usage()",
        ),
        *_of(
            "project",
            None,
            "select tier from user_ai_settings",
            "select u.email from auth.users u join user_ai_settings s on s.user_id = u.id",
            "create temporary table report as select tier from user_ai_settings",
        ),
    ],
    "s3_published": [
        *_of(
            "authenticated",
            ADA,
            "select title, model, messages, total_tokens, total_cost from ai_conversations where id = 'test-conv-1'",
            "select * from ai_conversations where id = 'test-conv-1'",
            f"insert into ai_conversations (id, user_id, title, model) values ('c2', '{ADA}', 'Two', 'gpt-4o-mini')",
            f"insert into ai_conversations (id, user_id, title, model, total_tokens, total_cost) "
            f"values ('c2', '{ADA}', 'Two', 'gpt-4o-mini', 5, 0.1)",
            "update ai_conversations set title = 'Uno', messages = messages || '[]' where id = 'test-conv-1'",
            "update ai_conversations set total_tokens = total_tokens + 1 where id = 'test-conv-1'",
            "delete from ai_conversations where id = 'test-conv-1'",
            "select title from ai_conversations where user_id = auth.uid()",
            "select id, content, metadata, user_id from embeddings",
            f"insert into embeddings (id, user_id, content, embedding) values ('d', '{ADA}', 'x', {_VECTOR})",
            f"insert into embeddings (id, content, embedding) values ('d', 'x', {_VECTOR})",
            "update embeddings set metadata = '{}' where id = 'doc-3'",
            "delete from embeddings where id = 'doc-3'",
            f"select id, content from match_embeddings(query_embedding => {_VECTOR}, match_threshold => 0.5)",
            f"select id from match_embeddings({_VECTOR}, match_threshold => 0.5, match_count => 20, "
            f'filter_metadata => \'{{"category": "test"}}\') where similarity <= 1',
            'select delete_by_metadata(filter_metadata => \'{"category": "test"}\')',
            "select delete_by_metadata('{}')",
            "select clear_all_embeddings()",
            "select operation_type, model, tokens_total, cost, metadata from ai_usage",
            f"insert into ai_usage (user_id, operation_type, model) values ('{ADA}', 'chat', 'gpt-4o-mini')",
            "select total_requests, total_tokens, total_cost, by_operation, by_model from get_usage_stats()",
            f"select total_requests from get_usage_stats(user_uuid => '{ADA}')",
            "select total_requests from get_usage_stats(user_uuid => auth.uid())",
            "select name from members where id = auth.uid()",
        ),
        *_of(
            "anon",
            None,
            "select id from embeddings",
            "select title from ai_conversations",
            f"select id from match_embeddings({_VECTOR})",
            "select name from members",
        ),
        *_of(
            "service_role",
            None,
            "select id, user_id from embeddings",
            f"insert into embeddings (id, content, embedding) values ('d', 'x', {_VECTOR})",
            f"insert into ai_usage (user_id, operation_type, model, tokens_prompt, tokens_total, cost) "
            f"values ('{ADA}', 'chat', 'gpt-4o-mini', 1, 3, 0.000004)",
            "insert into ai_usage (user_id, operation_type, model) values (null, 'chat', 'gpt-4o-mini')",
            "select sum(tokens_total) as tokens from ai_usage",
            "delete from ai_usage where created_at < now() - interval '90 days'",
            f"select total_requests from get_usage_stats(user_uuid => '{ADA}')",
            "update ai_conversations set total_cost = 1 where id = 'test-conv-1'",
            "delete from ai_conversations where id = 'test-conv-1'",
        ),
        *_of(
            "project",
            None,
            "select u.id from auth.users u join ai_conversations c on c.user_id = u.id where c.id = 'test-conv-1'",
            "select m.name from members m where exists (select from ai_usage u where u.user_id = m.id)",
        ),
    ],
}
