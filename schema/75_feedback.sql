-- 75 feedback: when an interview's feedback is due, who writes it, and what becomes of that. docs/states.md has the diagram.
--
-- The interview's own row says where its feedback is, so there is nothing that could disagree with it. Whoever writes has a
-- lease and a fence: a worker that died is followed by another one, and one that is only slow cannot write after that.

alter table public.interview_sessions
  add column if not exists feedback_samples smallint not null default 1,
  add column if not exists feedback_requested_at timestamptz,
  add column if not exists feedback_lease_until timestamptz,
  add column if not exists feedback_fence integer not null default 0,
  add column if not exists feedback_error text,
  add column if not exists feedback_requests jsonb not null default '[]',
  add column if not exists feedback_counted_from integer not null default 1,
  drop constraint if exists interview_sessions_feedback_check;
alter table public.interview_feedback
  add column if not exists samples smallint not null default 1,
  add column if not exists rubric_version text;
comment on column public.interview_sessions.feedback_samples is 'How many assessments the feedback that is due rests on, 1 to 5.';
comment on column public.interview_sessions.feedback_requested_at is 'When the feedback that is due, or the last one, was asked for.';
comment on column public.interview_sessions.feedback_lease_until is 'Until when a worker writes; null where none does.';
comment on column public.interview_sessions.feedback_fence is 'How many workers have begun to write; only the last one may.';
comment on column public.interview_sessions.feedback_error is 'Why there is no feedback: a problem''s code.';
comment on column public.interview_sessions.feedback_counted_from is
  'The first version that counts towards what the interview''s unit covers: earlier ones are about what was heard before its call''s report.';
comment on column public.interview_feedback.samples is 'How many assessments it rests on; 0 where the candidate said nothing.';
comment on column public.interview_feedback.rubric_version is 'Of the shipped rubric, or own.';
comment on column public.interview_sessions.feedback_requests is
  'The last fifty requests for feedback that came with an Idempotency-Key: {"id", "samples"}, the id derived from the key.';

alter table public.interview_sessions add constraint interview_sessions_feedback_check check (
  feedback_samples between 1 and 5
  and (feedback_status = 'pending' or feedback_lease_until is null)
  and (feedback_status = 'failed') = (feedback_error is not null)
  and (feedback_status <> 'pending' or feedback_requested_at is not null));
-- Not every interview, just those that somebody has to do something about.
create index if not exists idx_interview_sessions_feedback_due on public.interview_sessions (feedback_requested_at)
  where feedback_status = 'pending';

create or replace function app.request_first_feedback() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.feedback_status := 'pending';
  new.feedback_samples := 1;
  new.feedback_requested_at := app.now();
  new.feedback_lease_until := null;
  new.feedback_error := null;
  return new;
end $$;
comment on function app.request_first_feedback() is
  'Trigger: an interview that is completed is due for feedback, whoever completes it, in the same transaction.';
create or replace trigger _50_feedback before update of status on public.interview_sessions
  for each row when (new.status = 'completed' and old.status is distinct from new.status)
  execute function app.request_first_feedback();

create or replace function app.feedback_takes_unit(p_interview_id uuid, p_samples integer) returns boolean
  language sql stable
begin atomic
  select coalesce(sum(f.samples), 0) + p_samples > 3
  from public.interview_sessions s
  -- What an adopted interview had before is none of Parley's.
  join public.interview_feedback f
    on f.interview_id = s.id and f.version >= s.feedback_counted_from and f.rule_version is not null
  where s.id = p_interview_id;
end;
comment on function app.feedback_takes_unit(uuid, integer) is
  'Whether so many further assessments go beyond the three that the interview''s unit covers.';

-- The interview's unit covers three assessments. Feedback beyond them takes a unit, whatever number it asks for: it is held
-- when it is written, and who has none left is told here. One that failed has cost nothing and is asked for again.
--   1. The interview, which must be over.
--   2. Who repeats a request asks for nothing more, unless what it asked for has failed.
--   3. What is due already stays as it is.
--   4. Three times written anew is enough, and so are forty tries: models that refuse an interview are not asked for ever.
--   5. Nobody waits for what would be refused in the end.
create or replace function app.request_feedback(
  p_user_id text, p_interview_id uuid, p_samples integer, p_request_id uuid default null
) returns jsonb
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
  v_request constant jsonb := pg_catalog.jsonb_build_object('id', p_request_id, 'samples', p_samples);
  v_requests jsonb;
  v_written integer;
  v_quota jsonb;
  v_window jsonb;
begin
  -- 1.
  perform app.require_caller(p_user_id);
  select * into v_session from public.interview_sessions where id = p_interview_id and user_id = p_user_id for update;
  if not found then
    return '{"outcome": "interview_not_found"}';
  elsif v_session.status <> 'completed' then
    return '{"outcome": "interview_not_completed"}';
  end if;
  -- 2.
  v_requests := v_session.feedback_requests;
  if v_requests @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('id', p_request_id)) then
    if not v_requests @> pg_catalog.jsonb_build_array(v_request) then
      return '{"outcome": "idempotency_key_reused"}';
    elsif v_session.feedback_status <> 'failed' then
      return '{"outcome": "repeated"}';
    end if;
  elsif p_request_id is not null then
    v_requests := case when pg_catalog.jsonb_array_length(v_requests) < 50 then v_requests else v_requests - 0 end || v_request;
  end if;
  -- 3.
  if v_session.feedback_status = 'pending' then
    if p_request_id is not null then
      update public.interview_sessions set feedback_requests = v_requests where id = p_interview_id;
    end if;
    return pg_catalog.jsonb_build_object('outcome', 'pending', 'requested_at', v_session.feedback_requested_at);
  end if;
  -- 4.
  v_written := (
    select count(*) from public.interview_feedback
    where interview_id = p_interview_id and version >= v_session.feedback_counted_from and rule_version is not null);
  if v_written > 3 or v_session.feedback_fence >= 40 then
    return '{"outcome": "feedback_limit_reached"}';
  end if;
  -- 5.
  v_quota := app.quota();
  v_window := v_quota -> case
    when (v_quota #>> '{monthly,used}')::integer >= (v_quota #>> '{monthly,limit}')::integer then 'monthly' else 'daily' end;
  if app.feedback_takes_unit(p_interview_id, p_samples) and app.tier_takes_units(v_quota ->> 'tier')
    and (v_window ->> 'used')::integer >= (v_window ->> 'limit')::integer then
    return pg_catalog.jsonb_build_object(
      'outcome', 'quota_exceeded', 'tier', v_quota ->> 'tier', 'quota', v_quota - 'tier', 'retry_after', greatest(
        1, pg_catalog.ceil(extract(epoch from (v_window ->> 'resets_at')::timestamptz - app.now()))));
  end if;
  update public.interview_sessions
  set feedback_status = 'pending', feedback_samples = p_samples, feedback_requested_at = app.now(), feedback_error = null,
      feedback_requests = v_requests
  where id = p_interview_id;
  return pg_catalog.jsonb_build_object('outcome', 'requested', 'requested_at', app.now());
end $$;
comment on function app.request_feedback(text, uuid, integer, uuid) is
  'Asks for feedback on a completed interview, anew or after it failed, once by p_request_id: {"outcome": requested or pending '
  '(with "requested_at"), repeated, idempotency_key_reused, interview_not_found, interview_not_completed, feedback_limit_reached, '
  'or quota_exceeded (with "tier", "quota" and "retry_after")}. Raises 42501 for another''s user id.';

-- A queue delivers a message more than once, and a worker may die: whoever comes asks here first.
--   1. The interview's row, locked: two who come at the same time do so one after the other.
--   2. Nothing is due, or somebody is at it. What failed is tried again by whoever is sent again.
--   3. The lease, under the next fence.
--   4. All that it takes to write: whom it is for, and what was asked and said. Turns without words tell nothing.
create or replace function app.begin_feedback(p_interview_id uuid, p_lease_seconds integer) returns jsonb
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
begin
  -- 1.
  if not app.is_service() then
    raise exception 'only the service writes feedback' using errcode = '42501';
  end if;
  select * into v_session from public.interview_sessions where id = p_interview_id for update;
  -- 2.
  if not found or v_session.feedback_status in ('none', 'ready') then
    return '{"outcome": "not_due"}';
  elsif v_session.feedback_lease_until > app.now() then
    return '{"outcome": "in_progress"}';
  end if;
  -- 3.
  update public.interview_sessions
  set feedback_status = 'pending', feedback_error = null, feedback_fence = feedback_fence + 1,
      feedback_lease_until = app.now() + pg_catalog.make_interval(secs => p_lease_seconds)
  where id = p_interview_id
  returning * into v_session;
  -- 4.
  return pg_catalog.jsonb_build_object(
    'outcome', 'due', 'fence', v_session.feedback_fence, 'samples', v_session.feedback_samples,
    'takes_unit', app.feedback_takes_unit(p_interview_id, v_session.feedback_samples),
    'covered', (
      select count(*) from pg_catalog.generate_series(1, v_session.feedback_samples) n
      where not app.feedback_takes_unit(p_interview_id, n)),
    'version', (select count(*) + 1 from public.interview_feedback where interview_id = p_interview_id),
    'user_id', v_session.user_id, 'organization_id', v_session.organization_id,
    'interview', pg_catalog.jsonb_build_object(
      'language', v_session.language, 'category', v_session.category, 'role', v_session.role,
      'experience_level', v_session.experience_level, 'questions', v_session.questions,
      'competencies', v_session.competencies,
      'turns', coalesce((
        select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) order by r.sequence_number)
        from public.interview_responses r
        where r.interview_id = p_interview_id and r.role in ('user', 'assistant') and r.content <> ''), '[]'),
      'is_verified', not exists (
        select from public.interview_responses r where r.interview_id = p_interview_id and r.source = 'client_supplied')));
end $$;
comment on function app.begin_feedback(uuid, integer) is
  'Takes the lease to write an interview''s feedback: {"outcome": not_due, in_progress, or due with "fence", "samples", "takes_unit", '
  '"covered" (how many of the samples the interview''s unit covers), "version", "user_id", "organization_id" and "interview"}. For the service.';

create or replace function app.fail_feedback(p_interview_id uuid, p_fence integer, p_error_code text) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not app.is_service() then
    raise exception 'only the service writes feedback' using errcode = '42501';
  end if;
  -- Sent twice, because the first answer was lost, it leaves alone what was asked for since.
  update public.interview_sessions
  set feedback_status = 'failed', feedback_error = p_error_code, feedback_lease_until = null
  where id = p_interview_id and feedback_status = 'pending' and feedback_fence = p_fence and feedback_lease_until is not null;
end $$;
comment on function app.fail_feedback(uuid, integer, text) is
  'Says why there is no feedback, and ends the lease; nothing where another worker has taken over. For the service.';

create or replace function app.overdue_feedback(p_limit integer) returns setof uuid
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if not app.is_service() then
    raise exception 'only the service looks for feedback that is due' using errcode = '42501';
  end if;
  -- A message needs a moment, and so does the worker that has it.
  return query
    select s.id from public.interview_sessions s
    where s.feedback_status = 'pending' and s.feedback_requested_at < app.now() - interval '5 minutes'
      and (s.feedback_lease_until is null or s.feedback_lease_until < app.now())
    order by s.feedback_requested_at limit p_limit;
end $$;
comment on function app.overdue_feedback(integer) is
  'The interviews whose feedback is due and whose message may be lost, the oldest first. For the schedule, which sends another one.';

select app.give_to('parley_definer',
  'app.request_feedback(text, uuid, integer, uuid)', 'app.begin_feedback(uuid, integer)',
  'app.fail_feedback(uuid, integer, text)', 'app.overdue_feedback(integer)');
grant update (feedback_status, feedback_samples, feedback_requested_at, feedback_lease_until, feedback_fence, feedback_error,
    feedback_requests, feedback_id, overall_score)
  on public.interview_sessions to parley_definer;
grant execute on function app.feedback_takes_unit(uuid, integer) to parley_definer;
grant execute on function app.request_feedback(text, uuid, integer, uuid) to parley_app, parley_service;
grant execute on function app.begin_feedback(uuid, integer), app.fail_feedback(uuid, integer, text), app.overdue_feedback(integer)
  to parley_service;
revoke all on all functions in schema app from public;
