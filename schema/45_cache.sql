-- 45 cache: answers that need no model. ai_response_cache keeps answers within a tenant (an organization, or a user
-- without one), never wider; ai_precomputed_responses answers what everybody asks; app.cache_fills lets one caller fill an
-- entry while the others wait.
-- The column embedding is optional (S4: `drop column embedding`): what names it has a string body, so nothing depends on it.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

create table if not exists public.ai_response_cache (id uuid primary key default gen_random_uuid(), query_hash text not null);

do $$
declare
  v_index regclass;
begin
  -- Only a table that is new to us has no tenant. The column comes with the table: whoever drops it (S4 allows that) does
  -- not get it back. And S4's entries were unique by hash alone, which would let one tenant's entry refuse another's.
  if not exists (
    select from pg_catalog.pg_attribute
    where attrelid = 'public.ai_response_cache'::regclass and attname = 'tenant'
  ) then
    alter table public.ai_response_cache add column if not exists embedding vector(1536);
    alter table public.ai_response_cache alter column embedding set storage plain;
    for v_index in
      select i.indexrelid from pg_catalog.pg_index i
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and i.indkey::text = a.attnum::text
      where i.indrelid = 'public.ai_response_cache'::regclass and i.indisunique and a.attname = 'query_hash'
    loop
      execute coalesce(
        (select format('alter table public.ai_response_cache drop constraint %I', conname)
         from pg_catalog.pg_constraint where conindid = v_index and contype = 'u'),
        format('drop index %s', v_index));
    end loop;
  end if;
end $$;

alter table public.ai_response_cache
  add column if not exists response text,
  add column if not exists model text,
  add column if not exists model_used text,
  add column if not exists provider text,
  add column if not exists answered_by jsonb,
  add column if not exists tokens_used integer,
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists expires_at timestamptz,
  -- An adopted row has no tenant: it was everybody's, which is what must not be, so nobody sees it, and it expires.
  add column if not exists tenant text,
  add column if not exists created_by text,
  add column if not exists parameters_hash text,
  add column if not exists message text,
  add column if not exists embedding_model text;
-- What was to stay for ever goes a day after its adoption: nobody is answered with it any more.
update public.ai_response_cache set expires_at = app.now() + interval '1 day' where expires_at is null;
alter table public.ai_response_cache
  alter column expires_at set default now() + interval '1 day', alter column expires_at set not null;
-- By itself: a table that outlived `down` has the column, without its key.
select app.adopt_user_column('public.ai_response_cache', 'created_by', 'cascade');

-- S4 notes who asked: what was asked goes with that user.
do $$
begin
  if exists (
    select from pg_catalog.pg_attribute
    where attrelid = 'public.ai_response_cache'::regclass and attname = 'user_id' and not attisdropped
  ) then
    perform app.adopt_user_column('public.ai_response_cache', 'user_id', 'cascade');
  end if;
end $$;

create or replace function app.fill_cached_answer_aliases() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.model := coalesce(new.model, new.model_used);
  new.model_used := new.model;
  return new;
end $$;
comment on function app.fill_cached_answer_aliases() is 'Trigger: keeps S4''s name of the model equal to ours.';
drop trigger if exists _10_aliases on public.ai_response_cache;
create trigger _10_aliases before insert or update on public.ai_response_cache
  for each row when (new.model_used is distinct from new.model) execute function app.fill_cached_answer_aliases();

-- S4 looks a prompt up by its hash alone, for everybody; ours may be in the cache once for each tenant and model.
do $$
declare
  v_index record;
begin
  for v_index in
    select i.indexrelid::regclass as name, k.conname
    from pg_catalog.pg_index i
    left join pg_catalog.pg_constraint k on k.conindid = i.indexrelid and k.contype = 'u'
    where i.indrelid = 'public.ai_response_cache'::regclass and i.indnatts = 1
      and i.indkey[0] = (select attnum from pg_catalog.pg_attribute where attrelid = i.indrelid and attname = 'query_hash')
  loop
    if v_index.conname is null then
      execute format('drop index %s', v_index.name);
    else
      execute format('alter table public.ai_response_cache drop constraint %I', v_index.conname);
    end if;
  end loop;
end $$;
alter table public.ai_response_cache
  drop constraint if exists ai_response_cache_answer_check,
  drop constraint if exists ai_response_cache_semantic_check,
  -- A row without a tenant is an adopted one, or the application's own.
  add constraint ai_response_cache_answer_check check (
    tenant is null or (response is not null and provider is not null and model is not null)),
  add constraint ai_response_cache_semantic_check check (
    parameters_hash is null or (message is not null and embedding_model is not null));
create unique index if not exists idx_ai_response_cache_query_hash
  on public.ai_response_cache (query_hash, tenant, provider, model);
create index if not exists idx_ai_response_cache_expires_at on public.ai_response_cache (expires_at);
create index if not exists idx_ai_response_cache_created_by on public.ai_response_cache (created_by);
create index if not exists idx_ai_response_cache_semantic
  on public.ai_response_cache (tenant, parameters_hash, created_at desc) where parameters_hash is not null;
alter table public.ai_response_cache enable row level security;
revoke all on public.ai_response_cache from public, anon, authenticated, service_role;
comment on table public.ai_response_cache is 'Finished answers by the hash of everything that shaped them; within a tenant, until expires_at.';
comment on column public.ai_response_cache.query_hash is 'SHA-256 over every parameter that shapes the answer but provider and model.';
comment on column public.ai_response_cache.tenant is 'organization:<id> or user:<id>: who may be answered with this.';
comment on column public.ai_response_cache.created_by is 'Whose question it was; the row goes with that user.';
comment on column public.ai_response_cache.parameters_hash is 'As query_hash without the message: the hard filter of a semantic lookup.';
comment on column public.ai_response_cache.provider is 'Which provider was asked for: the next lookup asks for the same.';
comment on column public.ai_response_cache.answered_by is 'Which {"provider", "model"} answered; for `auto` it may be another than the one filed under.';
comment on column public.ai_response_cache.model_used is 'S4''s name of model; always equal.';

create unlogged table if not exists app.cache_fills (
  tenant text not null,
  query_hash text not null,
  provider text not null,
  model text not null,
  request_id text not null,
  lease_until timestamptz not null,
  primary key (query_hash, tenant, provider, model)
);
create index if not exists cache_fills_request_id_idx on app.cache_fills (request_id);
alter table app.cache_fills enable row level security;
revoke all on app.cache_fills from public, anon, authenticated, service_role;
comment on table app.cache_fills is 'Who is filling a cache entry; a lease, since no connection is held while a model thinks. Unlogged: a crash ends every lease, and whoever asks next fills.';

create or replace function app.cache_tenant(p_scope text) returns text
  language sql stable parallel safe
  return case p_scope when 'tenant' then app.tenant_id() when 'user' then 'user:' || app.user_id() end;
comment on function app.cache_tenant(text) is 'The tenant of a cache scope (tenant, user) for this caller; null: nothing is cached.';

create or replace function app.find_cached_answer(p_tenant text, p_prompt_hash text, p_provider text, p_model text)
  returns jsonb language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('text', c.response, 'provider', c.provider, 'model', c.model,
      'usage', jsonb_build_object('total_tokens', c.tokens_used), 'created_at', c.created_at) || coalesce(c.answered_by, '{}')
    from public.ai_response_cache c
    where c.query_hash = p_prompt_hash and c.tenant = p_tenant and c.provider = p_provider and c.model = p_model
      and c.expires_at > app.now());
end $$;
comment on function app.find_cached_answer(text, text, text, text) is 'The answer to exactly this, or null.';

-- An index over all tenants' vectors would let one tenant's entries move another's results, so this is exact, and bounded.
--   1. Those with a vector by their distance; the nearest, as far as they are within the threshold.
--   2. Of the newest thousand entries of the caller's tenant that everything but the wording agrees with.
create or replace function app.find_semantic_answer(p_claims jsonb, p_query jsonb, p_embedding vector) returns jsonb
  language plpgsql security definer set search_path = pg_catalog, extensions, public, pg_temp
as $$
declare
  v_tenant text;
begin
  perform set_config('request.jwt.claims', p_claims::text, true);
  v_tenant := app.cache_tenant(p_query ->> 'scope');
  if v_tenant is null then
    return '[]';
  end if;
  return coalesce((
    select jsonb_agg(jsonb_build_object(
      'similarity', f.similarity, 'message', f.message, 'text', f.response, 'provider', f.provider, 'model', f.model,
      'usage', jsonb_build_object('total_tokens', f.tokens_used), 'created_at', f.created_at)
      || coalesce(f.answered_by, '{}') order by f.similarity desc)
    from (
      -- 1.
      select n.*, 1 - app.cosine_distance(n.embedding, p_embedding) as similarity
      from (
        -- 2.
        select c.* from public.ai_response_cache c
        where c.tenant = v_tenant
          and c.parameters_hash = p_query ->> 'parameters_hash'
          and c.provider = p_query ->> 'provider'
          and c.model = p_query ->> 'model'
          and c.embedding_model = p_query ->> 'embedding_model'
          and c.expires_at > app.now()
        order by c.created_at desc
        limit 1000) n
      where n.embedding is not null
      order by app.cosine_distance(n.embedding, p_embedding)
      limit coalesce((p_query ->> 'limit')::integer, 1)) f
    where f.similarity >= (p_query ->> 'threshold')::double precision), '[]');
exception when undefined_column then
  -- The operator dropped the optional column: nothing is found.
  return '[]';
end $$;
comment on function app.find_semantic_answer(jsonb, jsonb, vector) is
  'Answers to messages with the same meaning, best first: [{"similarity", "message", "text", "provider", "model", "usage", "created_at"}]. p_query: scope, parameters_hash, provider, model, embedding_model (each a hard filter), threshold, limit.';

-- The latest answer to a prompt is the one that is kept.
--   1. One row for what was asked, the tenant, the provider and the model.
--   2. Its vector apart: the operator may have dropped that column, and then the rest is kept all the same.
create or replace function app.store_answer(p_request jsonb) returns void
  language plpgsql set search_path = pg_catalog, extensions, public, pg_temp
as $$
declare
  v_tenant constant text := app.cache_tenant(p_request ->> 'scope');
  v_id uuid;
begin
  if v_tenant is null then
    return;
  end if;
  -- 1.
  insert into public.ai_response_cache
    (query_hash, tenant, provider, model, model_used, answered_by, response, tokens_used, created_at, expires_at, created_by,
     parameters_hash, message, embedding_model)
  values (
    p_request ->> 'prompt_hash', v_tenant, p_request ->> 'provider', p_request ->> 'model',
    p_request ->> 'model', nullif(p_request -> 'answered_by', 'null'), p_request ->> 'text', (p_request ->> 'tokens')::integer,
    app.now(), app.now() + make_interval(secs => (p_request ->> 'ttl_seconds')::integer), app.user_id(),
    p_request ->> 'parameters_hash', p_request ->> 'message', p_request ->> 'embedding_model')
  on conflict (query_hash, tenant, provider, model) do update
    set answered_by = excluded.answered_by, response = excluded.response, tokens_used = excluded.tokens_used,
        created_at = excluded.created_at, expires_at = excluded.expires_at, created_by = excluded.created_by,
        parameters_hash = excluded.parameters_hash, message = excluded.message, embedding_model = excluded.embedding_model
  returning id into v_id;
  -- 2.
  if jsonb_typeof(p_request -> 'embedding') = 'array' then
    begin
      update public.ai_response_cache set embedding = (p_request ->> 'embedding')::vector where id = v_id;
    exception when undefined_column then
      null; -- The operator dropped the optional column.
    end;
  end if;
end $$;
comment on function app.store_answer(jsonb) is 'Stores a finished answer (the member cache of app.finish_request).';

create or replace function app.delete_expired_answers(p_limit integer default 1000) returns integer
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted integer;
begin
  delete from public.ai_response_cache
  where ctid = any (array(
    select ctid from public.ai_response_cache where expires_at < app.now() limit p_limit for update skip locked));
  get diagnostics v_deleted = row_count;
  delete from app.cache_fills where lease_until < app.now() - interval '1 hour';
  return v_deleted;
end $$;
comment on function app.delete_expired_answers(integer) is
  'One short batch of the cleaning; the schedule calls it, a transaction each, until it returns less than the limit.';

create or replace function public.clean_expired_ai_cache() returns integer
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  v_deleted integer := 0;
  v_batch integer;
begin
  loop
    v_batch := app.delete_expired_answers(1000);
    v_deleted := v_deleted + v_batch;
    exit when v_batch < 1000;
  end loop;
  return v_deleted;
end $$;
comment on function public.clean_expired_ai_cache() is 'S4: deletes every expired answer, in one transaction; returns how many.';

create or replace function app.normalise_message(p_message text) returns text
  language sql immutable parallel safe
  -- The signs are no punctuation in every locale (ICU's, say), and some of them mean something in an expression.
  return trim(regexp_replace(lower(p_message), '[[:punct:][:space:][:cntrl:]$+<=>^`|~]+', ' ', 'g'));
comment on function app.normalise_message(text) is 'A message as patterns see it: lower-case words with one space between.';

create or replace function app.pattern_expression(p_pattern text) returns text
  language sql immutable parallel safe
  return '^' || replace(
    replace(app.normalise_message(replace(p_pattern, '*', ' anywordsgohere ')) || ' ', 'anywordsgohere ', '(\S+ )*'),
    '(\S+ )*(\S+ )*', '(\S+ )*') || '$';
comment on function app.pattern_expression(text) is
  'A pattern of words and * as a regular expression over the normalised message and a space; * is any number of words.';

create table if not exists public.ai_precomputed_responses (id uuid primary key default gen_random_uuid());
alter table public.ai_precomputed_responses
  add column if not exists pattern text not null,
  add column if not exists response text not null,
  add column if not exists priority integer default 0,
  add column if not exists is_active boolean not null default true,
  add column if not exists created_at timestamptz default now(),
  add column if not exists updated_at timestamptz default now(),
  add column if not exists expression text generated always as (app.pattern_expression(pattern)) stored;
create index if not exists idx_ai_precomputed_responses_priority on public.ai_precomputed_responses (priority desc);
alter table public.ai_precomputed_responses enable row level security;
revoke all on public.ai_precomputed_responses from public, anon, authenticated, service_role;
comment on table public.ai_precomputed_responses is 'Answers to frequent questions, by pattern; they cost no unit.';
comment on column public.ai_precomputed_responses.pattern is 'Words and * (any number of words), against the whole message, whatever its case and punctuation.';
comment on column public.ai_precomputed_responses.expression is 'The pattern as the lookup uses it.';
drop trigger if exists _20_updated_at on public.ai_precomputed_responses;
create trigger _20_updated_at before update on public.ai_precomputed_responses
  for each row execute function app.touch_updated_at();

-- Only into an empty table: an adopted one keeps its own, and what an operator deletes stays deleted.
insert into public.ai_precomputed_responses (pattern, response, priority)
select f.pattern, f.response, f.priority
from (values
  ('what is parley',
   'Parley is an assistant service: chat, interview practice and semantic search over several model providers, '
   'with your usage and limits in one place.', 10),
  ('which * providers * parley *',
   'Parley talks to OpenAI, Anthropic and Google (Gemini). You can save a preferred provider under '
   '/api/ai-provider, and GET /api/ai-providers lists what is available.', 5),
  ('how many requests can i make *',
   'Your tier sets how many requests you may make each day. GET /api/usage shows how many '
   'you have used, your limits, and when they start anew.', 5),
  ('can i use my own api key',
   'Yes. Store your provider''s key with PUT /api/settings/api-keys/{provider} and verify it; from '
   'then on your requests are made with your key and are not counted against a daily limit.', 5),
  ('how * delete my parley *',
   'You can delete single conversations and documents, and your operator can delete your whole account with everything '
   'personal in it. Only anonymous usage totals remain.', 5)
) as f (pattern, response, priority)
where not exists (select from public.ai_precomputed_responses);

create or replace function app.match_precomputed_response(p_message text) returns jsonb
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return (
    select jsonb_build_object('text', r.response, 'pattern', r.pattern)
    from public.ai_precomputed_responses r
    where r.is_active and (app.normalise_message(p_message) || ' ') ~ r.expression
    order by r.priority desc nulls last, length(r.pattern) desc, r.pattern
    limit 1);
end $$;
comment on function app.match_precomputed_response(text) is 'The precomputed response to a message, or null: the highest priority, then the longest pattern.';

drop policy if exists "Callers can read their tenant's answers" on public.ai_response_cache;
create policy "Callers can read their tenant's answers" on public.ai_response_cache
  for select to authenticated, parley_definer
  using (
    (select app.claims()) is not null
    and (tenant = (select app.tenant_id()) or tenant = (select app.cache_tenant('user'))));
drop policy if exists "Answers are stored for the caller's tenant" on public.ai_response_cache;
create policy "Answers are stored for the caller's tenant" on public.ai_response_cache
  for insert to parley_definer
  with check (
    (select app.claims()) is not null
    and created_by is not distinct from (select app.user_id())
    and (tenant = (select app.tenant_id()) or tenant = (select app.cache_tenant('user'))));
drop policy if exists "Answers are renewed for the caller's tenant" on public.ai_response_cache;
create policy "Answers are renewed for the caller's tenant" on public.ai_response_cache
  for update to parley_definer
  using (
    (select app.claims()) is not null
    and (tenant = (select app.tenant_id()) or tenant = (select app.cache_tenant('user'))))
  with check ((select app.claims()) is not null and created_by is not distinct from (select app.user_id()));
drop policy if exists "The service manages cached answers" on public.ai_response_cache;
create policy "The service manages cached answers" on public.ai_response_cache
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "A fill belongs to its tenant" on app.cache_fills;
create policy "A fill belongs to its tenant" on app.cache_fills
  for all to parley_definer
  using (
    (select app.claims()) is not null
    and (tenant = (select app.tenant_id()) or tenant = (select app.cache_tenant('user'))))
  with check (
    (select app.claims()) is not null
    and (tenant = (select app.tenant_id()) or tenant = (select app.cache_tenant('user'))));
drop policy if exists "A deletion reaches everybody's rows" on app.cache_fills;
create policy "A deletion reaches everybody's rows" on app.cache_fills
  for all to parley_owner using (true) with check (true);
drop policy if exists "The service cleans fills" on app.cache_fills;
create policy "The service cleans fills" on app.cache_fills
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

drop policy if exists "Everybody can read the precomputed responses" on public.ai_precomputed_responses;
create policy "Everybody can read the precomputed responses" on public.ai_precomputed_responses
  for select to anon, authenticated, parley_definer using (is_active and (select app.claims()) is not null);
drop policy if exists "The service manages precomputed responses" on public.ai_precomputed_responses;
create policy "The service manages precomputed responses" on public.ai_precomputed_responses
  for all to service_role using ((select app.is_service())) with check ((select app.is_service()));

select app.give_to('parley_definer', 'app.find_semantic_answer(jsonb, jsonb, vector)');
revoke all on function public.clean_expired_ai_cache() from public, anon, authenticated;

grant select on public.ai_precomputed_responses to anon, authenticated, service_role, parley_definer;
grant select on public.ai_response_cache to service_role, parley_definer;
-- Not who asked, nor in which words: an organization's members share answers, not each other's questions.
grant select (id, query_hash, response, provider, model, model_used, tokens_used, tenant, created_at, expires_at)
  on public.ai_response_cache to authenticated;
grant insert, update on public.ai_response_cache to parley_definer;
grant insert, update, delete on public.ai_response_cache, public.ai_precomputed_responses to service_role;
grant select, insert, update, delete on app.cache_fills to parley_definer;
grant select, delete on app.cache_fills to service_role, parley_owner;
grant execute on function app.cache_tenant(text), app.normalise_message(text), app.pattern_expression(text),
  app.match_precomputed_response(text) to anon, authenticated, service_role, parley_definer;
grant execute on function app.find_cached_answer(text, text, text, text), app.store_answer(jsonb) to parley_definer;
grant execute on function app.find_semantic_answer(jsonb, jsonb, vector) to parley_app, parley_service;
grant execute on function app.delete_expired_answers(integer), public.clean_expired_ai_cache() to service_role;
alter table public.ai_response_cache force row level security;
alter table app.cache_fills force row level security;
revoke all on all functions in schema app from public;
