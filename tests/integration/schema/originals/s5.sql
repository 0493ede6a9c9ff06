-- S5 as it was, with data. The seed lists columns and gives two types (profiles.id TEXT, the other ids UUID) and which are
-- JSONB; guessed: user_id text, scores integer, tech_stack text[], transcript jsonb, rank integer, every column of
-- practice_attempts and user_progress, and the functions' parameter names and result columns.
create table profiles (
  id text primary key,
  email text unique not null,
  name text, avatar_url text, bio text,
  experience_level text, target_role text, tech_stack text[] default '{}',
  total_interviews integer default 0, completed_interviews integer default 0, average_score integer default 0,
  total_xp integer default 0, level integer default 1, streak_days integer default 0,
  metadata jsonb default '{}', created_at timestamptz default now(), updated_at timestamptz default now()
);
create index idx_profiles_email on profiles (email);
create table practice_attempts (
  id uuid primary key default gen_random_uuid(),
  user_id text not null references profiles (id) on delete cascade,
  question text not null, answer text, score integer, feedback jsonb, created_at timestamptz default now()
);
create table interview_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id text not null references profiles (id) on delete cascade,
  title text not null, description text,
  interview_type text not null check (interview_type in ('voice', 'text')),
  status text not null default 'active',
  questions jsonb default '[]', metadata jsonb default '{}',
  started_at timestamptz, completed_at timestamptz, duration_minutes integer, overall_score integer, feedback_id uuid,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create index idx_interview_sessions_user_id on interview_sessions (user_id);
create index idx_interview_sessions_status on interview_sessions (status);
create index idx_interview_sessions_created_at on interview_sessions (created_at desc);
create table interview_responses (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid not null references interview_sessions (id) on delete cascade,
  role text not null check (role in ('user', 'assistant', 'system')),
  content text not null, timestamp timestamptz default now(), confidence numeric, stage text, analysis jsonb, sequence_number integer
);
create index idx_interview_responses_interview_id on interview_responses (interview_id);
create table interview_feedback (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid not null references interview_sessions (id) on delete cascade,
  user_id text not null references profiles (id) on delete cascade,
  overall_score integer, hiring_recommendation text,
  scores jsonb default '{}', strengths jsonb default '[]', improvements jsonb default '[]',
  detailed_feedback text, recommendations jsonb default '[]', transcript jsonb, duration_seconds integer,
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create table voice_analytics (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid not null references interview_sessions (id) on delete cascade,
  clarity_score integer, pace_score integer, volume_score integer, filler_words_count integer default 0,
  pause_frequency numeric, tonal_variation numeric, articulation_score integer, analysis jsonb default '{}',
  created_at timestamptz default now()
);
create table achievements (
  id uuid primary key default gen_random_uuid(),
  user_id text not null references profiles (id) on delete cascade,
  achievement_type text not null, title text not null, description text, icon text, xp_reward integer default 0,
  unlocked_at timestamptz default now(), metadata jsonb default '{}'
);
create table user_progress (
  id uuid primary key default gen_random_uuid(),
  user_id text not null references profiles (id) on delete cascade,
  skill text not null, progress integer default 0, created_at timestamptz default now(), updated_at timestamptz default now()
);
create table leaderboard (
  id uuid primary key default gen_random_uuid(),
  user_id text not null unique references profiles (id) on delete cascade,
  total_score integer default 0, total_xp integer default 0, rank integer, weekly_score integer default 0,
  monthly_score integer default 0, last_updated timestamptz default now()
);
create table streaks (
  id uuid primary key default gen_random_uuid(),
  user_id text not null unique references profiles (id) on delete cascade,
  current_streak integer default 0, longest_streak integer default 0, last_activity_date date, streak_data jsonb default '{}',
  created_at timestamptz default now(), updated_at timestamptz default now()
);
create function update_updated_at_column() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger update_profiles_updated_at before update on profiles for each row execute function update_updated_at_column();
create trigger update_interview_sessions_updated_at before update on interview_sessions
  for each row execute function update_updated_at_column();
create trigger update_interview_feedback_updated_at before update on interview_feedback
  for each row execute function update_updated_at_column();
create trigger update_user_progress_updated_at before update on user_progress
  for each row execute function update_updated_at_column();
create trigger update_streaks_updated_at before update on streaks for each row execute function update_updated_at_column();
create function get_user_interview_stats(p_user_id text) returns table (total bigint, average numeric) language sql as $$
  select count(*), avg(overall_score) from interview_sessions where user_id = p_user_id
$$;
create function get_recent_interviews_with_feedback(p_user_id text, p_limit integer default 10)
  returns table (id uuid, title text, score integer) language sql as $$
  select s.id, s.title, f.overall_score from interview_sessions s left join interview_feedback f on f.interview_id = s.id
  where s.user_id = p_user_id order by s.created_at desc limit p_limit
$$;
alter table profiles enable row level security;
alter table interview_sessions enable row level security;
alter table leaderboard enable row level security;
create policy "Users can view own profile" on profiles for select using (id = current_setting('x', true));
create policy "Users can access own interviews" on interview_sessions using (user_id = current_setting('x', true));
create policy "Leaderboard is public" on leaderboard for select using (true);

insert into profiles (id, email, total_xp, level, average_score) values
  ('user-id-here', 'a@example.com', 250, 3, 80), ('user_b', 'b@example.com', 0, 1, null);
insert into practice_attempts (user_id, question, score) values ('user-id-here', 'q', 80), ('user_b', 'q', null);
insert into interview_sessions (id, user_id, title, interview_type, status, overall_score, completed_at) values
  ('00000000-0000-0000-0000-000000000101', 'user-id-here', 'Backend', 'voice', 'completed', 85, now()),
  ('00000000-0000-0000-0000-000000000102', 'user-id-here', 'Frontend', 'text', 'active', null, null),
  ('00000000-0000-0000-0000-000000000103', 'user_b', 'Data', 'text', 'completed', 70, now());
insert into interview_responses (interview_id, role, content, sequence_number) values
  ('00000000-0000-0000-0000-000000000101', 'assistant', 'Hello', 1),
  ('00000000-0000-0000-0000-000000000101', 'user', 'Hi', 1),
  ('00000000-0000-0000-0000-000000000101', 'user', 'Again', null);
insert into interview_feedback (interview_id, user_id, overall_score, hiring_recommendation, transcript) values
  ('00000000-0000-0000-0000-000000000101', 'user-id-here', 85, 'maybe', '[{"role":"user"}]'),
  ('00000000-0000-0000-0000-000000000101', 'user-id-here', 88, 'hire', null);
insert into voice_analytics (interview_id, clarity_score) values ('00000000-0000-0000-0000-000000000101', 90);
insert into achievements (user_id, achievement_type, title) values
  ('user-id-here', 'first_interview', 'First'), ('user-id-here', 'first_interview', 'First again');
insert into user_progress (user_id, skill, progress) values ('user-id-here', 'sql', 10), ('user-id-here', 'sql', 20);
insert into leaderboard (user_id, total_score, total_xp, rank) values ('user-id-here', 85, 250, 1), ('user_b', 70, 0, 2);
insert into streaks (user_id, current_streak, longest_streak, last_activity_date) values ('user-id-here', 2, 5, current_date);
