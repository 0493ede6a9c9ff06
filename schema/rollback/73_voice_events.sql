-- Undoes 73_voice_events.sql; the column goes with its table, or stays with an adopted one.
drop policy if exists "Acoustics are kept for the caller" on public.voice_analytics;
drop function if exists app.record_acoustics(text, uuid, numeric, numeric, jsonb);
drop function if exists app.finish_call_deletion(text, timestamptz, boolean);
drop function if exists app.due_call_deletions(integer);
drop function if exists app.overdue_voice_calls(integer);
drop function if exists app.overdue_voice_events(integer);
drop function if exists app.apply_voice_event(bigint, jsonb);
drop function if exists app.has_call_report(text);
drop function if exists app.apply_voice_call(text, jsonb);
drop function if exists app.note_call_without_interview(text, uuid, boolean);
drop function if exists app.apply_to_interview(public.interview_sessions, jsonb);
drop function if exists app.interview_of_call(text, uuid);
drop function if exists app.apply_call_report(public.interview_sessions, jsonb);
drop function if exists app.write_spoken_turns(uuid, text, jsonb);
drop function if exists app.spoken_words(uuid);
drop function if exists app.fail_voice_event(bigint, text);
drop function if exists app.voice_event(bigint);
drop function if exists app.receive_voice_event(text, text, text, text);
