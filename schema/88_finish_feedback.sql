-- 88 finish feedback: the feedback's row, the interview's score and everything that it earns, in one transaction.

-- It runs beside app.finish_request, whose ledger entries are then there exactly when the feedback is. Sent twice, because
-- the first answer was lost, it changes nothing.
--   1. The user's deletion waits, or was first.
--   2. Whoever lost the lease writes nothing; who has written already is done, also where more was asked for since.
--   3. The next version.
--   4. What the interview shows of it.
--   5. What it earns beside its completion: once an interview, on the same day.
create or replace function app.finish_feedback(p_user_id text, p_interview_id uuid, p_fence integer, p_feedback jsonb) returns void
  language plpgsql volatile security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_session public.interview_sessions;
  v_feedback_id uuid;
begin
  -- 1.
  perform app.require_caller(p_user_id);
  if not app.provision() then
    raise exception 'the user was deleted' using errcode = 'P0002';
  end if;
  -- 2.
  select * into v_session from public.interview_sessions where id = p_interview_id and user_id = p_user_id for update;
  if not found then
    raise exception 'no such interview' using errcode = 'P0002';
  elsif v_session.feedback_fence = p_fence
    and (v_session.feedback_status = 'ready' or v_session.feedback_status = 'pending' and v_session.feedback_lease_until is null) then
    return;
  elsif v_session.feedback_fence <> p_fence or v_session.feedback_status <> 'pending' then
    raise exception 'another worker has taken this feedback over' using errcode = '55000';
  end if;
  -- 3.
  insert into public.interview_feedback
    (interview_id, user_id, version, overall_score, hiring_recommendation, scores, questions, strengths, improvements,
     recommendations, detailed_feedback, coverage, agreement, samples, evidence_rejected, fully_evidenced, is_verified,
     duration_seconds, rule_version, prompt_version, rubric_version, provider, model)
  select p_interview_id, p_user_id,
    1 + coalesce((select max(f.version) from public.interview_feedback f where f.interview_id = p_interview_id), 0),
    n.overall_score, n.hiring_recommendation, n.scores, n.questions, n.strengths, n.improvements, n.recommendations,
    n.detailed_feedback, n.coverage, n.agreement, n.samples, n.evidence_rejected, n.fully_evidenced, n.is_verified,
    (v_session.duration_minutes * 60)::integer, n.rule_version, n.prompt_version,
    n.rubric_version, n.provider, n.model
  from pg_catalog.jsonb_populate_record(null::public.interview_feedback, p_feedback) n
  returning id into v_feedback_id;
  -- 4.
  update public.interview_sessions s
  set feedback_status = 'ready', feedback_lease_until = null, feedback_id = v_feedback_id, overall_score = f.overall_score
  from public.interview_feedback f
  where s.id = p_interview_id and f.id = v_feedback_id;
  -- 5.
  perform app.record_activity(p_user_id, 'interview', p_interview_id);
end $$;
comment on function app.finish_feedback(text, uuid, integer, jsonb) is
  'Writes the feedback that app.begin_feedback gave the fence for (p_feedback has the columns of interview_feedback), and what the '
  'interview earns by it. Again with the same fence: nothing. Raises 55000 where another worker has taken over, P0002 where the '
  'interview or its user is gone, 42501 for another''s user id.';

drop policy if exists "Feedback is written for the caller or the service" on public.interview_feedback;
create policy "Feedback is written for the caller or the service" on public.interview_feedback for insert to parley_definer
  with check (user_id = (select app.user_id()) or (select app.is_service()));
select app.give_to('parley_definer', 'app.finish_feedback(text, uuid, integer, jsonb)');
grant insert (interview_id, user_id, version, overall_score, hiring_recommendation, scores, questions, strengths, improvements,
    recommendations, detailed_feedback, coverage, agreement, samples, evidence_rejected, fully_evidenced, is_verified,
    duration_seconds, rule_version, prompt_version, rubric_version, provider, model)
  on public.interview_feedback to parley_definer;
grant execute on function app.finish_feedback(text, uuid, integer, jsonb) to parley_service;
revoke all on all functions in schema app from public;
