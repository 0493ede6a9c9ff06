-- Undoes 88_finish_feedback.sql.
drop function if exists app.finish_feedback(text, uuid, integer, jsonb);
