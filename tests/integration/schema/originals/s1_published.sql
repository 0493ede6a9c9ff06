-- S1 as its project publishes it (aakashkanojiya91299/FoloUp), with the tables beside it that refer to what is adopted.
create extension if not exists "vector";
create type plan as enum ('free', 'pro', 'free_trial_over');
create table organization (
  id text primary key,
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
create type ai_provider as enum ('openai', 'gemini');
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
create table interview (
  id text primary key,
  organization_id text references organization (id),
  user_id text references "user" (id),
  name text
);
create table resume_analyses (id serial primary key, interview_id text references interview (id), provider ai_provider);

insert into organization (id, name, plan) values ('org_123', 'Acme', 'pro'), ('org_456', 'Globex', 'free');
insert into "user" (id, email, organization_id) values
  ('user_456', 'a@example.com', 'org_123'), ('user_789', 'b@example.com', 'org_123'), ('user_1', null, 'org_456');
insert into ai_provider_preferences (organization_id, user_id, preferred_provider, is_active) values
  ('org_123', 'user_456', 'gemini', true), ('org_123', null, 'openai', true), ('org_456', 'user_1', 'gemini', true);
insert into interview values ('i1', 'org_123', 'user_456', 'Backend');
insert into resume_analyses (interview_id, provider) values ('i1', 'gemini');
