-- 85 activity: the one function that everything a completed interview or a practice earns goes through (points, the day's
-- place in a streak, skills, achievements), the standings, and S5's statistics.

-- Paying.

create or replace function app.pay_xp(
  p_user_id text, p_organization_id text, p_event_key text, p_amount integer, p_reason text, p_ref_id text, p_local_date date,
  p_at timestamptz
) returns integer
  language sql volatile
begin atomic
  insert into app.xp_events (user_id, organization_id, event_key, amount, reason, ref_id, local_date, created_at)
  values (p_user_id, p_organization_id, p_event_key, p_amount, p_reason, p_ref_id, p_local_date, p_at)
  on conflict (user_id, event_key) do nothing
  returning amount;
end;
comment on function app.pay_xp(text, text, text, integer, text, text, date, timestamptz) is
  'Writes an event into the ledger; returns its amount, or null when its key was paid before.';

create or replace function app.record_skill_score(p_user_id text, p_skill text, p_score numeric, p_at timestamptz) returns boolean
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_best numeric := (select u.best_score from public.user_progress u where u.user_id = p_user_id and u.skill = p_skill);
begin
  insert into public.user_progress as u (user_id, skill, attempts, best_score, average_score, last_score, recent_scores, last_practiced_at)
  values (p_user_id, p_skill, 1, p_score, p_score, p_score, array[p_score], p_at)
  on conflict (user_id, skill) do update set
    attempts = u.attempts + 1,
    best_score = greatest(u.best_score, excluded.best_score),
    average_score = coalesce(u.average_score + (excluded.last_score - u.average_score) / (u.attempts + 1), excluded.last_score),
    last_score = excluded.last_score,
    recent_scores = (u.recent_scores || excluded.last_score)[greatest(1, pg_catalog.cardinality(u.recent_scores) - 8):],
    last_practiced_at = excluded.last_practiced_at;
  return p_score > v_best;
end $$;
comment on function app.record_skill_score(text, text, numeric, timestamptz) is 'Counts a scored attempt at a skill; true when it beats an earlier best.';

-- What is cached of the ledger: a read of a profile or of the standings must not sum a user's events.

create or replace function app.add_profile_xp(p_user_id text, p_amount integer) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  update public.profiles p set total_xp = p.total_xp + p_amount, level = app.level_for_xp(p.total_xp + p_amount)
  where p.id = p_user_id;
end $$;
comment on function app.add_profile_xp(text, integer) is 'Adds points to a profile, and brings its level up to them.';

-- Once in a transaction that is not alone: the histogram's rows are everybody's, and who came back to an earlier window would wait for
-- somebody who waits for a later one.
--   1. The leaderboard's row, whose week and month start anew with their key.
--   2. The windows that ranks are counted in, of all time, this week and this month: everybody's and the organization's.
create or replace function app.credit_xp(
  p_user_id text, p_organization_id text, p_amount integer, p_score numeric, p_at timestamptz
) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_week text := app.leaderboard_key('weekly', p_at);
  v_month text := app.leaderboard_key('monthly', p_at);
begin
  -- 1.
  insert into public.leaderboard as l (
    user_id, display_name, opted_out, total_xp, total_score, weekly_score, week_key, monthly_score, month_key, last_updated)
  select p.id, p.display_name, p.leaderboard_opt_out, p.total_xp, coalesce(p_score, 0), p_amount, v_week, p_amount, v_month, p_at
  from public.profiles p where p.id = p_user_id
  on conflict (user_id) do update set
    total_xp = excluded.total_xp,
    total_score = l.total_score + excluded.total_score,
    -- Keys sort by time: a newer window starts from nothing, an older one (an event that came late) leaves this one alone.
    weekly_score = case when l.week_key = v_week then l.weekly_score + p_amount
      when l.week_key > v_week then l.weekly_score else p_amount end,
    week_key = greatest(l.week_key, v_week),
    monthly_score = case when l.month_key = v_month then l.monthly_score + p_amount
      when l.month_key > v_month then l.monthly_score else p_amount end,
    month_key = greatest(l.month_key, v_month),
    last_updated = greatest(l.last_updated, p_at);

  -- 2.
  if p_amount > 0 then
    insert into app.leaderboard_scores as s (organization_id, period, period_key, user_id, score, is_hidden, reached_at)
    select o.id, w.period, w.period_key, p_user_id, p_amount, p.leaderboard_opt_out, p_at
    from (values (''), (p_organization_id)) as o (id),
      (values ('all_time', ''), ('weekly', v_week), ('monthly', v_month)) as w (period, period_key), public.profiles p
    where p.id = p_user_id and o.id is not null
    -- As the primary key has them, and so a user's deletion: both count in the histogram's rows, which others share.
    order by o.id, w.period
    on conflict (user_id, organization_id, period, period_key) do update set
      score = s.score + excluded.score, reached_at = greatest(s.reached_at, excluded.reached_at);
  end if;
end $$;
comment on function app.credit_xp(text, text, integer, numeric, timestamptz) is
  'Adds points (and an interview''s score), which the profile has already, to the leaderboard and its windows.';

-- Points of an achievement may reach the next level, which is an achievement: so until nothing is new.
--   1. What is reached and not unlocked yet is written down and paid.
--   2. The points count before the next look.
create or replace function app.unlock_achievements(p_user_id text, p_organization_id text, p_local_date date, p_at timestamptz)
  returns text[]
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_unlocked text[] := '{}';
  v_achievement app.achievement_catalogue;
  v_amount integer;
begin
  loop
    v_amount := null;
    -- 1.
    for v_achievement in
      select c.* from app.achievement_catalogue c join app.achievement_metrics(p_user_id) m on m.metric = c.metric
      where m.value >= c.target
        and not exists (
          select from public.achievements a where a.user_id = p_user_id and a.achievement_type = c.achievement_type)
      order by c.metric, c.target
    loop
      insert into public.achievements (user_id, achievement_type, title, description, icon, xp_reward, unlocked_at)
      values (p_user_id, v_achievement.achievement_type, v_achievement.title, v_achievement.description, v_achievement.icon,
        v_achievement.xp_reward, p_at);
      v_unlocked := v_unlocked || v_achievement.achievement_type;
      v_amount := coalesce(v_amount, 0) + coalesce(app.pay_xp(
        p_user_id => p_user_id, p_organization_id => p_organization_id,
        p_event_key => 'achievement:' || v_achievement.achievement_type, p_amount => v_achievement.xp_reward, p_reason => 'achievement', p_ref_id => v_achievement.achievement_type,
        p_local_date => p_local_date, p_at => p_at), 0);
    end loop;
    -- 2.
    exit when v_amount is null;
    perform app.add_profile_xp(p_user_id, v_amount);
  end loop;
  return v_unlocked;
end $$;
comment on function app.unlock_achievements(text, text, date, timestamptz) is
  'Unlocks what a user has reached and pays it to the profile; returns the new types. The standings are its caller''s.';

-- Days are counted where the user was when it happened, and never again elsewhere.
--   1. The zone follows the profile, once in seven days: a day is not moved at will.
--   2. Days, with freezes; then weeks: of seven days at most two are forgiven, so no freeze covers a week.
--   3. The new state.
create or replace function app.count_streak_day(p_user_id text, p_timezone text, p_at timestamptz) returns public.streaks
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_streak public.streaks;
  v_today date;
  v_frozen date[];
  v_weeks integer;
begin
  -- 1.
  insert into public.streaks (user_id, timezone) values (p_user_id, p_timezone) on conflict (user_id) do nothing;
  select s.* into v_streak from public.streaks s where s.user_id = p_user_id for update;
  if v_streak.timezone <> p_timezone
    and (v_streak.timezone_changed_at is null or p_at - v_streak.timezone_changed_at >= interval '7 days') then
    v_streak.timezone := p_timezone;
    v_streak.timezone_changed_at := p_at;
  end if;
  v_today := (p_at at time zone v_streak.timezone)::date;
  -- 2.
  select a.current_streak, a.longest_streak, a.freezes, a.started_on, a.frozen
  into v_streak.current_streak, v_streak.longest_streak, v_streak.freezes, v_streak.started_on, v_frozen
  from app.advance_streak(
    p_last => v_streak.last_activity_date, p_today => v_today, current_streak => v_streak.current_streak,
    longest_streak => v_streak.longest_streak, freezes => v_streak.freezes, started_on => v_streak.started_on) a;
  v_weeks := app.weeks_between(v_streak.last_activity_date, v_today);
  v_streak.weekly_streak := case
    when v_weeks <= 0 then v_streak.weekly_streak
    when v_weeks = 1 then v_streak.weekly_streak + 1
    else 1 end;
  -- 3.
  update public.streaks s set
    current_streak = v_streak.current_streak, longest_streak = v_streak.longest_streak, freezes = v_streak.freezes,
    started_on = v_streak.started_on, weekly_streak = v_streak.weekly_streak,
    longest_weekly_streak = greatest(s.longest_weekly_streak, v_streak.weekly_streak), timezone = v_streak.timezone, timezone_changed_at = v_streak.timezone_changed_at,
    last_activity_date = greatest(s.last_activity_date, v_today),
    streak_data = case when v_frozen = '{}' then s.streak_data else pg_catalog.jsonb_set(
      s.streak_data, '{frozen}', coalesce(s.streak_data -> 'frozen', '[]') || pg_catalog.to_jsonb(v_frozen)) end
  where s.user_id = p_user_id
  returning s.* into v_streak;
  return v_streak;
end $$;
comment on function app.count_streak_day(text, text, timestamptz) is 'Counts activity at an instant towards a user''s streak; returns its new state.';

create or replace function app.reward_best(
  p_user_id text, p_organization_id text, p_skill text, p_score numeric, p_ref text, p_local_date date, p_at timestamptz,
  p_is_paid boolean default true
) returns integer
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  if app.record_skill_score(p_user_id, p_skill, p_score, p_at) is not true or not p_is_paid then
    return 0;
  end if;
  return coalesce(app.pay_xp(
    p_user_id => p_user_id, p_organization_id => p_organization_id, p_event_key => pg_catalog.format('best:%s:%s', p_skill, p_ref), p_amount => 15,
    p_reason => 'personal_best', p_ref_id => p_ref, p_local_date => p_local_date, p_at => p_at), 0);
end $$;
comment on function app.reward_best(text, text, text, numeric, text, date, timestamptz, boolean) is
  'Records a score in a skill; returns the points for a personal best, 0 where it is none, was paid, or is not to be paid.';

-- An activity counts when it is first seen, and once: its key is in the ledger from then on.
--   1. The streak moves on; its day is the day that everything here is paid on.
--   2. A practice pays, five times a day at most, and so does a completed interview; the rest comes with its feedback.
--   3. The first activity of a day pays, and so does a streak of 7, 30 and 100 days.
create or replace function app.reward_activity(
  p_user_id text, p_organization_id text, p_kind text, p_ref text, p_timezone text, p_at timestamptz,
  out amount integer, out local_date date, out is_new boolean, out is_paid boolean
)
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant text := case p_kind when 'interview' then 'interview:' || p_ref || ':completed' else 'practice:' || p_ref end;
  v_streak public.streaks;
begin
  select 0, e.local_date, false, e.amount > 0 into amount, local_date, is_new, is_paid
  from app.xp_events e where e.user_id = p_user_id and e.event_key = v_key;
  if found then
    return;
  end if;
  is_new := true;
  -- 1.
  v_streak := app.count_streak_day(p_user_id, p_timezone, p_at);
  local_date := v_streak.last_activity_date;
  -- 2.
  is_paid := p_kind = 'interview' or (
    select count(*) from app.xp_events e
    where e.user_id = p_user_id and e.local_date = v_streak.last_activity_date and e.reason = 'practice' and e.amount > 0) < 5;
  amount := app.pay_xp(
    p_user_id => p_user_id, p_organization_id => p_organization_id, p_event_key => v_key, p_amount => case when is_paid then 10 else 0 end,
    p_reason => case p_kind when 'interview' then 'interview_completed' else 'practice' end, p_ref_id => p_ref,
    p_local_date => local_date, p_at => p_at);
  -- 3.
  amount := amount
    + coalesce(app.pay_xp(
      p_user_id => p_user_id, p_organization_id => p_organization_id, p_event_key => 'daily:' || local_date, p_amount => 5,
      p_reason => 'daily', p_ref_id => null, p_local_date => local_date, p_at => p_at), 0)
    + coalesce(app.pay_xp(
      p_user_id => p_user_id, p_organization_id => p_organization_id,
      p_event_key => pg_catalog.format('streak:%s:%s', v_streak.current_streak, v_streak.started_on),
      p_amount => case v_streak.current_streak when 7 then 50 when 30 then 200 when 100 then 500 else 0 end,
      p_reason => 'streak', p_ref_id => null, p_local_date => local_date, p_at => p_at), 0);
end $$;
comment on function app.reward_activity(text, text, text, text, text, timestamptz) is
  'What an interview or a practice earns by having happened: the points, the user''s date that they are paid on, whether it is seen '
  'for the first time, and whether the activity itself was worth any.';

-- How well it went is paid by the first feedback that can judge it; feedback that is written anew pays nothing.
--   1. An interview that could be judged pays the rest of what completing is worth; by voice more. Too little to judge by is
--      not paid, so that nothing is taken from what comes later, as the report of a call may.
--   2. So does the overall score: half of it.
--   3. Each competency with a score may be a personal best.
create or replace function app.reward_feedback(
  p_session public.interview_sessions, p_feedback public.interview_feedback, p_local_date date, p_at timestamptz,
  out amount integer, out score numeric
)
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_ref constant text := p_session.id::text;
  v_skill record;
begin
  -- 1.
  if p_feedback.hiring_recommendation = 'insufficient_evidence' then
    amount := 0;
    return;
  end if;
  amount := app.pay_xp(
    p_user_id => p_session.user_id, p_organization_id => p_session.organization_id,
    p_event_key => 'interview:' || v_ref || ':judged',
    p_amount => case p_session.interview_type when 'voice' then 50 else 40 end,
    p_reason => 'interview_judged', p_ref_id => v_ref, p_local_date => p_local_date, p_at => p_at);
  if amount is null then
    amount := 0;
    return;
  end if;
  -- 2.
  score := coalesce(p_feedback.overall_score, 0);
  amount := amount + coalesce(app.pay_xp(
    p_user_id => p_session.user_id, p_organization_id => p_session.organization_id,
    p_event_key => 'interview:' || v_ref || ':score',
    p_amount => pg_catalog.floor(least(score, 100) / 2)::integer,
    p_reason => 'interview_score', p_ref_id => v_ref, p_local_date => p_local_date, p_at => p_at), 0);
  -- 3.
  for v_skill in
    select e.value ->> 'key' as key, (e.value ->> 'score')::numeric as score
    from pg_catalog.jsonb_array_elements(
      case pg_catalog.jsonb_typeof(p_feedback.scores) when 'array' then p_feedback.scores else '[]' end) e
    where pg_catalog.jsonb_typeof(e.value -> 'score') = 'number' and e.value ->> 'key' is not null
  loop
    amount := amount + app.reward_best(
      p_user_id => p_session.user_id, p_organization_id => p_session.organization_id, p_skill => v_skill.key, p_score => v_skill.score, p_ref => v_ref,
      p_local_date => p_local_date, p_at => p_at);
  end loop;
end $$;
comment on function app.reward_feedback(public.interview_sessions, public.interview_feedback, date, timestamptz) is
  'What an interview earns by the first feedback that can judge it: the points, and the score that the leaderboard adds (null for any other).';

-- Everything that an interview or a practice leads to, in one transaction, so that ledger and what is cached of it agree.
-- Called when it is over and again when feedback arrives; the ledger's keys say what was paid already.
--   1. Take the user's activities one at a time.
--   2. Read what happened; it must be the user's, and over. An interview in which the candidate said nothing earns nothing.
--   3. Pay for having done it, and for how well it went.
--   4. Bring the profile up to date, with its points.
--   5. Unlock achievements: they are measured by all of the above, and pay too.
--   6. Count all points in the standings at once.
create or replace function app.record_activity(p_user_id text, p_kind text, p_ref_id uuid, p_at timestamptz default null)
  returns jsonb
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_profile public.profiles;
  v_session public.interview_sessions;
  v_feedback public.interview_feedback;
  v_attempt public.practice_attempts;
  v_at timestamptz;
  v_organization_id text;
  v_counts boolean := true;
  v_done record;
  v_amount integer := 0;
  v_earned integer;
  v_score numeric;
  v_unlocked text[] := '{}';
  v_now public.profiles;
begin
  -- 1. Everything below reads what it then writes.
  perform app.require_caller(p_user_id);
  perform app.lock_standings(false);
  insert into public.profiles (id) values (p_user_id) on conflict (id) do nothing;
  select p.* into v_profile from public.profiles p where p.id = p_user_id for update;

  -- 2.
  if p_kind = 'interview' then
    select s.* into v_session from public.interview_sessions s where s.id = p_ref_id and s.user_id = p_user_id;
    if v_session.id is null then
      raise exception 'no such interview' using errcode = 'P0002';
    elsif v_session.status <> 'completed' then
      raise exception 'the interview is not completed' using errcode = '55000';
    end if;
    select f.* into v_feedback from public.interview_feedback f where f.id = v_session.feedback_id;
    v_counts := app.candidate_spoke(p_ref_id);
    v_organization_id := v_session.organization_id;
    -- Where time ended it, nobody was there at its end: what counts is when the candidate last was.
    v_at := coalesce(p_at, case when v_session.ended_reason in ('silence', 'time_limit')
      then v_session.last_activity_at else v_session.completed_at end);
  elsif p_kind = 'practice' then
    select a.* into v_attempt from public.practice_attempts a where a.id = p_ref_id and a.user_id = p_user_id;
    if v_attempt.id is null then
      raise exception 'no such practice attempt' using errcode = 'P0002';
    end if;
    v_at := coalesce(p_at, v_attempt.created_at);
    v_organization_id := v_attempt.organization_id;
  else
    raise exception 'unknown kind of activity: %', p_kind using errcode = '22023';
  end if;

  -- 3.
  if v_counts then
    select r.* into v_done
    from app.reward_activity(
      p_user_id => p_user_id, p_organization_id => v_organization_id, p_kind => p_kind, p_ref => p_ref_id::text,
      p_timezone => v_profile.timezone, p_at => v_at) r;
    v_amount := v_done.amount;
    if v_feedback.id is not null then
      select r.amount, r.score into v_earned, v_score from app.reward_feedback(v_session, v_feedback, v_done.local_date, v_at) r;
      v_amount := v_amount + v_earned;
    elsif v_done.is_new and v_attempt.score is not null then
      v_amount := v_amount + app.reward_best(
        p_user_id => p_user_id, p_organization_id => v_organization_id, p_skill => v_attempt.skill, p_score => v_attempt.score, p_ref => p_ref_id::text,
        p_local_date => v_done.local_date, p_at => v_at, p_is_paid => v_done.is_paid);
    end if;
  end if;

  -- 4.
  update public.profiles p set (total_interviews, completed_interviews, average_score, streak_days) = (
    select count(*), count(*) filter (where s.status = 'completed'),
      pg_catalog.round(pg_catalog.avg(s.overall_score) filter (where s.status = 'completed'), 2),
      coalesce((select k.current_streak from public.streaks k where k.user_id = p_user_id), 0)
    from public.interview_sessions s where s.user_id = p_user_id)
  where p.id = p_user_id;
  if v_amount > 0 then
    perform app.add_profile_xp(p_user_id, v_amount);
  end if;

  -- 5.
  if v_counts then
    v_unlocked := app.unlock_achievements(p_user_id, v_organization_id, v_done.local_date, v_at);
  end if;

  -- 6.
  select p.* into v_now from public.profiles p where p.id = p_user_id;
  v_amount := v_now.total_xp - v_profile.total_xp;
  if v_amount > 0 or v_score is not null then
    perform app.credit_xp(
      p_user_id => p_user_id, p_organization_id => v_organization_id, p_amount => v_amount, p_score => v_score, p_at => v_at);
  end if;
  return pg_catalog.jsonb_build_object(
    'xp_awarded', v_amount, 'total_xp', v_now.total_xp,
    'level', v_now.level, 'leveled_up', v_now.level > v_profile.level,
    'achievements', pg_catalog.to_jsonb(v_unlocked),
    'streak', (select pg_catalog.to_jsonb(t) from app.streak_status(p_user_id, v_at) t));
end $$;
comment on function app.record_activity(text, text, uuid, timestamptz) is
  'Everything that follows from a completed interview or a practice attempt (kind interview or practice), in one transaction: streak, '
  'points, progress, level, achievements, leaderboard. Called again, it pays what was not paid yet. p_at is when it happened, by default '
  'what its row says. Raises 42501 for another''s user id, P0002 for an unknown reference, 55000 for an interview that is not completed.';

create or replace function app.reward_completion() returns trigger
  language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
  -- An operator who completes one by hand has no claims; then its feedback pays for both.
  if app.claims() is not null then
    perform app.record_activity(new.user_id, 'interview', new.id);
  end if;
  return null;
end $$;
comment on function app.reward_completion() is
  'Trigger: an interview that is completed is paid for, whoever completes it, in the same transaction.';
create or replace trigger _50_reward after update of status on public.interview_sessions
  for each row when (new.status = 'completed' and old.status is distinct from new.status)
  execute function app.reward_completion();

-- Standings.

create or replace function app.leaderboard_rank(
  p_period text, p_period_key text, p_score integer, p_organization_id text default ''
) returns bigint
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_bucket integer := app.score_bucket(p_score);
begin
  -- Row-level security would hide the scores and leave a rank that looks right.
  if app.claims() is null then
    raise exception 'a rank needs the claims of a caller' using errcode = '42501';
  elsif p_organization_id not in ('', coalesce(app.organization_id(), '')) then
    raise exception 'the organization is not the caller''s' using errcode = '42501';
  end if;
  return 1
    + coalesce((select sum(h.members) from app.leaderboard_histogram h
        where h.organization_id = p_organization_id and h.period = p_period and h.period_key = p_period_key
          and h.bucket > v_bucket), 0)
    + (select count(*) from app.leaderboard_scores s
        where s.organization_id = p_organization_id and s.period = p_period and s.period_key = p_period_key and not s.is_hidden
          and s.score > p_score and s.score < app.bucket_end(v_bucket));
end $$;
comment on function app.leaderboard_rank(text, text, integer, text) is
  'The exact rank of a score among the visible ones of a window, now, of everybody or of the caller''s organization; equal scores share it. '
  'Raises 42501 without claims and for another organization.';

-- Who is shown around a caller. Ranks are exact at the time of reading (app.leaderboard_rank), never stored ones.
--   1. The first places; equal scores share one, and who was there first stands first.
--   2. Two before and two after the caller, who may be anywhere.
--   3. Names come from the leaderboard, which hides nobody: hidden scores were left out above.
create or replace function app.leaderboard_page(
  p_user_id text, p_period text default 'all_time', p_period_key text default null, p_limit integer default 10,
  p_scope text default 'global'
) returns table (section text, rank bigint, display_name text, score integer, is_me boolean)
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_key text := coalesce(p_period_key, app.leaderboard_key(p_period, app.now()));
  v_organization_id text := case p_scope when 'global' then '' when 'organization' then app.organization_id() end;
  v_me app.leaderboard_scores;
begin
  if p_user_id is not null then
    perform app.require_caller(p_user_id);
  end if;
  if p_period not in ('all_time', 'weekly', 'monthly') then
    raise exception 'unknown period: %', p_period using errcode = '22023';
  elsif v_organization_id is null then
    raise exception 'no standings of this scope' using errcode = '22023';
  end if;
  select s.* into v_me from app.leaderboard_scores s
  where s.user_id = p_user_id and s.organization_id = v_organization_id and s.period = p_period and s.period_key = v_key;

  return query
    -- 1.
    with top as (
      select 'top' as section, s.user_id, s.score, s.reached_at, rank() over (order by s.score desc) as place
      from (
        select t.* from app.leaderboard_scores t
        where t.organization_id = v_organization_id and t.period = p_period and t.period_key = v_key and not t.is_hidden
        order by t.score desc, t.reached_at, t.user_id limit app.search_limit(p_limit)
      ) s
    -- 2.
    ), beside as (
      (select s.* from app.leaderboard_scores s
       where s.organization_id = v_organization_id and s.period = p_period and s.period_key = v_key and not s.is_hidden
         and s.score >= v_me.score and (s.score > v_me.score or (s.reached_at, s.user_id) < (v_me.reached_at, v_me.user_id))
       order by s.score, s.reached_at desc, s.user_id desc limit 2)
      union all
      (select s.* from app.leaderboard_scores s
       where s.organization_id = v_organization_id and s.period = p_period and s.period_key = v_key and not s.is_hidden
         and s.score <= v_me.score and (s.score < v_me.score or (s.reached_at, s.user_id) > (v_me.reached_at, v_me.user_id))
       order by s.score desc, s.reached_at, s.user_id limit 2)
    ), shown as (
      select t.section, t.user_id, t.score, t.reached_at, t.place from top t
      union all
      select 'me', v_me.user_id, v_me.score, v_me.reached_at, app.leaderboard_rank(p_period, v_key, v_me.score, v_organization_id)
      where v_me.user_id is not null
      union all
      select 'neighbour', b.user_id, b.score, b.reached_at, app.leaderboard_rank(p_period, v_key, b.score, v_organization_id) from beside b
    )
    -- 3.
    select h.section, h.place, l.display_name, h.score, h.user_id is not distinct from p_user_id
    from shown h left join lateral (
      -- One by one: the planner does not know how few they are, and would read everybody's.
      select n.display_name from public.leaderboard n where n.user_id = h.user_id limit 1
    ) l on true
    order by case h.section when 'top' then 1 when 'me' then 2 else 3 end, h.score desc, h.reached_at, h.user_id;
end $$;
comment on function app.leaderboard_page(text, text, text, integer, text) is
  'The first p_limit of a window (by default the current one), the user and two neighbours on either side, with exact ranks. '
  'p_scope is global, or organization for what was earned for the caller''s. p_user_id is null for anonymous callers; raises 42501 for '
  'another''s id, 22023 for an unknown period or scope, and for the scope of an organization where the caller has none.';

-- What is not worth computing with every activity: last week's winners and the snapshot in leaderboard.rank.
--   1. Last week is over: its first ten keep that. Nobody is rewarded for being early on a Monday.
--   2. Ranks that changed are written; the others' rows are left alone.
create or replace function app.refresh_leaderboard_ranks(p_at timestamptz default app.now()) returns integer
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_week text := app.leaderboard_key('weekly', p_at - interval '7 days');
  v_user_id text;
  v_amount integer;
  v_changed integer;
begin
  if not app.is_service() then
    raise exception 'ranks are refreshed by the service' using errcode = '42501';
  end if;
  -- 1.
  for v_user_id in
    select r.user_id
    from (
      select s.user_id, rank() over (order by s.score desc) as place from app.leaderboard_scores s
      where s.organization_id = '' and s.period = 'weekly' and s.period_key = v_week and not s.is_hidden
    ) r
    where r.place <= 10 and not exists (
      select from public.achievements a where a.user_id = r.user_id and a.achievement_type = 'top_10_week')
    order by r.user_id
  loop
    perform app.lock_standings(true);
    select app.pay_xp(
      p_user_id => v_user_id, p_organization_id => null, p_event_key => 'achievement:top_10_week', p_amount => c.xp_reward,
      p_reason => 'achievement', p_ref_id => v_week, p_local_date => (p_at at time zone 'UTC')::date, p_at => p_at)
    into v_amount
    from app.achievement_catalogue c where c.achievement_type = 'top_10_week';
    -- Another run has paid while this one waited for the lock.
    continue when v_amount is null;
    perform app.add_profile_xp(v_user_id, v_amount);
    perform app.credit_xp(p_user_id => v_user_id, p_organization_id => null, p_amount => v_amount, p_score => null, p_at => p_at);
    insert into public.achievements (user_id, achievement_type, title, description, icon, xp_reward, unlocked_at, metadata)
    select v_user_id, c.achievement_type, c.title, c.description, c.icon, c.xp_reward, p_at,
      pg_catalog.jsonb_build_object('week', v_week)
    from app.achievement_catalogue c where c.achievement_type = 'top_10_week';
  end loop;

  -- 2.
  update public.leaderboard l set rank = r.place
  from (
    select b.user_id, s.place
    from public.leaderboard b left join (
      select t.user_id, rank() over (order by t.score desc)::integer as place from app.leaderboard_scores t
      where t.organization_id = '' and t.period = 'all_time' and not t.is_hidden
    ) s on s.user_id = b.user_id
  ) r
  where r.user_id = l.user_id and l.rank is distinct from r.place;
  get diagnostics v_changed = row_count;
  return v_changed;
end $$;
comment on function app.refresh_leaderboard_ranks(timestamptz) is
  'Rewards the first ten of last week and brings leaderboard.rank up to date; returns how many ranks changed. For the service.';

-- S5's statistics, in one statement over the user's sessions so that nothing is read twice.
--   1. The sessions, numbered from the newest within their state.
--   2. Counts, averages and the trend, which is the slope over the last ten scores.
--   3. By type and by competency, then what streak and profile add.
create or replace function public.get_user_interview_stats(user_id text)
  returns table (
    total_interviews bigint, completed_interviews bigint, abandoned bigint, average_score numeric, best_score numeric,
    last_score numeric, score_trend double precision, total_minutes numeric, voice_count bigint, text_count bigint,
    by_type jsonb, by_competency jsonb, current_streak integer, longest_streak integer, total_xp integer, level integer)
  language sql stable
begin atomic
  -- 1.
  with session as (
    select s.status, s.interview_type, s.category, s.overall_score, s.duration_minutes, s.completed_at, s.id, s.feedback_id,
      row_number() over (partition by s.status order by s.completed_at desc nulls last, s.id) as recency
    from public.interview_sessions s where s.user_id = $1
  -- 2.
  ), figures as (
    select count(*) as total, count(*) filter (where s.status = 'completed') as completed,
      count(*) filter (where s.status = 'abandoned') as abandoned,
      round(avg(s.overall_score) filter (where s.status = 'completed'), 2) as average,
      max(s.overall_score) filter (where s.status = 'completed') as best,
      max(s.overall_score) filter (where s.status = 'completed' and s.recency = 1) as latest,
      regr_slope(s.overall_score::double precision, -s.recency::double precision)
        filter (where s.status = 'completed' and s.recency <= 10) as trend,
      coalesce(sum(s.duration_minutes), 0) as minutes,
      count(*) filter (where s.interview_type = 'voice') as voice, count(*) filter (where s.interview_type = 'text') as text
    from session s
  )
  -- 3.
  select f.total, f.completed, f.abandoned, f.average, f.best, f.latest, f.trend, f.minutes, f.voice, f.text,
    (select coalesce(jsonb_object_agg(c.category, c.interviews), '{}')
     from (select s.category, count(*) as interviews from session s group by s.category) c),
    (select coalesce(jsonb_object_agg(c.key, c.score), '{}')
     from (
       select e.value ->> 'key' as key, round(avg((e.value ->> 'score')::numeric), 2) as score
       from session s
       join public.interview_feedback b on b.id = s.feedback_id,
         lateral jsonb_array_elements(case jsonb_typeof(b.scores) when 'array' then b.scores else '[]' end) e
       where jsonb_typeof(e.value -> 'score') = 'number' and e.value ->> 'key' is not null
       group by 1
     ) c),
    coalesce((select t.current_streak from app.streak_status($1) t), 0),
    coalesce((select t.longest_streak from app.streak_status($1) t), 0),
    coalesce((select p.total_xp from public.profiles p where p.id = $1), 0),
    coalesce((select p.level from public.profiles p where p.id = $1), 1)
  from figures f;
end;
comment on function public.get_user_interview_stats(text) is
  'S5: one row of figures about a user''s interviews; score_trend is points per interview over the last ten. Sees what its caller may see.';

select app.give_to('parley_definer',
  'app.record_activity(text, text, uuid, timestamptz)', 'app.reward_completion()', 'app.leaderboard_rank(text, text, integer, text)',
  'app.leaderboard_page(text, text, text, integer, text)', 'app.refresh_leaderboard_ranks(timestamptz)');
revoke all on function public.get_user_interview_stats(text) from public, anon, authenticated, service_role;
grant execute on function app.pay_xp(text, text, text, integer, text, text, date, timestamptz),
  app.record_skill_score(text, text, numeric, timestamptz), app.add_profile_xp(text, integer),
  app.credit_xp(text, text, integer, numeric, timestamptz),
  app.unlock_achievements(text, text, date, timestamptz), app.count_streak_day(text, text, timestamptz),
  app.reward_best(text, text, text, numeric, text, date, timestamptz, boolean),
  app.reward_activity(text, text, text, text, text, timestamptz),
  app.reward_feedback(public.interview_sessions, public.interview_feedback, date, timestamptz) to parley_definer;
grant execute on function app.record_activity(text, text, uuid, timestamptz) to parley_definer;
grant execute on function app.leaderboard_page(text, text, text, integer, text),
  app.leaderboard_rank(text, text, integer, text) to parley_app, parley_service;
grant execute on function app.refresh_leaderboard_ranks(timestamptz) to parley_service;
grant execute on function public.get_user_interview_stats(text) to authenticated, service_role;
revoke all on all functions in schema app from public;
