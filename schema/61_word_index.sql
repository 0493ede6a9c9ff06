-- 61 word index: which words stand in which chunk of text, how often, and in how many chunks; what search by words ranks with.
--
-- An inverted index in plain tables, kept as Lucene keeps one: each statement that writes chunks appends a segment with
-- its own words, and segments of one size are merged into a bigger one. Nobody waits for a row that counts a word, so
-- writers of one tenant run beside each other. A segment belongs to one tenant, or is public: how often a word occurs
-- elsewhere is in nobody's scores. docs/decisions/0020 says what else was measured.

-- `supabase db push` resets its session's settings after each file, and so what the first file set.
select pg_catalog.set_config('search_path', '"$user", public, extensions', false);

-- Languages.

create or replace function app.stemmer(p_language text) returns text
  language sql immutable parallel safe
  return case lower(split_part(p_language, '-', 1))
    when 'ar' then 'arabic' when 'ca' then 'catalan' when 'da' then 'danish' when 'de' then 'german' when 'el' then 'greek'
    when 'en' then 'english' when 'es' then 'spanish' when 'eu' then 'basque' when 'fi' then 'finnish' when 'fr' then 'french'
    when 'ga' then 'irish' when 'hi' then 'hindi' when 'hu' then 'hungarian' when 'hy' then 'armenian'
    when 'id' then 'indonesian' when 'it' then 'italian' when 'lt' then 'lithuanian' when 'nb' then 'norwegian'
    when 'ne' then 'nepali' when 'nl' then 'dutch' when 'nn' then 'norwegian' when 'no' then 'norwegian'
    when 'pt' then 'portuguese' when 'ro' then 'romanian' when 'ru' then 'russian' when 'sr' then 'serbian'
    when 'sv' then 'swedish' when 'ta' then 'tamil' when 'tr' then 'turkish' when 'yi' then 'yiddish'
    else 'simple' end;
comment on function app.stemmer(text) is
  'The name of the text search configuration for a language tag (BCP 47: en, en-GB, sv); simple, which stems nothing, for others. '
  'A name and not a regconfig: a column of that type stands in the way of pg_upgrade.';

create or replace function app.own_letters(p_stemmer text) returns text
  language sql immutable parallel safe
  return case p_stemmer
    when 'swedish' then 'åäö' when 'finnish' then 'åäö' when 'danish' then 'åæø' when 'norwegian' then 'åæø'
    when 'german' then 'äöü' when 'spanish' then 'ñ' when 'basque' then 'ñ' when 'turkish' then 'çğöşü'
    when 'hungarian' then 'áéíóöőúüű' when 'romanian' then 'ăâîşșţț' when 'lithuanian' then 'ąčęėįšųūž'
    when 'russian' then 'й' else '' end;
comment on function app.own_letters(text) is
  'Letters of the language that look like another one with a mark: å is no a in Swedish, where é is an e. Turkish ı is not among them: '
  'whether an I is its capital or that of i, as in IBM, a text does not say.';

create or replace function app.fold_marks(p_text text, p_stemmer text) returns text
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  v_own constant text := app.own_letters(p_stemmer);
  -- What stands for the language's own letters while all marks go: characters for private use.
  v_kept constant text := pg_catalog.left(U&'\E100\E101\E102\E103\E104\E105\E106\E107\E108\E109', pg_catalog.length(v_own));
  v_text text;
begin
  -- An unknown language keeps its marks: they may be letters. ASCII has none.
  if p_stemmer = 'simple' or pg_catalog.octet_length(p_text) = pg_catalog.length(p_text) then
    return p_text;
  end if;
  v_text := normalize(pg_catalog.translate(p_text, v_own, v_kept), nfd);
  v_text := normalize(pg_catalog.regexp_replace(v_text, '[\u0300-\u036f]', '', 'g'), nfc);
  -- Not all marks come off: some letters are one with theirs, or with another letter.
  v_text := pg_catalog.translate(v_text, 'łøđðıħŧ', 'loddiht');
  return pg_catalog.translate(pg_catalog.replace(pg_catalog.replace(v_text, 'œ', 'oe'), 'æ', 'ae'), v_kept, v_own);
end $$;
comment on function app.fold_marks(text, text) is
  'Stemmed words without the marks that their language does not count as letters: cafe finds café, and coeur cœur. Stemmers need the '
  'marks, so this comes after them.';

create or replace function app.fold_marks(p_query tsquery, p_stemmer text) returns tsquery
  language sql immutable parallel safe
  return case when p_stemmer = 'simple' then p_query else app.fold_marks(p_query::text, p_stemmer)::tsquery end;
comment on function app.fold_marks(tsquery, text) is 'The same for a query.';

do $$
begin
  -- A database whose locale is C knows no capitals beyond ASCII. What does comes with PostgreSQL 17.
  execute pg_catalog.format(
    'create or replace function app.lower_case(p_text text) returns text language sql immutable parallel safe return lower(p_text%s)',
    case when exists (select from pg_catalog.pg_collation where collname = 'pg_c_utf8') then ' collate pg_c_utf8' end);
end $$;
comment on function app.lower_case(text) is 'The text in small letters, whatever the locale of the database.';

--   1. What separates words in any script is a space; what is shown as nothing, or as optional points over and under the
--      letters of Arabic and Hebrew, is left out. Hyphens and apostrophes are those of ASCII.
--   2. Each letter is written in one way: composed, in the usual width, out of ligatures (NFKC), small.
--   3. As in ASCII: the parser would take and/or, a file's name, an address or what looks like a tag for one thing, and a
--      dash before a digit for its sign.
--   4. A character of a script that sets no spaces, or adds endings to a word, is a word of its own, between separators; so
--      is a pictograph.
create or replace function app.parted(p_text text, p_stemmer text) returns text
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  -- Unicode's punctuation, symbols and spaces beyond ASCII.
  v_signs constant text := '[\u0080-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u02bc\u02c2-\u02c5\u02d2-\u02df'
    '\u02e5-\u02eb\u02ed\u02ef-\u02ff\u0375\u037e\u0384\u0385\u0387\u03f6\u055a-\u055f\u0589-\u058f\u05be\u05c0\u05c3\u05c6\u05f3\u05f4'
    '\u0606-\u060f\u061b\u061d-\u061f\u066a-\u066d\u06d4\u06dd\u06de\u06e9\u06fd\u06fe\u0700-\u070d\u07f6-\u07f9\u07fe\u07ff\u0830-\u083e\u085e'
    '\u0888\u0964\u0965\u0970\u09f2\u09f3\u09fa\u09fb\u09fd\u0a76\u0af0\u0af1\u0b70\u0bf3-\u0bfa\u0c77\u0c7f\u0c84\u0d4f\u0d79\u0df4\u0e3f\u0e4f\u0e5a\u0e5b'
    '\u0f01-\u0f17\u0f1a-\u0f1f\u0f34\u0f36\u0f38\u0f3a-\u0f3d\u0f85\u0fbe-\u0fc5\u0fc7-\u0fda\u104a-\u104f\u109e\u109f\u10fb\u1360-\u1368\u1390-\u1399'
    '\u1400\u166d\u166e\u1680\u169b\u169c\u16eb-\u16ed\u1735\u1736\u17d4-\u17d6\u17d8-\u17db\u1800-\u180a\u1940-\u1945\u19de-\u19ff\u1a1e\u1a1f'
    '\u1aa0-\u1aa6\u1aa8-\u1aad\u1b5a-\u1b6a\u1b74-\u1b7e\u1bfc-\u1bff\u1c3b-\u1c3f\u1c7e\u1c7f\u1cc0-\u1cc7\u1cd3\u1fbd\u1fbf-\u1fc1\u1fcd-\u1fcf'
    '\u1fdd-\u1fdf\u1fed-\u1fef\u1ffd-\u200b\u2012-\u2029\u202f-\u205f\u207a-\u207e\u208a-\u208e\u20a0-\u20cf\u2116-\u2118\u2120\u2122\u2140-\u2144'
    '\u214a-\u214d\u214f\u218a\u218b\u2190-\u245f\u2500-\u25ff\u2768-\u2775\u2794-\u2bff\u2ce5-\u2cea\u2cf9-\u2cfc\u2cfe\u2cff\u2d70\u2e00-\u2e2e\u2e30-\u2e7f'
    '\u2ff0-\u3004\u3008-\u3020\u3030\u303d-\u303f\u309b\u309c\u30a0\u30fb\u3190\u3191\u31c0-\u31ef\u4dc0-\u4dff\ua490-\ua4c6\ua4fe\ua4ff\ua60d-\ua60f\ua673\ua67e'
    '\ua6f2-\ua716\ua720\ua721\ua789\ua78a\ua828-\ua82b\ua836-\ua839\ua874-\ua877\ua8ce\ua8cf\ua8f8-\ua8fa\ua8fc\ua92e\ua92f\ua95f\ua9c1-\ua9cd\ua9de\ua9df'
    '\uaa5c-\uaa5f\uaa77-\uaa79\uaade\uaadf\uaaf0\uaaf1\uab5b\uab6a\uab6b\uabeb\ufb29\ufbb2-\ufbc2\ufd3e-\ufd4f\ufdcf\ufdfd-\ufdff\ufe10-\ufe19\ufe30-\ufe6b'
    '\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\uffe0-\uffee\ufffc\ufffd]';
  v_unseen constant text := '[\u00ad\u034f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0600-\u0605\u0610-\u061a\u061c\u0640\u064b-\u0652\u0670'
    '\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u070f\u180b-\u180f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]';
  v_alone constant text := '([\u2600-\u2767\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u3100-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff'
    '\uac00-\ud7a3\uf900-\ufaff\U0001f000-\U0001fbff\U00020000-\U0003ffff])';
  v_is_ascii constant boolean := pg_catalog.octet_length(p_text) = pg_catalog.length(p_text);
  v_text text := p_text;
begin
  -- 1.
  if not v_is_ascii then
    v_text := pg_catalog.regexp_replace(pg_catalog.translate(v_text, '’＇‐‑－＿', '''''---_'), v_signs, ' ', 'g');
    v_text := pg_catalog.regexp_replace(normalize(v_text, nfkc), v_unseen, '', 'g');
  end if;
  -- 2. I is the capital of ı in Turkish, and İ that of i.
  if p_stemmer = 'turkish' then
    v_text := app.lower_case(pg_catalog.translate(v_text, 'Iİ', 'ıi'));
  elsif not v_is_ascii then
    v_text := app.lower_case(v_text);
  end if;
  -- 3.
  v_text := pg_catalog.regexp_replace(pg_catalog.translate(v_text, '/<>@.', '     '), '-([0-9])', ' \1', 'g');
  -- 4.
  return case when v_is_ascii then v_text
    else pg_catalog.regexp_replace(v_text, v_alone, pg_catalog.chr(31) || '\1' || pg_catalog.chr(31), 'g') end;
end $$;
comment on function app.parted(text, text) is
  'A text whose words the parser tells apart, the same ones in any locale. Beside separators (U+001F) it is as long as the text, where '
  'nothing had to be composed, taken apart or left out.';

create or replace function app.words_of(p_text text, p_stemmer text) returns tsvector
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  -- The first 100 000 characters: a tsvector may not exceed 1 MB.
  v_parted constant text := app.parted(pg_catalog.left(p_text, 100000), p_stemmer);
  v_words constant tsvector := pg_catalog.to_tsvector(p_stemmer::regconfig, v_parted);
begin
  -- Without a mark in the text there is none in its words, which need not be read again then.
  if pg_catalog.octet_length(v_parted) = pg_catalog.length(v_parted) then
    return v_words;
  end if;
  return app.fold_marks(v_words::text, p_stemmer)::tsvector;
end $$;
comment on function app.words_of(text, text) is 'The words of a text, stemmed, with their positions.';

create or replace function app.words_of_chunk(p_title text, p_content text, p_language text) returns tsvector
  language sql immutable parallel safe
  return case
    when p_title is null then app.words_of(p_content, app.stemmer(p_language))
    else setweight(app.words_of(p_title, app.stemmer(p_language)), 'A') || app.words_of(p_content, app.stemmer(p_language)) end;
comment on function app.words_of_chunk(text, text, text) is 'The words of a chunk: its title''s carry the weight A.';

create or replace function app.phrase_query(p_phrases text[], p_excluded text[], p_stemmer text) returns tsquery
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  v_query tsquery := '';
  v_phrase tsquery;
begin
  for v_number in 1 .. pg_catalog.cardinality(p_phrases || p_excluded) loop
    v_phrase := app.fold_marks(pg_catalog.phraseto_tsquery(
      p_stemmer::regconfig, app.parted((p_phrases || p_excluded)[v_number], p_stemmer)), p_stemmer);
    -- Of stop words nothing is left, and nothing would match that.
    if pg_catalog.numnode(v_phrase) > 0 then
      v_query := v_query && case when v_number <= pg_catalog.cardinality(p_phrases) then v_phrase else !!v_phrase end;
    end if;
  end loop;
  return nullif(v_query, '');
end $$;
comment on function app.phrase_query(text[], text[], text) is
  'What a chunk of this language must hold, each phrase, and must not, each excluded word or phrase; null where that is nothing.';

create or replace function app.stemmers() returns text[]
  language sql stable parallel safe
begin atomic
  select array_agg(c.cfgname::text order by c.cfgname) from pg_ts_config c
  where c.cfgnamespace = 'pg_catalog'::regnamespace and c.oid < 16384;
end;
comment on function app.stemmers() is 'All that app.stemmer may say.';

create or replace function app.phrase_queries(p_phrases text[], p_excluded text[]) returns tsquery[]
  language sql stable parallel safe
begin atomic
  select array_agg(app.phrase_query(p_phrases, p_excluded, s.name) order by s.position)
  from unnest(app.stemmers()) with ordinality s (name, position)
  where cardinality(p_phrases || p_excluded) > 0;
end;
comment on function app.phrase_queries(text[], text[]) is
  'The same for each of app.stemmers(), in their order: made once a search, and not for each chunk. null where nothing is asked for.';

--   1. What is looked for: the stemmed words of the query, and what begins with one, as in app.rank_by_words.
--   2. In a text with marks, its own words that come to the same without them.
create or replace function app.marked(p_text text, p_query text, p_stemmer text) returns text
  language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp
as $$
declare
  v_words constant text[] := pg_catalog.tsvector_to_array(app.words_of(p_query, p_stemmer));
  v_beginnings constant text[] := case when pg_catalog.cardinality(v_words) <= 3 then array(
    select w from pg_catalog.unnest(v_words) w where pg_catalog.length(w) >= 4) else '{}' end;
  v_text text;
  v_query tsquery;
begin
  if pg_catalog.length(p_text) > 20000 then
    return null;
  end if;
  v_text := app.parted(p_text, p_stemmer);
  if pg_catalog.octet_length(v_text) = pg_catalog.length(v_text) then
    -- 1.
    select pg_catalog.string_agg('''' || replace(replace(w, '\', '\\'), '''', '''''') || '''' || case when w = any (v_beginnings) then ':*' else '' end, ' | ')::tsquery
    into v_query from pg_catalog.unnest(v_words) w;
  else
    -- 2.
    select pg_catalog.string_agg('''' || replace(replace(w.lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery into v_query
    from pg_catalog.unnest(pg_catalog.to_tsvector(p_stemmer::regconfig, v_text)) w,
      lateral (select app.fold_marks(w.lexeme, p_stemmer)) as f (lexeme)
    where f.lexeme = any (v_words)
      or exists (select from pg_catalog.unnest(v_beginnings) b where pg_catalog.starts_with(f.lexeme, b));
  end if;
  if v_query is null then
    return null;
  end if;
  return pg_catalog.replace(
    pg_catalog.ts_headline(p_stemmer::regconfig, v_text, v_query,
      'HighlightAll=true, StartSel=' || U&'\E000' || ', StopSel=' || U&'\E001'), pg_catalog.chr(31), '');
end $$;
comment on function app.marked(text, text, text) is
  'The text as its words are told apart (app.parted), with U+E000 before and U+E001 after each that the query has too, stemmed, or begins. '
  'Null without such words, and for long texts.';

-- The index.

create table if not exists app.word_segments (
  segment     bigint generated by default as identity primary key,
  collection  text not null,
  user_id     text,
  stemmer     text not null,
  chunks      integer not null,
  words       bigint not null,
  numbers     bigint[] not null,
  constraint word_segments_collection_check check (collection in ('documents', 'content'))
);
alter table app.word_segments add column if not exists listed integer not null generated always as (cardinality(numbers)) stored;
create index if not exists idx_word_segments_scope on app.word_segments (user_id, collection);
comment on table app.word_segments is
  'What was indexed together: the chunks that one statement wrote or deleted, or several such segments merged.';
comment on column app.word_segments.user_id is 'Whose chunks; null for public ones.';
comment on column app.word_segments.stemmer is 'The text search configuration of their language.';
comment on column app.word_segments.chunks is 'How many chunks this adds to the collection; negative for deleted ones.';
comment on column app.word_segments.words is 'How many words these chunks hold together; negative as well.';
comment on column app.word_segments.numbers is 'The chunk_number of each chunk that is listed; of deleted ones none.';
comment on column app.word_segments.listed is
  'Generated: how many chunks are listed, also such as are gone: with others deleted, chunks may be 0 where many are.';

create table if not exists app.word_postings (
  segment      bigint not null,
  term         text collate "C" not null,
  chunks       integer not null,
  numbers      bigint[] not null,
  frequencies  smallint[] not null,
  lengths      smallint[] not null,
  primary key (segment, term)
);
-- Random numbers do not compress, and each try would cost.
alter table app.word_segments alter column numbers set storage external;
alter table app.word_postings alter column numbers set storage external, alter column frequencies set storage external,
  alter column lengths set storage external;
comment on table app.word_postings is 'The chunks of a segment in which a stemmed word stands.';
comment on column app.word_postings.chunks is 'In how many chunks; negative where the segment counts deleted ones, which it does not list.';
comment on column app.word_postings.numbers is 'Their chunk_number.';
comment on column app.word_postings.frequencies is 'How often the word stands in each; in a title it counts more.';
comment on column app.word_postings.lengths is 'How many words each has.';

alter table app.word_segments enable row level security;
alter table app.word_postings enable row level security;
revoke all on app.word_segments, app.word_postings from public, anon, authenticated, service_role;
drop policy if exists "Search reads the words of the caller and of everybody" on app.word_segments;
create policy "Search reads the words of the caller and of everybody" on app.word_segments for select to parley_definer
  using ((select app.is_service())
    or ((select app.user_id()) is not null and (user_id is null or user_id = (select app.user_id()))));
drop policy if exists "Search reads the segments that it may see" on app.word_postings;
create policy "Search reads the segments that it may see" on app.word_postings for select to parley_definer
  using (segment in (select s.segment from app.word_segments s));

create or replace function app.frequency(p_positions smallint[], p_weights text[]) returns integer
  language sql immutable parallel safe
  -- The title stands before the content, and so do its positions.
  return cardinality(p_positions) + case when p_weights[1] = 'A' then cardinality(array_positions(p_weights, 'A')) else 0 end;
comment on function app.frequency(smallint[], text[]) is 'How often a word stands in a chunk; in its title it counts twice.';

--   1. One segment for each collection, owner and language.
--   2. Each word of it: where, how often, in chunks of which length.
--   3. Segments of a size that there are many of become one.
create or replace function app.add_segments(
  p_collection text, p_users text[], p_stemmers text[], p_numbers bigint[], p_words tsvector[], p_sign integer
) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_added record;
begin
  with chunk as materialized (
    select c.user_id, c.stemmer, c.number, c.words, coalesce(l.length, 0) as length
    from unnest(p_users, p_stemmers, p_numbers, p_words) as c (user_id, stemmer, number, words),
      lateral (select sum(app.frequency(w.positions, w.weights)) from pg_catalog.unnest(c.words) w) as l (length)
  -- 1.
  ), segment as (
    insert into app.word_segments (collection, user_id, stemmer, chunks, words, numbers)
    select p_collection, c.user_id, c.stemmer, p_sign * count(*), p_sign * sum(c.length),
      case when p_sign > 0 then pg_catalog.array_agg(c.number) else '{}' end
    from chunk c group by c.user_id, c.stemmer
    returning segment, user_id, stemmer
  )
  -- 2.
  insert into app.word_postings (segment, term, chunks, numbers, frequencies, lengths)
  select w.segment, w.term, p_sign * count(*),
    case when p_sign > 0 then pg_catalog.array_agg(w.number) else '{}' end,
    case when p_sign > 0 then pg_catalog.array_agg(w.frequency) else '{}' end,
    case when p_sign > 0 then pg_catalog.array_agg(w.length) else '{}' end
  from (
    select s.segment, w.lexeme collate "C" as term, c.number, least(app.frequency(w.positions, w.weights), 32767)::smallint as frequency,
      least(c.length, 32767)::smallint as length
    from chunk c join segment s on s.user_id is not distinct from c.user_id and s.stemmer = c.stemmer,
      pg_catalog.unnest(c.words) w
  ) w
  group by w.segment, w.term
  order by w.segment, w.term;

  -- 3.
  for v_added in
    select distinct c.user_id, c.stemmer from unnest(p_users, p_stemmers) as c (user_id, stemmer)
  loop
    perform app.merge_segments(p_collection, v_added.user_id, v_added.stemmer);
  end loop;
end $$;
comment on function app.add_segments(text, text[], text[], bigint[], tsvector[], integer) is
  'Indexes chunks of a collection (sign 1), or counts deleted ones out (-1). The arrays run in parallel, one element a chunk.';

create or replace function app.forget_segments(p_segments bigint[]) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
begin
  delete from app.word_postings p where p.segment = any (p_segments);
  delete from app.word_segments s where s.segment = any (p_segments);
end $$;
comment on function app.forget_segments(bigint[]) is 'Takes segments and their words away.';

do $$
begin
  if to_regprocedure('app.concatenate(anycompatiblearray)') is null then
    create aggregate app.concatenate(anycompatiblearray) (sfunc = array_cat, stype = anycompatiblearray, initcond = '{}');
  end if;
end $$;
comment on aggregate app.concatenate(anycompatiblearray) is 'One array of all elements.';

create or replace function app.is_mostly_gone(p_numbers bigint[]) returns boolean
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
declare
  v_step constant integer := pg_catalog.cardinality(p_numbers) / 100 + 1;
begin
  return (
    select 2 * count(*) filter (where exists (select from public.embeddings e where e.chunk_number = n.number)
      or exists (select from public.content_items c where c.chunk_number = n.number)) < count(*)
    from pg_catalog.unnest(p_numbers) with ordinality as n (number, place) where n.place % v_step = 0);
end $$;
comment on function app.is_mostly_gone(bigint[]) is 'Whether of about a hundred of these chunks less than half are still there under their numbers.';

-- Why segments are merged at all: a search looks each word up in each of them.
--   1. Segments of one size that nobody else is merging; under 16 of them there is nothing to do.
--   2. With the largest merge, those that stay otherwise, where most of what they list is gone.
--   3. Their sums, and which of their chunks are still there under these numbers.
--   4. Their words, without what is gone.
create or replace function app.merge_segments(p_collection text, p_user_id text, p_stemmer text) returns void
  language plpgsql volatile set search_path = pg_catalog, pg_temp
as $$
declare
  v_fan_in constant integer := 16;
  -- What has 4 096 chunks stays as it is: merging it would keep somebody waiting, and there are few of them.
  v_sizes constant integer[] := array[0, 16, 256, 4096];
  v_segments bigint[];
  v_merged bigint;
  v_numbers bigint[];
  v_gone bigint[];
begin
  for v_size in 1 .. 3 loop
    -- 1. Whoever else is merging has locked its own: those are left alone, and nobody waits.
    v_segments := array(
      select s.segment from app.word_segments s
      where s.collection = p_collection and s.user_id is not distinct from p_user_id and s.stemmer = p_stemmer
        and greatest(pg_catalog.abs(s.chunks), s.listed) >= v_sizes[v_size]
        and greatest(pg_catalog.abs(s.chunks), s.listed) < v_sizes[v_size + 1]
      order by s.segment limit 2 * v_fan_in for update skip locked);
    continue when pg_catalog.cardinality(v_segments) < v_fan_in;

    -- 2.
    if v_size = 3 then
      v_segments := v_segments || array(
        select s.segment from app.word_segments s
        where s.collection = p_collection and s.user_id is not distinct from p_user_id and s.stemmer = p_stemmer
          and s.listed >= v_sizes[4] and app.is_mostly_gone(s.numbers)
        for update skip locked);
    end if;

    -- 3.
    select pg_catalog.array_agg(n.number) filter (where t.is_gone), pg_catalog.array_agg(n.number) filter (where not t.is_gone)
    into v_gone, v_numbers
    from (select pg_catalog.unnest(s.numbers) as number from app.word_segments s where s.segment = any (v_segments)) n,
      lateral (select not exists (select from public.embeddings e where e.chunk_number = n.number)
        and not exists (select from public.content_items c where c.chunk_number = n.number)) as t (is_gone);
    insert into app.word_segments (collection, user_id, stemmer, chunks, words, numbers)
    select p_collection, p_user_id, p_stemmer, sum(s.chunks), sum(s.words), coalesce(v_numbers, '{}')
    from app.word_segments s where s.segment = any (v_segments)
    returning segment into v_merged;
    -- 4. What is gone is looked up in a hash table: words of thousands of chunks, thousands of them gone.
    insert into app.word_postings (segment, term, chunks, numbers, frequencies, lengths)
    select v_merged, p.term, p.chunks, l.numbers, l.frequencies, l.lengths
    from (
      select p.term, sum(p.chunks) as chunks, app.concatenate(p.numbers) as numbers, app.concatenate(p.frequencies) as frequencies,
        app.concatenate(p.lengths) as lengths
      from app.word_postings p where p.segment = any (v_segments) group by p.term
    ) p,
    lateral (
      select p.numbers, p.frequencies, p.lengths where v_gone is null
      union all
      select coalesce(pg_catalog.array_agg(u.number), '{}'), coalesce(pg_catalog.array_agg(u.frequency), '{}'),
        coalesce(pg_catalog.array_agg(u.length), '{}')
      from unnest(p.numbers, p.frequencies, p.lengths) as u (number, frequency, length)
      where u.number not in (select g.number from pg_catalog.unnest(v_gone) as g (number))
      having v_gone is not null
    ) l
    where p.chunks <> 0 or l.numbers <> '{}';
    perform app.forget_segments(v_segments);
  end loop;
end $$;
comment on function app.merge_segments(text, text, text) is
  'Makes one segment of 16 or more of about the same size. Every chunk is merged three times at most, and once more where most of its '
  'segment is gone.';

-- What the tables with chunks have for it.

alter table public.embeddings add column if not exists words tsvector
  generated always as (app.words_of_chunk(title, content, language)) stored;
comment on column public.embeddings.words is 'Generated: the stemmed words of title and content, which the word index holds.';

create or replace function app.renumber_chunk() returns trigger
  language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  new.chunk_number := (pg_catalog.random() * 9007199254740991)::bigint;
  return new;
end $$;
comment on function app.renumber_chunk() is
  'Trigger: with other words a chunk is another one to the word index, and the index lists the old one no more.';

--   1. What is new is indexed.
--   2. Of an owner without any document no word is kept. Either all segments go or none: one that somebody else is merging comes
--      back with the words of the others, and these have to be counted out then.
--   3. What is gone is counted out.
create or replace function app.index_document_words() returns trigger
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_forgotten bigint[];
begin
  -- 1.
  if tg_op = 'INSERT' then
    perform app.add_segments(p_collection => 'documents', p_users => pg_catalog.array_agg(c.user_id),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => 1)
    from new_chunks c having count(*) > 0;
  elsif tg_op = 'UPDATE' then
    perform app.add_segments(p_collection => 'documents', p_users => pg_catalog.array_agg(c.user_id),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => 1)
    from new_chunks c where c.chunk_number not in (select o.chunk_number from old_chunks o) having count(*) > 0;
    perform app.add_segments(p_collection => 'documents', p_users => pg_catalog.array_agg(c.user_id),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => -1)
    from old_chunks c where c.chunk_number not in (select n.chunk_number from new_chunks n) having count(*) > 0;
  elsif tg_op = 'DELETE' then
    -- 2.
    with emptied as materialized (
      select s.segment, s.user_id from app.word_segments s
      where s.collection = 'documents' and s.user_id in (select c.user_id from old_chunks c)
        and not exists (select from public.embeddings e where e.user_id = s.user_id)
    ), free as materialized (
      select s.segment from app.word_segments s where s.segment in (select e.segment from emptied e) for update skip locked
    )
    select pg_catalog.array_agg(e.segment) into v_forgotten
    from emptied e
    where not exists (
      select from emptied o where o.user_id = e.user_id and o.segment not in (select f.segment from free f));
    perform app.forget_segments(v_forgotten);
    -- 3.
    perform app.add_segments(p_collection => 'documents', p_users => pg_catalog.array_agg(c.user_id),
      p_stemmers => pg_catalog.array_agg(app.stemmer(c.language)), p_numbers => pg_catalog.array_agg(c.chunk_number),
      p_words => pg_catalog.array_agg(c.words), p_sign => -1)
    from old_chunks c
    where c.user_id is null
      or exists (select from app.word_segments s where s.collection = 'documents' and s.user_id = c.user_id)
    having count(*) > 0;
  else
    perform app.forget_segments(array(select s.segment from app.word_segments s where s.collection = 'documents'));
  end if;
  return null;
end $$;
comment on function app.index_document_words() is 'Trigger, once for each statement on embeddings: brings the word index up to it.';

create or replace trigger _10_renumber_chunk before update on public.embeddings
  for each row when (old.title is distinct from new.title or old.content is distinct from new.content
    or old.language is distinct from new.language or old.user_id is distinct from new.user_id)
  execute function app.renumber_chunk();
create or replace trigger _50_index_new_words after insert on public.embeddings
  referencing new table as new_chunks for each statement execute function app.index_document_words();
create or replace trigger _50_index_changed_words after update on public.embeddings
  referencing old table as old_chunks new table as new_chunks for each statement execute function app.index_document_words();
create or replace trigger _50_count_out_words after delete on public.embeddings
  referencing old table as old_chunks for each statement execute function app.index_document_words();
create or replace trigger _50_forget_words after truncate on public.embeddings
  for each statement execute function app.index_document_words();

-- Who may do what.
do $$
begin
  -- An adopted or older table has chunks that no trigger saw.
  if not exists (select from app.word_segments where collection = 'documents') then
    perform app.add_segments(p_collection => 'documents', p_users => array_agg(e.user_id),
      p_stemmers => array_agg(app.stemmer(e.language)), p_numbers => array_agg(e.chunk_number),
      p_words => array_agg(e.words), p_sign => 1)
    from public.embeddings e having count(*) > 0;
  end if;
end $$;
select app.own_tables('app.word_segments', 'app.word_postings');
select app.give_to('parley_owner', 'app.index_document_words()');
grant select on app.word_segments, app.word_postings to parley_definer;
grant execute on function app.stemmer(text), app.own_letters(text), app.fold_marks(text, text), app.parted(text, text),
  app.lower_case(text),
  app.words_of(text, text)
  to authenticated, service_role, parley_definer, parley_owner;
grant execute on function app.fold_marks(tsquery, text), app.phrase_query(text[], text[], text),
  app.stemmers(), app.phrase_queries(text[], text[]) to parley_definer;
grant execute on function app.marked(text, text, text) to authenticated, service_role, parley_definer;
grant execute on function app.words_of_chunk(text, text, text) to authenticated, service_role, parley_owner;
grant execute on function app.renumber_chunk() to authenticated, service_role;
grant execute on function app.frequency(smallint[], text[]), app.add_segments(text, text[], text[], bigint[], tsvector[], integer),
  app.merge_segments(text, text, text), app.is_mostly_gone(bigint[]),
  app.forget_segments(bigint[]), app.concatenate(anycompatiblearray) to parley_owner;
revoke all on all functions in schema app from public;
