-- Undoes 45_cache.sql; adopted tables stay, with the columns they got. S4's own rollback may have come first.
do $$
begin
  if to_regclass('public.ai_response_cache') is not null then
    drop trigger if exists _10_aliases on public.ai_response_cache;
  end if;
  if to_regclass('public.ai_precomputed_responses') is not null then
    drop trigger if exists _20_updated_at on public.ai_precomputed_responses;
    alter table public.ai_precomputed_responses drop column if exists expression;
  end if;
end $$;
drop function if exists app.match_precomputed_response(text);
select app.drop_table_unless_adopted('public', 'ai_precomputed_responses');
drop function if exists app.pattern_expression(text);
drop function if exists app.normalise_message(text);
drop function if exists public.clean_expired_ai_cache();
drop function if exists app.delete_expired_answers(integer);
drop function if exists app.store_answer(jsonb);
drop function if exists app.find_semantic_answer(jsonb, jsonb, vector);
drop function if exists app.find_cached_answer(text, text, text, text);
select app.drop_table_unless_adopted('app', 'cache_fills');
select app.drop_table_unless_adopted('public', 'ai_response_cache');
drop function if exists app.fill_cached_answer_aliases();
drop function if exists app.cache_tenant(text);
