-- 72 question generations: the questions that were generated for a user, so that an interview can be made of them and the
-- next ones are others.

create table if not exists app.question_generations (
  id          text primary key,
  user_id     text not null references public."user" (id) on delete cascade,
  questions   jsonb not null,
  description text not null,
  role        text,
  experience_level text,
  category    text not null,
  language    text not null,
  created_at  timestamptz not null
);
create index if not exists idx_question_generations_user_id on app.question_generations (user_id, created_at desc);
alter table app.question_generations enable row level security;
revoke all on app.question_generations from public, anon, authenticated, service_role;
comment on table app.question_generations is 'What /api/generate-interview-questions gave signed-in users; it goes with its user.';
comment on column app.question_generations.id is 'The id of the request, and of its answer.';
comment on column app.question_generations.questions is 'The answer''s questions, as interview_sessions.questions holds them.';

create or replace function app.record_question_generation(p_user_id text, p_generation jsonb) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  -- Whoever was deleted meanwhile stays deleted.
  insert into app.question_generations
    (id, user_id, questions, description, role, experience_level, category, language, created_at)
  select g.id, u.id, g.questions, g.description, g.role, g.experience_level, g.category, g.language, app.now()
  from pg_catalog.jsonb_to_record(p_generation) as g (
    id text, questions jsonb, description text, role text, experience_level text, category text, language text)
  join public."user" u on u.id = p_user_id
  on conflict (id) do nothing;
end $$;
comment on function app.record_question_generation(text, jsonb) is
  'Keeps a user''s generated questions, once by id. Raises 42501 for another''s user id.';

create or replace function app.questions_asked_before(p_user_id text, p_limit integer) returns text[]
  language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  return array(
    select d.question
    from (
      select distinct on (a.question) a.*
      from (
        select q.value ->> 'question' as question, g.created_at as asked_at, q.position
        from (
          select * from app.question_generations where user_id = p_user_id order by created_at desc limit p_limit
        ) g, lateral pg_catalog.jsonb_array_elements(g.questions) with ordinality as q (value, position)
        union all
        select r.content, r."timestamp", r.sequence_number
        from (
          select id from public.interview_sessions where user_id = p_user_id order by created_at desc limit p_limit
        ) s
        join public.interview_responses r on r.interview_id = s.id and r.stage = 'question'
      ) a
      where a.question is not null
      order by a.question, a.asked_at desc, a.position desc
    ) d
    order by d.asked_at desc, d.position desc limit p_limit);
end $$;
comment on function app.questions_asked_before(text, integer) is
  'What a user was asked last, generated or in an interview, the newest first. Raises 42501 for another''s user id.';

drop policy if exists "Users can view their own generations" on app.question_generations;
create policy "Users can view their own generations" on app.question_generations for select to authenticated
  using (user_id = (select app.user_id()));
drop policy if exists "Generations are kept for the caller" on app.question_generations;
create policy "Generations are kept for the caller" on app.question_generations for all to parley_definer
  using (user_id = (select app.user_id()) or (select app.is_service()))
  with check (user_id = (select app.user_id()) or (select app.is_service()));

select app.give_to('parley_definer',
  'app.record_question_generation(text, jsonb)', 'app.questions_asked_before(text, integer)');
grant select on app.question_generations to authenticated;
grant select, insert on app.question_generations to parley_definer;
grant execute on function app.record_question_generation(text, jsonb), app.questions_asked_before(text, integer)
  to parley_app, parley_service;
alter table app.question_generations force row level security;
revoke all on all functions in schema app from public;
