-- 60 embeddings: the vector store (S3), and retrieval over it.
--
-- A caller sees own documents and public ones (no owner). One HNSW index shared by all tenants would let a neighbour's
-- vectors decide how many rows a caller gets and in which order, so there is none: the index covers public rows only. Own
-- rows are ranked by one bit per dimension, all of them out of a btree, and the best of them by their full vectors. An
-- operator may promote a tenant for which that is too slow to a partial HNSW index of its own.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

create table if not exists public.embeddings (
  id          text primary key default gen_random_uuid()::text,
  user_id     text,
  content     text not null,
  embedding   vector(1536),
  metadata    jsonb not null default '{}',
  model       text not null default 'text-embedding-3-small',
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now()
);
select app.adopt_as_text('public.embeddings', 'id'), app.adopt_user_column('public.embeddings', 'user_id', 'cascade');
alter table public.embeddings
  alter column id set default gen_random_uuid()::text,
  add column if not exists metadata jsonb not null default '{}',
  add column if not exists model text not null default 'text-embedding-3-small',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now(),
  -- The first 100 000 characters: a tsvector may not exceed 1 MB. 'simple' stems nothing and so serves every language.
  add column if not exists tsv tsvector generated always as (to_tsvector('simple'::regconfig, left(content, 100000))) stored,
  -- No function of ours here: an adopted table keeps the column when Parley goes.
  add column if not exists embedding_bits bit(1536) generated always as (binary_quantize(embedding)::bit(1536)) stored;
update public.embeddings set metadata = '{}' where metadata is null;
alter table public.embeddings alter column metadata set default '{}', alter column metadata set not null;

-- The planner does not see out-of-line vectors and takes the table for tiny; in line it sees what a scan costs. The
-- target keeps short content, metadata and tsv in the page too: without it, every row is over the default and all of
-- its other columns would be moved out.
alter table public.embeddings alter column embedding set storage plain;
alter table public.embeddings set (toast_tuple_target = 8160);

comment on table public.embeddings is
  'Documents and their vectors, own and public (user_id null). Public rows are written by the service role only.';
comment on column public.embeddings.user_id is 'The owner; null makes the document public to everybody signed in.';
comment on column public.embeddings.embedding is
  'The vector. Models with fewer than 1536 dimensions are padded with zeros (app.pad_embedding), larger ones are asked for 1536.';
comment on column public.embeddings.model is 'The embedding model; only vectors of the same model are compared.';
comment on column public.embeddings.tsv is 'Generated from content for keyword search.';
comment on column public.embeddings.embedding_bits is
  'Generated: the sign of each dimension (binary quantization), 32 times smaller than the vector, to choose what is compared in full.';

create index if not exists idx_embeddings_user_id on public.embeddings (user_id, created_at desc, id);
create index if not exists idx_embeddings_created_at on public.embeddings (created_at desc);
create index if not exists idx_embeddings_bits on public.embeddings (user_id, model) include (id, embedding_bits);
comment on index public.idx_embeddings_bits is
  'Holds all that the choice of candidates reads: a tenant''s rows lie side by side, not each on its own page of the table.';
create index if not exists idx_embeddings_metadata on public.embeddings using gin (metadata jsonb_path_ops);
create index if not exists idx_embeddings_tsv on public.embeddings using gin (tsv) where user_id is null;
-- S3's own index of this name covers every tenant; ours replaces it.
do $$
begin
  if exists (
    select from pg_catalog.pg_index i
    where i.indexrelid = to_regclass('public.idx_embeddings_vector') and i.indpred is null
  ) then
    drop index public.idx_embeddings_vector;
  end if;
end $$;
create index if not exists idx_embeddings_vector on public.embeddings
  using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops) where user_id is null;
comment on index public.idx_embeddings_vector is
  'Public rows only, at half precision (half the size, same recall). To tune m and ef_construction, keep expression and predicate.';

alter table public.embeddings enable row level security;
revoke all on public.embeddings from public, anon, authenticated, service_role;

create or replace function public.update_updated_at() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.updated_at := pg_catalog.now();
  return new;
end $$;
comment on function public.update_updated_at() is
  'Trigger: stamps updated_at of embeddings. S3''s name; no other table uses it, so that S3''s rollback may drop it.';
revoke all on function public.update_updated_at() from public, anon, authenticated, service_role;
create or replace trigger _20_updated_at before update on public.embeddings
  for each row execute function public.update_updated_at();

drop policy if exists "Users can view their own and public embeddings" on public.embeddings;
create policy "Users can view their own and public embeddings" on public.embeddings for select to authenticated
  using ((select app.user_id()) is not null and (user_id is null or user_id = (select app.user_id())));
drop policy if exists "Users can insert their own embeddings" on public.embeddings;
create policy "Users can insert their own embeddings" on public.embeddings for insert to authenticated
  with check (user_id = (select app.user_id()));
drop policy if exists "Users can update their own embeddings" on public.embeddings;
create policy "Users can update their own embeddings" on public.embeddings for update to authenticated
  using (user_id = (select app.user_id())) with check (user_id = (select app.user_id()));
drop policy if exists "Users can delete their own embeddings" on public.embeddings;
create policy "Users can delete their own embeddings" on public.embeddings for delete to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Search reads for the caller or the service" on public.embeddings;
create policy "Search reads for the caller or the service" on public.embeddings for select to parley_definer
  using ((select app.is_service())
    or ((select app.user_id()) is not null and (user_id is null or user_id = (select app.user_id()))));
drop policy if exists "Service role manages all embeddings" on public.embeddings;
create policy "Service role manages all embeddings" on public.embeddings for all to service_role
  using ((select app.is_service())) with check ((select app.is_service()));

-- Row-level security keeps operators that are not leakproof (@@, @>) away from indexes. Public rows need no fence
-- between users, so search reads them through this view, as the table's owner; only parley_definer may.
create or replace view app.public_embeddings as
  select id, content, embedding, metadata, model, tsv, created_at, embedding_bits from public.embeddings where user_id is null;
comment on view app.public_embeddings is 'Public documents without row-level security, so that GIN indexes serve search. For parley_definer.';
revoke all on app.public_embeddings from public, anon, authenticated, service_role;

-- Vector arithmetic under names of our own: functions with an empty search_path cannot write <=>, and these inline.

create or replace function app.pad_embedding(p_embedding vector) returns vector
  language sql immutable parallel safe
  return case
    when p_embedding is null then null
    when vector_dims(p_embedding) = 1536 then p_embedding
    else (p_embedding || array_fill(0::real, array[greatest(1536 - vector_dims(p_embedding), 1)])::vector)::vector(1536)
  end;
comment on function app.pad_embedding(vector) is
  'The vector with zeros appended up to 1536 dimensions, which changes no cosine; more than 1536 raise 22000.';

create or replace function app.cosine_distance(p_left vector, p_right vector) returns double precision
  language sql immutable parallel safe
  -- "+ 0" matches no index: whoever sorts by this gets an exact search, whatever indexes an operator has made.
  return nullif((p_left <=> p_right) + 0, 'NaN');
comment on function app.cosine_distance(vector, vector) is
  'Cosine distance at full precision; never served by an index. Null where one is all zeros: that is near nothing, and NaN would '
  'pass for more than any threshold.';

create or replace function app.indexed_distance(p_left vector, p_right vector) returns double precision
  language sql immutable parallel safe
  return p_left::halfvec(1536) <=> p_right::halfvec(1536);
comment on function app.indexed_distance(vector, vector) is 'Cosine distance in the form that the HNSW indexes are built on.';

create or replace function app.bit_distance(p_bits bit, p_embedding vector) returns double precision
  language sql immutable parallel safe
  -- The function and not its operator: that one could be served by an index over the bits of all tenants.
  return hamming_distance(p_bits, binary_quantize(p_embedding)::bit(1536));
comment on function app.bit_distance(bit, vector) is
  'Hamming distance between embedding_bits and a vector''s bits: how many dimensions point the other way.';

-- Search. One function finds the nearest documents, one ranks keywords, search_documents joins them.

create or replace function app.tenant_index_name(p_user_id text) returns text
  language sql immutable parallel safe
  return 'idx_embeddings_tenant_' || left(md5(p_user_id), 24);
comment on function app.tenant_index_name(text) is 'The name of a promoted tenant''s own HNSW index.';

-- Own and public rows are looked for apart: an index that both share would spend its scan on other tenants' rows.
--   1. Own rows: by the tenant's own index where it has one.
--   2. Else, or where that found too few, all of them by one bit per dimension.
--   3. Public rows by their index, and by their bits where that found too few.
create or replace function app.nearest_embeddings(
  p_user_id text, p_embedding vector, p_model text, p_filter jsonb, p_limit integer
) returns text[]
  language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_own text[] := '{}';
  v_public text[];
  -- Of 5 000 to 20 000 vectors, clustered as real ones are, the 10 nearest are among these in 99.8 % of the cases.
  v_candidates integer := greatest(400, 8 * p_limit);
  -- Plans see the values as constants: without a filter this is one, and nobody reads the table for its metadata.
  v_everything boolean := p_filter = '{}';
begin
  perform app.tune_vector_scan(p_limit);

  -- 1.
  if exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'public.embeddings'::regclass and i.indisvalid and c.relname = app.tenant_index_name(p_user_id)
  ) then
    v_own := array(
      select e.id from public.embeddings e
      where e.user_id = p_user_id and e.model = p_model and e.metadata @> p_filter
      order by app.indexed_distance(e.embedding, p_embedding) limit p_limit);
  end if;
  -- 2. An HNSW scan gives up after a bounded number of tuples; whoever has the rows must get them.
  if pg_catalog.cardinality(v_own) < p_limit then
    v_own := array(
      select e.id from public.embeddings e
      where e.user_id = p_user_id and e.model = p_model and (v_everything or e.metadata @> p_filter)
        and e.embedding_bits is not null
      order by app.bit_distance(e.embedding_bits, p_embedding), e.id limit v_candidates);
  end if;

  -- 3.
  v_public := array(
    select e.id from app.public_embeddings e
    where e.model = p_model and e.metadata @> p_filter
    order by app.indexed_distance(e.embedding, p_embedding) limit p_limit);
  if pg_catalog.cardinality(v_public) < p_limit then
    v_public := array(
      select e.id from app.public_embeddings e
      where e.model = p_model and (v_everything or e.metadata @> p_filter) and e.embedding_bits is not null
      order by app.bit_distance(e.embedding_bits, p_embedding), e.id limit v_candidates);
  end if;
  return v_own || v_public;
end $$;
comment on function app.nearest_embeddings(text, vector, text, jsonb, integer) is
  'Ids of documents, own and public, that hold the nearest p_limit of each: more than that, unordered, to be ranked by the caller. '
  'Plans see the user as a constant.';

create or replace function app.matching_embeddings(p_user_id text, p_query text, p_model text, p_filter jsonb, p_limit integer)
  returns text[]
  language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_query tsquery := pg_catalog.websearch_to_tsquery('simple', p_query);
begin
  -- Ranking reads each match, and a common word matches everything: no more than 500 of each branch are ranked.
  return array(
    select m.id
    from (
      (select e.id, e.tsv from public.embeddings e
       where e.user_id = p_user_id and e.tsv @@ v_query and e.metadata @> p_filter
         and (p_model is null or e.model = p_model) limit 500)
      union all
      (select e.id, e.tsv from app.public_embeddings e
       where e.tsv @@ v_query and e.metadata @> p_filter and (p_model is null or e.model = p_model) limit 500)
    ) m
    order by pg_catalog.ts_rank_cd(m.tsv, v_query) desc, m.id
    limit p_limit);
end $$;
comment on function app.matching_embeddings(text, text, text, jsonb, integer) is
  'Ids of own and public documents that match a web-style keyword query, best first.';

create or replace function app.fuse_ranks(p_first text[], p_second text[]) returns table (id text, score double precision)
  language sql immutable parallel safe
begin atomic
  select r.id, sum(1.0::double precision / (60 + r.position))
  from (
    select f.id, f.position from unnest(p_first) with ordinality as f (id, position)
    union all
    select s.id, s.position from unnest(p_second) with ordinality as s (id, position)
  ) r
  group by r.id;
end;
comment on function app.fuse_ranks(text[], text[]) is 'Reciprocal rank fusion (k = 60) of two lists of ids, each best first.';

create or replace function app.search_limit(p_limit integer) returns integer
  language sql immutable parallel safe
  return greatest(1, least(100, coalesce(p_limit, 10)));
comment on function app.search_limit(integer) is 'How many results a search returns at most: 1 to 100, by default 10.';

create or replace function app.search_candidates(p_mode text, p_limit integer) returns integer
  language sql immutable parallel safe
  return case when p_mode = 'hybrid' then greatest(p_limit, 40) else p_limit end;
comment on function app.search_candidates(text, integer) is 'How many candidates each branch hands to the fusion of ranks.';

create or replace function app.tune_vector_scan(p_limit integer) returns void
  language sql volatile
begin atomic
  select set_config('hnsw.ef_search', w.width::text, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true),
    -- Where so few rows pass the filter, whoever searches is better off without the index.
    set_config('hnsw.max_scan_tuples', (10 * w.width)::text, true)
  from (select greatest(100, least(1000, 4 * p_limit))) as w (width);
end;
comment on function app.tune_vector_scan(integer) is
  'Sets how widely HNSW scans of this transaction look, and how far they go on where a filter took rows away.';

create or replace function app.assert_search(p_mode text, p_has_embedding boolean, p_has_query boolean) returns void
  language plpgsql immutable set search_path = pg_catalog, pg_temp
as $$
begin
  if p_mode is null or p_mode not in ('semantic', 'keyword', 'hybrid') then
    raise exception 'unknown search mode: %', p_mode using errcode = '22023';
  elsif (p_mode <> 'keyword' and not p_has_embedding) or (p_mode <> 'semantic' and not p_has_query) then
    raise exception 'search mode % lacks its query', p_mode using errcode = '22023';
  end if;
end $$;
comment on function app.assert_search(text, boolean, boolean) is 'Raises 22023 unless the mode is known and has what it searches for.';

--   1. By meaning: candidates by index or bits, ranked by their whole vectors.
--   2. By words.
--   3. Both ranks fused; rows are read again under the tenant's condition.
create or replace function app.search_documents(
  p_user_id text,
  p_embedding vector default null,
  p_query text default null,
  p_mode text default 'semantic',
  p_limit integer default 10,
  p_threshold double precision default null,
  p_filter jsonb default '{}',
  p_model text default 'text-embedding-3-small'
) returns table (id text, content text, metadata jsonb, is_public boolean, similarity double precision, score double precision)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_embedding p_embedding%type := app.pad_embedding(p_embedding);
  v_limit integer := app.search_limit(p_limit);
  v_candidates integer := app.search_candidates(p_mode, v_limit);
  v_filter jsonb := coalesce(p_filter, '{}');
  v_nearest text[];
  v_semantic text[] := '{}';
  v_keyword text[] := '{}';
begin
  perform app.require_caller(p_user_id), app.assert_search(p_mode, v_embedding is not null, p_query is not null);

  -- 1.
  if p_mode <> 'keyword' then
    v_nearest := app.nearest_embeddings(
      p_user_id => p_user_id, p_embedding => v_embedding, p_model => p_model, p_filter => v_filter, p_limit => v_candidates);
    -- The threshold is applied to what was found, not to the scan: inside, an iterative scan walks to its limit for it.
    v_semantic := array(
      select n.id
      from (
        select e.id, 1 - app.cosine_distance(e.embedding, v_embedding) as similarity
        from public.embeddings e
        where e.id = any (v_nearest) and (e.user_id is null or e.user_id = p_user_id)
        order by 2 desc nulls last, 1
        limit v_candidates
      ) n
      where n.similarity >= coalesce(p_threshold, '-infinity')
      order by n.similarity desc, n.id);
  end if;
  -- 2.
  if p_mode <> 'semantic' then
    v_keyword := app.matching_embeddings(
      p_user_id => p_user_id, p_query => p_query, p_model => p_model, p_filter => v_filter, p_limit => v_candidates);
  end if;

  -- 3.
  return query
    select e.id, e.content, e.metadata, e.user_id is null, 1 - app.cosine_distance(e.embedding, v_embedding), f.score
    from app.fuse_ranks(v_semantic, v_keyword) f
    join public.embeddings e on e.id = f.id and (e.user_id is null or e.user_id = p_user_id)
    order by f.score desc, e.id
    limit v_limit;
end $$;
comment on function app.search_documents(text, vector, text, text, integer, double precision, jsonb, text) is
  'Nearest (semantic), matching (keyword) or both (hybrid) among the user''s own and the public documents, best first: always '
  'p_limit rows where they exist, unless the threshold (least similarity) takes them away. similarity is null where there is none. '
  'Raises 42501 unless p_user_id is the caller, 22023 for an unusable mode.';

create or replace function public.match_embeddings(
  query_embedding vector,
  match_threshold double precision default 0.5,
  match_count integer default 10,
  filter_metadata jsonb default '{}'
) returns table (id text, content text, metadata jsonb, similarity double precision)
  language sql stable parallel safe
begin atomic
  select n.id, n.content, n.metadata, n.similarity
  from (
    select c.id, c.content, c.metadata, 1 - app.cosine_distance(c.embedding, query_embedding) as similarity
    from (
      (select e.id, e.content, e.metadata, e.embedding from public.embeddings e
       where e.user_id is null and e.metadata @> filter_metadata
       order by app.indexed_distance(e.embedding, query_embedding) limit match_count)
      union all
      (select e.id, e.content, e.metadata, e.embedding from public.embeddings e
       where e.user_id = (select app.user_id()) and e.metadata @> filter_metadata
       order by app.cosine_distance(e.embedding, query_embedding) limit match_count)
    ) c
    order by 4 desc nulls last
    limit match_count
  ) n
  where n.similarity >= match_threshold;
end;
comment on function public.match_embeddings(vector, double precision, integer, jsonb) is
  'S3: the nearest own and public documents above a similarity. Inlined into its query, so EXPLAIN shows the index scan. '
  'Parley itself calls app.search_documents.';

create or replace function public.delete_by_metadata(filter_metadata jsonb) returns integer
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := app.user_id();
  v_deleted integer;
begin
  if filter_metadata is null or filter_metadata = '{}'::jsonb then
    raise exception 'an empty filter would delete every document; use clear_all_embeddings()' using errcode = '22023';
  end if;
  delete from public.embeddings e
  where e.metadata @> filter_metadata and (e.user_id = v_user_id or (v_user_id is null and e.user_id is null));
  get diagnostics v_deleted = row_count;
  return v_deleted;
end $$;
comment on function public.delete_by_metadata(jsonb) is
  'S3: deletes the caller''s documents (without a caller, for the service: public ones) whose metadata contains the filter; '
  'returns how many. An empty filter raises 22023.';

create or replace function public.clear_all_embeddings() returns integer
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_user_id text := app.user_id();
  v_deleted integer;
begin
  if v_user_id is null then
    raise exception 'clear_all_embeddings() needs a signed-in user' using errcode = '42501';
  end if;
  delete from public.embeddings e where e.user_id = v_user_id;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end $$;
comment on function public.clear_all_embeddings() is 'S3: deletes all documents of the caller; returns how many. Raises 42501 without one.';

create or replace function app.tenant_index_statements(p_minimum_rows integer default 10000, p_maximum_tenants integer default 50)
  returns table (user_id text, documents bigint, statement text)
  language sql stable set search_path = pg_catalog, pg_temp
as $$
  with tenant as (
    select e.user_id, count(*) as documents, app.tenant_index_name(e.user_id) as index_name
    from public.embeddings e where e.user_id is not null
    group by e.user_id
  ), wanted as (
    select t.* from tenant t where t.documents >= p_minimum_rows order by t.documents desc, t.user_id limit p_maximum_tenants
  ), existing as (
    select c.relname as index_name, i.indisvalid as is_valid
    from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'public.embeddings'::regclass and c.relname like 'idx\_embeddings\_tenant\_%'
  )
  select t.user_id, coalesce(t.documents, 0), pg_catalog.format('drop index concurrently if exists public.%I', x.index_name)
  from existing x left join tenant t using (index_name)
  -- Half of the minimum before an index goes: a tenant at the edge must not be rebuilt each night.
  where not x.is_valid or coalesce(t.documents, 0) < p_minimum_rows / 2
  union all
  select w.user_id, w.documents, pg_catalog.format(
    'create index concurrently if not exists %I on public.embeddings '
    'using hnsw ((embedding::halfvec(1536)) halfvec_cosine_ops) where user_id = %L', w.index_name, w.user_id)
  from wanted w left join existing x using (index_name)
  where x.index_name is null or not x.is_valid
$$;
comment on function app.tenant_index_statements(integer, integer) is
  'The statements that promote big tenants to an HNSW index of their own and drop what is no longer worth one, to be run one by '
  'one by the tables'' owner: select statement from app.tenant_index_statements() \gexec. Smaller tenants gain little from an '
  'index, and pay for it with each insert.';

-- Who may do what.
select app.give_to('parley_definer', 'app.search_documents(text, vector, text, text, integer, double precision, jsonb, text)');

grant select, delete on public.embeddings to authenticated, service_role;
grant insert (id, user_id, content, embedding, metadata, model) on public.embeddings to authenticated;
grant update (content, embedding, metadata, model) on public.embeddings to authenticated;
grant insert, update on public.embeddings to service_role;
grant select on public.embeddings, app.public_embeddings to parley_definer;

grant execute on function app.pad_embedding(vector), app.cosine_distance(vector, vector), app.indexed_distance(vector, vector)
  to authenticated, service_role, parley_definer;
grant execute on function app.bit_distance(bit, vector), app.tenant_index_name(text),
  app.nearest_embeddings(text, vector, text, jsonb, integer),
  app.matching_embeddings(text, text, text, jsonb, integer), app.fuse_ranks(text[], text[]) to parley_definer;
grant execute on function app.search_limit(integer), app.search_candidates(text, integer), app.tune_vector_scan(integer),
  app.assert_search(text, boolean, boolean) to parley_definer;
grant execute on function app.search_documents(text, vector, text, text, integer, double precision, jsonb, text)
  to parley_app, parley_service;
revoke all on function public.match_embeddings(vector, double precision, integer, jsonb), public.delete_by_metadata(jsonb),
  public.clear_all_embeddings() from public, anon;
grant execute on function public.match_embeddings(vector, double precision, integer, jsonb), public.delete_by_metadata(jsonb),
  public.clear_all_embeddings() to authenticated, service_role;
-- A deletion drops the index of a tenant that had one (98_deletion.sql).
select app.own_tables('public.embeddings');
