-- Undoes 91_finish_request.sql.
drop function if exists app.record_offline_call(jsonb, jsonb);
drop function if exists app.count_unit_beyond_limit(date);
drop function if exists app.finish_request(jsonb, jsonb);
drop function if exists app.append_messages(jsonb, jsonb);
drop function if exists app.record_calls(text, text, text, jsonb, timestamptz, date, boolean);
