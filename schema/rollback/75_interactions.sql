-- Undoes 75_interactions.sql; an adopted table stays.
drop function if exists app.recommend_items(text, text, integer);
drop function if exists app.interaction_weight(text);
select app.drop_table_unless_adopted('public', 'user_interactions');
