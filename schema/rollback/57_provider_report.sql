-- Undoes 57_provider_report.sql.
drop function if exists app.provider_report(jsonb, date, date, boolean);
