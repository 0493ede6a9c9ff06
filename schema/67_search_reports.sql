-- 67 search reports: what became of searches, by type.

create or replace function app.searches_between(p_from date, p_to date)
  returns table (type text, searches bigint, found bigint, selected bigint, click_through double precision)
  language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
  return query
    select s.content_type, count(*), count(*) filter (where s.results_count > 0), count(s.selected_content_id),
      count(s.selected_content_id)::double precision / count(*)
    from public.ai_content_searches s
    where s.created_at >= p_from::timestamp at time zone app.time_zone()
      and s.created_at < (p_to + 1)::timestamp at time zone app.time_zone()
    group by s.content_type
    order by s.content_type;
end $$;
comment on function app.searches_between(date, date) is
  'The searches of these days that row-level security shows (a user''s own, everybody''s to the service), by what was looked '
  'for: how many, how many found something, and from how many something was chosen.';

grant execute on function app.searches_between(date, date) to authenticated, service_role;
revoke all on all functions in schema app from public;
