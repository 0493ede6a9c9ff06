-- Undoes 65_content.sql; an adopted log of searches stays.
drop function if exists app.record_selection(text, uuid, text);
drop function if exists app.record_search(uuid, text, text, text, jsonb, integer, integer);
drop function if exists app.nearest_content(vector, text, app.search_conditions, integer);
select app.drop_table_unless_adopted('public', 'ai_content_searches');
drop view if exists app.searchable_content;
drop trigger if exists _20_updated_at on public.content_items;
select app.drop_table_unless_adopted('public', 'content_items');
drop function if exists app.index_content_words();
