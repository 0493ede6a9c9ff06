-- 62 nearest: which chunks are searched at all, and the nearest of the vector store.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

do $$
begin
  if to_regtype('app.search_conditions') is null then
    create type app.search_conditions as (
      types text[], filter jsonb, matching jsonpath, languages text[], stemmers text[], phrase_queries tsquery[]);
  end if;
end $$;
comment on type app.search_conditions is
  'What a chunk must meet to be found: its type, what its metadata contains and matches, its language (null: any; else patterns of lower-case tags, und for none), '
  'and by the stemmer of that language a query of phrases that it holds and such that it does not (null: any).';

--   1. A day is its first moment.
--   2. Seconds and their fraction where there are none.
--   3. No zone, or Z: UTC. A zone's minutes are set apart.
create or replace function app.times_in_full(p_metadata jsonb) returns jsonb
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  v_day constant text := '"([0-9]{4}-[0-9]{2}-[0-9]{2})';
  v_text text := p_metadata::text;
begin
  -- 1. What a colon follows is a member's name.
  v_text := pg_catalog.regexp_replace(v_text, v_day || '"(?!:)', '"\1T00:00:00.0+00:00"', 'g');
  -- 2.
  v_text := pg_catalog.regexp_replace(
    v_text, v_day || '[Tt ]([0-9]{2}:[0-9]{2})(?=([Zz+-][^"]*)?"(?!:))', '"\1T\2:00', 'g');
  v_text := pg_catalog.regexp_replace(
    v_text, v_day || '[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?=([Zz+-][^"]*)?"(?!:))', '"\1T\2.0', 'g');
  -- 3.
  v_text := pg_catalog.regexp_replace(
    v_text, v_day || '[Tt ]([0-9:]{8})[.,]([0-9]{1,6})[0-9]*[Zz]?"(?!:)', '"\1T\2.\3+00:00"', 'g');
  return pg_catalog.regexp_replace(
    v_text, v_day || '[Tt ]([0-9:]{8})[.,]([0-9]{1,6})[0-9]*([+-][0-9]{2}):?([0-9]{2})"(?!:)', '"\1T\2.\3\4:\5"', 'g')::jsonb;
end $$;
comment on function app.times_in_full(jsonb) is
  'Metadata whose ISO dates and times, however they are written, are all times that jsonpath''s datetime() reads and compares.';

create or replace function app.matches(p_metadata jsonb, p_matching jsonpath) returns boolean
  language sql immutable parallel safe
  return p_matching is null
    or case when strpos(p_matching::text, '.datetime()') > 0 then app.times_in_full(p_metadata) else p_metadata end @@ p_matching;
comment on function app.matches(jsonb, jsonpath) is 'Whether metadata meets a filter''s conditions (parley.retrieval.filters); null where it lacks what they are about.';

create or replace function app.meets_conditions(
  p_metadata jsonb, p_language text, p_words tsvector, p_conditions app.search_conditions
) returns boolean
  language sql stable parallel safe
  return p_metadata @> (p_conditions).filter
    and app.matches(p_metadata, (p_conditions).matching)
    and ((p_conditions).languages is null or lower(coalesce(p_language, 'und')) like any ((p_conditions).languages))
    and ((p_conditions).phrase_queries is null or coalesce(
      p_words @@ ((p_conditions).phrase_queries)[array_position((p_conditions).stemmers, app.stemmer(p_language))], true));
comment on function app.meets_conditions(jsonb, text, tsvector, app.search_conditions) is 'Whether a chunk is one of those that are searched.';

-- Row-level security keeps operators that are not leakproof (@@, @>) away from indexes. Public rows need no fence
-- between users, so search reads them through this view, as the table's owner; only parley_definer may.
create or replace view app.public_embeddings as
  select id, chunk_number, embedding, language, metadata, model, words, embedding_bits from public.embeddings where user_id is null;
comment on view app.public_embeddings is 'Public documents without row-level security, so that GIN indexes serve search. For parley_definer.';
revoke all on app.public_embeddings from public, anon, authenticated, service_role;

create or replace function app.tune_vector_scan(p_limit integer) returns void
  language sql volatile
begin atomic
  select set_config('hnsw.ef_search', w.width::text, true),
    set_config('hnsw.iterative_scan', 'relaxed_order', true),
    -- Where so few rows pass the filter, whoever searches is better off without the index.
    set_config('hnsw.max_scan_tuples', (10 * w.width)::text, true)
  from (select greatest(100, least(1000, 5 * p_limit / 2))) as w (width);
end;
comment on function app.tune_vector_scan(integer) is
  'Sets how widely HNSW scans of this transaction look, and how far they go on where a filter took rows away.';

-- Own and public rows are looked for apart: an index that both share would spend its scan on other tenants' rows.
--   1. Own rows: by the tenant's own index where it has one.
--   2. Else, or where that found too few, all of them by one bit per dimension.
--   3. Public rows by their index, and by their bits where that found too few.
create or replace function app.nearest_embeddings(
  p_user_id text, p_embedding vector, p_model text, p_conditions app.search_conditions, p_limit integer
) returns bigint[]
  language plpgsql volatile set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
declare
  v_own bigint[] := '{}';
  v_public bigint[];
  -- Of 5 000 to 20 000 vectors, clustered as real ones are, the 10 nearest are among these in 99.8 % of the cases.
  v_candidates integer := greatest(400, 8 * p_limit);
  -- Plans see the values as constants: without a filter this is one, and nobody reads the table for its metadata.
  v_everything boolean := p_conditions.filter = '{}' and p_conditions.matching is null and p_conditions.languages is null
    and p_conditions.phrase_queries is null;
begin
  perform app.tune_vector_scan(p_limit);

  -- 1.
  if exists (
    select from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'public.embeddings'::regclass and i.indisvalid and c.relname = app.tenant_index_name(p_user_id)
  ) then
    v_own := array(
      select e.chunk_number from public.embeddings e
      where e.user_id = p_user_id and e.model = p_model and (v_everything or app.meets_conditions(e.metadata, e.language, e.words, p_conditions))
      order by app.indexed_distance(e.embedding, p_embedding) limit p_limit);
  end if;
  -- 2. An HNSW scan gives up after a bounded number of tuples; whoever has the rows must get them.
  if pg_catalog.cardinality(v_own) < p_limit then
    v_own := array(
      select e.chunk_number from public.embeddings e
      where e.user_id = p_user_id and e.model = p_model and (v_everything or app.meets_conditions(e.metadata, e.language, e.words, p_conditions))
        and e.embedding_bits is not null
      order by app.bit_distance(e.embedding_bits, p_embedding), e.chunk_number limit v_candidates);
  end if;

  -- 3.
  v_public := array(
    select e.chunk_number from app.public_embeddings e
    where e.model = p_model and (v_everything or app.meets_conditions(e.metadata, e.language, e.words, p_conditions))
    order by app.indexed_distance(e.embedding, p_embedding) limit p_limit);
  if pg_catalog.cardinality(v_public) < p_limit then
    v_public := array(
      select e.chunk_number from app.public_embeddings e
      where e.model = p_model and (v_everything or app.meets_conditions(e.metadata, e.language, e.words, p_conditions)) and e.embedding_bits is not null
      order by app.bit_distance(e.embedding_bits, p_embedding), e.chunk_number limit v_candidates);
  end if;
  return v_own || v_public;
end $$;
comment on function app.nearest_embeddings(text, vector, text, app.search_conditions, integer) is
  'The numbers of chunks, own and public, that hold the nearest p_limit of each: more than that, unordered, to be ranked by the caller. '
  'Plans see the user as a constant.';

-- Who may do what.
grant select on app.public_embeddings to parley_definer;
grant execute on function app.times_in_full(jsonb), app.matches(jsonb, jsonpath) to authenticated, service_role, parley_definer;
grant execute on function app.meets_conditions(jsonb, text, tsvector, app.search_conditions), app.tune_vector_scan(integer),
  app.nearest_embeddings(text, vector, text, app.search_conditions, integer) to parley_definer;
revoke all on all functions in schema app from public;
