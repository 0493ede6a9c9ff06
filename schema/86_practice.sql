-- 86 practice: a single question answered outside an interview, graded and paid in the transaction that settles its request.

create or replace function app.record_practice(p_user_id text, p_attempt jsonb) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
begin
  perform app.require_caller(p_user_id);
  if not app.provision() then
    raise exception 'the user was deleted' using errcode = 'P0002';
  end if;
  insert into public.practice_attempts
    (id, user_id, organization_id, skill, question, answer, difficulty, language, score, feedback, created_at)
  select n.id, p_user_id, app.organization_id(), n.skill, n.question, n.answer, n.difficulty, n.language, n.score, n.feedback,
    app.now()
  from pg_catalog.jsonb_populate_record(null::public.practice_attempts, p_attempt) n
  on conflict (id) do nothing;
  if found then
    perform app.record_activity(p_user_id, 'practice', (p_attempt ->> 'id')::uuid);
  end if;
end $$;
comment on function app.record_practice(text, jsonb) is
  'Keeps a graded attempt (p_attempt has the columns of practice_attempts) and what it earns, once by its id. Raises P0002 where the user '
  'was deleted, 42501 for another''s user id.';

drop policy if exists "Practice is written for the caller" on public.practice_attempts;
create policy "Practice is written for the caller" on public.practice_attempts for insert to parley_definer
  with check (user_id = (select app.user_id()));
select app.give_to('parley_definer', 'app.record_practice(text, jsonb)');
grant insert (id, user_id, organization_id, skill, question, answer, difficulty, language, score, feedback, created_at)
  on public.practice_attempts to parley_definer;
grant execute on function app.record_practice(text, jsonb) to parley_app;
revoke all on all functions in schema app from public;
