-- S5 as its project publishes it (pratikacharya1234/AI-Interview-Platform): uuid users, a trigger of sign-ups that writes
-- profiles, other columns than its document names.
create table profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text unique not null,
  name text,
  full_name text,
  username text unique,
  avatar_url text,
  bio text,
  experience_level text default 'mid',
  target_role text,
  tech_stack text[],
  total_interviews integer default 0,
  completed_interviews integer default 0,
  average_score decimal(5, 2) default 0,
  total_xp integer default 0,
  level integer default 1,
  streak_days integer default 0,
  last_activity_date date,
  onboarding_completed boolean default false,
  preferences jsonb default '{}',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table practice_attempts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  question_id uuid,
  answer text,
  score decimal(5, 2),
  time_taken_seconds integer,
  feedback text,
  strengths text[],
  improvements text[],
  attempt_number integer default 1,
  is_correct boolean,
  difficulty text,
  created_at timestamptz default now()
);
create table interview_sessions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  title varchar(255) not null,
  description text,
  interview_type varchar(50) default 'voice',
  status varchar(50) default 'pending',
  metadata jsonb default '{}',
  questions jsonb default '[]',
  answers jsonb default '[]',
  started_at timestamptz,
  completed_at timestamptz,
  duration_minutes integer,
  overall_score decimal(5, 2),
  communication_score decimal(5, 2),
  technical_score decimal(5, 2),
  ai_accuracy_score decimal(5, 2),
  feedback jsonb,
  feedback_id uuid,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table interview_responses (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid references interview_sessions (id) on delete cascade,
  role varchar(20) check (role in ('user', 'assistant', 'system')),
  content text,
  "timestamp" timestamptz default now(),
  confidence decimal(3, 2),
  stage text,
  analysis jsonb,
  sequence_number integer
);
create table interview_feedback (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid references interview_sessions (id) on delete cascade,
  user_id uuid references auth.users (id) on delete cascade,
  overall_score decimal(5, 2) not null,
  hiring_recommendation text,
  scores jsonb default '[]',
  strengths jsonb,
  improvements jsonb,
  detailed_feedback text,
  recommendations jsonb,
  transcript text,
  duration_seconds integer,
  metadata jsonb,
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create table voice_analytics (
  id uuid primary key default gen_random_uuid(),
  interview_id uuid references interview_sessions (id) on delete cascade,
  clarity_score decimal(5, 2),
  pace_score decimal(5, 2),
  volume_score decimal(5, 2),
  filler_words_count integer,
  pause_frequency decimal(5, 2),
  tonal_variation decimal(5, 2),
  articulation_score decimal(5, 2),
  analysis jsonb,
  created_at timestamptz default now()
);
create table achievements (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  achievement_type text,
  title text,
  description text,
  icon text,
  xp_reward integer,
  unlocked_at timestamptz default now(),
  metadata jsonb
);
create table user_progress (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  category text,
  skill text,
  level integer,
  xp integer,
  total_attempts integer,
  successful_attempts integer,
  last_practiced_at timestamptz,
  unique (user_id, category, skill)
);
create table leaderboard (
  id uuid primary key default gen_random_uuid(),
  user_id uuid unique references auth.users (id) on delete cascade,
  total_score integer default 0,
  total_xp integer default 0,
  rank integer,
  weekly_score integer default 0,
  monthly_score integer default 0,
  last_updated timestamptz default now()
);
create table streaks (
  id uuid primary key default gen_random_uuid(),
  user_id uuid unique references auth.users (id) on delete cascade,
  current_streak integer default 0,
  longest_streak integer default 0,
  last_activity_date date,
  streak_data jsonb default '[]',
  created_at timestamptz default now(),
  updated_at timestamptz default now()
);
create function update_updated_at_column() returns trigger language plpgsql as $$
begin
  new.updated_at = now();
  return new;
end $$;
create trigger update_profiles_updated_at before update on profiles
  for each row execute function update_updated_at_column();
create function get_user_interview_stats(p_user_id uuid) returns table (
  total_interviews bigint, completed_interviews bigint, average_score numeric, total_duration_minutes bigint,
  last_interview_date timestamptz
) language sql as $$
  select count(*), count(*) filter (where status = 'completed'), avg(overall_score), sum(duration_minutes), max(created_at)
  from interview_sessions where user_id = p_user_id
$$;
create function handle_new_user() returns trigger language plpgsql security definer set search_path = public as $$
begin
  insert into profiles (id, email) values (new.id, new.email);
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function handle_new_user();
alter table profiles enable row level security;
create policy "Users can view own profile" on profiles for select using (auth.uid() = id);
create policy "Users can update own profile" on profiles for update using (auth.uid() = id);

insert into auth.users (id, email) values
  ('00000000-0000-0000-0000-00000000000a', 'a@example.com'), ('00000000-0000-0000-0000-00000000000b', 'b@example.com');
insert into streaks (user_id, current_streak) select id, 4 from profiles;
insert into leaderboard (user_id, total_xp) select id, 120 from profiles;
insert into practice_attempts (user_id, question_id, answer, score)
select id, gen_random_uuid(), 'Because of the tide.', 81.5 from profiles;
insert into interview_sessions (user_id, title, status, completed_at, overall_score, questions)
select id, 'Backend', 'completed', now(), 74.25, '["Why?"]' from profiles;
insert into interview_feedback (interview_id, user_id, overall_score, hiring_recommendation, scores)
select id, user_id, 74.25, 'Strong Hire', '[{"name": "Communication", "score": 80}]' from interview_sessions;
