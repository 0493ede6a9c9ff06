-- S1 as it was, with data. The seed gives the enum and the table; organization and "user", which it refers to and does not
-- create, are guessed as an application of its kind has them.
create table organization (id text primary key, name text, created_at timestamp default now());
create table "user" (id text primary key, email text, organization_id text references organization (id));

create type ai_provider as enum ('openai', 'gemini');

create table ai_provider_preferences (
    id serial primary key,
    created_at timestamp with time zone default timezone('utc', now()),
    updated_at timestamp with time zone default timezone('utc', now()),
    organization_id text references organization(id),
    user_id text references "user"(id),
    preferred_provider ai_provider default 'openai',
    is_active boolean default true,
    unique(organization_id, user_id)
);

insert into organization (id, name) values ('org_123', 'Acme'), ('org_456', 'Globex');
insert into "user" (id, email, organization_id) values
  ('user_456', 'a@example.com', 'org_123'), ('user_789', 'b@example.com', 'org_123'), ('user_1', null, 'org_456');
insert into ai_provider_preferences (organization_id, user_id, preferred_provider, is_active) values
  ('org_123', 'user_456', 'gemini', true),
  ('org_123', 'user_789', 'openai', false),
  ('org_123', null, 'openai', true),
  ('org_456', 'user_1', 'gemini', true),
  (null, 'user_1', 'openai', true);
