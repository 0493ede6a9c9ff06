-- A later version of the same project: a leaderboard by kind, category and period, and questions that attempts refer to.
create table practice_questions (id uuid primary key default gen_random_uuid(), question text not null);
create table practice_attempts (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  question_id uuid references practice_questions (id),
  answer text,
  created_at timestamptz default now()
);
create table leaderboard (
  id uuid primary key default gen_random_uuid(),
  user_id uuid references auth.users (id) on delete cascade,
  leaderboard_type text,
  category text,
  period_start date,
  score integer,
  unique (user_id, leaderboard_type, category, period_start)
);
insert into auth.users (id) values ('00000000-0000-0000-0000-00000000000a');
insert into leaderboard (user_id, leaderboard_type, category, period_start, score)
select id, kind, 'all', '2026-11-01', 5 from auth.users, unnest(array['weekly', 'monthly']) as kind;
