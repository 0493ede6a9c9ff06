-- Undoes 66_search.sql.
drop function if exists app.search(
  text, text, text[], text, vector, text, integer, double precision, jsonb, jsonpath, text[], text[], text[]);
drop function if exists app.find_by_both(text, text, vector, text, double precision, app.search_conditions, integer);
drop function if exists app.find_by_meaning(text, vector, text, double precision, app.search_conditions, integer);
drop function if exists app.find_by_words(text, text, app.search_conditions, integer);
drop function if exists app.chunks_that_meet(text, app.search_conditions);
drop function if exists app.rank_by_words(text, text[], text, integer, bigint[]);
drop view if exists app.searchable_chunks;
drop type if exists app.found_chunk;
alter table if exists app.settings drop column if exists search_word_weight;
