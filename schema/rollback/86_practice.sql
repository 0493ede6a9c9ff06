-- Undoes 86_practice.sql.
drop function if exists app.record_practice(text, jsonb);
drop policy if exists "Practice is written for the caller" on public.practice_attempts;
