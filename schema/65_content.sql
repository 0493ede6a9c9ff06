-- 65 content: the operator's content of six types, and the log of searches (S2).
--
-- One table holds all six: S2's own names (routes, learning_paths, ...) belong to the operator's application. Everybody
-- signed in may read; the service role alone writes.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

create table if not exists public.content_items (
  id            uuid primary key default gen_random_uuid(),
  content_type  text not null,
  title         text not null,
  description   text not null default '',
  language      text,
  metadata      jsonb not null default '{}',
  embedding     vector(1536),
  model         text not null default 'text-embedding-3-small',
  -- As in embeddings.
  chunk_number  bigint not null default (random() * 9007199254740991)::bigint,
  words         tsvector generated always as (app.words_of_chunk(title, description, language)) stored,
  created_at    timestamptz not null default now(),
  updated_at    timestamptz not null default now(),
  constraint content_items_content_type_check
    check (content_type in ('route', 'learning_path', 'exercise', 'school', 'event', 'instructor'))
);
-- As in embeddings: vectors in line, and the rest of the row beside them.
alter table public.content_items alter column embedding set storage plain;
alter table public.content_items set (toast_tuple_target = 8160);
comment on table public.content_items is 'Content that search offers to everybody signed in; written by the service role only.';
comment on column public.content_items.embedding is 'The vector of title and description, padded like public.embeddings.embedding; null until embedded.';
comment on column public.content_items.model is 'The embedding model; only vectors of the same model are compared.';
comment on column public.content_items.language is 'A language tag (BCP 47); null where unknown. Words are stemmed by it.';
comment on column public.content_items.chunk_number is 'Names the item with these words in the word index.';
comment on column public.content_items.words is 'Generated: the stemmed words of title and description.';

create index if not exists idx_content_items_type on public.content_items (content_type, created_at desc, id);
create index if not exists idx_content_items_metadata on public.content_items using gin (metadata jsonb_path_ops);
create index if not exists idx_content_items_chunk_number on public.content_items (chunk_number);
create index if not exists idx_content_items_embedding on public.content_items
  using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops);

alter table public.content_items enable row level security;
revoke all on public.content_items from public, anon, authenticated, service_role;
create or replace trigger _20_updated_at before update on public.content_items
  for each row execute function app.touch_updated_at();

drop policy if exists "Everybody signed in can view content" on public.content_items;
create policy "Everybody signed in can view content" on public.content_items for select to authenticated
  using ((select app.user_id()) is not null);
drop policy if exists "Service role manages content" on public.content_items;
create policy "Service role manages content" on public.content_items for all to service_role
  using ((select app.is_service())) with check ((select app.is_service()));

create or replace view app.searchable_content as
  select id, content_type, title, description, language, metadata, embedding, model, chunk_number, words from public.content_items;
comment on view app.searchable_content is
  'Content without row-level security, so that its indexes serve search (see app.public_embeddings). For parley_definer.';
revoke all on app.searchable_content from public, anon, authenticated, service_role;

create or replace function app.nearest_content(
  p_embedding vector, p_model text, p_conditions app.search_conditions, p_limit integer
) returns bigint[]
  language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_nearest bigint[];
begin
  perform app.tune_vector_scan(p_limit);
  v_nearest := array(
    select c.chunk_number from app.searchable_content c
    where c.content_type = any (p_conditions.types) and c.model = p_model
        and app.meets_conditions(c.metadata, c.language, c.words, p_conditions)
    order by app.indexed_distance(c.embedding, p_embedding) limit p_limit);
  -- Where a filter left the index too few, every vector.
  if pg_catalog.cardinality(v_nearest) < p_limit then
    v_nearest := array(
      select c.chunk_number from app.searchable_content c
      where c.content_type = any (p_conditions.types) and c.model = p_model
        and app.meets_conditions(c.metadata, c.language, c.words, p_conditions) and c.embedding is not null
      order by app.cosine_distance(c.embedding, p_embedding), c.chunk_number limit p_limit);
  end if;
  return v_nearest;
end $$;
comment on function app.nearest_content(vector, text, app.search_conditions, integer) is
  'The numbers of the nearest p_limit items of these types, unordered.';

create or replace function app.index_content_words() returns trigger
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    perform app.add_segments(p_collection => 'content', p_users => pg_catalog.array_agg(null::text),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => 1)
    from new_chunks c having count(*) > 0;
  elsif tg_op = 'UPDATE' then
    perform app.add_segments(p_collection => 'content', p_users => pg_catalog.array_agg(null::text),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => 1)
    from new_chunks c where c.chunk_number not in (select o.chunk_number from old_chunks o) having count(*) > 0;
    perform app.add_segments(p_collection => 'content', p_users => pg_catalog.array_agg(null::text),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => -1)
    from old_chunks c where c.chunk_number not in (select n.chunk_number from new_chunks n) having count(*) > 0;
  elsif tg_op = 'DELETE' then
    perform app.add_segments(p_collection => 'content', p_users => pg_catalog.array_agg(null::text),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => -1)
    from old_chunks c having count(*) > 0;
  else
    perform app.forget_segments(array(select s.segment from app.word_segments s where s.collection = 'content'));
  end if;
  return null;
end $$;
comment on function app.index_content_words() is 'Trigger, once for each statement on content_items: as app.index_document_words.';

create or replace trigger _10_renumber_chunk before update on public.content_items
  for each row when (old.title is distinct from new.title or old.description is distinct from new.description
    or old.language is distinct from new.language)
  execute function app.renumber_chunk();
create or replace trigger _50_index_new_words after insert on public.content_items
  referencing new table as new_chunks for each statement execute function app.index_content_words();
create or replace trigger _50_index_changed_words after update on public.content_items
  referencing old table as old_chunks new table as new_chunks for each statement execute function app.index_content_words();
create or replace trigger _50_count_out_words after delete on public.content_items
  referencing old table as old_chunks for each statement execute function app.index_content_words();
create or replace trigger _50_forget_words after truncate on public.content_items
  for each statement execute function app.index_content_words();

-- The log of searches (S2). selected_content_id is text, as all ids are: a document may be selected as well as content.
create table if not exists public.ai_content_searches (
  id                   uuid primary key default gen_random_uuid(),
  user_id              text,
  query                text not null,
  content_type         text not null,
  filters              jsonb,
  results_count        integer,
  selected_content_id  text,
  created_at           timestamptz default now()
);
select app.adopt_as_text('public.ai_content_searches', 'selected_content_id'),
  app.adopt_user_column('public.ai_content_searches', 'user_id', 'cascade');
alter table public.ai_content_searches alter column id set default gen_random_uuid();
alter table public.ai_content_searches add column if not exists selected_at timestamptz;
do $$
declare
  v_name text;
begin
  -- S2 knows six types, whatever its check is called.
  for v_name in
    select k.conname from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and k.conkey = array[a.attnum]
    where k.conrelid = 'public.ai_content_searches'::regclass and k.contype = 'c' and a.attname = 'content_type'
  loop
    execute format('alter table public.ai_content_searches drop constraint %I', v_name);
  end loop;
end $$;
alter table public.ai_content_searches add constraint ai_content_searches_content_type_check
  check (content_type in ('route', 'learning_path', 'exercise', 'school', 'event', 'instructor', 'document', 'mixed'));
comment on table public.ai_content_searches is 'Searches and what was chosen from them. The query is personal data and goes with its user.';
comment on column public.ai_content_searches.content_type is 'S2''s six types, document for the vector store, mixed for several.';
comment on column public.ai_content_searches.selected_content_id is 'What the user chose (UUID of content, id of a document).';

create index if not exists idx_ai_searches_user_id on public.ai_content_searches (user_id, created_at desc);
create index if not exists idx_ai_searches_content_type on public.ai_content_searches (content_type);
create index if not exists idx_ai_searches_created_at on public.ai_content_searches (created_at desc);

alter table public.ai_content_searches enable row level security;
revoke all on public.ai_content_searches from public, anon, authenticated, service_role;
drop policy if exists "Users can view their own searches" on public.ai_content_searches;
create policy "Users can view their own searches" on public.ai_content_searches for select to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Service role can insert searches" on public.ai_content_searches;
create policy "Service role can insert searches" on public.ai_content_searches for insert to service_role
  with check ((select app.is_service()));
drop policy if exists "Service role can view searches" on public.ai_content_searches;
create policy "Service role can view searches" on public.ai_content_searches for select to service_role
  using ((select app.is_service()));
drop policy if exists "Service role can delete searches" on public.ai_content_searches;
create policy "Service role can delete searches" on public.ai_content_searches for delete to service_role
  using ((select app.is_service()));
drop policy if exists "Recording acts for the caller or the service" on public.ai_content_searches;
create policy "Recording acts for the caller or the service" on public.ai_content_searches for all to parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()))
  with check (user_id = (select app.user_id()) or (select app.is_service()));

create or replace function app.record_search(
  p_id uuid, p_user_id text, p_query text, p_content_type text, p_filters jsonb, p_results_count integer,
  p_daily_limit integer default null
) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  -- Here and not before the search: others of this user wait from here to the commit.
  if p_daily_limit is not null then
    perform app.bound_free_writes('searches', array[p_id], p_daily_limit);
  end if;
  insert into public.ai_content_searches (id, user_id, query, content_type, filters, results_count)
  values (p_id, p_user_id, p_query, p_content_type, p_filters, p_results_count)
  on conflict (id) do nothing;
end $$;
comment on function app.record_search(uuid, text, text, text, jsonb, integer, integer) is
  'Logs a search under this id, once. Raises 42501 for another''s user id, PLIM1 beyond the daily limit.';

create or replace function app.record_selection(p_user_id text, p_search_id uuid, p_content_id text) returns boolean
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  update public.ai_content_searches s set selected_content_id = p_content_id, selected_at = pg_catalog.now()
  where s.id = p_search_id and s.user_id = p_user_id;
  return found;
end $$;
comment on function app.record_selection(text, uuid, text) is 'Notes what was chosen from a search; false when the user has no such search.';

-- Who may do what.
select app.give_to('parley_owner', 'app.index_content_words()');
select app.give_to('parley_definer',
  'app.record_search(uuid, text, text, text, jsonb, integer, integer)', 'app.record_selection(text, uuid, text)');

grant select on public.content_items to authenticated;
grant select, insert, update, delete on public.content_items to service_role;
grant select on app.searchable_content to parley_definer;
grant select on public.ai_content_searches to authenticated;
grant select, insert, delete on public.ai_content_searches to service_role;
grant select, insert, update on public.ai_content_searches to parley_definer;
grant select (chunk_number) on public.content_items to parley_owner;
grant execute on function app.nearest_content(vector, text, app.search_conditions, integer) to parley_definer;
grant execute on function app.record_search(uuid, text, text, text, jsonb, integer, integer), app.record_selection(text, uuid, text)
  to parley_app, parley_service;
alter table public.ai_content_searches force row level security;
revoke all on all functions in schema app from public;
