-- 73 voice events: how a voice vendor's webhooks come in, and what a call's events make of its interview. docs/states.md has the diagram.
--
-- Events come late, twice and in any order. So a call's report alone decides how its interview ended and what was said; what
-- came before it is provisional, and what comes after it changes nothing.

alter table public.interview_sessions add column if not exists call_report_at timestamptz;
comment on column public.interview_sessions.call_report_at is
  'When the report of its voice call was applied, in which something was said; from then on no event changes it.';
-- Conversations compress badly for the time that they are here.
alter table app.webhook_events alter column payload set storage external;

-- Runs for nobody's claims, since a vendor has none: its signature was checked before. Belongs to parley_owner.
create or replace function app.receive_voice_event(p_event_key text, p_type text, p_call_id text, p_payload text) returns bigint
  language sql volatile security definer set search_path = pg_catalog, pg_temp
begin atomic
  insert into app.webhook_events (provider, event_key, type, call_id, payload, received_at)
  values ('vapi', p_event_key, p_type, p_call_id, p_payload, app.now())
  on conflict (provider, event_key) do nothing
  returning id;
end;
comment on function app.receive_voice_event(text, text, text, text) is
  'Takes a voice call''s event into the inbox; its id, or null where it is there already.';

create or replace function app.voice_event(p_id bigint) returns jsonb
  language sql stable
begin atomic
  select pg_catalog.jsonb_build_object('call_id', e.call_id, 'payload', e.payload)
  from app.webhook_events e where e.id = p_id and e.payload is not null;
end;
comment on function app.voice_event(bigint) is 'An event with work left to do: {"call_id", "payload"}; null for another. For the service.';

create or replace function app.fail_voice_event(p_id bigint, p_error text) returns void
  language sql volatile
begin atomic
  update app.webhook_events set status = 'failed', error = p_error where id = p_id and payload is not null;
end;
comment on function app.fail_voice_event(bigint, text) is 'Notes why an event could not be worked on; the schedule has it tried again. For the service.';

-- The turns of a call, in the place of those it has: numbered by time.
create or replace function app.write_spoken_turns(p_interview_id uuid, p_source text, p_turns jsonb) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  delete from public.interview_responses where interview_id = p_interview_id;
  insert into public.interview_responses
    (interview_id, role, content, question_index, "timestamp", confidence, analysis, source, sequence_number)
  select p_interview_id, t.role, t.content, t.question_index, t."timestamp", t.confidence, t.analysis, p_source,
    row_number() over (order by t."timestamp", t.position)
  from (
    select n.role, n.content, n.question_index, n.confidence, n.analysis, p.position,
      -- Where nothing is known of when: as good as any time, and always the same.
      coalesce(n."timestamp", s.started_at, s.created_at) as "timestamp"
    from pg_catalog.jsonb_array_elements(p_turns) with ordinality as p (turn, position),
      pg_catalog.jsonb_to_record(p.turn) as n (
        role text, content text, question_index integer, "timestamp" timestamptz, confidence numeric, analysis jsonb),
      public.interview_sessions s
    where s.id = p_interview_id
  ) as t;
end $$;
comment on function app.write_spoken_turns(uuid, text, jsonb) is 'Replaces the turns of a locked voice interview by these, in the order of their times.';

create or replace function app.spoken_turns(p_interview_id uuid) returns jsonb
  language sql stable
begin atomic
  select coalesce(jsonb_agg(to_jsonb(r) order by r.sequence_number), '[]')
  from public.interview_responses r where r.interview_id = p_interview_id;
end;
comment on function app.spoken_turns(uuid) is 'The turns of an interview as app.write_spoken_turns takes them.';

create or replace function app.speaker_runs(p_turns jsonb) returns text[]
  language sql immutable
begin atomic
  select coalesce(array_agg(r.said order by r.place), '{}')
  from (
    select min(t.position) as place,
      trim(regexp_replace(t.role || ' ' || string_agg(t.content, ' ' order by t.position), '\s+', ' ', 'g')) as said
    from (
      select n.turn ->> 'role' as role, n.turn ->> 'content' as content, n.position,
        n.position - row_number() over (partition by n.turn ->> 'role' order by n.position) as run
      from jsonb_array_elements(p_turns) with ordinality as n (turn, position)
    ) as t
    group by t.role, t.run
  ) as r;
end;
comment on function app.speaker_runs(jsonb) is
  'What was said and by whom, one text for each time that a speaker had the floor: a live turn is a message, a turn of a report may be several.';

-- What the report of a call makes of its interview: all of it in this transaction, once.
--   1. What was said takes the place of what was heard live. Where that was the same and has feedback, it stays: a quote says in
--      which turn it stands, and where in it.
--   2. With words of the candidate it is completed, also where silence had ended it, but not where the candidate gave it up;
--      without any the call could not be held. One in which nothing at all was said may be followed by a whole one.
--   3. Where it was completed before, after a day of silence, its feedback was about what was heard live: that is due again, and
--      whoever is writing it has lost the lease. It is not the user who asks: what was written before counts for nothing.
create or replace function app.apply_call_report(p_session public.interview_sessions, p_report jsonb) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_started constant timestamptz := coalesce((p_report ->> 'started_at')::timestamptz, p_session.started_at);
  v_ended constant timestamptz := greatest(v_started, coalesce((p_report ->> 'ended_at')::timestamptz, v_started));
  v_status text := p_session.status;
  v_is_given_up constant boolean := p_session.status = 'abandoned' and p_session.ended_reason = 'abandoned';
  v_is_known constant boolean := p_session.status = 'completed'
    and app.speaker_runs(p_report -> 'turns') = app.speaker_runs(app.spoken_turns(p_session.id));
begin
  -- 1.
  if not v_is_known then
    perform app.write_spoken_turns(p_session.id, 'vapi_report', p_report -> 'turns');
  end if;
  delete from public.voice_analytics where interview_id = p_session.id;
  insert into public.voice_analytics
    (interview_id, clarity_score, pace_score, filler_words_count, pause_frequency, articulation_score, words_per_minute,
     fillers_per_minute, speaking_seconds, filler_detection, analysis)
  select p_session.id, a.clarity_score, a.pace_score, a.filler_words_count, a.pause_frequency, a.articulation_score,
    a.words_per_minute, a.fillers_per_minute, a.speaking_seconds, a.filler_detection, a.analysis
  from pg_catalog.jsonb_populate_record(null::public.voice_analytics, nullif(p_report -> 'analytics', 'null')) as a
  where p_report -> 'analytics' <> 'null';
  -- 2.
  if (p_report ->> 'has_words')::boolean and not v_is_given_up then
    v_status := case when v_status in ('in_progress', 'abandoned') then 'completed' else v_status end;
  elsif v_status = 'in_progress' then
    v_status := case when (p_report ->> 'is_failure')::boolean then 'failed' else 'abandoned' end;
  end if;
  update public.interview_sessions
  set call_report_at = case when p_report -> 'turns' <> '[]' then app.now() end,
      started_at = v_started, last_activity_at = v_ended, status = v_status,
      -- Not the moment at which somebody found out.
      completed_at = case when v_status = 'completed' then least(v_ended, app.now()) end,
      -- What the column can hold, whatever a vendor's clock says: no number may keep an interview from its end.
      duration_minutes = least(999999, extract(epoch from v_ended - v_started) / 60),
      ended_reason = case when v_is_given_up then ended_reason else coalesce(p_report ->> 'ended_reason', ended_reason) end,
      cost = (p_report ->> 'cost')::numeric
  where id = p_session.id;
  -- 3.
  if p_session.status = 'completed' and not v_is_known then
    update public.interview_sessions
    set feedback_status = 'pending', feedback_requested_at = app.now(), feedback_error = null, feedback_lease_until = null,
        feedback_fence = feedback_fence + 1,
        -- What its user has asked for already is still asked for.
        feedback_samples = case when feedback_status = 'pending' then feedback_samples else 1 end,
        feedback_counted_from = (
          select 1 + coalesce(max(f.version), 0) from public.interview_feedback f where f.interview_id = p_session.id)
    where id = p_session.id;
  end if;
end $$;
comment on function app.apply_call_report(public.interview_sessions, jsonb) is
  'Ends a locked voice interview as its call''s report says: {"turns", "started_at", "ended_at", "ended_reason", "cost", "has_words", "is_failure", "analytics"}.';

-- Which interview a call is: the one it is bound to, or the one whose token it carries, to which it is bound now.
--   1. One call at a time, so that nobody overlooks an event that comes at this moment.
--   2. An interview has one call; what names another, or one that is no voice interview in progress, has none.
create or replace function app.interview_of_call(p_call_id text, p_interview_id uuid) returns public.interview_sessions
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
begin
  -- 1.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('voice call ' || p_call_id, 0));
  -- The user's deletion waits, or was first: what a completed interview earns takes rows that the deletion holds.
  perform pg_catalog.pg_advisory_xact_lock_shared(app.subject_lock(s.user_id))
  from public.interview_sessions s where s.vapi_call_id = p_call_id or s.id = p_interview_id;
  select * into v_session from public.interview_sessions where vapi_call_id = p_call_id for update;
  if found or p_interview_id is null then
    return v_session;
  end if;
  -- 2.
  update public.interview_sessions set vapi_call_id = p_call_id
  where id = p_interview_id and interview_type = 'voice' and vapi_call_id is null and status in ('in_progress', 'abandoned')
  returning * into v_session;
  return v_session;
end $$;
comment on function app.interview_of_call(text, uuid) is
  'The interview of a voice call, locked; it is bound to p_interview_id, whose token the caller has verified, where it is bound to none. Null without one.';

-- What was read of a call, carried out at its interview: before the report signs of life and turns to show, with it all of it,
-- after it nothing. What the candidate was heard to say is not replaced by a report that has nothing of it: that one is not whole.
create or replace function app.apply_to_interview(p_session public.interview_sessions, p_reading jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if p_session.call_report_at is null then
    if p_reading ? 'report' then
      if (p_reading #>> '{report,has_words}')::boolean or not exists (
        select from public.interview_responses r where r.interview_id = p_session.id and r.role = 'user') then
        perform app.apply_call_report(p_session, p_reading -> 'report');
      end if;
    elsif p_session.status = 'in_progress' then
      update public.interview_sessions set last_activity_at = app.now() where id = p_session.id;
      if p_reading ? 'turn' then
        perform app.write_spoken_turns(p_session.id, 'vapi_live', app.spoken_turns(p_session.id) || (p_reading -> 'turn'));
      end if;
    end if;
  end if;
  return (
    select pg_catalog.jsonb_build_object(
      'outcome', 'processed', 'interview_id', s.id,
      'feedback_is_due', s.feedback_status = 'pending' and s.feedback_requested_at is distinct from p_session.feedback_requested_at,
      'awaits_report', s.call_report_at is null,
      'waiting', coalesce((
        select pg_catalog.jsonb_agg(e.id::text order by e.id) from app.webhook_events e
        where e.call_id = s.vapi_call_id and e.status = 'unmatched'), '[]'))
    from public.interview_sessions s where s.id = p_session.id);
end $$;
comment on function app.apply_to_interview(public.interview_sessions, jsonb) is
  'Carries out what was read of a call ("report" or "turn") at its locked interview: {"outcome": processed, "interview_id", whether its '
  '"feedback_is_due" from now on and it still "awaits_report", and the events of its call that were "waiting"}.';

-- A call that names an interview with its token is somebody's recording, also where that interview is gone or has another
-- call: it goes when the interview goes, or now.
--   1. Who deletes the interview is waited for, or waits.
--   2. A report that comes later shows that there is something to delete again: the call went on beyond its deletion.
--   3. What waited for the call to be bound waits no more.
create or replace function app.note_call_without_interview(p_call_id text, p_interview_id uuid, p_is_over boolean) returns boolean
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_interview_id uuid;
begin
  -- 1.
  if p_interview_id is not null then
    select s.id into v_interview_id from public.interview_sessions s where s.id = p_interview_id for key share;
    insert into app.call_deletions (call_id, interview_id, requested_at) values (p_call_id, v_interview_id, app.now())
    on conflict (call_id) do nothing;
  end if;
  -- 2.
  update app.call_deletions set requested_at = app.now(), deleted_at = null where call_id = p_call_id and p_is_over;
  if not exists (select from app.call_deletions d where d.call_id = p_call_id) then
    return false;
  end if;
  -- 3.
  update app.webhook_events set status = 'ignored', payload = null, processed_at = app.now()
  where call_id = p_call_id and status = 'unmatched';
  return true;
end $$;
comment on function app.note_call_without_interview(text, uuid, boolean) is
  'Sees to it that a call which no interview is bound to is deleted with the one that it names (its token is verified), at once where that is '
  'gone; p_is_over: its report came. Returns whether the call is in the outbox, so that nothing of it is kept.';

create or replace function app.apply_voice_call(p_call_id text, p_reading jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
begin
  if not app.is_service() then
    raise exception 'only the service works on voice calls' using errcode = '42501';
  end if;
  -- A call may be over before the vendor has what was said in it. Where its report came and was as empty, nothing was said.
  if p_reading #> '{report,turns}' = '[]' and not exists (
    select from app.webhook_events e
    where e.call_id = p_call_id and e.type = 'end-of-call-report' and e.status = 'processed') then
    return '{"outcome": "awaited"}';
  end if;
  v_session := app.interview_of_call(p_call_id, (p_reading ->> 'interview_id')::uuid);
  if v_session.id is null then
    return pg_catalog.jsonb_build_object('outcome', case
      when app.note_call_without_interview(p_call_id, (p_reading ->> 'interview_id')::uuid, p_is_over => true) then 'ignored'
      else 'unmatched' end);
  end if;
  return app.apply_to_interview(v_session, p_reading);
end $$;
comment on function app.apply_voice_call(text, jsonb) is
  'Works on a call whose report was fetched: as app.apply_to_interview, or {"outcome": unmatched, ignored or awaited '
  '(the vendor has nothing said yet)}, which change no interview. '
  'Raises 42501 for others than the service.';

create or replace function app.has_call_report(p_call_id text) returns boolean
  language sql stable
begin atomic
  select exists (
    select from public.interview_sessions s where s.vapi_call_id = p_call_id and s.call_report_at is not null);
end;
comment on function app.has_call_report(text) is 'Whether a call''s report was applied. For the service.';

-- A queue delivers an event more than once, and workers die: all of an event's effect is in this one transaction.
--   1. The event, which must have work left, and its interview.
--   2. Without one it waits, unless its call named one with a valid token: that one is gone, or has another call.
--   3. The effect, and the mark that it had it. A report in which nothing was said is no more than the end of the call: the vendor
--      is asked for the whole one.
create or replace function app.apply_voice_event(p_id bigint, p_reading jsonb) returns jsonb
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_interview_id constant uuid := p_reading ->> 'interview_id';
  v_event app.webhook_events;
  v_session public.interview_sessions;
  v_is_known boolean;
begin
  -- 1.
  if not app.is_service() then
    raise exception 'only the service works on voice events' using errcode = '42501';
  end if;
  select * into v_event from app.webhook_events where id = p_id;
  v_session := app.interview_of_call(v_event.call_id, v_interview_id);
  select * into v_event from app.webhook_events where id = p_id and payload is not null for update;
  if not found then
    return '{"outcome": "done"}';
  end if;
  -- 2.
  if v_session.id is null then
    v_is_known := app.note_call_without_interview(v_event.call_id, v_interview_id, p_is_over => p_reading ? 'report');
    update app.webhook_events
    set status = case when v_is_known then 'ignored' else 'unmatched' end,
        payload = case when not v_is_known then payload end, processed_at = app.now()
    where id = p_id;
    return pg_catalog.jsonb_build_object('outcome', case when v_is_known then 'ignored' else 'unmatched' end);
  end if;
  -- 3.
  update app.webhook_events set status = 'processed', payload = null, error = null, processed_at = app.now() where id = p_id;
  return app.apply_to_interview(
    v_session, case when p_reading #> '{report,turns}' = '[]' then p_reading - 'report' else p_reading end);
end $$;
comment on function app.apply_voice_event(bigint, jsonb) is
  'Works on an event of the inbox, once: as app.apply_to_interview, or {"outcome": unmatched (it waits for its call to be bound), ignored '
  'or done}. p_reading has "interview_id" of a verified token, and "report" or "turn". Raises 42501 for others than the service.';

create or replace function app.overdue_voice_events(p_limit integer) returns setof bigint
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if not app.is_service() then
    raise exception 'only the service works on voice events' using errcode = '42501';
  end if;
  return query
    select e.id from app.webhook_events e
    where e.status in ('received', 'unmatched', 'failed') and e.received_at < app.now() - interval '5 minutes'
      -- What waits for a call is worked on when that is bound; where it still waits then, its worker died in between.
      and (e.status <> 'unmatched' or exists (select from public.interview_sessions s where s.vapi_call_id = e.call_id))
    -- What fails each time comes last, so that it keeps back nothing else.
    order by e.status = 'failed', e.received_at, e.id limit p_limit;
end $$;
comment on function app.overdue_voice_events(integer) is
  'The events whose message may be lost, those that wait though their call is bound, and last those that failed; the oldest first. '
  'For the schedule, which sends another message.';

create or replace function app.overdue_voice_calls(p_limit integer) returns setof text
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if not app.is_service() then
    raise exception 'only the service works on voice calls' using errcode = '42501';
  end if;
  return query
    select f.call_id from (
      select s.vapi_call_id as call_id, s.last_activity_at as since from public.interview_sessions s
      where s.status = 'in_progress' and s.vapi_call_id is not null and s.last_activity_at < app.now() - interval '10 minutes'
      union all
      -- The call may say whose it is where its events did not. Two hours are two runs: others' calls are not asked for ever.
      select e.call_id, min(e.received_at) from app.webhook_events e
      where e.status = 'unmatched' and e.received_at > app.now() - interval '2 hours'
      group by e.call_id having max(e.received_at) < app.now() - interval '10 minutes'
    ) as f
    order by f.since, f.call_id limit p_limit;
end $$;
comment on function app.overdue_voice_calls(integer) is
  'The calls of interviews in progress, and those of unmatched events, of which nothing has come for ten minutes, the oldest first. '
  'For the schedule, which has their report fetched.';

create or replace function app.due_call_deletions(p_limit integer) returns table (call_id text, requested_at timestamptz)
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  if not app.is_service() then
    raise exception 'only the service works on voice calls' using errcode = '42501';
  end if;
  return query
    select d.call_id, d.requested_at from app.call_deletions d
    where d.interview_id is null and d.deleted_at is null
      -- Whatever was noted: what an interview has, somebody may want to hear.
      and not exists (select from public.interview_sessions s where s.vapi_call_id = d.call_id)
    -- What cannot be deleted keeps back nothing that was not tried yet, and then gives way to what was tried longer ago.
    order by d.tried_at nulls first, d.requested_at, d.call_id limit p_limit;
end $$;
comment on function app.due_call_deletions(integer) is
  'The calls to delete at their vendor, and when that was asked for; those that never failed first. For the schedule and the worker.';

create or replace function app.finish_call_deletion(p_call_id text, p_requested_at timestamptz, p_is_deleted boolean) returns void
  language sql volatile
begin atomic
  update app.call_deletions d
  set deleted_at = case when p_is_deleted then app.now() end,
      tried_at = case when p_is_deleted then d.tried_at else app.now() end
  where d.call_id = p_call_id and d.requested_at = p_requested_at and d.interview_id is null and d.deleted_at is null;
end;
comment on function app.finish_call_deletion(text, timestamptz, boolean) is
  'Notes that the vendor has a call no more, or that it could not be deleted; nothing where it was asked for anew since p_requested_at. '
  'For the service.';

create or replace function app.record_acoustics(
  p_user_id text, p_interview_id uuid, p_volume_score numeric, p_tonal_variation numeric, p_acoustics jsonb
) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  update public.voice_analytics v
  set volume_score = p_volume_score, tonal_variation = p_tonal_variation,
      analysis = v.analysis || pg_catalog.jsonb_build_object('acoustics', p_acoustics)
  from public.interview_sessions s
  where s.id = p_interview_id and s.user_id = p_user_id and v.interview_id = s.id;
end $$;
comment on function app.record_acoustics(text, uuid, numeric, numeric, jsonb) is
  'Keeps what a client measured of a voice interview''s sound, in the place of what it sent before; nothing where there are no analytics. '
  'Raises 42501 for another''s user id.';

drop policy if exists "Acoustics are kept for the caller" on public.voice_analytics;
create policy "Acoustics are kept for the caller" on public.voice_analytics for update to parley_definer
  using (exists (select from public.interview_sessions s where s.id = interview_id and s.user_id = (select app.user_id())));
select app.give_to('parley_definer', 'app.record_acoustics(text, uuid, numeric, numeric, jsonb)');
select app.give_to('parley_owner', 'app.receive_voice_event(text, text, text, text)');
grant update (volume_score, tonal_variation, analysis) on public.voice_analytics to parley_definer;
grant execute on function app.record_acoustics(text, uuid, numeric, numeric, jsonb) to parley_app, parley_service;
grant insert (provider, event_key, type, call_id, payload, received_at), select (provider, event_key) on app.webhook_events to parley_owner;
grant execute on function app.receive_voice_event(text, text, text, text) to parley_app, parley_service;
grant execute on function app.voice_event(bigint), app.fail_voice_event(bigint, text),
  app.write_spoken_turns(uuid, text, jsonb), app.spoken_turns(uuid), app.speaker_runs(jsonb),
  app.apply_call_report(public.interview_sessions, jsonb), app.interview_of_call(text, uuid),
  app.apply_to_interview(public.interview_sessions, jsonb), app.apply_voice_call(text, jsonb),
  app.apply_voice_event(bigint, jsonb), app.has_call_report(text), app.overdue_voice_events(integer),
  app.overdue_voice_calls(integer), app.note_call_without_interview(text, uuid, boolean), app.due_call_deletions(integer),
  app.finish_call_deletion(text, timestamptz, boolean) to parley_service;
revoke all on all functions in schema app from public;
