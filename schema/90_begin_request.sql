-- 90 begin request: what happens before a model call, a search or an import, in one statement. docs/architecture.md has the
-- contract. The order is that of cost: an earlier request with this key, a precomputed response, the route, the cache, and
-- only then a unit.

-- The end of a conversation, as much of it as may be sent.
--   1. What can be sent: turns of a user, an assistant or a tool that have a text or something beside it.
--   2. How much newer ones take before each. A long message counts as an eighth of the bound: one that is cut makes room
--      for others. Each counts 15 more, so that the number of short ones is bounded too.
--   3. The newest that fit; of one that is longer than the bound, its two ends.
create or replace function app.conversation_tail(p_messages jsonb, p_characters integer) returns jsonb
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    -- 1.
    with turn as (
      select m.message ->> 'role' as role, m.message ->> 'content' as content, m.position,
        jsonb_strip_nulls(jsonb_build_object(
          'tool_calls', m.message -> 'tool_calls', 'tool_call_id', m.message -> 'tool_call_id',
          'failed', m.message -> 'failed', 'media', m.message -> 'media')) as more
      from jsonb_array_elements(case jsonb_typeof(p_messages) when 'array' then p_messages else '[]' end)
        with ordinality as m (message, position)
      where (m.message ->> 'role' in ('user', 'assistant') or m.message ->> 'role' = 'tool' and m.message ? 'tool_call_id')
        and jsonb_typeof(m.message -> 'content') = 'string'
        and (m.message ->> 'content' <> '' or m.message ?| '{tool_calls,tool_call_id,media}')
    -- 2.
    ), counted as (
      select t.*, coalesce(
        sum(15 + least(length(t.content), p_characters / 8) + case when t.more <> '{}' then length(t.more::text) else 0 end)
          over (order by t.position desc rows between unbounded preceding and 1 preceding), 0) as newer
      from turn t
    )
    -- 3.
    select jsonb_build_object(
      'turns', count(*),
      'messages', coalesce(
        jsonb_agg(
          jsonb_build_object('role', c.role, 'content', case
            when length(c.content) > p_characters then
              left(c.content, (p_characters + 1) / 2) || right(c.content, (p_characters + 1) / 2)
            else c.content end)
          || case when c.more <> '{}' then jsonb_build_object('more', c.more) else '{}' end
          order by c.position) filter (where p_characters is null or c.newer < p_characters), '[]'))
    from counted c);
end $$;
comment on function app.conversation_tail(jsonb, integer) is
  '{"turns": how many messages have a role and a text, "messages": the newest of them, oldest first, with what they have beside it as "more"}: at least what fits into so many characters, and a few times as many at most. The middle of one that is longer is left out. Null: all.';

-- The order in which a provider is chosen, in one place: request, user, organization, environment, then whoever may.
--   1. What was asked for by name is answered or refused, never replaced.
--   2. The choices in their order; one that may not be used (any more) gives way to the next.
--   3. None is left: either an own key is missing, or the organization forbids them all.
create or replace function app.choose_provider(p_request jsonb, p_tier text, p_own_keys text[], p_allowed text[])
  returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_asked constant text := app.canonical_provider(nullif(p_request ->> 'provider', 'auto'));
  v_own constant text[] := case when p_tier = 'byok' then p_own_keys end;
  v_provider text := v_asked;
  v_source text := 'request';
  v_spelling text;
  v_preferred record;
begin
  -- 1.
  if v_asked <> all (p_allowed) then
    return '{"outcome": "provider_not_allowed"}';
  elsif v_own = '{}' or v_asked <> all (v_own) then
    return '{"outcome": "own_key_missing"}';
  end if;
  -- 2.
  if v_provider is null then
    for v_preferred in select * from app.preferred_providers() loop
      v_provider := app.canonical_provider(v_preferred.provider::text);
      v_source := v_preferred.scope;
      v_spelling := v_preferred.provider;
      exit when (v_provider = any (p_allowed)) is not false and (v_provider = any (v_own)) is not false;
      v_provider := null;
      v_spelling := null;
    end loop;
  end if;
  if v_provider is null then
    v_provider := app.canonical_provider(p_request ->> 'default_provider');
    v_source := 'environment';
    if v_provider <> all (p_allowed) or v_provider <> all (v_own) then
      v_provider := (
        select r.provider from pg_catalog.unnest(coalesce(v_own, p_allowed)) with ordinality as r (provider, position)
        where (r.provider = any (p_allowed)) is not false
        order by r.position limit 1);
      v_source := case when v_own is null then 'organization' else 'own_key' end;
    end if;
  end if;
  -- 3.
  if v_provider is null then
    return '{"outcome": "provider_not_allowed"}';
  end if;
  return pg_catalog.jsonb_build_object(
    'provider', v_provider, 'provider_source', v_source, 'provider_spelling', v_spelling,
    'model', coalesce(p_request ->> 'model', p_request -> 'default_models' ->> v_provider));
end $$;
comment on function app.choose_provider(jsonb, text, text[], text[]) is
  'The effective provider, where it comes from, and the model; or the outcome that forbids the call.';

-- An answer that took no unit is kept for a retry under its key.
--   1. An earlier try's row is settled with it; a unit that it holds goes back.
--   2. A new key makes a row, which costs nothing here: so many a day, or somebody could fill the table with them.
create or replace function app.remember_free_answer(p_request jsonb, p_earlier app.ai_requests, p_reply jsonb) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  -- The reply itself: what the retry is told is what the first request was told, where its answer came from included.
  v_answer constant jsonb := pg_catalog.jsonb_build_object('reply', p_reply);
begin
  -- 1.
  if (p_earlier).id is not null then
    if (p_earlier).state = 'reserved' and (p_earlier).reserved_day is not null then
      perform app.return_to_quota((p_earlier).caller_key, (p_earlier).user_id, (p_earlier).reserved_day, 1);
    end if;
    update app.ai_requests
    set state = 'settled', reserved_day = null, error_code = null, finished_at = app.now(), lease_until = null,
        answer = v_answer, answer_until = app.now() + interval '1 day'
    where id = (p_earlier).id;
  elsif p_request ->> 'idempotency_key' is not null then
    -- 2.
    if (
      select count(*) from app.ai_requests r
      where r.caller_key = app.caller_key() and r.idempotency_key is not null and r.provider is null and r.state = 'settled'
        and r.created_at >= app.today()::timestamp at time zone app.time_zone()
    ) >= (p_request ->> 'daily_free_writes')::integer then
      return false;
    end if;
    insert into app.ai_requests
      (id, caller_key, user_id, operation, idempotency_key, body_hash, state, created_at, finished_at, answer, answer_until)
    values (
      p_request ->> 'request_id', app.caller_key(), app.user_id(), p_request ->> 'operation',
      p_request ->> 'idempotency_key', p_request ->> 'body_hash', 'settled', app.now(), app.now(), v_answer,
      app.now() + interval '1 day')
    on conflict do nothing;
  end if;
  return true;
end $$;
comment on function app.remember_free_answer(jsonb, app.ai_requests, jsonb) is
  'Remembers begin_request''s reply that took no unit for a retry with the same idempotency key; a unit that an earlier try holds goes back. False where the day''s free rows of the caller are used up.';

create or replace function app.effective_provider(p_claims jsonb, p_default_provider text) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_tier text;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  v_tier := coalesce((select tier from public.user_ai_settings where user_id = app.user_id()), 'free');
  return app.choose_provider(
    pg_catalog.jsonb_build_object('default_provider', p_default_provider), v_tier,
    array(select pg_catalog.jsonb_object_keys(case v_tier when 'byok' then app.own_keys(p_claims) else '{}' end)),
    app.allowed_providers());
end $$;
comment on function app.effective_provider(jsonb, text) is
  'What app.choose_provider gives the caller who asks for no provider: the one that the next call would go to.';

-- Whoever sends a request again gets what the first one got, and never spends twice.
--   1. The request with this id or this key, locked: who is settling it at this moment comes first.
--   2. A key whose request ended a day ago is free again; the row stays for what may still be replayed to it.
--   3. Another request under the same key is refused; the same one is replayed, or is still running.
create or replace function app.find_earlier_request(p_request jsonb, out earlier app.ai_requests, out reply jsonb)
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_id constant text := p_request ->> 'request_id';
  v_key constant text := p_request ->> 'idempotency_key';
  v_is_other boolean;
begin
  -- 1.
  select * into earlier from app.ai_requests where caller_key = app.caller_key() and id = v_id for update;
  if not found and v_key is not null then
    select * into earlier from app.ai_requests where caller_key = app.caller_key() and idempotency_key = v_key for update;
  end if;
  if not found then
    return;
  end if;
  v_is_other := earlier.body_hash is distinct from p_request ->> 'body_hash'
    or earlier.operation is distinct from p_request ->> 'operation';
  if v_is_other and earlier.id = v_id and (v_key is null or earlier.idempotency_key is distinct from v_key) then
    reply := '{"outcome": "id_taken"}';
  elsif earlier.finished_at < app.now() - interval '1 day' and earlier.id <> v_id then
    -- 2.
    update app.ai_requests set idempotency_key = null where id = earlier.id;
    earlier := null;
  elsif v_is_other then
    -- 3.
    reply := '{"outcome": "idempotency_key_reused"}';
  elsif earlier.state = 'settled' and earlier.answer_until > app.now() then
    reply := pg_catalog.jsonb_build_object(
      'outcome', 'replay', 'request_id', earlier.id, 'answer', earlier.answer,
      'provider', earlier.provider, 'model', earlier.model, 'replayed', earlier.id <> v_id) || coalesce(earlier.answer -> 'reply', '{}');
  elsif earlier.state = 'reserved' and earlier.lease_until > app.now() and earlier.id <> v_id then
    reply := pg_catalog.jsonb_build_object(
      'outcome', 'in_progress', 'request_id', earlier.id, 'retry_after',
      least(pg_catalog.ceil(extract(epoch from earlier.lease_until - app.now())), 2));
  end if;
end $$;
comment on function app.find_earlier_request(jsonb) is
  'Locks the request with this idempotency key, or this very request begun twice; the reply where that already decides, else null. id_taken: another request of the caller''s has this id. A key is free a day after its request ended.';

-- A request that begins, or a retry that takes an earlier one over. The fence grows with each new holder, so that an older
-- one which is only slow cannot settle what is another's by now.
--   1. No earlier request: a row with its unit or tokens. Somebody may have made one since we looked.
--   2. An earlier one still holds: the same unit, under a new fence unless this is the holder itself whose connection broke.
--   3. An earlier one has ended: another unit, unless that of a caller who left covers this retry.
--   4. The row is held again.
create or replace function app.hold_request(
  p_request jsonb, p_earlier app.ai_requests, p_takes_unit boolean, p_tokens bigint,
  out outcome text, out request_id text, out fence integer
)
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_id constant text := p_request ->> 'request_id';
  v_key constant text := p_request ->> 'idempotency_key';
  v_lease constant integer := coalesce((p_request ->> 'lease_seconds')::integer, 300);
  v_day date;
begin
  request_id := coalesce(p_earlier.id, v_id);
  -- What the unit of a caller who left covers takes none of the key's either.
  if p_tokens is null and p_earlier.covers_retry is not true and not app.access_key_has_room(request_id) then
    outcome := 'access_key_refused';
    return;
  end if;
  -- 1.
  if p_earlier.id is null then
    fence := 1;
    outcome := app.reserve_unit(
      p_request_id => v_id, p_operation => p_request ->> 'operation', p_lease_seconds => v_lease,
      p_takes_unit => p_takes_unit, p_idempotency_key => v_key, p_body_hash => p_request ->> 'body_hash',
      p_tokens => p_tokens);
    if outcome <> 'reserved' and exists (
      select from app.ai_requests r
      where r.caller_key = app.caller_key() and (r.id = v_id or r.idempotency_key = v_key)
    ) then
      outcome := 'begun_meanwhile';
    elsif outcome = 'duplicate' then
      outcome := 'id_taken';
    end if;
    return;
  end if;
  outcome := 'reserved';
  fence := p_earlier.fence
    + (p_earlier.state <> 'reserved' or p_earlier.lease_until <= app.now() or p_earlier.id <> v_id)::integer;
  if p_earlier.state = 'reserved' then
    -- 2.
    if (p_earlier.reserved_tokens is null) = (p_tokens is null) then
      v_day := p_earlier.reserved_day;
    else
      perform app.return_to_quota(
        p_caller_key => p_earlier.caller_key, p_user_id => p_earlier.user_id, p_day => p_earlier.reserved_day,
        p_units => 0, p_tokens => coalesce(p_earlier.reserved_tokens, 0));
    end if;
  end if;
  -- 3. The unit that a caller who left has spent covers a retry, which holds none.
  if v_day is null and (p_takes_unit or p_tokens > 0) and not p_earlier.covers_retry then
    v_day := case when p_tokens is null then app.count_unit() else app.count_embedding_tokens(p_tokens, true) end;
    if v_day is null then
      outcome := 'refused';
      return;
    end if;
  end if;
  -- 4.
  update app.ai_requests r
  set state = 'reserved', fence = hold_request.fence, lease_until = app.now() + pg_catalog.make_interval(secs => v_lease),
      finished_at = null, error_code = null, answer = null, answer_until = null, reserved_day = v_day,
      reserved_tokens = p_tokens, access_key_id = app.access_key_id()
  where r.id = p_earlier.id;
end $$;
comment on function app.hold_request(jsonb, app.ai_requests, boolean, bigint) is
  'Makes the request''s row with a unit or tokens, or takes over the earlier one under a new fence. reserved, refused (at the limit), access_key_refused (at the machine key''s own), begun_meanwhile: look for the earlier request again, or id_taken: another caller''s request has this id.';

-- What a model call needs to know before it, in the order of cost: what answers without a model comes first.
--   1. An earlier request with this key may decide: a replay, one still running, the key used for something else.
--   2. The conversation that goes on, with the tail of its messages.
--   3. A precomputed response to the message.
--   4. The route: provider and model, by tier, own keys and the organization's policy.
--   5. The exact cache; who finds nothing gets the lease to fill the entry, or waits for who has it.
--   6. The unit, last: at the limit everything above was free. Who has none left may still be given the answer to an
--      equivalent question, or one whose passages are yet to be compared: then only the tokens to look for it are held, and
--      `refused` says that no model may be called.
create or replace function app.admit_call(p_claims jsonb, p_request jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_id constant text := p_request ->> 'request_id';
  v_lease constant interval := pg_catalog.make_interval(secs => coalesce((p_request ->> 'lease_seconds')::integer, 300));
  v_found record;
  v_earlier app.ai_requests;
  v_reply jsonb := '{}';
  v_tier text;
  v_allowed text[];
  v_route jsonb;
  v_answer jsonb;
  v_own_keys jsonb := '{}';
  v_tenant text;
  v_hold record;
begin
  -- 1.
  v_found := app.find_earlier_request(p_request);
  if v_found.reply is not null then
    return v_found.reply;
  end if;
  v_earlier := v_found.earlier;

  -- 2.
  if p_request ->> 'conversation_id' is not null then
    v_reply := coalesce((
      select pg_catalog.jsonb_build_object('conversation', pg_catalog.jsonb_build_object(
        'id', c.id, 'version', c.version, 'context', c.context, 'title', c.title)
        || app.conversation_tail(c.messages, (p_request ->> 'history_characters')::integer))
      from public.ai_conversations c
      where c.id = p_request ->> 'conversation_id' and c.user_id = app.user_id()), '{"outcome": "conversation_not_found"}');
    if v_reply ? 'outcome' then
      return v_reply;
    end if;
  end if;

  -- 3.
  if p_request ->> 'message' is not null then
    v_answer := app.match_precomputed_response(p_request ->> 'message');
    if v_answer is not null then
      v_answer := pg_catalog.jsonb_build_object('outcome', 'faq', 'answer', v_answer);
      if not app.remember_free_answer(p_request, v_earlier, v_answer) then
        return app.daily_limit_reached();
      end if;
      return v_reply || v_answer || pg_catalog.jsonb_build_object('request_id', coalesce(v_earlier.id, v_id));
    end if;
  end if;

  -- 4.
  v_tier := (select tier from public.user_ai_settings where user_id = app.user_id());
  if v_tier = 'byok' then
    v_own_keys := app.own_keys(p_claims);
  end if;
  v_allowed := app.allowed_providers();
  v_route := app.choose_provider(
    p_request, v_tier, array(select pg_catalog.jsonb_object_keys(v_own_keys)), v_allowed);
  v_reply := v_reply || v_route || pg_catalog.jsonb_build_object('allowed_providers', v_allowed);
  if v_route ? 'outcome' then
    return v_reply;
  elsif v_tier is distinct from 'byok' and p_request ->> 'offered_models' is not null then
    return v_reply || pg_catalog.jsonb_build_object(
      'outcome', 'model_not_offered', 'offered_models', p_request -> 'offered_models');
  end if;

  -- 5.
  v_tenant := case when p_request ->> 'prompt_hash' is not null then app.cache_tenant(p_request ->> 'cache_scope') end;
  if v_tenant is not null then
    v_answer := app.find_cached_answer(
      v_tenant, p_request ->> 'prompt_hash', v_route ->> 'provider', v_route ->> 'model');
  end if;
  if (p_request ->> 'is_grounded')::boolean then
    -- Whether it serves is known when the passages for this request are found.
    v_reply := v_reply || pg_catalog.jsonb_build_object('earlier_answer', v_answer);
  elsif v_tenant is not null then
    if v_answer is not null then
      v_answer := v_route || pg_catalog.jsonb_build_object('outcome', 'cache_hit', 'answer', v_answer);
      if not app.remember_free_answer(p_request, v_earlier, v_answer) then
        return app.daily_limit_reached();
      end if;
      return v_reply || v_answer || pg_catalog.jsonb_build_object('request_id', coalesce(v_earlier.id, v_id));
    end if;
    -- The lease ends with the hold, so a dead filler is not waited for. Who has waited for long enough goes on without it.
    insert into app.cache_fills as f (tenant, query_hash, provider, model, request_id, lease_until)
    values (
      v_tenant, p_request ->> 'prompt_hash', v_route ->> 'provider', v_route ->> 'model',
      coalesce(v_earlier.id, v_id), app.now() + v_lease)
    on conflict (query_hash, tenant, provider, model) do update
      set request_id = excluded.request_id, lease_until = excluded.lease_until
      where f.lease_until < app.now() or f.request_id = excluded.request_id;
    if not found and coalesce((p_request ->> 'waits_for_cache')::boolean, true) then
      return v_reply || '{"outcome": "filling"}';
    end if;
  end if;

  -- 6.
  v_hold := app.hold_request(
    p_request, v_earlier, coalesce((p_request ->> 'takes_unit')::boolean, true) and app.tier_takes_units(v_tier), null);
  if v_hold.outcome = 'refused' and p_request ->> 'question_tokens' is not null
    and (v_answer is not null or (p_request ->> 'is_grounded')::boolean is not true) then
    v_reply := v_reply || '{"refused": "quota_exceeded"}';
    v_hold := app.hold_request(p_request, v_earlier, false, (p_request ->> 'question_tokens')::bigint);
  end if;
  if v_hold.outcome <> 'reserved' or v_reply ? 'refused' then
    delete from app.cache_fills where request_id = v_hold.request_id;
  end if;
  if v_hold.outcome = 'begun_meanwhile' then
    return app.admit_call(p_claims, p_request);
  elsif v_hold.outcome = 'id_taken' then
    return '{"outcome": "id_taken"}';
  elsif v_hold.outcome = 'access_key_refused' then
    return v_reply || app.daily_limit_reached() || '{"outcome": "access_key_limit_used_up"}';
  elsif v_hold.outcome <> 'reserved' then
    return v_reply || '{"outcome": "quota_exceeded"}';
  end if;
  return v_reply || pg_catalog.jsonb_build_object(
    'outcome', 'admitted', 'request_id', v_hold.request_id, 'fence', v_hold.fence, 'own_keys', v_own_keys,
    'health', app.provider_health());
end $$;
comment on function app.admit_call(jsonb, jsonb) is
  'What begin_request replies about a model call: an earlier request, a conversation, an answer without a model, or a route and a unit.';

create or replace function app.admit_retrieval(p_request jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_found record;
  v_hold record;
begin
  if app.user_id() is null then
    raise exception 'only a user''s tokens are counted' using errcode = '42501';
  end if;
  v_found := app.find_earlier_request(p_request);
  if v_found.reply is not null then
    return v_found.reply;
  end if;
  v_hold := app.hold_request(p_request, v_found.earlier, false, (p_request ->> 'embedding_tokens')::bigint);
  if v_hold.outcome = 'begun_meanwhile' then
    return app.admit_retrieval(p_request);
  end if;
  return pg_catalog.jsonb_build_object(
    'outcome',
    case v_hold.outcome when 'refused' then 'embedding_quota_exceeded' when 'reserved' then 'admitted' else v_hold.outcome end,
    'request_id', v_hold.request_id, 'fence', v_hold.fence, 'allowed_providers', app.allowed_providers());
end $$;
comment on function app.admit_retrieval(jsonb) is
  'What begin_request replies about a search or an import: an earlier request, or a row that holds the tokens to embed, and who may embed them.';

-- The one entry before anything that spends: identity is set here, once, for everything below.
--   1. Who calls: the claims, or those of a machine key's user, become the transaction's identity; a key that does not hold
--      and a deleted subject end here.
--   2. A model call, or a search or an import.
--   3. The quota as it is now, what this request took included.
--   4. At a limit: when waiting helps. Who asks for more than a whole window ever holds waits in vain.
create or replace function app.begin_request(p_claims jsonb, p_request jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_claims jsonb := p_claims;
  v_key jsonb;
  v_request jsonb := p_request;
  v_reply jsonb;
  v_quota jsonb;
  v_window jsonb;
  v_wait_helps boolean;
begin
  -- 1.
  if p_claims ? 'access_key_hash' then
    v_key := app.resolve_access_key(p_claims);
    if v_key ->> 'outcome' <> 'resolved' then
      return v_key;
    end if;
    v_claims := v_key -> 'claims';
  end if;
  perform pg_catalog.set_config('request.jwt.claims', v_claims::text, true);
  if app.caller_key() is null then
    raise exception 'the claims name no caller' using errcode = '42501';
  elsif not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  -- 2.
  loop
    v_reply := pg_catalog.jsonb_build_object('request_id', v_request ->> 'request_id') || case
      when v_request ->> 'embedding_tokens' is null then app.admit_call(v_claims, v_request)
      else app.admit_retrieval(v_request) end;
    exit when v_reply ->> 'outcome' <> 'id_taken';
    -- An event that is sent again brings its request id, whoever sends it and whatever it asks by then. Its row gets an id
    -- that is always the same for this caller and body, so a retry after a lost connection still finds it.
    v_request := p_request || pg_catalog.jsonb_build_object('request_id', (v_request ->> 'request_id') || '.' || pg_catalog.md5(
      pg_catalog.concat_ws(E'\n', app.caller_key(), p_request ->> 'operation', p_request ->> 'body_hash')));
  end loop;
  -- 3.
  v_quota := app.quota() || app.access_key_quota();
  -- 4.
  if v_reply ->> 'outcome' = 'embedding_quota_exceeded' then
    v_window := v_quota -> 'embedding_tokens';
    v_wait_helps := (p_request ->> 'embedding_tokens')::bigint <= (v_window ->> 'limit')::bigint;
  elsif coalesce(v_reply ->> 'refused', v_reply ->> 'outcome') = 'quota_exceeded' then
    v_window := v_quota -> case
      when (v_quota #>> '{monthly,used}')::integer >= (v_quota #>> '{monthly,limit}')::integer then 'monthly' else 'daily' end;
    v_wait_helps := least((v_quota #>> '{daily,limit}')::integer, (v_quota #>> '{monthly,limit}')::integer) > 0;
  end if;
  if v_wait_helps then
    v_reply := v_reply || pg_catalog.jsonb_build_object('retry_after', greatest(
      1, pg_catalog.ceil(extract(epoch from (v_window ->> 'resets_at')::timestamptz - app.now()))));
  end if;
  return v_reply || pg_catalog.jsonb_build_object('tier', v_quota ->> 'tier', 'quota', v_quota - 'tier')
    || case when v_key is null then '{}' else pg_catalog.jsonb_build_object('access_key', v_key -> 'access_key') end;
end $$;
comment on function app.begin_request(jsonb, jsonb) is
  'Everything before a model call (provision, idempotency, conversation, FAQ, route, cache, unit), or before a search or an import (provision, idempotency, tokens to embed). See docs/architecture.md.';

select app.give_to('parley_definer', 'app.begin_request(jsonb, jsonb)', 'app.effective_provider(jsonb, text)');
grant execute on function app.conversation_tail(jsonb, integer), app.choose_provider(jsonb, text, text[], text[]),
  app.remember_free_answer(jsonb, app.ai_requests, jsonb), app.find_earlier_request(jsonb),
  app.hold_request(jsonb, app.ai_requests, boolean, bigint), app.admit_call(jsonb, jsonb), app.admit_retrieval(jsonb)
  to parley_definer;
grant execute on function app.begin_request(jsonb, jsonb), app.effective_provider(jsonb, text)
  to parley_app, parley_service;
revoke all on all functions in schema app from public;
