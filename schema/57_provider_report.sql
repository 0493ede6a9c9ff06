-- 57 provider report: how the providers did for a caller, from the ledger (latency, tokens, cost) and from the request
-- rows' attempts (success). Request rows are kept for sixteen days, so success is known for those only.

--   1. What was measured: the ledger's calls, which are the ones that answered.
--   2. What was tried: the attempts of the caller's own requests, the last one and those before it.
create or replace function app.provider_report(p_claims jsonb, p_from date, p_to date, p_organization boolean)
  returns jsonb language plpgsql stable security definer set search_path = pg_catalog, pg_temp
as $$
declare
  v_from timestamptz;
  v_until timestamptz;
begin
  perform pg_catalog.set_config('request.jwt.claims', p_claims::text, true);
  if p_organization and not app.is_organization_admin() then
    raise exception 'only an organization''s admin may see its usage' using errcode = '42501';
  end if;
  v_from := p_from::timestamp at time zone app.time_zone();
  v_until := (p_to + 1)::timestamp at time zone app.time_zone();
  return (
    -- 1.
    with measured as (
      select u.provider, pg_catalog.count(*) as calls, coalesce(pg_catalog.sum(u.tokens_total), 0) as tokens,
        pg_catalog.sum(u.cost) as cost, pg_catalog.count(*) - pg_catalog.count(u.cost) as unpriced_calls,
        percentile_disc(0.5) within group (order by u.latency_ms) as p50_ms,
        percentile_disc(0.95) within group (order by u.latency_ms) as p95_ms
      from public.ai_usage u
      where u.created_at >= v_from and u.created_at < v_until
        and case when p_organization then u.organization_id = app.organization_id() else u.user_id = app.user_id() end
      group by u.provider
    -- 2.
    ), requests as (
      select r.provider, r.provider_failed, r.earlier_attempts
      from app.ai_requests r
      where not p_organization and r.caller_key = app.caller_key()
        and r.finished_at >= v_from and r.finished_at < v_until
    ), tried as (
      select a.provider, pg_catalog.count(*) as attempts, pg_catalog.count(*) filter (where a.ok) as succeeded
      from (
        select r.provider, not r.provider_failed as ok from requests r where r.provider is not null
        union all
        select e.provider, e.ok
        from requests r
        cross join lateral pg_catalog.jsonb_to_recordset(r.earlier_attempts) as e (provider text, ok boolean)
      ) a
      group by a.provider
    )
    select coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
      'provider', provider, 'calls', coalesce(m.calls, 0), 'tokens', coalesce(m.tokens, 0),
      'cost_usd', coalesce(m.cost, 0)::text, 'unpriced_calls', coalesce(m.unpriced_calls, 0), 'p50_ms', m.p50_ms, 'p95_ms', m.p95_ms,
      'attempts', t.attempts, 'succeeded', t.succeeded) order by provider), '[]')
    from measured m full join tried t using (provider));
end $$;
comment on function app.provider_report(jsonb, date, date, boolean) is
  'By provider: calls, tokens, cost, latency percentiles, and how many attempts succeeded (the caller''s own, of the last sixteen days; null for the organization). Raises 42501 for an organization without its admin.';

select app.give_to('parley_definer', 'app.provider_report(jsonb, date, date, boolean)');
grant execute on function app.provider_report(jsonb, date, date, boolean) to parley_app;
revoke all on all functions in schema app from public;
