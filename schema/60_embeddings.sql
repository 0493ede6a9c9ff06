-- 60 embeddings: the vector store (S3), and what is nearest in it.
--
-- A row is a chunk: a document, or a part of a long one. A row that a client wrote by SQL is a document of one chunk.
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
  add column if not exists external_id text,
  add column if not exists document_id text generated always as (coalesce(external_id, id)) stored,
  add column if not exists position integer not null default 0,
  add column if not exists starts_at integer not null default 0,
  add column if not exists title text,
  add column if not exists language text,
  add column if not exists document_hash text,
  -- Random, so that it tells nobody how much others write; 53 bits hold a double's whole numbers.
  add column if not exists chunk_number bigint not null default (random() * 9007199254740991)::bigint,
  -- No function of ours here: an adopted table keeps the column when Parley goes.
  add column if not exists embedding_bits bit(1536) generated always as (binary_quantize(embedding)::bit(1536)) stored;
update public.embeddings set metadata = '{}' where metadata is null;
alter table public.embeddings alter column metadata set default '{}', alter column metadata set not null;

-- The planner does not see out-of-line vectors and takes the table for tiny; in line it sees what a scan costs. The
-- target keeps short content, metadata and words in the page too: without it, every row is over the default and all of
-- its other columns would be moved out.
alter table public.embeddings alter column embedding set storage plain;
alter table public.embeddings set (toast_tuple_target = 8160);

comment on table public.embeddings is
  'Chunks of documents and their vectors, own and public (user_id null). Public rows are written by the service role only.';
comment on column public.embeddings.external_id is
  'The caller''s id for the document, or else the id of its first chunk; null for a row that is a document of its own.';
comment on column public.embeddings.document_id is 'Generated: the document''s id, unique for its owner.';
comment on column public.embeddings.position is 'Which chunk of the document this is, from 0.';
comment on column public.embeddings.starts_at is 'Where in the document''s text the chunk begins, in characters.';
comment on column public.embeddings.title is 'The document''s title, embedded before the content.';
comment on column public.embeddings.language is 'A language tag (BCP 47); null where unknown. Words are stemmed by it.';
comment on column public.embeddings.document_hash is 'SHA-256 of what the document''s vectors are made from; null for rows written by SQL.';
comment on column public.embeddings.chunk_number is 'Names the chunk with these words in the word index; other words get another number.';
comment on column public.embeddings.user_id is 'The owner; null makes the document public to everybody signed in.';
comment on column public.embeddings.embedding is
  'The vector. Models with fewer than 1536 dimensions are padded with zeros (app.pad_embedding), larger ones are asked for 1536.';
comment on column public.embeddings.model is 'The embedding model; only vectors of the same model are compared.';
comment on column public.embeddings.embedding_bits is
  'Generated: the sign of each dimension (binary quantization), 32 times smaller than the vector, to choose what is compared in full.';

create index if not exists idx_embeddings_user_id on public.embeddings (user_id, created_at desc, id);
create index if not exists idx_embeddings_created_at on public.embeddings (created_at desc);
create index if not exists idx_embeddings_bits on public.embeddings (user_id, model) include (chunk_number, embedding_bits);
comment on index public.idx_embeddings_bits is
  'Holds all that the choice of candidates reads: a tenant''s rows lie side by side, not each on its own page of the table.';
create index if not exists idx_embeddings_metadata on public.embeddings using gin (metadata jsonb_path_ops);
create unique index if not exists idx_embeddings_document on public.embeddings (user_id, document_id, position) nulls not distinct;
create index if not exists idx_embeddings_chunk_number on public.embeddings (chunk_number);
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

create or replace function app.tenant_index_name(p_user_id text) returns text
  language sql immutable parallel safe
  return 'idx_embeddings_tenant_' || left(md5(p_user_id), 24);
comment on function app.tenant_index_name(text) is 'The name of a promoted tenant''s own HNSW index.';

create or replace function app.search_limit(p_limit integer) returns integer
  language sql immutable parallel safe
  return greatest(1, least(100, coalesce(p_limit, 10)));
comment on function app.search_limit(integer) is 'How many results a search returns at most: 1 to 100, by default 10.';

create or replace function public.match_embeddings(
  query_embedding vector,
  match_threshold double precision default 0.5,
  match_count integer default 10,
  filter_metadata jsonb default '{}',
  filter jsonb default '{}'
) returns table (id text, content text, metadata jsonb, similarity double precision)
  language sql stable parallel safe
begin atomic
  select n.id, n.content, n.metadata, n.similarity
  from (
    select c.id, c.content, c.metadata, 1 - app.cosine_distance(c.embedding, query_embedding) as similarity
    from (
      (select e.id, e.content, e.metadata, e.embedding from public.embeddings e
       where e.user_id is null and e.metadata @> filter_metadata and e.metadata @> filter
       order by app.indexed_distance(e.embedding, query_embedding) limit match_count)
      union all
      (select e.id, e.content, e.metadata, e.embedding from public.embeddings e
       where e.user_id = (select app.user_id()) and e.metadata @> filter_metadata and e.metadata @> filter
       order by app.cosine_distance(e.embedding, query_embedding) limit match_count)
    ) c
    order by 4 desc nulls last
    limit match_count
  ) n
  where n.similarity >= match_threshold;
end;
comment on function public.match_embeddings(vector, double precision, integer, jsonb, jsonb) is
  'S3: the nearest own and public documents above a similarity. Inlined into its query, so EXPLAIN shows the index scan. '
  'Parley itself calls app.search. Clients of S3 send filter_metadata, LangChain''s vector store filter.';

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
grant select, delete on public.embeddings to authenticated, service_role;
grant insert (id, user_id, external_id, position, starts_at, title, content, language, document_hash, embedding, metadata, model)
  on public.embeddings to authenticated;
grant update (starts_at, title, content, language, document_hash, embedding, metadata, model) on public.embeddings to authenticated;
grant insert, update on public.embeddings to service_role;
grant select on public.embeddings to parley_definer;

grant execute on function app.pad_embedding(vector), app.cosine_distance(vector, vector), app.indexed_distance(vector, vector)
  to authenticated, service_role, parley_definer;
grant execute on function app.bit_distance(bit, vector), app.tenant_index_name(text),
  app.search_limit(integer) to parley_definer;
revoke all on function public.match_embeddings(vector, double precision, integer, jsonb, jsonb), public.delete_by_metadata(jsonb),
  public.clear_all_embeddings() from public, anon;
grant execute on function public.match_embeddings(vector, double precision, integer, jsonb, jsonb), public.delete_by_metadata(jsonb),
  public.clear_all_embeddings() to authenticated, service_role;
-- A deletion drops the index of a tenant that had one (98_deletion.sql).
select app.own_tables('public.embeddings');
revoke all on all functions in schema app from public;
