-- 70 interviews: profiles, practice, sessions with transcript, feedback and voice analytics (S5), and the inbox of webhooks.
--
-- S5 lists columns and gives almost no types; each guess is commented. Users may change what describes them; what decides
-- a score or a right is written by the service, or by definer functions such as app.record_activity.

create table if not exists public.profiles (
  id          text primary key,
  created_at  timestamptz not null default now()
);
alter table public.profiles
  add column if not exists email text,
  add column if not exists name text,
  add column if not exists display_name text,
  add column if not exists avatar_url text,
  add column if not exists bio text,
  add column if not exists experience_level text,
  add column if not exists target_role text,
  add column if not exists tech_stack text[] not null default '{}',
  add column if not exists total_interviews integer not null default 0,
  add column if not exists completed_interviews integer not null default 0,
  add column if not exists average_score numeric(5, 2),
  add column if not exists total_xp integer not null default 0,
  add column if not exists level integer not null default 1,
  add column if not exists streak_days integer not null default 0,
  add column if not exists timezone text not null default 'UTC',
  add column if not exists leaderboard_opt_out boolean not null default false,
  add column if not exists preferences jsonb not null default '{}',
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
select app.adopt_user_column('public.profiles', 'id', 'cascade');
-- S5's counters may be null, and a null that something is added to stays null.
update public.profiles
set total_interviews = coalesce(total_interviews, 0), completed_interviews = coalesce(completed_interviews, 0),
    total_xp = coalesce(total_xp, 0), level = coalesce(level, 1), streak_days = coalesce(streak_days, 0)
where num_nulls(total_interviews, completed_interviews, total_xp, level, streak_days) > 0;
comment on table public.profiles is 'A user''s public face and cached figures. Counters are written by app.record_activity only.';
comment on column public.profiles.display_name is 'What the leaderboard shows; never the email.';
comment on column public.profiles.tech_stack is 'Type guessed.';
comment on column public.profiles.average_score is 'Mean overall score of completed interviews, 0 to 100; null before the first.';
comment on column public.profiles.total_xp is 'Cached sum of app.xp_events.';
comment on column public.profiles.streak_days is 'The streak at the last activity; app.streak_status says what is left of it now.';
comment on column public.profiles.preferences is 'What the application keeps of its user''s choices; Parley reads nothing in it.';
comment on column public.profiles.timezone is 'IANA name; decides the local date of an activity.';
create index if not exists idx_profiles_email on public.profiles (email);

create table if not exists public.practice_attempts (
  id          uuid primary key default gen_random_uuid(),
  created_at  timestamptz not null default now()
);
alter table public.practice_attempts add column if not exists user_id text not null;
-- S5 lists this table without columns.
alter table public.practice_attempts
  add column if not exists skill text not null default 'general',
  add column if not exists question text,
  add column if not exists answer text,
  add column if not exists difficulty text,
  add column if not exists language text not null default 'en',
  add column if not exists score numeric(5, 2) check (score between 0 and 100),
  add column if not exists feedback jsonb,
  add column if not exists duration_seconds integer,
  add column if not exists organization_id text,
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists created_at timestamptz not null default now();
select app.adopt_user_column('public.practice_attempts', 'user_id', 'cascade');
comment on table public.practice_attempts is 'Single practised questions. The score is the server''s.';
comment on column public.practice_attempts.organization_id is 'Whom the user acted for, stamped from the claims.';
comment on column public.practice_attempts.skill is 'Which row of user_progress the attempt counts towards.';
create index if not exists idx_practice_attempts_user_id on public.practice_attempts (user_id, created_at desc, id);

create table if not exists public.interview_sessions (
  id          uuid primary key default gen_random_uuid(),
  created_at  timestamptz not null default now()
);
alter table public.interview_sessions add column if not exists user_id text not null;
alter table public.interview_sessions
  add column if not exists title text,
  add column if not exists description text,
  add column if not exists interview_type text not null default 'text',
  add column if not exists status text not null default 'pending',
  add column if not exists questions jsonb not null default '[]',
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists started_at timestamptz,
  add column if not exists completed_at timestamptz,
  add column if not exists duration_minutes numeric(8, 2),
  add column if not exists overall_score numeric(5, 2),
  add column if not exists feedback_id uuid,
  add column if not exists feedback_status text not null default 'none',
  add column if not exists category text not null default 'mixed',
  add column if not exists role text,
  add column if not exists experience_level text,
  add column if not exists language text not null default 'en',
  add column if not exists purpose text not null default 'practice',
  add column if not exists competencies jsonb not null default '[]',
  add column if not exists retry_of uuid,
  add column if not exists vapi_call_id text,
  add column if not exists ended_reason text,
  add column if not exists recording_url text,
  add column if not exists cost numeric(18, 9),
  add column if not exists last_activity_at timestamptz not null default now(),
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
select app.adopt_user_column('public.interview_sessions', 'user_id', 'cascade');
comment on table public.interview_sessions is 'One interview, by voice or text, from its questions to its score.';
comment on column public.interview_sessions.status is 'pending -> in_progress -> completed | abandoned | failed; a finished session never goes back.';
comment on column public.interview_sessions.duration_minutes is 'Type guessed: fractions are kept.';
comment on column public.interview_sessions.overall_score is '0 to 100, computed by the server from the feedback''s levels.';
comment on column public.interview_sessions.feedback_status is 'none, pending (being written), ready, failed (may be tried again).';
comment on column public.interview_sessions.category is 'technical, behavioral, ...: which competencies are asked for.';
comment on column public.interview_sessions.competencies is 'The rubric: key, name, weight and anchors of each competency.';
comment on column public.interview_sessions.vapi_call_id is 'The voice call this session is bound to; at most one.';
comment on column public.interview_sessions.ended_reason is
  'finished (all questions), ended_by_candidate, time_limit, silence, abandoned; a voice call''s is its vendor''s.';
comment on column public.interview_sessions.last_activity_at is 'The last turn; the sweeper closes what stays silent.';

create table if not exists public.interview_responses (
  id          uuid primary key default gen_random_uuid(),
  created_at  timestamptz not null default now()
);
alter table public.interview_responses
  add column if not exists interview_id uuid not null references public.interview_sessions (id) on delete cascade,
  add column if not exists role text not null check (role in ('user', 'assistant', 'system')),
  add column if not exists content text not null,
  add column if not exists "timestamp" timestamptz not null default now(),
  add column if not exists confidence numeric(5, 4),
  add column if not exists stage text,
  add column if not exists analysis jsonb,
  add column if not exists sequence_number integer,
  add column if not exists submission_id text,
  add column if not exists question_index integer,
  add column if not exists source text not null default 'server',
  add column if not exists created_at timestamptz not null default now();
comment on table public.interview_responses is 'The transcript, turn by turn.';
comment on column public.interview_responses.confidence is 'The recogniser''s confidence, 0 to 1, written with a voice call''s turns; null for what was typed.';
comment on column public.interview_responses.stage is
  'What the turn is, written by the functions that conduct the interview: question, follow_up; answer, skipped; expired (time ran out).';
comment on column public.interview_responses.analysis is
  'Of a typed answer, written with it: {"words", "seconds" since it was asked}. Of a spoken one, written with its call''s turns.';
comment on column public.interview_responses.submission_id is 'The client''s id of an answer: sent twice, it is stored once.';
comment on column public.interview_responses.source is 'server, vapi_live (provisional), vapi_report (authoritative) or client_supplied (unverified).';

create table if not exists public.interview_feedback (
  id          uuid primary key default gen_random_uuid(),
  created_at  timestamptz not null default now()
);
alter table public.interview_feedback
  add column if not exists interview_id uuid not null references public.interview_sessions (id) on delete cascade,
  add column if not exists user_id text not null;
alter table public.interview_feedback
  add column if not exists overall_score numeric(5, 2),
  add column if not exists hiring_recommendation text,
  add column if not exists scores jsonb not null default '[]',
  add column if not exists strengths jsonb not null default '[]',
  add column if not exists improvements jsonb not null default '[]',
  add column if not exists detailed_feedback text,
  add column if not exists recommendations jsonb not null default '[]',
  add column if not exists transcript text,
  add column if not exists duration_seconds integer,
  add column if not exists version integer not null default 1,
  add column if not exists questions jsonb not null default '[]',
  add column if not exists coverage numeric(4, 3),
  add column if not exists agreement numeric(4, 3),
  add column if not exists evidence_rejected integer not null default 0,
  add column if not exists fully_evidenced boolean not null default false,
  add column if not exists is_verified boolean not null default true,
  add column if not exists rule_version text,
  add column if not exists prompt_version text,
  add column if not exists provider text,
  add column if not exists model text,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
select app.adopt_user_column('public.interview_feedback', 'user_id', 'cascade');
comment on table public.interview_feedback is 'Feedback by a model, with evidence; regenerating adds a version.';
comment on column public.interview_feedback.scores is 'One object a competency: key, level 1 to 5 or null, score 0 to 100, evidence, reasoning.';
comment on column public.interview_feedback.recommendations is 'Type guessed: a list, as strengths and improvements are.';
comment on column public.interview_feedback.transcript is
  'Type guessed: text, which takes JSON as well. Null in what Parley writes: the turns are in interview_responses.';
comment on column public.interview_feedback.coverage is 'Assessed competencies / all.';
comment on column public.interview_feedback.agreement is 'How far several passes agreed, 0 to 1; null after a single pass.';
comment on column public.interview_feedback.fully_evidenced is 'Whether every competency has a verified quote.';
comment on column public.interview_feedback.is_verified is 'False where the transcript came from the client.';

create table if not exists public.voice_analytics (
  id          uuid primary key default gen_random_uuid(),
  created_at  timestamptz not null default now()
);
alter table public.voice_analytics
  add column if not exists interview_id uuid not null references public.interview_sessions (id) on delete cascade,
  add column if not exists clarity_score numeric(5, 2),
  add column if not exists pace_score numeric(5, 2),
  add column if not exists volume_score numeric(5, 2),
  add column if not exists filler_words_count integer,
  add column if not exists pause_frequency numeric(8, 3),
  add column if not exists tonal_variation numeric(8, 3),
  add column if not exists articulation_score numeric(5, 2),
  add column if not exists words_per_minute numeric(6, 2),
  add column if not exists fillers_per_minute numeric(6, 2),
  add column if not exists speaking_seconds numeric(10, 3),
  add column if not exists filler_detection text not null default 'unknown',
  add column if not exists analysis jsonb not null default '{}',
  add column if not exists created_at timestamptz not null default now();
comment on table public.voice_analytics is 'How it was said: coaching only, never part of a score. Unknown is null, never a guess.';
comment on column public.voice_analytics.pause_frequency is 'Pauses a minute (type guessed).';
comment on column public.voice_analytics.tonal_variation is 'Acoustic pitch variance where the client measured it (type guessed).';
comment on column public.voice_analytics.filler_detection is 'full, lexical_only (the recogniser strips um and uh) or unknown.';
comment on column public.voice_analytics.analysis is 'Formula version, inputs, counts by word, timing quality and sources.';

-- The two tables point at each other, so this key comes last. S5's column has none, and may name feedback that is gone.
update public.interview_sessions s set feedback_id = null
where s.feedback_id is not null and not exists (select from public.interview_feedback f where f.id = s.feedback_id);
alter table public.interview_sessions
  drop constraint if exists interview_sessions_feedback_id_fkey,
  drop constraint if exists interview_sessions_retry_of_fkey,
  add constraint interview_sessions_feedback_id_fkey
    foreign key (feedback_id) references public.interview_feedback (id) on delete set null,
  add constraint interview_sessions_retry_of_fkey
    foreign key (retry_of) references public.interview_sessions (id) on delete set null;

-- Adopted rows may lack what ours are told apart by: turns are numbered anew where numbers repeat, feedback is versioned.
do $$
begin
  if to_regclass('public.interview_responses_interview_id_sequence_number_key') is null then
    update public.interview_responses r set sequence_number = n.position
    from (
      select id, row_number() over (partition by interview_id order by sequence_number nulls last, "timestamp", id) as position
      from public.interview_responses
      where interview_id in (
        select interview_id from public.interview_responses
        group by interview_id having count(*) <> count(distinct sequence_number))
    ) n
    where n.id = r.id;
  end if;
  if to_regclass('public.interview_feedback_interview_id_version_key') is null then
    update public.interview_feedback f set version = n.position
    from (
      select id, row_number() over (partition by interview_id order by version, created_at, id) as position
      from public.interview_feedback
    ) n
    where n.id = f.id and n.position <> f.version;
  end if;
end $$;

alter table public.interview_sessions
  alter column status set default 'pending',
  alter column interview_type set default 'text',
  drop constraint if exists interview_sessions_words_check,
  drop constraint if exists interview_sessions_times_check;
alter table public.interview_feedback
  drop constraint if exists interview_feedback_hiring_recommendation_check;
do $$
begin
  alter table public.interview_sessions add constraint interview_sessions_words_check check (
    interview_type in ('voice', 'text')
    and status in ('pending', 'in_progress', 'completed', 'abandoned', 'failed')
    and feedback_status in ('none', 'pending', 'ready', 'failed'));
  -- docs/states.md has the diagram.
  alter table public.interview_sessions add constraint interview_sessions_times_check check (
    case status when 'pending' then completed_at is null when 'in_progress' then completed_at is null
      when 'completed' then completed_at is not null else true end);
  alter table public.interview_feedback add constraint interview_feedback_hiring_recommendation_check check (
    hiring_recommendation in ('strong_hire', 'hire', 'no_hire', 'strong_no_hire', 'insufficient_evidence'));
exception when check_violation then
  raise notice 'adopted interviews use words of their own; types, states, times and recommendations are not checked';
end $$;

create index if not exists idx_interview_sessions_user_id on public.interview_sessions (user_id, completed_at desc nulls last, id);
create index if not exists idx_interview_sessions_status on public.interview_sessions (status, last_activity_at);
create index if not exists idx_interview_sessions_created_at on public.interview_sessions (created_at desc);
create index if not exists idx_interview_sessions_feedback_id on public.interview_sessions (feedback_id);
create index if not exists idx_interview_sessions_retry_of on public.interview_sessions (retry_of);
create unique index if not exists idx_interview_sessions_vapi_call_id on public.interview_sessions (vapi_call_id);
create unique index if not exists interview_responses_interview_id_sequence_number_key
  on public.interview_responses (interview_id, sequence_number);
create unique index if not exists idx_interview_responses_submission_id on public.interview_responses (interview_id, submission_id)
  where submission_id is not null;
create unique index if not exists interview_feedback_interview_id_version_key
  on public.interview_feedback (interview_id, version);
create index if not exists idx_interview_feedback_user_id on public.interview_feedback (user_id, created_at desc);
create index if not exists idx_voice_analytics_interview_id on public.voice_analytics (interview_id);

create table if not exists app.webhook_events (
  id            bigint generated always as identity primary key,
  provider      text not null,
  event_key     text not null,
  type          text not null,
  call_id       text,
  status        text not null default 'received' check (status in ('received', 'processed', 'ignored', 'unmatched', 'failed')),
  payload       text,
  error         text,
  received_at   timestamptz not null default now(),
  processed_at  timestamptz,
  unique (provider, event_key),
  constraint webhook_events_payload_check check ((payload is null) = (status in ('processed', 'ignored')))
);
comment on table app.webhook_events is 'The inbox of voice-call events: stored once by key, answered at once, worked on later.';
comment on column app.webhook_events.call_id is
  'Whose it is: the interview with this call. No foreign key, since an event may come before its call is bound; app.forget_call deletes instead.';
comment on column app.webhook_events.payload is
  'The body as it came. It is what somebody said, so it is there only as long as there is work to do with it.';
comment on column app.webhook_events.event_key is 'The message id, or call, type and what tells repeats apart; a body hash would not (links are signed anew).';
create index if not exists idx_webhook_events_call_id on app.webhook_events (call_id);
create index if not exists idx_webhook_events_status on app.webhook_events (status, received_at)
  where status in ('received', 'unmatched', 'failed');

create table if not exists app.call_deletions (
  call_id       text primary key,
  interview_id  uuid references public.interview_sessions (id) on delete set null,
  requested_at  timestamptz not null default now(),
  tried_at      timestamptz,
  deleted_at    timestamptz,
  constraint call_deletions_deleted_check check (deleted_at is null or interview_id is null)
);
comment on table app.call_deletions is
  'The outbox of voice calls to delete at their vendor, with recording and transcript. It names no user: it is there after them.';
comment on column app.call_deletions.interview_id is
  'The interview that a call names which is not its call: it waits for its deletion. Null is due, or done.';
comment on column app.call_deletions.requested_at is 'When it was last asked for; what was asked for since a try began is not done by it.';
comment on column app.call_deletions.tried_at is 'The last try that failed; who never failed comes first.';
comment on column app.call_deletions.deleted_at is 'When the vendor had no such call any more. Kept as long as events of it may come, which it has ignored.';
create index if not exists idx_call_deletions_interview_id on app.call_deletions (interview_id);
create index if not exists idx_call_deletions_due on app.call_deletions (tried_at nulls first, requested_at, call_id)
  where interview_id is null and deleted_at is null;

-- Runs for nobody's claims too (a deleted user), so it belongs to parley_owner.
create or replace function app.forget_call() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  delete from app.webhook_events where call_id = old.vapi_call_id;
  -- In the transaction of the deletion, whoever deletes: neither queue nor vendor has to be there for it.
  insert into app.call_deletions (call_id, requested_at) values (old.vapi_call_id, app.now())
  on conflict (call_id) do update set interview_id = null, requested_at = app.now(), deleted_at = null;
  return null;
end $$;
comment on function app.forget_call() is
  'Trigger: the events of a deleted interview''s call go with it, and the call is to be deleted at its vendor.';
select app.give_to('parley_owner', 'app.forget_call()');
create or replace trigger _30_forget_call after delete on public.interview_sessions
  for each row when (old.vapi_call_id is not null) execute function app.forget_call();

create or replace function app.delete_old_events() returns integer
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted integer;
begin
  -- Nobody sends one again after sixteen days. What belongs to no call is somebody's words too, perhaps of a deleted user's:
  -- an interview waits for its call for a day.
  delete from app.webhook_events
  where received_at < app.now() - interval '16 days'
    or status = 'unmatched' and received_at < app.now() - interval '1 day';
  get diagnostics v_deleted = row_count;
  delete from app.call_deletions where deleted_at < app.now() - interval '16 days';
  return v_deleted;
end $$;
comment on function app.delete_old_events() is
  'For the schedule: empties the inbox of what is older than sixteen days, and of what is unmatched for a day, and forgets calls that were '
  'deleted at their vendor sixteen days ago; returns how many events went.';

create or replace function app.guard_interview_status() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  -- What was given up for its silence may still turn out to have ended well: the report of a call comes late.
  if not (
    (old.status = 'pending' and new.status in ('in_progress', 'completed', 'abandoned', 'failed'))
    or (old.status = 'in_progress' and new.status in ('completed', 'abandoned', 'failed'))
    or (old.status = 'abandoned' and new.status = 'completed')
    -- A word of an adopted database is anybody's to leave.
    or old.status not in ('pending', 'in_progress', 'abandoned', 'completed', 'failed')
  ) then
    raise exception 'an interview does not go from % to %', old.status, new.status using errcode = '55000';
  end if;
  return new;
end $$;
comment on function app.guard_interview_status() is 'Trigger: keeps a session''s status from going back; raises 55000.';
create or replace trigger _10_status before update of status on public.interview_sessions
  for each row when (old.status is distinct from new.status) execute function app.guard_interview_status();
create or replace trigger _20_updated_at before update on public.interview_sessions
  for each row execute function app.touch_updated_at();
create or replace trigger _20_updated_at before update on public.interview_feedback
  for each row execute function app.touch_updated_at();
create or replace trigger _20_updated_at before update on public.profiles
  for each row execute function app.touch_updated_at();

create or replace function app.guard_timezone() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'UPDATE' and new.timezone = old.timezone or new.timezone = 'UTC' then
    return new;
  end if;
  -- "At time zone" takes more than names: a zone of POSIX's form may lie a week from here, and move a day at will.
  if new.timezone ~ '^(posix|right)/|^(Factory|localtime|posixrules)$'
    or not exists (select from pg_catalog.pg_timezone_names z where z.name = new.timezone) then
    raise exception 'time zone "%" not recognized', new.timezone using errcode = '22023';
  end if;
  return new;
end $$;
comment on function app.guard_timezone() is 'Trigger: refuses (22023) what is no IANA name that the server knows.';
create or replace trigger _10_timezone before insert or update of timezone on public.profiles
  for each row execute function app.guard_timezone();

-- Who may see and do what.

do $$
declare
  v_table text;
begin
  foreach v_table in array array['profiles', 'practice_attempts', 'interview_sessions', 'interview_responses',
    'interview_feedback', 'voice_analytics'] loop
    execute format('alter table public.%I enable row level security', v_table);
    execute format('revoke all on public.%I from public, anon, authenticated, service_role', v_table);
    execute format('drop policy if exists "Service role manages all rows" on public.%I', v_table);
    execute format('create policy "Service role manages all rows" on public.%I for all to service_role '
      'using ((select app.is_service())) with check ((select app.is_service()))', v_table);
    execute format('grant select, insert, update, delete on public.%I to service_role', v_table);
  end loop;
end $$;
alter table app.webhook_events enable row level security;
revoke all on app.webhook_events from public, anon, authenticated, service_role;
alter table app.call_deletions enable row level security;
revoke all on app.call_deletions from public, anon, authenticated, service_role;

drop policy if exists "Users can view their own profile" on public.profiles;
create policy "Users can view their own profile" on public.profiles for select to authenticated, parley_definer
  using (id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can insert their own profile" on public.profiles;
create policy "Users can insert their own profile" on public.profiles for insert to authenticated, parley_definer
  with check (id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can update their own profile" on public.profiles;
create policy "Users can update their own profile" on public.profiles for update to authenticated, parley_definer
  using (id = (select app.user_id()) or (select app.is_service()));

drop policy if exists "A deletion reaches everybody's rows" on public.profiles;
create policy "A deletion reaches everybody's rows" on public.profiles
  for all to parley_owner using (true) with check (true);

drop policy if exists "Users can view their own practice" on public.practice_attempts;
create policy "Users can view their own practice" on public.practice_attempts for select to authenticated, parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can update their own practice" on public.practice_attempts;
create policy "Users can update their own practice" on public.practice_attempts for update to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Users can delete their own practice" on public.practice_attempts;
create policy "Users can delete their own practice" on public.practice_attempts for delete to authenticated
  using (user_id = (select app.user_id()));

drop policy if exists "Users can view their own interviews" on public.interview_sessions;
create policy "Users can view their own interviews" on public.interview_sessions for select to authenticated, parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Users can update their own interviews" on public.interview_sessions;
create policy "Users can update their own interviews" on public.interview_sessions for update to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Users can delete their own interviews" on public.interview_sessions;
create policy "Users can delete their own interviews" on public.interview_sessions for delete to authenticated
  using (user_id = (select app.user_id()));

-- Below a session, its own policy decides: the subquery sees only what the caller may see of interview_sessions.
drop policy if exists "Users can view responses of their own interviews" on public.interview_responses;
create policy "Users can view responses of their own interviews" on public.interview_responses for select to authenticated
  using (exists (select from public.interview_sessions s where s.id = interview_id and s.user_id = (select app.user_id())));

drop policy if exists "Users can view their own feedback" on public.interview_feedback;
create policy "Users can view their own feedback" on public.interview_feedback for select to authenticated, parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()));

drop policy if exists "Users can view analytics of their own interviews" on public.voice_analytics;
create policy "Users can view analytics of their own interviews" on public.voice_analytics for select to authenticated, parley_definer
  using (exists (select from public.interview_sessions s
    where s.id = interview_id and (s.user_id = (select app.user_id()) or (select app.is_service()))));

drop policy if exists "Service role manages the inbox" on app.webhook_events;
create policy "Service role manages the inbox" on app.webhook_events for all to service_role
  using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "A deletion reaches everybody's rows" on app.webhook_events;
create policy "A deletion reaches everybody's rows" on app.webhook_events
  for all to parley_owner using (true) with check (true);
drop policy if exists "Service role manages deletions" on app.call_deletions;
create policy "Service role manages deletions" on app.call_deletions for all to service_role
  using ((select app.is_service())) with check ((select app.is_service()));
drop policy if exists "A deletion reaches everybody's rows" on app.call_deletions;
create policy "A deletion reaches everybody's rows" on app.call_deletions
  for all to parley_owner using (true) with check (true);
grant select (id), update (updated_at) on public.profiles to parley_owner;
grant select (id, call_id), delete on app.webhook_events to parley_owner;
grant select, insert, update, delete on app.webhook_events to service_role;
grant select (call_id), insert (call_id, requested_at), update (interview_id, requested_at, deleted_at) on app.call_deletions
  to parley_owner;
grant select, insert, update, delete on app.call_deletions to service_role;
grant execute on function app.delete_old_events() to service_role;

grant select on public.profiles, public.practice_attempts, public.interview_sessions, public.interview_responses,
  public.interview_feedback, public.voice_analytics to authenticated;
-- A profile goes with its user only: without it the caches of the ledger would start from nothing beside the ledger.
grant delete on public.practice_attempts, public.interview_sessions to authenticated;
grant insert (id, email, name, display_name, avatar_url, bio, experience_level, target_role, tech_stack, timezone,
    leaderboard_opt_out, preferences, metadata),
  update (email, name, display_name, avatar_url, bio, experience_level, target_role, tech_stack, timezone, leaderboard_opt_out,
    preferences, metadata)
  on public.profiles to authenticated;
grant update (metadata) on public.practice_attempts to authenticated;
grant update (title, description, metadata) on public.interview_sessions to authenticated;

-- Nobody begins, answers or scores an interview or a practice by writing these tables, Parley's own login (parley_app) no more
-- than a token at a REST API: questions decide a score, a voice interview pays more, languages and categories are
-- achievements. Functions that run as parley_definer write them (docs/decisions/0014).
grant select on public.profiles, public.practice_attempts, public.interview_sessions, public.interview_feedback,
  public.voice_analytics to parley_definer;
grant insert (id), update (total_interviews, completed_interviews, average_score, total_xp, level, streak_days, updated_at)
  on public.profiles to parley_definer;

create or replace function public.get_recent_interviews_with_feedback(user_id text, "limit" integer default 10)
  returns table (
    id uuid, title text, description text, interview_type text, category text, role text, status text, feedback_status text,
    started_at timestamptz, completed_at timestamptz, duration_minutes numeric, created_at timestamptz, feedback_id uuid,
    overall_score numeric, hiring_recommendation text, strengths jsonb, improvements jsonb)
  language sql stable parallel safe
begin atomic
  select s.id, s.title, s.description, s.interview_type, s.category, s.role, s.status, s.feedback_status,
    s.started_at, s.completed_at, s.duration_minutes::numeric, s.created_at, s.feedback_id,
    coalesce(f.overall_score, s.overall_score)::numeric, f.hiring_recommendation, f.strengths, f.improvements
  from public.interview_sessions s left join public.interview_feedback f on f.id = s.feedback_id
  where s.user_id = $1
  order by s.completed_at desc nulls last, s.id
  limit greatest(0, least(100, coalesce($2, 10)));
end;
comment on function public.get_recent_interviews_with_feedback(text, integer) is
  'S5: a user''s interviews with their feedback, the last completed first, at most 100. Sees what its caller may see.';
revoke all on function public.get_recent_interviews_with_feedback(text, integer) from public, anon, authenticated, service_role;
grant execute on function public.get_recent_interviews_with_feedback(text, integer) to authenticated, service_role;
alter table public.practice_attempts force row level security;
alter table public.interview_sessions force row level security;
alter table public.interview_responses force row level security;
alter table public.interview_feedback force row level security;
alter table public.voice_analytics force row level security;
alter table app.webhook_events force row level security;
alter table app.call_deletions force row level security;
revoke all on all functions in schema app from public;
