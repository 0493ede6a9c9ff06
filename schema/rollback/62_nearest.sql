-- Undoes 62_nearest.sql.
drop function if exists app.nearest_embeddings(text, vector, text, app.search_conditions, integer);
drop function if exists app.tune_vector_scan(integer);
drop view if exists app.public_embeddings;
drop function if exists app.meets_conditions(jsonb, text, tsvector, app.search_conditions);
drop function if exists app.matches(jsonb, jsonpath);
drop function if exists app.times_in_full(jsonb);
drop type if exists app.search_conditions;
