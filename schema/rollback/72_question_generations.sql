-- Undoes 72_question_generations.sql.
drop function if exists app.questions_asked_before(text, integer);
drop function if exists app.record_question_generation(text, jsonb);
select app.drop_table_unless_adopted('app', 'question_generations');
