-- 97 export: everything personal of one user, table by table. What 98 deletes is here, but for what is derived from it or
-- nobody may see again; test_deletion.py compares the two with the catalogue.

-- It had no limit.
drop function if exists app.personal_records(text, text);

-- One statement over every table that has something personal; the branches of other kinds are not executed. What is left
-- out of a row is a secret (a key's ciphertext or hash) or computed of the rest (vectors, words of an index).
-- Of what a user may have very many of, no more is made than a page takes: a key tells which, before anything is read of
-- a row. Small kinds come whole.
--   1. Who the user is, what is set, and keys.
--   2. What was written and looked at. A message is a record: a conversation has no end.
--   3. Interviews, and what they earned.
--   4. What was used.
create or replace function app.personal_records(p_user_id text, p_kind text, p_after_key text, p_limit integer)
  returns table (key text, record jsonb)
  language sql stable
begin atomic
  -- 1.
  select u.id, to_jsonb(u) from public."user" u where p_kind = 'user' and u.id = p_user_id
  union all
  select p.id, to_jsonb(p) from public.profiles p where p_kind = 'profile' and p.id = p_user_id
  union all
  select s.user_id, to_jsonb(s) - 'encrypted_api_keys'
  from public.user_ai_settings s where p_kind = 'settings' and s.user_id = p_user_id
  union all
  select p.id::text, to_jsonb(p)
  from public.ai_provider_preferences p where p_kind = 'provider_preferences' and p.user_id = p_user_id
  union all
  select k.provider, to_jsonb(k) - array['ciphertext', 'kms_key_id']
  from app.provider_keys k where p_kind = 'provider_keys' and k.user_id = p_user_id
  union all
  select k.id::text, to_jsonb(k) - 'key_hash' from app.access_keys k where p_kind = 'access_keys' and k.user_id = p_user_id
  union all
  select concat(k.access_key_id, k.day), to_jsonb(k)
  from app.access_key_usage k where p_kind = 'access_key_usage' and k.user_id = p_user_id
  union all
  -- 2.
  select c.id, to_jsonb(c) - 'messages' from public.ai_conversations c where p_kind = 'conversations' and c.user_id = p_user_id
  union all
  select concat(c.id, ' ', lpad(m.position::text, 9, '0')),
    jsonb_build_object('conversation_id', c.id, 'position', m.position, 'message', m.message)
  from (
    select c.id, c.messages
    from (
      -- The last one's messages may go on. Sorted by their ids first (offset 0), so that a long one is not read to be left out.
      select c.id, c.messages from public.ai_conversations c
      where p_kind = 'conversation_messages' and c.user_id = p_user_id
        and (p_after_key is null or concat(c.id, ' ') collate "C" >= left(p_after_key, -9) collate "C")
      order by concat(c.id, ' ') collate "C" offset 0
    ) c
    -- One more, since the last one may have been at its end.
    where c.messages <> '[]' order by concat(c.id, ' ') collate "C" limit p_limit + 1
  ) c,
    jsonb_array_elements(case jsonb_typeof(c.messages) when 'array' then c.messages else jsonb_build_array(c.messages) end)
      with ordinality as m (message, position)
  union all
  select d.id, jsonb_build_object('id', d.id, 'external_id', d.external_id, 'document_id', d.document_id, 'position', d.position,
    'title', d.title, 'content', d.content, 'language', d.language, 'metadata', d.metadata, 'model', d.model,
    'created_at', d.created_at, 'updated_at', d.updated_at)
  from (
    select d.* from public.embeddings d
    where p_kind = 'documents' and d.user_id = p_user_id
      and (p_after_key is null or d.id collate "C" > p_after_key collate "C")
    order by d.id collate "C" limit p_limit
  ) d
  union all
  select s.id::text, to_jsonb(s)
  from (
    select s.* from public.ai_content_searches s
    where p_kind = 'searches' and s.user_id = p_user_id
      and (p_after_key is null or s.id::text collate "C" > p_after_key collate "C")
    order by s.id::text collate "C" limit p_limit
  ) s
  union all
  select i.id::text, to_jsonb(i)
  from (
    select i.* from public.user_interactions i
    where p_kind = 'interactions' and i.user_id = p_user_id
      and (p_after_key is null or i.id::text collate "C" > p_after_key collate "C")
    order by i.id::text collate "C" limit p_limit
  ) i
  union all
  select g.id, to_jsonb(g) from app.question_generations g where p_kind = 'question_generations' and g.user_id = p_user_id
  union all
  -- 3.
  select s.id::text, to_jsonb(s) - 'request_hash' from public.interview_sessions s where p_kind = 'interviews' and s.user_id = p_user_id
  union all
  select r.id::text, to_jsonb(r)
  from public.interview_responses r join public.interview_sessions s on s.id = r.interview_id
  where p_kind = 'interview_responses' and s.user_id = p_user_id
  union all
  select f.id::text, to_jsonb(f) from public.interview_feedback f where p_kind = 'interview_feedback' and f.user_id = p_user_id
  union all
  select v.id::text, to_jsonb(v)
  from public.voice_analytics v join public.interview_sessions s on s.id = v.interview_id
  where p_kind = 'voice_analytics' and s.user_id = p_user_id
  union all
  select a.id::text, to_jsonb(a) from public.practice_attempts a where p_kind = 'practice_attempts' and a.user_id = p_user_id
  union all
  select u.skill, to_jsonb(u) from public.user_progress u where p_kind = 'progress' and u.user_id = p_user_id
  union all
  select lpad(e.id::text, 19, '0'), to_jsonb(e) from app.xp_events e where p_kind = 'xp_events' and e.user_id = p_user_id
  union all
  select a.achievement_type, to_jsonb(a) from public.achievements a where p_kind = 'achievements' and a.user_id = p_user_id
  union all
  select s.user_id, to_jsonb(s) from public.streaks s where p_kind = 'streaks' and s.user_id = p_user_id
  union all
  select l.user_id, to_jsonb(l) from public.leaderboard l where p_kind = 'leaderboard' and l.user_id = p_user_id
  union all
  select concat_ws(' ', s.organization_id, s.period, s.period_key), to_jsonb(s)
  from app.leaderboard_scores s where p_kind = 'leaderboard_scores' and s.user_id = p_user_id
  union all
  -- 4.
  select u.id::text, to_jsonb(u)
  from (
    select u.* from public.ai_usage u
    where p_kind = 'usage' and u.user_id = p_user_id
      and (p_after_key is null or u.id::text collate "C" > p_after_key collate "C")
    order by u.id::text collate "C" limit p_limit
  ) u
  union all
  select u.id::text, to_jsonb(u)
  from (
    select u.* from app.usage_archive u
    where p_kind = 'archived_usage' and u.user_id = p_user_id
      and (p_after_key is null or u.id::text collate "C" > p_after_key collate "C")
    order by u.id::text collate "C" limit p_limit
  ) u
  union all
  select u.id::text, to_jsonb(u) from public.user_ai_usage u where p_kind = 'usage_by_month' and u.user_id = p_user_id
  union all
  select r.id, to_jsonb(r) - array['caller_key', 'body_hash', 'fence', 'lease_until']
  from (
    select r.* from app.ai_requests r
    where p_kind = 'requests' and r.user_id = p_user_id
      and (p_after_key is null or r.id collate "C" > p_after_key collate "C")
    order by r.id collate "C" limit p_limit
  ) r
  union all
  select c.id::text, jsonb_build_object('id', c.id, 'message', c.message, 'response', c.response, 'provider', c.provider,
    'model', c.model, 'created_at', c.created_at, 'expires_at', c.expires_at)
  from (
    -- By name: an application may drop the optional column embedding.
    select c.id, c.message, c.response, c.provider, c.model, c.created_at, c.expires_at from public.ai_response_cache c
    where p_kind = 'stored_answers' and c.created_by = p_user_id
      and (p_after_key is null or c.id::text collate "C" > p_after_key collate "C")
    order by c.id::text collate "C" limit p_limit
  ) c;
end;
comment on function app.personal_records(text, text, text, integer) is
  'The records of one kind that are a user''s, each with what tells it from the others of its kind: at least the first p_limit after p_after_key (null: from the '
  'first one), and of kinds without end not many more.';

-- Kind after kind, so that a user with nothing in most tables gets everything in one round trip.
create or replace function app.export_user(p_user_id text, p_after_kind text, p_after_key text, p_limit integer)
  returns table (kind text, key text, record jsonb)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_kinds constant text[] := array[
    'user', 'profile', 'settings', 'provider_preferences', 'provider_keys', 'access_keys', 'access_key_usage', 'conversations',
    'conversation_messages', 'documents', 'searches', 'interactions', 'question_generations', 'interviews',
    'interview_responses', 'interview_feedback', 'voice_analytics', 'practice_attempts', 'progress', 'xp_events',
    'achievements', 'streaks', 'leaderboard', 'leaderboard_scores', 'usage', 'archived_usage', 'usage_by_month', 'requests',
    'stored_answers'];
  v_first constant integer := coalesce(pg_catalog.array_position(v_kinds, p_after_kind), 1);
  v_after text := case when p_after_kind = v_kinds[v_first] then p_after_key end;
  v_left integer := p_limit;
  v_found integer;
begin
  perform app.require_caller(p_user_id);
  for v_number in v_first .. pg_catalog.cardinality(v_kinds) loop
    return query
      select v_kinds[v_number], r.key, r.record from app.personal_records(p_user_id, v_kinds[v_number], v_after, v_left) r
      where v_after is null or r.key collate "C" > v_after collate "C"
      order by r.key collate "C" limit v_left;
    get diagnostics v_found = row_count;
    v_left := v_left - v_found;
    v_after := null;
    exit when v_left <= 0;
  end loop;
end $$;
comment on function app.export_user(text, text, text, integer) is
  'The next records of everything personal of a user, after the last one''s kind and key; null for both: the first ones. Raises 42501 for '
  'another''s id.';

drop policy if exists "An export reads what is archived of its user" on app.usage_archive;
create policy "An export reads what is archived of its user" on app.usage_archive for select to parley_definer
  using (user_id = (select app.user_id()));
select app.give_to('parley_definer', 'app.export_user(text, text, text, integer)');
grant select on app.usage_archive to parley_definer;
grant execute on function app.personal_records(text, text, text, integer) to parley_definer;
grant execute on function app.export_user(text, text, text, integer) to parley_app;
revoke all on all functions in schema app from public;
