-- 80 gamification: the ledger of experience points and what follows from it (S5): levels, achievements, skill progress,
-- streaks, leaderboard: their tables and rules. 85_activity.sql applies the rules to what somebody did.
--
-- The ledger is the truth: an event pays once, by its key, and every figure beside it is a cache that app.record_activity
-- writes in the same transaction. Nobody may write them otherwise. No schedule is needed: weeks and months turn over with
-- their keys, and a broken streak is seen when it is read.

create table if not exists app.xp_events (
  id          bigint generated always as identity primary key,
  user_id     text not null references public."user" (id) on delete cascade,
  event_key   text not null,
  amount      integer not null check (amount >= 0),
  reason      text not null,
  ref_id      text,
  organization_id text,
  local_date  date not null,
  created_at  timestamptz not null default now(),
  unique (user_id, event_key)
);
comment on table app.xp_events is 'The ledger of experience points. Keys: interview:{id}:completed, interview:{id}:judged, practice:{id}, achievement:{type}, daily:{date}, ...';
comment on column app.xp_events.organization_id is 'Whom the user acted for when it was earned, by verified claims; whoever leaves takes no points along.';
comment on column app.xp_events.local_date is 'The user''s own date when it happened; a later change of time zone does not move it.';
create index if not exists idx_xp_events_user_id on app.xp_events (user_id, local_date, reason);

create table if not exists app.achievement_catalogue (
  achievement_type  text primary key,
  title             text not null,
  description       text not null,
  icon              text not null,
  xp_reward         integer not null,
  metric            text not null,
  target            numeric not null
);
comment on table app.achievement_catalogue is 'What can be achieved: a metric (app.achievement_metrics) that reaches its target.';
insert into app.achievement_catalogue (achievement_type, title, description, icon, xp_reward, metric, target) values
  ('first_interview', 'First steps', 'Complete an interview', 'flag', 50, 'interviews', 1),
  ('interviews_5', 'Warming up', 'Complete 5 interviews', 'steps', 100, 'interviews', 5),
  ('interviews_10', 'Regular', 'Complete 10 interviews', 'steps', 150, 'interviews', 10),
  ('interviews_25', 'Seasoned', 'Complete 25 interviews', 'steps', 300, 'interviews', 25),
  ('interviews_50', 'Veteran', 'Complete 50 interviews', 'steps', 500, 'interviews', 50),
  ('interviews_100', 'Centurion', 'Complete 100 interviews', 'steps', 1000, 'interviews', 100),
  ('first_voice', 'Out loud', 'Complete a voice interview', 'microphone', 50, 'voice_interviews', 1),
  ('bilingual', 'Bilingual', 'Complete interviews in two languages', 'globe', 75, 'languages', 2),
  ('score_80', 'Strong', 'Score 80 or more', 'star', 100, 'best_score', 80),
  ('score_90', 'Outstanding', 'Score 90 or more', 'star', 200, 'best_score', 90),
  ('perfect_100', 'Flawless', 'Score 100', 'star', 500, 'best_score', 100),
  ('comeback', 'Comeback', 'Beat an earlier score for the same role by 20', 'rocket', 150, 'comeback', 20),
  ('all_rounder', 'All-rounder', 'Complete interviews of four categories', 'compass', 150, 'categories', 4),
  ('streak_3', 'On a roll', 'Practise 3 days in a row', 'flame', 30, 'longest_streak', 3),
  ('streak_7', 'A full week', 'Practise 7 days in a row', 'flame', 75, 'longest_streak', 7),
  ('streak_30', 'A full month', 'Practise 30 days in a row', 'flame', 300, 'longest_streak', 30),
  ('streak_100', 'Unstoppable', 'Practise 100 days in a row', 'flame', 1000, 'longest_streak', 100),
  ('no_fillers', 'Clean speech', 'Speak for three minutes with at most two fillers a minute', 'wave', 100, 'clean_speech', 1),
  ('steady_pace', 'Steady pace', 'Keep 120 to 160 words a minute in three interviews', 'metronome', 100, 'steady_pace', 3),
  ('evidence_master', 'Show, don''t tell', 'Give evidence for every competency', 'quote', 75, 'fully_evidenced', 1),
  ('level_5', 'Level 5', 'Reach level 5', 'medal', 100, 'level', 5),
  ('level_10', 'Level 10', 'Reach level 10', 'medal', 250, 'level', 10),
  ('level_20', 'Level 20', 'Reach level 20', 'medal', 500, 'level', 20),
  ('top_10_week', 'Top ten', 'Finish a week among the first ten', 'trophy', 100, 'weeks_in_top_10', 1)
on conflict (achievement_type) do update set title = excluded.title, description = excluded.description, icon = excluded.icon,
  xp_reward = excluded.xp_reward, metric = excluded.metric, target = excluded.target;

create table if not exists public.achievements (
  id                uuid primary key default gen_random_uuid(),
  user_id           text not null,
  achievement_type  text not null,
  title             text not null
);
alter table public.achievements
  add column if not exists description text,
  add column if not exists icon text,
  add column if not exists xp_reward integer not null default 0,
  add column if not exists unlocked_at timestamptz not null default now(),
  add column if not exists metadata jsonb not null default '{}';
select app.adopt_user_column('public.achievements', 'user_id', 'cascade');
comment on table public.achievements is 'What a user has unlocked; each type once.';
-- Adopted rows may repeat what is unique here; the repeats keep a name of their own.
do $$
begin
  if to_regclass('public.achievements_user_id_achievement_type_key') is null then
    update public.achievements a set achievement_type = a.achievement_type || ':' || a.id
    where exists (select from public.achievements b
      where b.user_id = a.user_id and b.achievement_type = a.achievement_type and b.id < a.id);
  end if;
end $$;
create unique index if not exists achievements_user_id_achievement_type_key on public.achievements (user_id, achievement_type);

-- S5 lists this table without columns.
create table if not exists public.user_progress (
  id          uuid primary key default gen_random_uuid(),
  user_id     text not null,
  created_at  timestamptz not null default now()
);
alter table public.user_progress
  add column if not exists skill text not null default 'general',
  add column if not exists attempts integer not null default 0,
  add column if not exists best_score numeric(5, 2),
  add column if not exists average_score numeric(5, 2),
  add column if not exists last_score numeric(5, 2),
  add column if not exists recent_scores numeric(5, 2)[] not null default '{}',
  add column if not exists last_practiced_at timestamptz,
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
select app.adopt_user_column('public.user_progress', 'user_id', 'cascade');
comment on table public.user_progress is 'How a user does in each skill, over practice and interviews.';
comment on column public.user_progress.recent_scores is 'The last ten, oldest first: what the trend is computed of.';
do $$
begin
  if to_regclass('public.user_progress_user_id_skill_key') is null then
    update public.user_progress a set skill = a.skill || ':' || a.id
    where exists (select from public.user_progress b where b.user_id = a.user_id and b.skill = a.skill and b.id < a.id);
  end if;
end $$;
create unique index if not exists user_progress_user_id_skill_key on public.user_progress (user_id, skill);

create table if not exists public.streaks (
  id       uuid primary key default gen_random_uuid(),
  user_id  text not null
);
alter table public.streaks
  add column if not exists current_streak integer not null default 0,
  add column if not exists longest_streak integer not null default 0,
  add column if not exists last_activity_date date,
  add column if not exists streak_data jsonb not null default '{}',
  add column if not exists started_on date,
  add column if not exists weekly_streak integer not null default 0,
  add column if not exists longest_weekly_streak integer not null default 0,
  add column if not exists freezes integer not null default 0 check (freezes between 0 and 2),
  add column if not exists timezone text not null default 'UTC',
  add column if not exists timezone_changed_at timestamptz,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now();
select app.adopt_user_column('public.streaks', 'user_id', 'cascade');
update public.streaks
set current_streak = coalesce(current_streak, 0), longest_streak = coalesce(longest_streak, 0),
    streak_data = coalesce(streak_data, '{}')
where num_nulls(current_streak, longest_streak, streak_data) > 0;
-- S5 publishes a list here.
update public.streaks
set streak_data = case when streak_data = '[]' then '{}' else jsonb_build_object('adopted', streak_data) end
where jsonb_typeof(streak_data) <> 'object';
comment on table public.streaks is 'Days in a row as of the last activity; app.streak_status says what they are worth now.';
comment on column public.streaks.weekly_streak is 'ISO weeks in a row with activity, as of last_activity_date.';
comment on column public.streaks.freezes is 'Missed days that will be forgiven: one earned every seven days, two at most.';
comment on column public.streaks.timezone is 'The zone days are counted in; follows the profile at most once in seven days.';
comment on column public.streaks.streak_data is '{"frozen": [dates that a freeze covered]}.';
create unique index if not exists streaks_user_id_key on public.streaks (user_id);

create table if not exists public.leaderboard (
  id       uuid primary key default gen_random_uuid(),
  user_id  text not null
);
alter table public.leaderboard
  add column if not exists display_name text,
  add column if not exists total_score numeric(12, 2) not null default 0,
  add column if not exists total_xp integer not null default 0,
  add column if not exists rank integer,
  add column if not exists weekly_score integer not null default 0,
  add column if not exists week_key text,
  add column if not exists monthly_score integer not null default 0,
  add column if not exists month_key text,
  add column if not exists opted_out boolean not null default false,
  add column if not exists last_updated timestamptz not null default now();
select app.adopt_user_column('public.leaderboard', 'user_id', 'cascade');
update public.leaderboard
set total_score = coalesce(total_score, 0), total_xp = coalesce(total_xp, 0), weekly_score = coalesce(weekly_score, 0),
    monthly_score = coalesce(monthly_score, 0)
where num_nulls(total_score, total_xp, weekly_score, monthly_score) > 0;
comment on table public.leaderboard is 'Public standings; who opted out is hidden by the policy. Exact ranks: app.leaderboard_page.';
comment on column public.leaderboard.total_score is 'Sum of overall interview scores.';
comment on column public.leaderboard.rank is 'A snapshot by total_xp, refreshed now and then by app.refresh_leaderboard_ranks.';
comment on column public.leaderboard.weekly_score is 'Points of the ISO week (UTC) in week_key; of no other.';
comment on column public.leaderboard.monthly_score is 'Points of the month (UTC) in month_key; of no other.';
create unique index if not exists leaderboard_user_id_key on public.leaderboard (user_id);
create index if not exists idx_leaderboard_total_score on public.leaderboard (total_score desc);
create index if not exists idx_leaderboard_rank on public.leaderboard (rank);

create table if not exists app.leaderboard_scores (
  organization_id text not null default '',
  period      text not null check (period in ('all_time', 'weekly', 'monthly')),
  period_key  text not null,
  user_id     text not null references public."user" (id) on delete cascade,
  score       integer not null check (score > 0),
  is_hidden   boolean not null default false,
  reached_at  timestamptz not null,
  primary key (user_id, organization_id, period, period_key)
) with (fillfactor = 80);
comment on table app.leaderboard_scores is 'One score per user and window, past weeks included: 2026-W43, 2026-10, or empty for all time.';
comment on column app.leaderboard_scores.organization_id is 'Empty: everything that the user earned. Else what was earned for that organization.';
comment on column app.leaderboard_scores.reached_at is 'Of equal scores, who was there first stands first.';
-- is_hidden is included for the policy, which would otherwise fetch each row that is counted.
create index if not exists idx_leaderboard_scores_standing
  on app.leaderboard_scores (organization_id, period, period_key, score desc, reached_at, user_id) include (is_hidden) where not is_hidden;

create table if not exists app.leaderboard_histogram (
  organization_id text not null default '',
  period      text not null,
  period_key  text not null,
  bucket      integer not null,
  members     integer not null,
  primary key (organization_id, period, period_key, bucket)
) with (fillfactor = 50);
comment on table app.leaderboard_histogram is
  'How many stand in each range of scores: a rank is the buckets above plus what is above inside one bucket, not a scan.';

create or replace function app.lock_standings(p_alone boolean) returns void
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  if p_alone then
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('standings', 0));
  else
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('standings', 0));
  end if;
end $$;
comment on function app.lock_standings(boolean) is
  'Keeps app.refresh_leaderboard_ranks (alone), which takes rows of many users, from those who take a user''s rows and share the histogram''s, until the transaction ends.';

-- Pure rules.

create or replace function app.level_for_xp(p_xp bigint) returns integer
  language sql immutable parallel safe
  -- Level L starts at 50 * L * (L - 1) points. float8 square roots are exact below 2^52.
  return div(50 + floor(sqrt((2500 + 200 * greatest(p_xp, 0))::double precision))::numeric, 100)::integer;
comment on function app.level_for_xp(bigint) is 'The level for a sum of experience points; 1 at none.';

create or replace function app.skill_trend(p_scores numeric[]) returns double precision
  language sql immutable parallel safe
begin atomic
  select regr_slope(s.score::double precision, s.number::double precision)
  from unnest(p_scores) with ordinality s (score, number);
end;
comment on function app.skill_trend(numeric[]) is 'The slope over scores, oldest first: points per attempt; null below two.';

create or replace function app.score_bucket(p_score integer) returns integer
  language sql immutable parallel safe
  return case
    when p_score < 512 then p_score / 2
    when p_score < 4096 then 256 + (p_score - 512) / 8
    when p_score < 32768 then 704 + (p_score - 4096) / 64
    else 1152 + (p_score - 32768) / 1024
  end;
comment on function app.score_bucket(integer) is 'The histogram''s bucket of a score: narrow where most people are, wider above.';

create or replace function app.bucket_end(p_bucket integer) returns integer
  language sql immutable parallel safe
  return case
    when p_bucket < 256 then (p_bucket + 1) * 2
    when p_bucket < 704 then 512 + (p_bucket - 255) * 8
    when p_bucket < 1152 then 4096 + (p_bucket - 703) * 64
    else 32768 + (p_bucket - 1151) * 1024
  end;
comment on function app.bucket_end(integer) is 'The first score above a bucket.';

create or replace function app.leaderboard_key(p_period text, p_at timestamptz default app.now()) returns text
  language sql immutable parallel safe
  return case p_period
    when 'weekly' then to_char(p_at at time zone 'UTC', 'IYYY-"W"IW')
    when 'monthly' then to_char(p_at at time zone 'UTC', 'YYYY-MM')
    else '' end;
comment on function app.leaderboard_key(text, timestamptz) is 'The key of the window that an instant is in: 2026-W43, 2026-10, or empty for all time.';

create or replace function app.advance_streak(
  p_last date, p_today date, inout current_streak integer, inout longest_streak integer, inout freezes integer,
  inout started_on date, out frozen date[]
)
  language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
declare
  v_missed integer := p_today - p_last - 1;
begin
  frozen := '{}';
  if v_missed < 0 then
    return;  -- The same day, or an earlier one after a journey west: never breaks, never counts twice.
  elsif v_missed <= freezes then
    frozen := array(select p_last + n from pg_catalog.generate_series(1, v_missed) n);
    freezes := freezes - v_missed;
    current_streak := current_streak + 1;
  else
    current_streak := 1;
    started_on := p_today;
  end if;
  started_on := coalesce(started_on, p_today);
  longest_streak := greatest(longest_streak, current_streak);
  if current_streak % 7 = 0 then
    freezes := least(2, freezes + 1);
  end if;
end $$;
comment on function app.advance_streak(date, date, integer, integer, integer, date) is
  'A streak after activity on a day: one longer when the days between are none or covered by freezes, else starting anew.';

create or replace function app.weeks_between(p_from date, p_to date) returns integer
  language sql immutable parallel safe
  return (date_trunc('week', p_to::timestamp)::date - date_trunc('week', p_from::timestamp)::date) / 7;
comment on function app.weeks_between(date, date) is 'How many ISO weeks the week of the second date is after that of the first.';

create or replace function app.start_of_day(p_day date, p_timezone text) returns timestamptz
  language sql stable parallel safe
begin atomic
  -- Where clocks go back over midnight it comes twice, and Postgres takes the second one: the first is told by the offset
  -- of the day before.
  select case when (e.earlier at time zone p_timezone)::date = p_day then least(m.midnight, e.earlier) else m.midnight end
  from (select p_day::timestamp at time zone p_timezone as midnight) m,
    lateral (select m.midnight - interval '1 day' as before) b,
    lateral (select (p_day::timestamp - ((b.before at time zone p_timezone) - (b.before at time zone 'UTC'))) at time zone 'UTC'
      as earlier) e;
end;
comment on function app.start_of_day(date, text) is 'The first instant of a day in a zone, which need not be midnight.';

create or replace function app.streak_status(p_user_id text, p_at timestamptz default app.now())
  returns table (current_streak integer, longest_streak integer, status text, freezes integer, last_activity_date date,
    expires_at timestamptz, weekly_streak integer, longest_weekly_streak integer, week_expires_at timestamptz, timezone text)
  language sql stable
begin atomic
  select case when t.missed > s.freezes then 0 else s.current_streak end, s.longest_streak,
    case when t.missed > s.freezes then 'broken' when t.missed > 0 then 'frozen' when t.missed = 0 then 'at_risk' else 'active' end,
    greatest(0, s.freezes - greatest(0, t.missed)), s.last_activity_date,
    case when t.missed <= s.freezes then app.start_of_day(s.last_activity_date + 2 + s.freezes, s.timezone) end,
    case when t.weeks > 1 then 0 else s.weekly_streak end, s.longest_weekly_streak,
    case when t.weeks <= 1 then app.start_of_day(date_trunc('week', (s.last_activity_date + 14)::timestamp)::date, s.timezone) end,
    s.timezone
  from public.streaks s,
    lateral (select n.today - s.last_activity_date - 1 as missed, app.weeks_between(s.last_activity_date, n.today) as weeks
      from (select (p_at at time zone s.timezone)::date as today) n) t
  where s.user_id = p_user_id and s.last_activity_date is not null;
end;
comment on function app.streak_status(text, timestamptz) is
  'A user''s streak at an instant: active (today counts already), at_risk, frozen (freezes cover the missed days) or broken (0). '
  'expires_at is when the local day begins on which it breaks, week_expires_at that at which the weekly streak does. No row before the '
  'first activity.';

create or replace function app.candidate_spoke(p_interview_id uuid) returns boolean
  language sql stable
begin atomic
  select exists (
    select from public.interview_responses r
    where r.interview_id = p_interview_id and r.role = 'user' and r.stage is distinct from 'skipped' and r.content <> '');
end;
comment on function app.candidate_spoke(uuid) is
  'Whether the candidate answered anything: an interview that was only opened, skipped through and ended is none in the game.';

-- One row a metric, so that an achievement in the catalogue is data: a metric and a target.
--   1. Completed interviews, each with the feedback that paid for how it went, the first that could judge it, and with how far
--      that beats the ones before it in the same role. What is written anew pays nothing, so it achieves nothing either.
--   2. How the user spoke, interview by interview.
--   3. The metrics out of both, and those that other tables have.
create or replace function app.achievement_metrics(p_user_id text) returns table (metric text, value numeric)
  language sql stable
begin atomic
  -- 1.
  with done as (
    select s.interview_type, s.language, s.category, f.overall_score, f.fully_evidenced,
      f.overall_score - min(f.overall_score) over (
        partition by s.role order by s.completed_at, s.id rows between unbounded preceding and 1 preceding) as improvement
    from public.interview_sessions s left join lateral (
      select b.overall_score, b.fully_evidenced from public.interview_feedback b
      where b.interview_id = s.id and b.hiring_recommendation is distinct from 'insufficient_evidence'
      order by b.version limit 1
    ) f on true
    where s.user_id = p_user_id and s.status = 'completed' and app.candidate_spoke(s.id)
  -- 2.
  ), speech as (
    select s.id,
      bool_or(v.filler_detection = 'full' and v.speaking_seconds >= 180 and v.fillers_per_minute <= 2) as is_clean,
      bool_or(v.words_per_minute between 120 and 160) as is_steady
    from public.interview_sessions s join public.voice_analytics v on v.interview_id = s.id
    where s.user_id = p_user_id group by s.id
  )
  -- 3.
  select m.metric, coalesce(m.value, 0)
  from (
    select count(*)::numeric as interviews, count(*) filter (where d.interview_type = 'voice')::numeric as voice_interviews,
      count(distinct d.language)::numeric as languages, max(d.overall_score) as best_score, max(d.improvement) as comeback,
      count(distinct d.category) filter (where d.category <> 'mixed')::numeric as categories,
      count(*) filter (where d.fully_evidenced)::numeric as evidenced
    from done d
  ) a,
  (select count(*) filter (where p.is_clean)::numeric as clean, count(*) filter (where p.is_steady)::numeric as steady from speech p) b,
  lateral (values
    ('interviews', a.interviews), ('voice_interviews', a.voice_interviews), ('languages', a.languages),
    ('best_score', a.best_score), ('comeback', a.comeback), ('categories', a.categories),
    ('fully_evidenced', a.evidenced), ('clean_speech', b.clean), ('steady_pace', b.steady),
    ('longest_streak', (select k.longest_streak::numeric from public.streaks k where k.user_id = p_user_id)),
    ('level', (select p.level::numeric from public.profiles p where p.id = p_user_id)),
    ('weeks_in_top_10', (select count(*)::numeric from public.achievements x
      where x.user_id = p_user_id and x.achievement_type = 'top_10_week'))
  ) m (metric, value);
end;
comment on function app.achievement_metrics(text) is 'What a user''s achievements are measured by. Sees what its caller may see.';

create or replace function app.achievement_progress(p_user_id text)
  returns table (achievement_type text, title text, description text, icon text, xp_reward integer, current numeric, target numeric,
    unlocked_at timestamptz)
  language sql stable
begin atomic
  select c.achievement_type, c.title, c.description, c.icon, c.xp_reward, least(m.value, c.target), c.target, a.unlocked_at
  from app.achievement_catalogue c
  join app.achievement_metrics(p_user_id) m on m.metric = c.metric
  left join public.achievements a on a.user_id = p_user_id and a.achievement_type = c.achievement_type
  order by a.unlocked_at desc nulls last, c.metric, c.target;
end;
comment on function app.achievement_progress(text) is 'Every achievement with the user''s progress; unlocked_at is null where it is locked.';

-- Keeping what is derived. These triggers also run for nobody's claims (a deleted user, an operator), so their functions
-- belong to parley_owner.

create or replace function app.count_leaderboard_score() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- Sorted, so that two transactions take the rows that they share in the same order.
  insert into app.leaderboard_histogram as h (organization_id, period, period_key, bucket, members)
  select d.organization_id, d.period, d.period_key, d.bucket, sum(d.delta)
  from (
    select new.organization_id, new.period, new.period_key, app.score_bucket(new.score), 1
    where tg_op <> 'DELETE' and not new.is_hidden
    union all
    select old.organization_id, old.period, old.period_key, app.score_bucket(old.score), -1
    where tg_op <> 'INSERT' and not old.is_hidden
  ) d (organization_id, period, period_key, bucket, delta)
  group by d.organization_id, d.period, d.period_key, d.bucket
  having sum(d.delta) <> 0
  order by d.organization_id, d.period, d.period_key, d.bucket
  on conflict (organization_id, period, period_key, bucket) do update set members = h.members + excluded.members;
  return null;
end $$;
comment on function app.count_leaderboard_score() is 'Trigger: keeps the histogram of visible scores, also when a user is deleted.';
create or replace trigger _50_histogram after insert or delete or update of score, is_hidden on app.leaderboard_scores
  for each row execute function app.count_leaderboard_score();

create or replace function app.show_on_leaderboard() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_window record;
begin
  update public.leaderboard set display_name = new.display_name, opted_out = new.leaderboard_opt_out where user_id = new.id;
  -- One by one, as app.credit_xp takes the histogram's rows.
  for v_window in
    select s.organization_id, s.period, s.period_key from app.leaderboard_scores s
    where s.user_id = new.id and s.is_hidden <> new.leaderboard_opt_out
    order by s.organization_id, s.period, s.period_key
  loop
    update app.leaderboard_scores s set is_hidden = new.leaderboard_opt_out
    where s.user_id = new.id and s.organization_id = v_window.organization_id and s.period = v_window.period
      and s.period_key = v_window.period_key;
  end loop;
  return null;
end $$;
comment on function app.show_on_leaderboard() is 'Trigger: takes a profile''s name and opt-out over to the leaderboard.';
create or replace trigger _50_leaderboard after insert or update of display_name, leaderboard_opt_out on public.profiles
  for each row execute function app.show_on_leaderboard();

create or replace trigger _20_updated_at before update on public.user_progress
  for each row execute function app.touch_updated_at();
create or replace trigger _20_updated_at before update on public.streaks
  for each row execute function app.touch_updated_at();

-- Points that an adopted database had already: one opening event each, so that ledger and caches agree from the start. Who
-- owns the events and sees none for row-level security has been here before: this file turns it on.
insert into app.xp_events (user_id, event_key, amount, reason, local_date)
select p.id, 'adopted', p.total_xp, 'adopted', current_date
from public.profiles p
where p.total_xp > 0 and not row_security_active('app.xp_events')
  and not exists (select from app.xp_events e where e.user_id = p.id);
insert into app.leaderboard_scores (period, period_key, user_id, score, is_hidden, reached_at)
select 'all_time', '', p.id, p.total_xp, p.leaderboard_opt_out, p.updated_at
from public.profiles p where p.total_xp > 0
on conflict do nothing;

-- Who may see what. Nobody but parley_definer writes.

do $$
declare
  v_table text;
begin
  foreach v_table in array array['public.achievements', 'public.user_progress', 'public.streaks', 'public.leaderboard',
    'app.xp_events', 'app.achievement_catalogue', 'app.leaderboard_scores', 'app.leaderboard_histogram'] loop
    execute format('alter table %s enable row level security', v_table);
    execute format('revoke all on %s from public, anon, authenticated, service_role', v_table);
  end loop;
  foreach v_table in array array['public.achievements', 'public.user_progress', 'public.streaks', 'public.leaderboard',
    'app.xp_events'] loop
    execute format('drop policy if exists "Service role manages all rows" on %s', v_table);
    execute format('create policy "Service role manages all rows" on %s for all to service_role '
      'using ((select app.is_service())) with check ((select app.is_service()))', v_table);
    execute format('grant select, insert, update, delete on %s to service_role', v_table);
    continue when v_table = 'public.leaderboard';
    execute format('drop policy if exists "Recording acts for the caller or the service" on %s', v_table);
    execute format('create policy "Recording acts for the caller or the service" on %s for all to parley_definer '
      'using (user_id = (select app.user_id()) or (select app.is_service())) '
      'with check (user_id = (select app.user_id()) or (select app.is_service()))', v_table);
  end loop;
  foreach v_table in array array['public.achievements', 'public.user_progress', 'public.streaks', 'app.xp_events'] loop
    execute format('drop policy if exists "Users can view their own rows" on %s', v_table);
    execute format('create policy "Users can view their own rows" on %s for select to authenticated '
      'using (user_id = (select app.user_id()))', v_table);
    execute format('grant select on %s to authenticated', v_table);
  end loop;
end $$;

drop policy if exists "Everybody can view who has not opted out" on public.leaderboard;
create policy "Everybody can view who has not opted out" on public.leaderboard for select to anon
  using ((select app.claims()) is not null and not opted_out);
drop policy if exists "Users can view who has not opted out, and themselves" on public.leaderboard;
create policy "Users can view who has not opted out, and themselves" on public.leaderboard for select to authenticated
  using ((select app.claims()) is not null and (not opted_out or user_id = (select app.user_id())));
drop policy if exists "Names are read where visible and written for the caller" on public.leaderboard;
create policy "Names are read where visible and written for the caller" on public.leaderboard for all to parley_definer
  using ((select app.claims()) is not null
    and (not opted_out or user_id = (select app.user_id()) or (select app.is_service())))
  with check (user_id = (select app.user_id()) or (select app.is_service()));
drop policy if exists "Everybody signed in can view what can be achieved" on app.achievement_catalogue;
create policy "Everybody signed in can view what can be achieved" on app.achievement_catalogue
  for select to authenticated, parley_definer
  using ((select app.user_id()) is not null or (select app.is_service()));
drop policy if exists "Standings are read where visible and written for the caller" on app.leaderboard_scores;
create policy "Standings are read where visible and written for the caller" on app.leaderboard_scores for all to parley_definer
  using ((select app.claims()) is not null
    and (not is_hidden and organization_id in ('', (select app.organization_id()))
      or user_id = (select app.user_id()) or (select app.is_service())))
  with check (user_id = (select app.user_id()) or (select app.is_service()));
-- Counts of nobody in particular: behind public standings any claims will do, an anonymous caller's too.
drop policy if exists "Ranking reads the histogram" on app.leaderboard_histogram;
create policy "Ranking reads the histogram" on app.leaderboard_histogram for select to parley_definer
  using ((select app.claims()) is not null
    and (organization_id in ('', (select app.organization_id())) or (select app.is_service())));

drop policy if exists "A profile's name and opt-out reach the standings" on public.leaderboard;
create policy "A profile's name and opt-out reach the standings" on public.leaderboard
  for all to parley_owner using (true) with check (true);
drop policy if exists "A profile's name and opt-out reach the standings" on app.leaderboard_scores;
create policy "A profile's name and opt-out reach the standings" on app.leaderboard_scores
  for all to parley_owner using (true) with check (true);

select app.give_to('parley_owner', 'app.count_leaderboard_score()', 'app.show_on_leaderboard()');
select app.own_tables('app.leaderboard_histogram');

grant select on public.leaderboard to anon, authenticated;
grant select on app.achievement_catalogue to authenticated, parley_definer;
grant select, insert, update on public.achievements, public.user_progress, public.streaks, public.leaderboard, app.xp_events,
  app.leaderboard_scores to parley_definer;
grant select on app.leaderboard_histogram to parley_definer;
grant select (id, user_id), update (display_name, opted_out) on public.leaderboard to parley_owner;
grant select (user_id, organization_id, period, period_key, is_hidden), update (is_hidden), delete on app.leaderboard_scores
  to parley_owner;
grant execute on function app.level_for_xp(bigint), app.skill_trend(numeric[]), app.weeks_between(date, date),
  app.candidate_spoke(uuid), app.start_of_day(date, text), app.streak_status(text, timestamptz), app.achievement_metrics(text),
  app.achievement_progress(text) to authenticated, service_role, parley_definer;
grant execute on function app.leaderboard_key(text, timestamptz) to anon, authenticated, service_role, parley_definer;
grant execute on function app.lock_standings(boolean), app.score_bucket(integer), app.bucket_end(integer),
  app.advance_streak(date, date, integer, integer, integer, date) to parley_definer;
grant execute on function app.lock_standings(boolean), app.score_bucket(integer) to parley_owner;
alter table public.profiles force row level security;
alter table public.achievements force row level security;
alter table public.user_progress force row level security;
alter table public.streaks force row level security;
alter table public.leaderboard force row level security;
alter table app.xp_events force row level security;
alter table app.leaderboard_scores force row level security;
revoke all on all functions in schema app from public;
