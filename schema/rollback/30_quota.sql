-- Undoes 30_quota.sql; an adopted user_ai_settings stays, with the columns it got.
drop trigger if exists _20_updated_at on public.user_ai_settings;
select app.drop_table_unless_adopted('app', 'ai_requests');
select app.drop_table_unless_adopted('app', 'anonymous_usage');
do $$
begin
  if to_regclass('public.user_ai_settings') is not null then
    alter table public.user_ai_settings alter column last_reset_date drop default;
  end if;
end $$;
select app.drop_table_unless_adopted('public', 'user_ai_settings');
drop function if exists app.monthly_count_as_of(bigint, date, date);
drop function if exists app.daily_count_as_of(bigint, date, date);
drop function if exists app.today();
drop function if exists app.time_zone();
select app.drop_table_unless_adopted('app', 'ai_tiers');
select app.drop_table_unless_adopted('app', 'settings');
