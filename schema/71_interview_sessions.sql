-- 71 interview sessions: how a text interview is made, conducted turn by turn, and ended. docs/states.md has the diagram.
--
-- What may happen next follows from the transcript alone: a question or a follow-up at its end waits for an answer, an
-- answer at its end for the interviewer. So whoever dies at any turn finds the interview where it stopped.

alter table public.interview_sessions
  add column if not exists organization_id text,
  add column if not exists follow_up_depth text not null default 'moderate',
  add column if not exists time_limit_seconds integer,
  add column if not exists request_hash text,
  drop constraint if exists interview_sessions_conduct_check,
  drop constraint if exists interview_sessions_started_check;
select app.adopt_reference('public.interview_sessions', 'organization_id', 'public.organization', 'set null');
comment on column public.interview_sessions.organization_id is
  'Whom the user acted for, stamped from the claims; its rules choose the provider of what is written later.';
comment on column public.interview_sessions.follow_up_depth is 'light, moderate or deep: the follow-ups that one question may have (app.follow_up_budget).';
comment on column public.interview_sessions.time_limit_seconds is 'Of the whole interview, from its start; null for none. Answers have their own in questions.';
comment on column public.interview_sessions.request_hash is 'Of the request that made it: its repetition is told by it from another one under the same key.';
alter table public.interview_sessions add constraint interview_sessions_conduct_check check (
  follow_up_depth in ('light', 'moderate', 'deep') and time_limit_seconds > 0);
alter table public.interview_responses drop constraint if exists interview_responses_stage_check;
do $$
begin
  alter table public.interview_sessions add constraint interview_sessions_started_check check (
    case status when 'pending' then started_at is null when 'in_progress' then started_at is not null else true end);
  alter table public.interview_responses add constraint interview_responses_stage_check check (
    case role when 'assistant' then stage in ('question', 'follow_up') when 'user' then stage in ('answer', 'skipped')
      else stage = 'expired' end);
exception when check_violation then
  raise notice 'adopted interviews use words of their own; starts and stages are not checked';
end $$;
create index if not exists idx_interview_sessions_user_id_created_at
  on public.interview_sessions (user_id, created_at desc, id desc);
create index if not exists idx_interview_sessions_organization_id on public.interview_sessions (organization_id);

create or replace function app.follow_up_budget(p_depth text) returns integer
  language sql immutable parallel safe
  return case p_depth when 'light' then 0 when 'moderate' then 2 when 'deep' then 5 end;
comment on function app.follow_up_budget(text) is 'How many follow-ups one question may have.';

create or replace function app.question_count(p_session public.interview_sessions) returns integer
  language sql immutable
  return case jsonb_typeof((p_session).questions) when 'array' then jsonb_array_length((p_session).questions) else 0 end;
comment on function app.question_count(public.interview_sessions) is
  'How many questions an interview has; an adopted one may keep something else than a list.';

create or replace function app.lock_interview(p_user_id text, p_id uuid) returns public.interview_sessions
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
begin
  perform app.require_caller(p_user_id);
  -- The user's deletion waits, or was first: what a completed interview earns takes rows that the deletion holds.
  perform pg_catalog.pg_advisory_xact_lock_shared(app.subject_lock(p_user_id));
  select * into v_session from public.interview_sessions where id = p_id and user_id = p_user_id for update;
  if not found then
    raise exception 'no such interview' using errcode = 'P0002';
  end if;
  return v_session;
end $$;
comment on function app.lock_interview(text, uuid) is
  'A user''s interview, locked: its turns are written one at a time. Raises P0002 where there is none, 42501 for another''s user id.';

create or replace function app.last_turn(p_interview_id uuid) returns public.interview_responses
  language sql stable
begin atomic
  select r from public.interview_responses r where r.interview_id = p_interview_id
  order by r.sequence_number desc limit 1;
end;
comment on function app.last_turn(uuid) is 'The turn at the end of a transcript.';

create or replace function app.write_turn(
  p_interview_id uuid, p_role text, p_stage text, p_question_index integer, p_content text default '',
  p_submission_id text default null, p_analysis jsonb default null
) returns void
  language sql volatile
begin atomic
  insert into public.interview_responses
    (interview_id, role, stage, question_index, content, submission_id, analysis, "timestamp", sequence_number)
  select p_interview_id, p_role, p_stage, p_question_index, p_content, p_submission_id, p_analysis, app.now(),
    1 + coalesce(max(r.sequence_number), 0)
  from public.interview_responses r where r.interview_id = p_interview_id;
end;
comment on function app.write_turn(uuid, text, text, integer, text, text, jsonb) is 'Appends a turn to a locked interview''s transcript.';

create or replace function app.interview_ends_at(p_session public.interview_sessions) returns timestamptz
  language sql stable
  return (p_session).started_at + make_interval(secs => (p_session).time_limit_seconds);
comment on function app.interview_ends_at(public.interview_sessions) is 'When the time for an interview that was started is over; null without a limit.';

create or replace function app.end_interview(p_session public.interview_sessions, p_status text, p_reason text) returns void
  language sql volatile
begin atomic
  update public.interview_sessions set
    status = p_status, ended_reason = p_reason,
    completed_at = case when p_status = 'completed' then app.now() end,
    -- Nobody was there while it was silent, nor after its time, whenever that is found out.
    duration_minutes = extract(epoch from least(
      case p_reason when 'silence' then last_activity_at when 'time_limit' then app.interview_ends_at(p_session) end,
      app.now()) - started_at) / 60
  where id = (p_session).id;
end;
comment on function app.end_interview(public.interview_sessions, text, text) is 'Ends an interview (completed or abandoned) and says why.';

create or replace function app.ask_question(p_session public.interview_sessions, p_index integer) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if p_index < app.question_count(p_session) then
    perform app.write_turn(
      p_interview_id => p_session.id, p_role => 'assistant', p_stage => 'question', p_question_index => p_index,
      -- An adopted interview's question may be a text.
      p_content => coalesce(p_session.questions -> p_index ->> 'question', p_session.questions ->> p_index));
  else
    perform app.end_interview(p_session, 'completed', 'finished');
  end if;
end $$;
comment on function app.ask_question(public.interview_sessions, integer) is
  'Asks a question of an interview in progress; after the last one the interview is completed.';

create or replace function app.answer_ends_at(p_session public.interview_sessions, p_asked public.interview_responses)
  returns timestamptz language sql stable
  -- While a model thinks about a follow-up nobody's time runs.
  return case when (p_session).status = 'in_progress' and (p_asked).role = 'assistant' then (p_asked)."timestamp" + make_interval(
    secs => ((p_session).questions -> (p_asked).question_index ->> 'time_limit_seconds')::double precision) end;
comment on function app.answer_ends_at(public.interview_sessions, public.interview_responses) is
  'When the time to answer the turn at an interview''s end is over: a follow-up has as long as its question; null without a limit.';

create or replace function app.follow_ups_left(p_session public.interview_sessions, p_index integer) returns integer
  language sql stable
begin atomic
  select app.follow_up_budget((p_session).follow_up_depth) - count(*)::integer
  from public.interview_responses r
  where r.interview_id = (p_session).id and r.question_index = p_index and r.stage = 'follow_up';
end;
comment on function app.follow_ups_left(public.interview_sessions, integer) is 'How many follow-ups a question may still have.';

-- Nobody need be there when time runs out: whoever looks next finds what followed from it.
--   1. The interview's time completes it.
--   2. The time to answer skips the question. What is on its way gets five seconds.
create or replace function app.apply_time_limits(p_session public.interview_sessions) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_last public.interview_responses;
begin
  if p_session.status <> 'in_progress' or p_session.interview_type <> 'text' then
    return;
  end if;
  -- 1.
  if app.interview_ends_at(p_session) < app.now() - interval '5 seconds' then
    perform app.end_interview(p_session, 'completed', 'time_limit');
    return;
  end if;
  -- 2.
  v_last := app.last_turn(p_session.id);
  if app.answer_ends_at(p_session, v_last) < app.now() - interval '5 seconds' then
    perform app.write_turn(
      p_interview_id => p_session.id, p_role => 'system', p_stage => 'expired', p_question_index => v_last.question_index);
    perform app.ask_question(p_session, v_last.question_index + 1);
  end if;
end $$;
comment on function app.apply_time_limits(public.interview_sessions) is 'Carries out what the time that has passed means for a locked interview.';

-- What a client needs to go on from any turn.
--   1. The session, and what its end says it waits for: start, answer, interviewer; null once it is over, and where its
--      turns are not written here: a voice call's, an adopted interview's.
--   2. For who asks a follow-up: the turns about the question at its end, and all that the interviewer asked.
create or replace function app.interview_state(p_id uuid) returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
  v_last public.interview_responses;
  v_awaits text;
begin
  -- 1.
  select * into v_session from public.interview_sessions where id = p_id;
  v_last := app.last_turn(p_id);
  v_awaits := case
    when v_session.status = 'pending' then 'start'
    when v_session.interview_type <> 'text' then null
    when v_session.status <> 'in_progress' or v_last.question_index is null then null
    when v_last.role = 'user' then 'interviewer'
    else 'answer' end;
  return pg_catalog.jsonb_build_object(
    'session', pg_catalog.to_jsonb(v_session) - '{request_hash,feedback_requests}'::text[], 'awaits', v_awaits, 'now', app.now(),
    'last_sequence_number', coalesce(v_last.sequence_number, 0), 'question_index', v_last.question_index,
    'follow_ups_left', case when v_session.status = 'in_progress' then app.follow_ups_left(v_session, v_last.question_index) end,
    'answer_ends_at', app.answer_ends_at(v_session, v_last),
    'interview_ends_at', case when v_session.status = 'in_progress' then app.interview_ends_at(v_session) end,
    -- 2.
    'turns', coalesce((
      select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(r) order by r.sequence_number)
      from public.interview_responses r
      where r.interview_id = p_id and r.question_index = v_last.question_index), '[]'),
    'asked', coalesce((
      select pg_catalog.jsonb_agg(r.content order by r.sequence_number)
      from public.interview_responses r where r.interview_id = p_id and r.role = 'assistant'), '[]'));
end $$;
comment on function app.interview_state(uuid) is
  'An interview as it stands: {"session", "awaits" (start, answer, interviewer or null), "last_sequence_number", "question_index", '
  '"follow_ups_left", "answer_ends_at", "interview_ends_at", "turns" (of that question), "asked" (texts, of all), "now"}.';

-- Making one costs nothing, so a user may make so many a day; one whose questions took a unit is never refused.
--   1. A user's requests queue here, so that the count holds until the row is there.
--   2. Who repeats the request finds what it made.
create or replace function app.create_interview(p_user_id text, p_session jsonb, p_daily_limit integer) returns jsonb
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := p_session ->> 'id';
  v_today constant timestamptz := app.today()::timestamp at time zone app.time_zone();
  v_known text;
begin
  perform app.require_caller(p_user_id);
  if not app.provision() then
    return '{"outcome": "subject_deleted"}';
  end if;
  -- 1.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('interviews of ' || p_user_id, 0));
  -- 2.
  select coalesce(request_hash, '') into v_known from public.interview_sessions where id = v_id and user_id = p_user_id;
  if found then
    return pg_catalog.jsonb_build_object(
      'outcome', case when v_known = p_session ->> 'request_hash' then 'repeated' else 'idempotency_key_reused' end,
      'state', app.interview_state(v_id));
  elsif p_daily_limit <= (
    select count(*) from public.interview_sessions where user_id = p_user_id and created_at >= v_today
  ) then
    return pg_catalog.jsonb_build_object('outcome', 'daily_limit_reached', 'retry_after', greatest(1, pg_catalog.ceil(
      extract(epoch from (app.today() + 1)::timestamp at time zone app.time_zone() - app.now()))));
  end if;
  insert into public.interview_sessions
    (id, user_id, interview_type, title, description, questions, category, role, experience_level, language, purpose,
     competencies, follow_up_depth, time_limit_seconds, retry_of, metadata, request_hash, organization_id, last_activity_at,
     created_at)
  select v_id, p_user_id, coalesce(s.interview_type, 'text'), s.title, s.description, s.questions, s.category, s.role,
    s.experience_level, s.language, s.purpose, s.competencies, s.follow_up_depth, s.time_limit_seconds, s.retry_of, s.metadata,
    s.request_hash, app.organization_id(), app.now(), app.now()
  from pg_catalog.jsonb_to_record(p_session) as s (
    interview_type text, title text, description text, questions jsonb, category text, role text, experience_level text,
    language text, purpose text, competencies jsonb, follow_up_depth text, time_limit_seconds integer, retry_of uuid,
    metadata jsonb, request_hash text);
  return pg_catalog.jsonb_build_object('outcome', 'created', 'state', app.interview_state(v_id));
end $$;
comment on function app.create_interview(text, jsonb, integer) is
  'Makes a pending interview of the columns in p_session, once by its id: {"outcome": created, repeated, idempotency_key_reused, '
  'daily_limit_reached (with "retry_after"; never where p_daily_limit is null) or subject_deleted, "state"}. Raises 42501 for another''s user id.';

create or replace function app.start_interview(p_user_id text, p_id uuid) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions := app.lock_interview(p_user_id, p_id);
begin
  -- It is carried out together with spending the unit: refused, that is undone too.
  if v_session.status <> 'pending' then
    raise exception 'the interview is %', v_session.status using errcode = '55000';
  end if;
  update public.interview_sessions set status = 'in_progress', started_at = app.now(), last_activity_at = app.now()
  where id = p_id;
  -- What is asked in a voice call, its transcript says.
  if v_session.interview_type = 'text' then
    perform app.ask_question(v_session, 0);
  end if;
end $$;
comment on function app.start_interview(text, uuid) is
  'Starts a pending interview; of a typed one it asks the first question. Raises 55000 where it is not pending, P0002 where there is none.';

-- Every move of a candidate's, in one transaction that holds the session: an answer is either stored or refused, never half.
--   1. What the clock did in the meantime comes first.
--   2. A repeated submission changes nothing; with another text it is refused.
--   3. An answer and a skip say which turn they are, so that what is meant for one question cannot land on another.
--   4. After an answer the interviewer may have a follow-up; else, and after a skip, the next question comes at once. Nothing
--      more is asked when the interview's time is over: this answer was on its way.
create or replace function app.move_interview(
  p_user_id text, p_id uuid, p_move text, p_sequence_number integer default null, p_submission_id text default null,
  p_content text default null, p_words integer default null
) returns jsonb
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions := app.lock_interview(p_user_id, p_id);
  v_before constant text := v_session.status;
  v_last public.interview_responses;
  v_earlier public.interview_responses;
  v_outcome text := 'done';
begin
  -- 1.
  perform app.apply_time_limits(v_session);
  select * into v_session from public.interview_sessions where id = p_id;
  v_last := app.last_turn(p_id);

  if p_move in ('answer', 'skip') then
    -- 2.
    select * into v_earlier from public.interview_responses r
    where r.interview_id = p_id and r.role = 'user'
      and case p_move when 'answer' then r.submission_id = p_submission_id else r.sequence_number = p_sequence_number and r.stage = 'skipped' end;
    if v_earlier.id is not null then
      v_outcome := case when p_move = 'skip' or v_earlier.content = p_content and v_earlier.sequence_number = p_sequence_number
        then 'repeated' else 'submission_id_reused' end;
    -- 3.
    elsif v_session.status <> 'in_progress' or v_session.interview_type <> 'text' then
      v_outcome := 'not_in_progress';
    elsif v_last.question_index is null or v_last.role <> 'assistant' or p_sequence_number <> v_last.sequence_number + 1 then
      v_outcome := 'sequence_conflict';
    else
      -- 4.
      perform app.write_turn(
        p_interview_id => p_id, p_role => 'user', p_stage => case p_move when 'answer' then 'answer' else 'skipped' end,
        p_question_index => v_last.question_index, p_content => coalesce(p_content, ''), p_submission_id => p_submission_id,
        p_analysis => case when p_move = 'answer' then pg_catalog.jsonb_build_object(
          'words', p_words, 'seconds', pg_catalog.round(extract(epoch from app.now() - v_last."timestamp"), 1)) end);
      update public.interview_sessions set last_activity_at = app.now() where id = p_id;
      if app.interview_ends_at(v_session) < app.now() then
        perform app.end_interview(v_session, 'completed', 'time_limit');
      elsif p_move = 'skip' or app.follow_ups_left(v_session, v_last.question_index) = 0 then
        perform app.ask_question(v_session, v_last.question_index + 1);
      end if;
    end if;
  elsif p_move = 'complete' then
    -- A voice interview is completed by the report of its call.
    if v_session.status = 'in_progress' and v_session.interview_type = 'text' then
      perform app.end_interview(v_session, 'completed', 'ended_by_candidate');
    elsif v_session.status <> 'completed' then
      v_outcome := 'not_in_progress';
    end if;
  elsif p_move = 'abandon' then
    if v_session.status in ('pending', 'in_progress') then
      perform app.end_interview(v_session, 'abandoned', 'abandoned');
    elsif v_session.status <> 'abandoned' then
      v_outcome := 'not_in_progress';
    end if;
  elsif p_move <> 'look' then
    raise exception 'unknown move: %', p_move using errcode = '22023';
  end if;
  return pg_catalog.jsonb_build_object(
    'outcome', v_outcome, 'state', app.interview_state(p_id),
    'completed', v_before <> 'completed' and exists (
      select from public.interview_sessions where id = p_id and status = 'completed'));
end $$;
comment on function app.move_interview(text, uuid, text, integer, text, text, integer) is
  'Carries out answer, skip, complete, abandon or look, what time has done first: {"outcome": done, repeated, submission_id_reused, '
  'sequence_conflict or not_in_progress, "state": app.interview_state, "completed": whether it is from now on}. An answer and a '
  'skip name the sequence number that they get; p_words is how many words the answer has. Raises P0002 where there is no such interview, 42501 for another''s user id, 22023 for another move.';

create or replace function app.ask_follow_up(p_user_id text, p_id uuid, p_after integer, p_content text) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions := app.lock_interview(p_user_id, p_id);
  v_last constant public.interview_responses := app.last_turn(p_id);
begin
  -- Somebody else may have gone on since the model was asked.
  if v_session.status <> 'in_progress' or v_last.sequence_number <> p_after or v_last.role <> 'user' then
    return;
  elsif p_content is not null and app.follow_ups_left(v_session, v_last.question_index) > 0 then
    perform app.write_turn(
      p_interview_id => p_id, p_role => 'assistant', p_stage => 'follow_up', p_question_index => v_last.question_index,
      p_content => p_content);
  else
    perform app.ask_question(v_session, v_last.question_index + 1);
  end if;
end $$;
comment on function app.ask_follow_up(text, uuid, integer, text) is
  'Goes on after the answer with this sequence number, once: with a follow-up within the budget, or with the next question where '
  'p_content is null. Raises P0002 where there is no such interview, 42501 for another''s user id.';

-- Whoever does not come back gets feedback from what is there. One a transaction: what it earns takes the user's rows, and
-- two users' rows at a time would be taken in any order.
create or replace function app.close_silent_interview() returns uuid
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
begin
  if not app.is_service() then
    raise exception 'only the service closes interviews' using errcode = '42501';
  end if;
  -- Who is at it at this moment holds the row, and is skipped; so is a user who is being deleted.
  select * into v_session from public.interview_sessions s
  where s.status = 'in_progress'
    and case when s.last_activity_at < app.now() - interval '24 hours' or s.interview_type = 'text' and app.interview_ends_at(s) < app.now() - interval '5 seconds'
      then pg_catalog.pg_try_advisory_xact_lock_shared(app.subject_lock(s.user_id)) end
  order by s.last_activity_at limit 1 for update skip locked;
  if found then
    perform app.end_interview(
      v_session,
      -- A call that was never made, or in which nobody answered, is no interview.
      case when v_session.interview_type = 'text' or exists (
        select from public.interview_responses r where r.interview_id = v_session.id and r.role = 'user')
        then 'completed' else 'abandoned' end,
      case when app.interview_ends_at(v_session) < app.now() then 'time_limit' else 'silence' end);
  end if;
  return v_session.id;
end $$;
comment on function app.close_silent_interview() is
  'For the schedule: ends an interview whose last turn is a day old, or a typed one whose time is over; returns its id, null where none is left.';

drop policy if exists "Interviews are made for the caller or the service" on public.interview_sessions;
create policy "Interviews are made for the caller or the service" on public.interview_sessions for insert to parley_definer
  with check (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Interviews are conducted for the caller or the service" on public.interview_sessions;
create policy "Interviews are conducted for the caller or the service" on public.interview_sessions for update to parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Turns are read for the caller or the service" on public.interview_responses;
create policy "Turns are read for the caller or the service" on public.interview_responses for select to parley_definer
  using (exists (select from public.interview_sessions s
    where s.id = interview_id and (s.user_id = (select app.user_id()) or (select app.is_service()))));
drop policy if exists "Turns are written for the caller or the service" on public.interview_responses;
create policy "Turns are written for the caller or the service" on public.interview_responses for insert to parley_definer
  with check (exists (select from public.interview_sessions s
    where s.id = interview_id and (s.user_id = (select app.user_id()) or (select app.is_service()))));

select app.give_to('parley_definer',
  'app.create_interview(text, jsonb, integer)', 'app.start_interview(text, uuid)',
  'app.move_interview(text, uuid, text, integer, text, text, integer)', 'app.ask_follow_up(text, uuid, integer, text)',
  'app.close_silent_interview()');
grant insert (id, user_id, interview_type, title, description, questions, category, role, experience_level, language, purpose, competencies,
    follow_up_depth, time_limit_seconds, retry_of, metadata, request_hash, last_activity_at, created_at, organization_id),
  update (status, started_at, completed_at, duration_minutes, ended_reason, last_activity_at, updated_at)
  on public.interview_sessions to parley_definer;
grant select, insert on public.interview_responses to parley_definer;
grant execute on function app.question_count(public.interview_sessions) to authenticated, service_role, parley_definer;
grant execute on function app.follow_up_budget(text), app.lock_interview(text, uuid), app.last_turn(uuid),
  app.write_turn(uuid, text, text, integer, text, text, jsonb),
  app.end_interview(public.interview_sessions, text, text), app.ask_question(public.interview_sessions, integer),
  app.answer_ends_at(public.interview_sessions, public.interview_responses), app.interview_ends_at(public.interview_sessions),
  app.follow_ups_left(public.interview_sessions, integer), app.apply_time_limits(public.interview_sessions),
  app.interview_state(uuid) to parley_definer;
grant execute on function app.create_interview(text, jsonb, integer), app.start_interview(text, uuid),
  app.move_interview(text, uuid, text, integer, text, text, integer), app.ask_follow_up(text, uuid, integer, text)
  to parley_app, parley_service;
grant execute on function app.close_silent_interview() to parley_service;
revoke all on all functions in schema app from public;
