-- Undoes 68_interactions.sql; an adopted table stays.
drop function if exists app.bound_free_writes(text, uuid[], integer, boolean);
drop function if exists app.recommend_items(text, text, integer);
drop function if exists app.recommend_similar_content(text, text, integer);
drop function if exists app.interest_left(interval);
drop function if exists app.interaction_weight(text);
do $$
begin
  if to_regclass('public.user_interactions') is not null then
    alter table public.user_interactions alter column organization_id drop default;
  end if;
end $$;
select app.drop_table_unless_adopted('public', 'user_interactions');
