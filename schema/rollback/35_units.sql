-- Undoes 35_units.sql.
drop trigger if exists _30_mirror_update on public.user_ai_settings;
drop trigger if exists _30_mirror_insert on public.user_ai_settings;
drop trigger if exists _30_mirror on public.ai_provider_preferences;
drop function if exists app.mirror_settings();
drop function if exists app.mirror_preference();
drop function if exists public.reset_monthly_ai_usage();
drop function if exists public.reset_daily_ai_usage();
drop function if exists app.bring_counters_to_today();
drop function if exists app.sweep_requests(integer);
drop function if exists app.reserve_unit(text, text, integer, boolean, text, text, bigint);
drop function if exists app.count_embedding_tokens(bigint, boolean);
drop function if exists app.count_unit();
drop function if exists app.tier_takes_units(text);
drop function if exists app.release_expired(text, integer);
drop function if exists app.return_to_quota(text, text, date, integer, bigint);
drop function if exists app.read_quota(jsonb);
drop function if exists app.quota();
