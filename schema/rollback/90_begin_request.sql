-- Undoes 90_begin_request.sql.
drop function if exists app.begin_request(jsonb, jsonb);
drop function if exists app.admit_retrieval(jsonb);
drop function if exists app.admit_call(jsonb, jsonb);
drop function if exists app.hold_request(jsonb, app.ai_requests, boolean, bigint);
drop function if exists app.find_earlier_request(jsonb);
drop function if exists app.effective_provider(jsonb, text);
drop function if exists app.remember_free_answer(jsonb, app.ai_requests, jsonb);
drop function if exists app.choose_provider(jsonb, text, text[], text[]);
drop function if exists app.conversation_tail(jsonb, integer);
