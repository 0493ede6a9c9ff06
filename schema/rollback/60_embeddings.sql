-- Undoes 60_embeddings.sql. An adopted table stays with its data and the columns that were added; its embeddings are moved
-- back to the default storage.
drop function if exists app.tenant_index_statements(integer, integer);
drop function if exists public.clear_all_embeddings();
drop function if exists public.delete_by_metadata(jsonb);
drop function if exists public.match_embeddings(vector, double precision, integer, jsonb, jsonb);
drop function if exists app.search_limit(integer);
drop function if exists app.tenant_index_name(text);
drop function if exists app.bit_distance(bit, vector);
drop function if exists app.indexed_distance(vector, vector);
drop function if exists app.cosine_distance(vector, vector);
drop function if exists app.pad_embedding(vector);
drop trigger if exists _20_updated_at on public.embeddings;
alter table if exists public.embeddings alter column embedding set storage external;
alter table if exists public.embeddings reset (toast_tuple_target);
select app.drop_table_unless_adopted('public', 'embeddings');
do $$
begin
  drop function if exists public.update_updated_at();
exception when dependent_objects_still_exist then
  raise notice 'left function update_updated_at(): triggers of other tables use it';
end $$;
