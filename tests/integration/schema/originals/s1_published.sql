-- S1 as its project publishes it (aakashkanojiya91299/FoloUp), with the tables beside it that refer to what is adopted.
-- It has no row-level security, and its users are Clerk's.
create type plan as enum ('free', 'pro', 'free_trial_over');
create type ai_provider as enum ('openai', 'gemini');
create table organization (
  id text primary key default uuid_generate_v4(),
  created_at timestamptz not null default timezone('utc', now()),
  name text,
  image_url text,
  allowed_responses_count integer,
  plan plan
);
create table "user" (
  id text primary key,
  created_at timestamptz not null default timezone('utc', now()),
  email text,
  organization_id text references organization (id)
);
create table ai_provider_preferences (
  id serial primary key,
  created_at timestamp with time zone default timezone('utc', now()),
  updated_at timestamp with time zone default timezone('utc', now()),
  organization_id text references organization (id),
  user_id text references "user" (id),
  preferred_provider ai_provider default 'openai',
  is_active boolean default true,
  unique (organization_id, user_id)
);
create index idx_ai_provider_preferences_organization_id on ai_provider_preferences (organization_id);
create index idx_ai_provider_preferences_user_id on ai_provider_preferences (user_id);
create table interviewer (id serial primary key, agent_id text, name text not null, empathy integer not null);
create table interview (
  id text primary key,
  organization_id text references organization (id),
  user_id text references "user" (id),
  interviewer_id integer references interviewer (id),
  name text
);
create table response (id serial primary key, interview_id text references interview (id), call_id text, is_ended boolean);
create table feedback (id serial primary key, interview_id text references interview (id), email text, satisfaction integer);
create table resumes (id serial primary key, organization_id text references organization (id), user_id text);
create table interviewees (id serial primary key, organization_id text references organization (id), email text);
create table ats_job_requirements (id serial primary key, organization_id text references organization (id), title text);
create table resume_analyses (id serial primary key, interview_id text references interview (id), provider ai_provider);
create view plans_in_use as select plan, count(*) as organizations from organization group by plan;

insert into organization (id, name, plan, allowed_responses_count) values
  ('org_123', 'Acme', 'pro', 100), ('org_456', 'Globex', 'free', 10);
insert into "user" (id, email, organization_id) values
  ('user_456', 'a@example.com', 'org_123'), ('user_789', 'b@example.com', 'org_123'), ('user_1', null, 'org_456');
insert into ai_provider_preferences (organization_id, user_id, preferred_provider, is_active) values
  ('org_123', 'user_456', 'gemini', true), ('org_123', null, 'openai', true), ('org_456', 'user_1', 'gemini', true);
insert into interviewer (name, empathy) values ('Lisa', 7);
insert into interview values ('i1', 'org_123', 'user_456', 1, 'Backend');
insert into response (interview_id, call_id, is_ended) values ('i1', 'call_1', true);
insert into feedback (interview_id, email, satisfaction) values ('i1', 'c@example.com', 2);
insert into resumes (organization_id, user_id) values ('org_123', 'user_456');
insert into interviewees (organization_id, email) values ('org_123', 'd@example.com');
insert into ats_job_requirements (organization_id, title) values ('org_123', 'Engineer');
insert into resume_analyses (interview_id, provider) values ('i1', 'gemini');
