-- Undoes 97_export.sql.
drop function if exists app.export_user(text, text, text, integer);
drop function if exists app.personal_records(text, text, text, integer);
drop policy if exists "An export reads what is archived of its user" on app.usage_archive;
