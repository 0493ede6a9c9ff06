-- 66 search: documents and content, found by words, by meaning or by both.
--
-- Chunks are ranked, documents are answered, each with its best chunk. A caller's own chunks, public ones and content are
-- ranked together, with the statistics of just these.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

do $$
begin
  if to_regtype('app.found_chunk') is null then
    create type app.found_chunk as (type text, document_id text, user_id text, chunk_number bigint, score double precision);
  end if;
end $$;
comment on type app.found_chunk is 'A document that was found, by its best chunk.';

alter table app.settings add column if not exists search_word_weight double precision not null default 0.4
  constraint settings_search_word_weight_check check (search_word_weight between 0 and 1);
comment on column app.settings.search_word_weight is
  'How much words count in a hybrid search, against meaning: 0 to 1. Measured by benchmarks/search_quality.py.';

-- Chunks are read by their number, each in a subquery with "offset 0", which keeps other conditions out: before a table is
-- analyzed, Postgres would rather read all of it for one of them.
create or replace view app.searchable_chunks with (security_invoker = true) as
  select e.id, 'document' as type, e.document_id, e.user_id, e.chunk_number, e.position, e.starts_at, e.title, e.content, e.language,
    e.metadata, e.embedding, e.model, e.words
  from public.embeddings e
  union all
  select c.id::text, c.content_type, c.id::text, null, c.chunk_number, 0, 0, c.title, c.description, c.language,
    c.metadata, c.embedding, c.model, c.words
  from app.searchable_content c;
comment on view app.searchable_chunks is 'Chunks of documents, as row-level security shows them, and content. For parley_definer.';
revoke all on app.searchable_chunks from public, anon, authenticated, service_role;

-- BM25 (Robertson and Zaragoza 2009) over the segments of whatever the caller may search.
--   1. How many chunks there are, how long on average.
--   2. The first 150 words of the query, stemmed as each language that there is wants it; one word is one position of it.
--   3. The rarest of them, as many as hold 12 000 postings together: they decide the order, and common ones cost most. Of a
--      word that alone holds more, that many, the same ones each time. Among certain chunks all are.
--   4. Of up to three words also what they begin, as compounds do: körkort finds körkortsteori, below whole words.
--   5. Each chunk's sum.
create or replace function app.rank_by_words(
  p_user_id text, p_types text[], p_words text, p_limit integer, p_among bigint[] default null
)
  returns table (chunk_number bigint, score double precision)
  language plpgsql stable rows 100 set search_path = pg_catalog, pg_temp
as $$
declare
  v_saturation constant double precision := 1.5;
  v_length_weight constant double precision := 0.75;
  v_terms constant integer := 16;
  v_budget constant integer := 12000;
  v_longest constant integer := 150;
  v_beginnings constant integer := 50;
  v_share_of_beginning constant double precision := 0.1;
  v_most_begun constant integer := case when p_among is null then 1000 else 2147483647 end;
  v_segments bigint[];
  v_chunks double precision;
  v_average double precision;
begin
  -- 1.
  select pg_catalog.array_agg(s.segment), sum(s.chunks), sum(s.words) / nullif(sum(s.chunks), 0)::double precision
  into v_segments, v_chunks, v_average
  from app.word_segments s
  where (s.user_id is null or s.user_id = p_user_id)
    and (s.collection = 'documents' and 'document' = any (p_types) or s.collection = 'content' and p_types <> array['document']);
  if coalesce(v_chunks, 0) <= 0 then
    return;
  end if;
  return query
    -- 2.
    with segment as materialized (
      select s.segment, s.stemmer from app.word_segments s where s.segment = any (v_segments)
    ), word as materialized (
      select l.stemmer, w.lexeme as term, w.positions[1] as position, pg_catalog.cardinality(w.positions) as repeated
      from (select distinct s.stemmer from segment s) l, pg_catalog.unnest(app.words_of(p_words, l.stemmer)) w
      where w.positions[1] <= v_longest
    -- 3.
    ), listed as materialized (
      select w.position, w.repeated, p.segment, p.term, p.chunks
      from segment s join word w on w.stemmer = s.stemmer join app.word_postings p on p.segment = s.segment and p.term = w.term
    ), frequency as (
      select l.position, max(l.repeated) as repeated, sum(l.chunks) as chunks from listed l group by l.position having sum(l.chunks) > 0
    -- 4.
    ), begun as materialized (
      select w.position, p.segment, p.term, p.chunks
      from segment s join word w on w.stemmer = s.stemmer,
        lateral (
          select p.segment, p.term, p.chunks from app.word_postings p
          where p.segment = s.segment and p.term > w.term and p.term < w.term || pg_catalog.chr(1114111)
          order by p.term limit v_beginnings) p
      where pg_catalog.length(w.term) >= 4 and (select count(distinct w.position) from word w) <= 3
    ), counted as (
      select f.*, pg_catalog.row_number() over rarest as place, sum(f.chunks) over rarest as total
      from frequency f window rarest as (order by f.chunks, f.position)
    ), chosen as materialized (
      select c.position, c.repeated * pg_catalog.ln(1 + (v_chunks - c.chunks + 0.5) / (c.chunks + 0.5)) as weight,
        case when p_among is null then least(1, v_budget / c.chunks::double precision) else 1 end as share
      from counted c where c.place = 1 or (c.place <= v_terms and (c.total <= v_budget or p_among is not null))
    ), compound as (
      select b.position, v_share_of_beginning * pg_catalog.ln(
        1 + (v_chunks - greatest(sum(b.chunks), max(f.chunks)) + 0.5) / (greatest(sum(b.chunks), max(f.chunks)) + 0.5)) as weight
      from begun b left join frequency f on f.position = b.position
      group by b.position having sum(b.chunks) > 0
    ), posting as (
      select c.weight, pg_catalog.unnest(p.numbers[1 : m.most]) as number, pg_catalog.unnest(p.frequencies[1 : m.most]) as frequency,
        pg_catalog.unnest(p.lengths[1 : m.most]) as length
      from chosen c join listed l on l.position = c.position
      join app.word_postings p on p.segment = l.segment and p.term = l.term,
        lateral (select pg_catalog.ceil(c.share * pg_catalog.cardinality(p.numbers))::integer) as m (most)
      union all
      select c.weight, pg_catalog.unnest(p.numbers[1 : v_most_begun]), pg_catalog.unnest(p.frequencies[1 : v_most_begun]),
        pg_catalog.unnest(p.lengths[1 : v_most_begun])
      from compound c join begun b on b.position = c.position
      join app.word_postings p on p.segment = b.segment and p.term = b.term
    )
    -- 5.
    select p.number, sum(p.weight * p.frequency * (v_saturation + 1)
      / (p.frequency + v_saturation * (1 - v_length_weight + v_length_weight * p.length / v_average)))
    from posting p
    where p_among is null or p.number in (select a.number from pg_catalog.unnest(p_among) as a (number))
    group by p.number
    order by 2 desc, 1
    limit p_limit;
end $$;
comment on function app.rank_by_words(text, text[], text, integer, bigint[]) is
  'Chunks in which words of the query stand, own, public and content, or those of these numbers, by BM25.';

create or replace function app.chunks_that_meet(p_user_id text, p_conditions app.search_conditions) returns bigint[]
  language plpgsql stable set search_path = pg_catalog, pg_temp set plan_cache_mode = 'force_custom_plan'
as $$
begin
  return array(
    select e.chunk_number from public.embeddings e
    where e.user_id = p_user_id and 'document' = any (p_conditions.types)
      and app.meets_conditions(e.metadata, e.language, e.words, p_conditions)
    union all
    select e.chunk_number from app.public_embeddings e
    where 'document' = any (p_conditions.types) and app.meets_conditions(e.metadata, e.language, e.words, p_conditions)
    union all
    select c.chunk_number from app.searchable_content c
    where c.content_type = any (p_conditions.types) and app.meets_conditions(c.metadata, c.language, c.words, p_conditions));
end $$;
comment on function app.chunks_that_meet(text, app.search_conditions) is 'The numbers of all chunks, own, public and content, that are searched.';

-- As many documents as asked for, although chunks are ranked and conditions are only known of what was read.
--   1. A filter may take all of the best away, and meet such as were not scored: in the last round all that meet it are.
--   2. The best chunks: few, then more, then all. Long documents take more.
--   3. Of each document the best, where it meets the conditions.
create or replace function app.find_by_words(p_user_id text, p_words text, p_conditions app.search_conditions, p_limit integer)
  returns setof app.found_chunk
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_found app.found_chunk[];
  v_numbers bigint[];
  v_scores double precision[];
  v_depth integer;
  v_depths constant integer[] := array[2 * p_limit + 20, 8 * p_limit + 200, null];
  v_is_filtered constant boolean := p_conditions.filter <> '{}' or p_conditions.matching is not null
    or p_conditions.languages is not null or p_conditions.phrase_queries is not null;
  v_among bigint[];
begin
  foreach v_depth in array v_depths loop
    -- 1.
    if v_depth is null and v_is_filtered then
      v_among := app.chunks_that_meet(p_user_id, p_conditions);
    end if;
    -- 2.
    select pg_catalog.array_agg(r.chunk_number), pg_catalog.array_agg(r.score) into v_numbers, v_scores
    from app.rank_by_words(p_user_id, p_conditions.types, p_words, v_depth, v_among) r;
    -- 3.
    v_found := array(
      select row(d.type, d.document_id, d.user_id, d.chunk_number, d.score)::app.found_chunk
      from (
        select distinct on (c.type, c.document_id, c.user_id)
          c.type, c.document_id, c.user_id, c.chunk_number, r.score
        from unnest(v_numbers, v_scores) r (number, score),
          lateral (
            select s.type, s.document_id, s.user_id, s.chunk_number, s.position, s.metadata, s.language, s.words
            from app.searchable_chunks s where s.chunk_number = r.number offset 0) c
        where (c.user_id is null or c.user_id = p_user_id) and c.type = any (p_conditions.types)
          and app.meets_conditions(c.metadata, c.language, c.words, p_conditions)
        order by c.type, c.document_id, c.user_id, r.score desc, c.position
      ) d
      order by d.score desc, d.type, d.document_id
      limit p_limit);
    exit when pg_catalog.cardinality(v_found) = p_limit or (pg_catalog.cardinality(v_numbers) < v_depth) is not false;
  end loop;
  return query select f.* from pg_catalog.unnest(v_found) f;
end $$;
comment on function app.find_by_words(text, text, app.search_conditions, integer) is
  'Documents by BM25, best first, each with its best chunk; score is that chunk''s.';

-- As many documents as asked for, although chunks are looked for.
--   1. The nearest chunks.
--   2. Of each document the nearest.
--   3. Where the chunks of one long document took the place of others, more are looked at, as long as what comes next may
--      reach the threshold.
create or replace function app.find_by_meaning(
  p_user_id text, p_embedding vector, p_model text, p_threshold double precision, p_conditions app.search_conditions, p_limit integer
) returns setof app.found_chunk
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_found app.found_chunk[];
  v_nearest bigint[];
  v_depth integer := p_limit;
begin
  for v_try in 0 .. 2 loop
    -- 1.
    v_nearest := case when 'document' = any (p_conditions.types)
      then app.nearest_embeddings(
        p_user_id => p_user_id, p_embedding => p_embedding, p_model => p_model, p_conditions => p_conditions, p_limit => v_depth) else '{}' end
      || case when p_conditions.types <> array['document']
        then app.nearest_content(p_embedding, p_model, p_conditions, v_depth) else '{}' end;
    -- 2.
    v_found := array(
      select row(d.type, d.document_id, d.user_id, d.chunk_number, d.similarity)::app.found_chunk
      from (
        select distinct on (n.type, n.document_id, n.user_id) n.*
        from (
          select c.type, c.document_id, c.user_id, c.chunk_number, 1 - app.cosine_distance(c.embedding, p_embedding) as similarity
          from pg_catalog.unnest(v_nearest) as n (number),
            lateral (
              select s.type, s.document_id, s.user_id, s.chunk_number, s.embedding
              from app.searchable_chunks s where s.chunk_number = n.number offset 0) c
          where (c.user_id is null or c.user_id = p_user_id) and c.type = any (p_conditions.types)
          order by 5 desc nulls last, 4 limit v_depth
        ) n
        order by n.type, n.document_id, n.user_id, n.similarity desc nulls last, n.chunk_number
      ) d
      where d.similarity is not null
      order by d.similarity desc, d.type, d.document_id
      limit p_limit);
    -- 3.
    exit when pg_catalog.cardinality(v_found) = p_limit or pg_catalog.cardinality(v_nearest) < v_depth
      or (v_found[pg_catalog.cardinality(v_found)]).score < p_threshold;
    v_depth := 4 * v_depth;
  end loop;
  -- The threshold is applied to what was found, not to the scan: inside, an iterative scan walks to its limit for it.
  return query select f.* from pg_catalog.unnest(v_found) f where f.score >= coalesce(p_threshold, '-infinity');
end $$;
comment on function app.find_by_meaning(text, vector, text, double precision, app.search_conditions, integer) is
  'Documents by the cosine similarity of their nearest chunk, best first; none below the threshold. score is the similarity.';

-- A convex combination of both scores, each scaled to 0 to 1 among the candidates (Bruch, Gai and Ingber, arXiv 2210.11934;
-- docs/decisions/0021).
--   1. What each finds; what only words found has a similarity too, where its vector is of the query's model.
--   2. Both scaled: of words from none at all, of meaning from the least similar candidate.
--   3. The weighted sum.
create or replace function app.find_by_both(
  p_user_id text, p_words text, p_embedding vector, p_model text, p_threshold double precision,
  p_conditions app.search_conditions, p_limit integer
) returns setof app.found_chunk
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  -- What only one of them ranks low is not among the first.
  v_depth constant integer := greatest(40, p_limit);
  v_weight constant double precision := (select s.search_word_weight from app.settings s);
  v_words app.found_chunk[];
  v_meaning app.found_chunk[];
begin
  -- 1.
  v_words := array(select w from app.find_by_words(p_user_id, p_words, p_conditions, v_depth) w);
  v_meaning := array(
    select m from app.find_by_meaning(p_user_id => p_user_id, p_embedding => p_embedding, p_model => p_model,
      p_threshold => p_threshold, p_conditions => p_conditions, p_limit => v_depth) m);
  return query
    with candidate as (
      select coalesce(m.type, w.type) as type, coalesce(m.document_id, w.document_id) as document_id,
        coalesce(m.user_id, w.user_id) as user_id, coalesce(m.chunk_number, w.chunk_number) as chunk_number,
        coalesce(w.score, 0) as words, coalesce(m.score, 1 - app.cosine_distance(c.embedding, p_embedding)) as similarity
      from pg_catalog.unnest(v_meaning) m
      full join pg_catalog.unnest(v_words) w
        on w.type = m.type and w.document_id = m.document_id and coalesce(w.user_id, '') = coalesce(m.user_id, '')
      left join lateral (
        select s.embedding, s.model from app.searchable_chunks s
        where s.chunk_number = w.chunk_number and m.type is null offset 0) c on c.model = p_model
    -- 2.
    ), scaled as (
      select c.*, coalesce(c.words / nullif(max(c.words) over (), 0), 0) as by_words,
        case when c.similarity is null then 0 when max(c.similarity) over () = min(c.similarity) over () then 1
          else (c.similarity - min(c.similarity) over ()) / (max(c.similarity) over () - min(c.similarity) over ()) end as by_meaning
      from candidate c
    )
    -- 3.
    select s.type, s.document_id, s.user_id, s.chunk_number, v_weight * s.by_words + (1 - v_weight) * s.by_meaning
    from scaled s
    where p_threshold is null or s.similarity is null or s.similarity >= p_threshold
    order by 5 desc, s.type, s.document_id
    limit p_limit;
end $$;
comment on function app.find_by_both(text, text, vector, text, double precision, app.search_conditions, integer) is
  'Documents by words and by meaning, best first; none whose chunk is less similar than the threshold. score is 0 to 1.';

-- The one way in: what is found is ranked by functions that run with the rights of this one.
--   1. The documents, by the mode.
--   2. Their best chunks, read again under the tenant's condition.
create or replace function app.search(
  p_user_id text, p_mode text, p_types text[], p_words text, p_embedding vector, p_model text, p_limit integer default 10,
  p_threshold double precision default null, p_filter jsonb default '{}', p_matching jsonpath default null,
  p_languages text[] default null, p_phrases text[] default '{}', p_excluded text[] default '{}'
) returns table (
  type text, id text, title text, content text, starts_at integer, metadata jsonb, is_public boolean, content_hash text, marked text,
  similarity double precision, score double precision
)
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_embedding p_embedding%type := app.pad_embedding(p_embedding);
  v_conditions constant app.search_conditions := row(
    p_types, coalesce(p_filter, '{}'), p_matching, p_languages,
    case when pg_catalog.cardinality(p_phrases || p_excluded) > 0 then app.stemmers() end, app.phrase_queries(p_phrases, p_excluded));
  v_found app.found_chunk[];
begin
  perform app.require_caller(p_user_id);
  -- 1.
  case
    when p_mode = 'keyword' and p_words is not null then
      v_found := array(select f from app.find_by_words(p_user_id, p_words, v_conditions, p_limit) f);
    when p_mode = 'semantic' and v_embedding is not null then
      v_found := array(
        select f from app.find_by_meaning(p_user_id => p_user_id, p_embedding => v_embedding, p_model => p_model,
          p_threshold => p_threshold, p_conditions => v_conditions, p_limit => p_limit) f);
    when p_mode = 'hybrid' and v_embedding is not null and p_words is not null then
      v_found := array(
        select f from app.find_by_both(p_user_id => p_user_id, p_words => p_words, p_embedding => v_embedding,
          p_model => p_model, p_threshold => p_threshold, p_conditions => v_conditions, p_limit => p_limit) f);
    else
      raise exception 'search mode % is unknown or lacks what it searches for', p_mode using errcode = '22023';
  end case;
  -- 2.
  return query
    select c.type, c.document_id, c.title, c.content, c.starts_at, c.metadata, c.type = 'document' and c.user_id is null,
      pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(c.content, 'UTF8')), 'hex'),
      app.marked(c.content, pg_catalog.left(p_words, 300), app.stemmer(c.language)),
      case when c.model = p_model then 1 - app.cosine_distance(c.embedding, v_embedding) end, f.score
    from pg_catalog.unnest(v_found) with ordinality f (type, document_id, user_id, chunk_number, score, position)
    cross join lateral (select s.* from app.searchable_chunks s where s.chunk_number = f.chunk_number offset 0) c
    where c.user_id is null or c.user_id = p_user_id
    order by f.position;
end $$;
comment on function app.search(
  text, text, text[], text, vector, text, integer, double precision, jsonb, jsonpath, text[], text[], text[]) is
  'What the user may see of these types, best first: by words (keyword), by meaning (semantic) or both (hybrid). id is the '
  'document''s, content its best chunk, which starts_at tells from where, marked the same with marks around the words that were looked for; similarity is null where there is none. '
  'Raises 42501 unless p_user_id is the caller, 22023 for an unusable mode.';

-- Who may do what.
select app.give_to('parley_definer',
  'app.search(text, text, text[], text, vector, text, integer, double precision, jsonb, jsonpath, text[], text[], text[])');
grant select on app.searchable_chunks to parley_definer;
grant execute on function app.rank_by_words(text, text[], text, integer, bigint[]),
  app.chunks_that_meet(text, app.search_conditions),
  app.find_by_words(text, text, app.search_conditions, integer),
  app.find_by_meaning(text, vector, text, double precision, app.search_conditions, integer),
  app.find_by_both(text, text, vector, text, double precision, app.search_conditions, integer) to parley_definer;
grant execute on function app.search(
  text, text, text[], text, vector, text, integer, double precision, jsonb, jsonpath, text[], text[], text[])
  to parley_app, parley_service;
revoke all on all functions in schema app from public;
