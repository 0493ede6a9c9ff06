-- Undoes 55_usage_reports.sql.
drop view if exists app.index_usage;
drop view if exists app.table_sizes;
drop function if exists app.provider_health();
drop function if exists public.get_usage_stats(text, timestamptz, timestamptz);
drop function if exists app.my_usage_between(date, date);
drop function if exists app.usage_between(date, date);
drop function if exists app.roll_up_usage(integer);
drop function if exists app.drop_archived_usage(interval);
drop function if exists app.archive_usage(interval);
drop function if exists app.ensure_usage_partitions(timestamptz, integer);
drop function if exists app.lock_ledger();
