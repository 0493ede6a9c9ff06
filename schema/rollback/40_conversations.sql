-- Undoes 40_conversations.sql; an adopted table stays, with the columns it got. S4's own rollback may have come first.
do $$
begin
  if to_regclass('public.ai_conversations') is not null then
    drop trigger if exists _20_updated_at on public.ai_conversations;
    drop trigger if exists _10_aliases on public.ai_conversations;
  end if;
end $$;
select app.drop_table_unless_adopted('public', 'ai_conversations');
do $$
begin
  drop function if exists public.update_ai_conversations_updated_at();
exception when dependent_objects_still_exist then
  raise notice 'left function update_ai_conversations_updated_at(): triggers of other tables use it';
end $$;
drop function if exists app.fill_conversation_aliases();
