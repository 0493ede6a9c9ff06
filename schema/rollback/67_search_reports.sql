-- Undoes 67_search_reports.sql.
drop function if exists app.searches_between(date, date);
