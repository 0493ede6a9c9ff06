-- 91 finish request: what a model call leaves behind, in one statement, and the calls that were made while the database
-- was away.

--   1. A row of the ledger for each upstream call, under the seeds' names as well.
--   2. The user's day, with the sums read from the argument: by RETURNING one would need the right to read the rows, and
--      nobody may read an anonymous caller's.
--   3. The machine key's day.
create or replace function app.record_calls(
  p_request_id text, p_operation text, p_tier text, p_calls jsonb, p_at timestamptz, p_day date, p_answered boolean
) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_user constant text := app.user_id();
  v_zone constant text := app.time_zone();
begin
  -- 1.
  insert into public.ai_usage
    (user_id, organization_id, request_id, tier, provider, model, operation_type, tokens_prompt, tokens_completion,
     tokens_total, tokens_used, tokens_cached, tokens_cache_write, tokens_reasoning, cost, cost_usd, estimated, own_key,
     latency_ms, created_at)
  select v_user, app.organization_id(), p_request_id, p_tier, c.provider, c.model, coalesce(c.operation, p_operation),
    c.input_tokens, c.output_tokens, c.input_tokens + c.output_tokens, c.input_tokens + c.output_tokens,
    c.cached_input_tokens, c.cache_write_tokens, c.reasoning_tokens, c.cost, c.cost, coalesce(c.estimated, false),
    coalesce(c.own_key, false), c.latency_ms, p_at
  from pg_catalog.jsonb_to_recordset(p_calls) as c (
    provider text, model text, operation text, input_tokens bigint, output_tokens bigint, cached_input_tokens bigint,
    cache_write_tokens bigint, reasoning_tokens bigint, cost numeric, estimated boolean, own_key boolean,
    latency_ms integer);
  -- 2.
  if v_user is not null then
    insert into public.user_ai_usage as u (user_id, period_start, period_end, request_count, token_count, cost_estimate)
    select v_user, p_day::timestamp at time zone v_zone, (p_day + 1)::timestamp at time zone v_zone, p_answered::integer,
      coalesce(pg_catalog.sum(coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0)), 0),
      coalesce(pg_catalog.sum(c.cost), 0)
    from pg_catalog.jsonb_to_recordset(p_calls) as c (input_tokens bigint, output_tokens bigint, cost numeric(18, 9))
    having p_answered or pg_catalog.sum(coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0)) > 0
    on conflict (user_id, period_start, period_end) do update
      set request_count = u.request_count + excluded.request_count,
          token_count = u.token_count + excluded.token_count,
          cost_estimate = u.cost_estimate + excluded.cost_estimate,
          updated_at = app.now();
  end if;
  -- 3.
  perform app.count_access_key_usage(p_calls, p_day, p_answered);
end $$;
comment on function app.record_calls(text, text, text, jsonb, timestamptz, date, boolean) is
  'Writes a request''s upstream calls to the ledger, to its user''s day and to its machine key''s.';

--   1. What the turn cost, for the conversation's totals.
--   2. A conversation that was deleted while its answer was on the way stays deleted.
--   3. One statement makes it or appends to it: concurrent answers queue at its row, and neither is lost.
create or replace function app.append_messages(p_conversation jsonb, p_calls jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_tokens bigint;
  v_cost numeric(18, 9);
  v_unpriced integer;
  v_model text;
  v_version integer;
begin
  -- 1.
  select coalesce(pg_catalog.sum(coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0)), 0),
    coalesce(pg_catalog.sum(c.cost), 0), pg_catalog.count(*) - pg_catalog.count(c.cost)
  into v_tokens, v_cost, v_unpriced
  from pg_catalog.jsonb_to_recordset(p_calls) as c (input_tokens bigint, output_tokens bigint, cost numeric);
  -- The last call is the one that answered; what a search had embedded comes before it.
  v_model := p_calls #>> '{-1,model}';
  -- 2.
  if (p_conversation ->> 'existed')::boolean then
    perform from public.ai_conversations
    where id = p_conversation ->> 'id' and user_id = app.user_id() for update;
    if not found then
      return null;
    end if;
  end if;
  -- 3.
  insert into public.ai_conversations as c (id, user_id, title, context, messages, model, total_tokens, total_cost,
    unpriced_calls)
  values (
    p_conversation ->> 'id', app.user_id(), p_conversation ->> 'title', nullif(p_conversation -> 'context', 'null'),
    p_conversation -> 'messages', v_model, v_tokens, v_cost, v_unpriced)
  on conflict (id) do update
    set messages = c.messages || excluded.messages,
        title = coalesce(c.title, excluded.title),
        context = coalesce(excluded.context, c.context),
        model = coalesce(v_model, c.model),
        total_tokens = c.total_tokens + v_tokens,
        total_cost = c.total_cost + v_cost,
        unpriced_calls = c.unpriced_calls + v_unpriced
    where c.user_id = app.user_id()
  returning c.version into v_version;
  if v_version is null then
    return null;
  end if;
  return pg_catalog.jsonb_build_object('id', p_conversation ->> 'id', 'version', v_version);
end $$;
comment on function app.append_messages(jsonb, jsonb) is
  'Appends turns to the caller''s conversation, made where it is absent unless it existed before; returns {"id", "version"}, null where it was deleted or is somebody else''s.';

-- Everything that a request leaves behind, once by request and fence: what is called twice is answered with what is there.
-- Locks come in the order of begin_request: the request, the cache entry to fill, the counter.
--   1. The request. A holder with an old fence, and one that has ended already, change nothing.
--   2. What was held: the lease on a cache entry ends; a unit that was not spent goes back.
--   3. The row's new state, with how the provider did and, for a retry with the same key, the answer. A lease that ended
--      gave its unit back already; late use is recorded all the same.
--   4. What was embedded counts as the provider counted it, beyond the limit if need be: a search's or an import's in place
--      of the estimate that it holds (which stays where a provider tells no number), a semantic lookup's without one.
--   5. The ledger, the user's day, the cache, the conversation.
create or replace function app.finish_request(p_claims jsonb, p_outcome jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_request app.ai_requests;
  v_settled constant boolean := p_outcome ->> 'state' = 'settled';
  v_spent constant boolean := v_settled and coalesce((p_outcome ->> 'takes_unit')::boolean, true);
  v_calls constant jsonb := coalesce(nullif(p_outcome -> 'calls', 'null'), '[]');
  v_attempts constant jsonb := nullif(p_outcome -> 'attempts', 'null');
  v_is_call boolean;
  v_embedded bigint;
  v_quota jsonb;
  v_conversation jsonb;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  -- 1.
  select * into v_request from app.ai_requests
  where id = p_outcome ->> 'request_id' and caller_key = app.caller_key() for update;
  if not found then
    return '{"state": "unknown"}';
  elsif v_request.fence <> (p_outcome ->> 'fence')::integer then
    return '{"state": "stale"}';
  elsif v_request.state = 'settled'
    or v_request.state = 'released' and v_request.error_code is distinct from 'lease_expired' then
    return pg_catalog.jsonb_build_object('state', v_request.state, 'quota', app.quota() - 'tier' || app.access_key_quota(), 'conversation', (
      select pg_catalog.jsonb_build_object('id', c.id, 'version', c.version)
      from public.ai_conversations c where c.id = p_outcome #>> '{conversation,id}' and c.user_id = app.user_id()));
  end if;
  v_is_call := v_request.reserved_tokens is null;
  -- 2.
  if v_is_call then
    delete from app.cache_fills where request_id = v_request.id;
  end if;
  if not v_spent and v_is_call and v_request.state = 'reserved' and v_request.reserved_day is not null then
    perform app.return_to_quota(v_request.caller_key, v_request.user_id, v_request.reserved_day, 1);
  end if;
  -- 3.
  update app.ai_requests
  set state = case when v_settled then 'settled' else 'released' end,
      finished_at = app.now(),
      lease_until = null,
      reserved_day = case when state = 'reserved' and v_spent = v_settled then reserved_day end,
      error_code = coalesce(p_outcome ->> 'error_code', case when not v_settled then 'internal_error' end),
      -- Who leaves a second time, on a retry that holds no unit of its own, pays for the third. A try that failed leaves
      -- the cover as it is: a failure spends nothing.
      covers_retry = case
        when v_settled then
          state = 'reserved' and v_spent and reserved_day is not null
          and coalesce(p_outcome ->> 'error_code', '') = 'cancelled'
        else covers_retry end,
      provider = v_attempts #>> '{-1,provider}',
      model = v_attempts #>> '{-1,model}',
      latency_ms = (v_attempts #>> '{-1,latency_ms}')::numeric::integer,
      provider_failed = not (v_attempts #>> '{-1,ok}')::boolean,
      earlier_attempts = nullif(v_attempts - -1, '[]'),
      -- Only a retry with the same key can ask for the answer again.
      answer = case when v_settled and idempotency_key is not null then nullif(p_outcome -> 'answer', 'null') end,
      answer_until = case when v_settled and idempotency_key is not null and p_outcome ->> 'answer' is not null
        then app.now() + interval '1 day' end
  where id = v_request.id;
  -- 4.
  if v_request.reserved_tokens > 0 or v_calls @> '[{"operation": "embedding", "own_key": false}]' then
    select case when pg_catalog.count(*) > 0 then coalesce(pg_catalog.sum(c.input_tokens), v_request.reserved_tokens) end
    into v_embedded
    from pg_catalog.jsonb_to_recordset(v_calls) as c (operation text, input_tokens bigint, own_key boolean)
    where c.operation = 'embedding' and not c.own_key;
    v_embedded := coalesce(v_embedded, 0);
    if v_request.state = 'reserved' and not v_is_call then
      -- Held on a day that has turned over, there is nothing left to correct.
      v_embedded := case when v_request.reserved_day >= app.today() then v_embedded - v_request.reserved_tokens else 0 end;
    end if;
    if v_embedded <> 0 and v_request.user_id is not null then
      perform app.count_embedding_tokens(v_embedded, false);
    end if;
  end if;
  -- 5.
  v_quota := app.quota();
  perform app.record_calls(
    p_request_id => v_request.id, p_operation => v_request.operation, p_tier => v_quota ->> 'tier', p_calls => v_calls,
    p_at => app.now(), p_day => coalesce(v_request.reserved_day, app.today()),
    -- A retry that an earlier try's unit covers was counted with it.
    p_answered => v_spent and v_is_call and not (v_request.covers_retry and v_request.reserved_day is null));
  if v_settled and p_outcome ->> 'cache' is not null then
    perform app.store_answer(p_outcome -> 'cache');
  end if;
  if v_settled and p_outcome ->> 'conversation' is not null and app.user_id() is not null then
    v_conversation := app.append_messages(p_outcome -> 'conversation', v_calls);
  end if;
  return pg_catalog.jsonb_build_object(
    'state', case when v_settled then 'settled' else 'released' end, 'quota', v_quota - 'tier' || app.access_key_quota(),
    'conversation', v_conversation);
end $$;
comment on function app.finish_request(jsonb, jsonb) is
  'Everything after a model call, a search or an import: settle or give back, ledger, rollup, cache, conversation, stored answer. Once by request and fence. See docs/architecture.md.';

create or replace function app.count_unit_beyond_limit(p_day date) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_today constant date := app.today();
begin
  if app.user_id() is not null then
    insert into public.user_ai_settings (user_id, last_reset_date) values (app.user_id(), v_today) on conflict do nothing;
    update public.user_ai_settings
    set daily_usage = app.daily_count_as_of(daily_usage, last_reset_date, v_today) + (p_day = v_today)::integer,
        monthly_usage = app.monthly_count_as_of(monthly_usage, last_reset_date, v_today) + app.monthly_count_as_of(1, p_day, v_today),
        daily_embedding_tokens = app.daily_count_as_of(daily_embedding_tokens, last_reset_date, v_today),
        last_reset_date = greatest(last_reset_date, v_today)
    where user_id = app.user_id();
  elsif p_day = v_today then
    insert into app.anonymous_usage as a (caller_key, daily_usage, last_reset_date)
    values (app.caller_key(), 1, v_today)
    on conflict (caller_key) do update
      set daily_usage = app.daily_count_as_of(a.daily_usage, a.last_reset_date, v_today) + 1,
          last_reset_date = greatest(a.last_reset_date, v_today);
  end if;
end $$;
comment on function app.count_unit_beyond_limit(date) is 'Counts a unit that was already given, beyond the limit if need be.';

-- The queue may deliver a call twice, and begin_request may have been carried out although its answer was lost: the
-- request's row tells.
--   1. Who called, and when.
--   2. No row: the call is new, and its unit counts on the day it was made, beyond the limit if need be.
--   3. A row that still holds, or whose lease ended: that hold is what this call used.
--   4. The ledger; a day that was already summed is summed again.
create or replace function app.record_offline_call(p_claims jsonb, p_outcome jsonb) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off
  set plan_cache_mode = force_generic_plan
as $$
declare
  v_answered constant boolean := coalesce((p_outcome ->> 'takes_unit')::boolean, true);
  v_takes_unit boolean := v_answered;
  v_at timestamptz;
  v_day date;
  v_state text;
  v_held date;
begin
  -- 1.
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if app.caller_key() is null then
    raise exception 'the claims name no caller' using errcode = '42501';
  elsif not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  if p_outcome -> 'calls' @> '[{"own_key": true}]' then
    v_takes_unit := v_answered and app.tier_takes_units('byok');
  end if;
  v_at := least((p_outcome ->> 'occurred_at')::timestamptz, app.now());
  v_day := (v_at at time zone app.time_zone())::date;
  -- 2.
  insert into app.ai_requests
    (id, caller_key, user_id, operation, state, reserved_day, created_at, finished_at, error_code)
  values (
    p_outcome ->> 'request_id', app.caller_key(), app.user_id(), p_outcome ->> 'operation', 'settled',
    case when v_takes_unit then v_day end, v_at, app.now(), 'database_unavailable')
  on conflict do nothing;
  if found then
    if v_takes_unit then
      perform app.count_unit_beyond_limit(v_day);
    end if;
  else
    -- 3.
    select state, reserved_day into v_state, v_held from app.ai_requests
    where id = p_outcome ->> 'request_id' and caller_key = app.caller_key()
      and (state = 'reserved' or state = 'released' and error_code = 'lease_expired')
    for update;
    if not found then
      return '{"outcome": "already_recorded"}';
    elsif v_takes_unit and (v_state = 'released' or v_held is null) then
      perform app.count_unit_beyond_limit(v_day);
    elsif not v_takes_unit and v_state = 'reserved' and v_held is not null then
      perform app.return_to_quota(app.caller_key(), app.user_id(), v_held, 1);
    end if;
    delete from app.cache_fills where request_id = p_outcome ->> 'request_id';
    update app.ai_requests
    set state = 'settled', finished_at = app.now(), lease_until = null, error_code = 'database_unavailable',
        reserved_day = case when v_takes_unit then coalesce(case when v_state = 'reserved' then v_held end, v_day) end
    where id = p_outcome ->> 'request_id';
  end if;
  -- 4.
  delete from app.rolled_up_days where day = v_day;
  perform app.record_calls(
    p_request_id => p_outcome ->> 'request_id', p_operation => p_outcome ->> 'operation',
    p_tier => app.quota() ->> 'tier', p_calls => coalesce(nullif(p_outcome -> 'calls', 'null'), '[]'),
    p_at => v_at, p_day => v_day, p_answered => v_answered);
  return '{"outcome": "recorded"}';
end $$;
comment on function app.record_offline_call(jsonb, jsonb) is
  'Replays a call that was made while the database was away, once by request_id: {"request_id", "operation", "occurred_at", "takes_unit", "calls"}. recorded, already_recorded or subject_deleted.';

select app.give_to('parley_definer', 'app.finish_request(jsonb, jsonb)', 'app.record_offline_call(jsonb, jsonb)');
grant execute on function app.record_calls(text, text, text, jsonb, timestamptz, date, boolean),
  app.append_messages(jsonb, jsonb), app.count_unit_beyond_limit(date) to parley_definer;
grant execute on function app.finish_request(jsonb, jsonb), app.record_offline_call(jsonb, jsonb) to parley_app, parley_service;
revoke all on all functions in schema app from public;
