-- Undoes 50_usage.sql. An adopted ledger returns under its own name, with the rows it had when it was adopted.
-- S3's own rollback (drop table ai_usage cascade) may have come first.
select app.drop_table_unless_adopted('app', 'rolled_up_days');
select app.drop_table_unless_adopted('app', 'usage_by_day');
select app.drop_table_unless_adopted('public', 'user_ai_usage');
drop table if exists public.ai_usage;
drop function if exists app.fill_usage_aliases();
drop table if exists app.usage_archive;
do $$
declare
  v_name text;
begin
  foreach v_name in array array['ai_usage', 'ai_usage_logs'] loop
    if to_regclass('app.adopted_' || v_name) is not null then
      execute format('alter table app.%I rename to %I', 'adopted_' || v_name, v_name);
      execute format('alter table app.%I set schema public', v_name);
      execute format('comment on table public.%I is %L', v_name, 'Left by Parley, which had adopted it.');
      raise notice 'left table public.%: it was there before the first migration (with the rows of that time)', v_name;
    end if;
  end loop;
end $$;
